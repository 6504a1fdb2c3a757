import { isJsonObject, keysOfJwks } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import { LruMap } from '../base/lru-map.ts';
import type { ClientCertificate } from './client-certificate.ts';
import { type DescribedCertificate, describeCertificate } from './psp-certificate.ts';

/** A certificate of a TPP, and what it is for. */
export interface TppCertificate extends DescribedCertificate {
  readonly clientId: string;
  readonly use: 'transport' | 'signing';
}

/** The certificate of a key in a JWKS. */
export interface KeyCertificate extends DescribedCertificate {
  readonly kid: string;
  /** That of the key; a JWKS holds keys for transport too. */
  readonly use: TppCertificate['use'];
}

/** A certificate with which a TPP has authenticated itself to this process. */
export interface PresentedCertificate extends DescribedCertificate {
  readonly lastSeenAtMs: number;
}

const CERTIFICATE_CHARS_MAX = 16_384;

/**
 * The certificates of the keys of a JWKS, the first of each `x5c` (RFC 7517 section 4.7), as their publisher states them: whether
 * they belong to the keys, and who issued them, is not verified. What is none is left out.
 *
 * @throws {JwksError} when the value is not a JWKS
 */
export function certificatesOfJwks(jwks: unknown): readonly KeyCertificate[] {
  return keysOfJwks(jwks).flatMap((key) => {
    if (!isJsonObject(key) || typeof key['kid'] !== 'string' || !Array.isArray(key['x5c'])) return [];
    const [first]: unknown[] = key['x5c'];
    if (typeof first !== 'string' || first.length > CERTIFICATE_CHARS_MAX) return [];
    const described = describeCertificate(Buffer.from(first, 'base64'));
    const use = key['use'] === 'sig' ? 'signing' : 'transport';
    return described === undefined ? [] : [{ ...described, kid: key['kid'], use }];
  });
}

const TPPS_MAX = 10_000;
/** A TPP has one at a time, and another while it renews it. */
const PER_TPP_MAX = 4;

/** The certificates with which TPPs have authenticated themselves to this process, the last ones of each. */
export class PresentedCertificates {
  readonly #clock: Pick<Clock, 'nowMs'>;
  /** By thumbprint, the one that was seen last at the end. */
  readonly #byTpp = new LruMap<string, Map<string, PresentedCertificate>>(TPPS_MAX);

  constructor(clock: Pick<Clock, 'nowMs'>) {
    this.#clock = clock;
  }

  /** To be called after each authentication. */
  note(clientId: string, { thumbprintS256, raw }: ClientCertificate): void {
    const known = this.#byTpp.get(clientId) ?? new Map<string, PresentedCertificate>();
    const described = known.get(thumbprintS256) ?? describeCertificate(raw);
    if (described === undefined) return;
    known.delete(thumbprintS256);
    known.set(thumbprintS256, { ...described, lastSeenAtMs: this.#clock.nowMs() });
    const [oldest] = known.keys();
    if (known.size > PER_TPP_MAX && oldest !== undefined) known.delete(oldest);
    this.#byTpp.set(clientId, known);
  }

  /** Those of one TPP, the one that was seen last first. */
  of(clientId: string): readonly PresentedCertificate[] {
    return [...(this.#byTpp.get(clientId)?.values() ?? [])].reverse();
  }

  /** Of each TPP the one that was seen last. */
  latest(): readonly TppCertificate[] {
    return this.#byTpp.entries().flatMap(([clientId, known]) => {
      const last = [...known.values()].at(-1);
      return last === undefined ? [] : [{ ...last, clientId, use: 'transport' as const }];
    });
  }
}
