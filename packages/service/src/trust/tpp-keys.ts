import {
  importSigningKeys,
  JwksError,
  type KeySource,
  type SigningKeySet,
  type VerificationKey,
} from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import { LruMap } from '../base/lru-map.ts';
import type { Tpp } from '../model/tpp.ts';
import type { HostGuard } from '../net/host-guard.ts';
import { createHttpsClient } from '../net/https-client.ts';
import {
  createJwksCache,
  JWKS_BYTES_MAX,
  type JwksCache,
  type JwksCacheState,
  type KeyAges,
  type OnFetchFailed,
} from './jwks-cache.ts';
import { certificatesOfJwks, type KeyCertificate, type TppCertificate } from './tpp-certificates.ts';

/** Where the keys of a TPP come from. */
type Source = Pick<Tpp, 'clientId' | 'jwks' | 'jwksUrl' | 'revokedJwksUrl'>;

/** The usable keys of a TPP, and the certificates that stand beside them in the JWKS (`x5c`). */
export interface TppKeySet extends SigningKeySet {
  readonly certificates: readonly KeyCertificate[];
}

/** The keys of a TPP that this process holds. */
export type HeldTppKeys =
  | { readonly from: 'inline'; readonly keys: TppKeySet }
  | ({ readonly from: 'url' } & JwksCacheState<TppKeySet>);

/** Gives the signing keys of registered TPPs. */
export interface TppKeys {
  /**
   * The keys of one TPP, and of nobody else. Fetches nothing: the source does, when it is asked for a key, and may then
   * reject with `JwksUnavailableError`.
   *
   * @throws {JwksError} when its JWKS is not one, or its URL is not https
   */
  keysOf(tpp: Source): Promise<KeySource>;
  /** The keys of one TPP that are held now. Fetches nothing. @throws {JwksError} when its inline JWKS is not one */
  heldOf(tpp: Source): Promise<HeldTppKeys>;
  /** Of each TPP whose keys are held, the certificate of a usable signing key that expires last. Fetches nothing. */
  signingCertificates(): readonly TppCertificate[];
  /** Aborts fetches under way. */
  close(): Promise<void>;
}

export interface TppKeysOptions extends KeyAges {
  /** Root certificates for JWKS URLs, PEM; undefined: those of Node.js. */
  readonly ca: string | undefined;
  /** Decides where JWKS URLs may lead. */
  readonly guard: HostGuard;
  readonly refetchMinMs: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Optional observer of failed fetches of keys. */
  readonly onFetchFailed?: OnFetchFailed | undefined;
}

const SOURCES_MAX = 10_000;

/**
 * Caches the keys of TPPs: the imported keys of each inline JWKS, since importing costs more than verifying, and one cache per
 * JWKS URL and list of revoked keys. An inline entry is valid as long as the TPP's JWKS is the same text. Beyond a limit the
 * least recently used entries are dropped. The URL is the registered one, never one from a signature. TPPs choose it all the
 * same, so the guard decides where it may lead.
 */
export function createTppKeys(options: TppKeysOptions): TppKeys {
  const { ca, guard, timeoutMs, clock } = options;
  const https = createHttpsClient({
    tls: { ca },
    guard,
    timeoutMs,
    responseBytesMax: JWKS_BYTES_MAX,
    clock,
    // Each URL has one fetch at a time, which limits them all. A limit by host would let TPPs wait for each other.
    connectionsPerOriginMax: SOURCES_MAX,
  });
  const inline = new LruMap<string, Inline>(SOURCES_MAX);
  const remote = new LruMap<string, Remote>(SOURCES_MAX);

  async function inlineKeys(clientId: string, jwks: unknown): Promise<TppKeySet> {
    const jwksText = JSON.stringify(jwks);
    const found = inline.get(clientId);
    if (found?.jwksText === jwksText) return found.keys;
    const keys = await importKeys(jwks);
    inline.set(clientId, { clientId, jwksText, keys });
    return keys;
  }

  function remoteKeys(clientId: string, url: string, revokedUrl: string | undefined): KeySource {
    const name = nameOf(url, revokedUrl);
    const found = remote.get(name);
    if (found !== undefined) return found.cache;
    const cache = createJwksCache({ ...options, url, revokedUrl, https, importKeys });
    remote.set(name, { clientId, cache });
    return cache;
  }

  return {
    keysOf: async ({ clientId, jwks, jwksUrl, revokedJwksUrl }) => {
      if (jwksUrl !== undefined) return remoteKeys(clientId, jwksUrl, revokedJwksUrl);
      if (jwks === undefined) throw new JwksError('The TPP has neither a JWKS nor a JWKS URL.');
      return await inlineKeys(clientId, jwks);
    },
    heldOf: async ({ clientId, jwks, jwksUrl, revokedJwksUrl }) => {
      if (jwksUrl === undefined) return { from: 'inline', keys: await inlineKeys(clientId, jwks) };
      const state = remote.get(nameOf(jwksUrl, revokedJwksUrl))?.cache.state();
      return { from: 'url', ...(state ?? { fetched: undefined, lastFailure: undefined }) };
    },
    signingCertificates: () => {
      const fetched = remote.values().map(({ clientId, cache }) => ({ clientId, keys: cache.state().fetched?.keys }));
      const usable = [...inline.values(), ...fetched].flatMap(({ clientId, keys }) => {
        const found = keys?.certificates.filter(({ kid }) => keys.kids.includes(kid)) ?? [];
        return found.map((certificate) => ({ ...certificate, clientId }));
      });
      // A TPP may have had another JWKS before.
      const lastOf = new Map(
        usable.toSorted((left, right) => left.notAfterMs - right.notAfterMs).map((each) => [each.clientId, each]),
      );
      return [...lastOf.values()];
    },
    close: () => https.close(),
  };
}

interface Inline {
  readonly clientId: string;
  readonly jwksText: string;
  readonly keys: TppKeySet;
}

interface Remote {
  /** The TPP that was first to need it. */
  readonly clientId: string;
  readonly cache: JwksCache<VerificationKey, TppKeySet>;
}

async function importKeys(jwks: unknown): Promise<TppKeySet> {
  return { ...(await importSigningKeys(jwks)), certificates: certificatesOfJwks(jwks) };
}

function nameOf(url: string, revokedUrl: string | undefined): string {
  return JSON.stringify([url, revokedUrl]);
}
