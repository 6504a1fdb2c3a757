import type { JwsSigner } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import { StartUpError } from '../base/start-up-error.ts';
import type { OwnSigningKey, PublicSigningJwk } from './signing-key.ts';

/** A signing key of ours that was used at some time, as the store keeps it. */
export interface KeptSigningKey {
  readonly publicJwk: PublicSigningJwk;
  /** Undefined: the current one. */
  readonly retiredAtMs: number | undefined;
}

export interface SigningKeysOptions {
  /** Reads the key file and the kid anew. @throws {StartUpError} when they are not good */
  readonly load: () => Promise<OwnSigningKey>;
  /** Keeps, durably, that this key signs from now on and the one before it is retired. */
  readonly remember: (publicJwk: PublicSigningJwk, nowMs: number) => Promise<void>;
  /** Every key that ever signed, the current one first, then the one that was retired last. */
  readonly kept: () => Promise<readonly KeptSigningKey[]>;
  /** When the oldest awaiting notification was published; undefined when none is awaiting. */
  readonly oldestAwaitingAtMs: () => Promise<number | undefined>;
  /** How long a former key stays in the JWKS at least. */
  readonly formerKeysKeptMs: number;
  readonly clock: Pick<Clock, 'nowMs'>;
}

/** Our own signing keys: the one that signs, and those whose signatures may still be verified. */
export interface SigningKeys {
  /** The signer of now, which never changes. Take it anew for every signature. */
  current(): JwsSigner;
  /**
   * For code that holds a signer: always the key of now. `kid` and `sign` must be used in one turn of the event loop,
   * as `signCompact` and `signDetached` do, or a rotation could come between them.
   */
  readonly signer: JwsSigner;
  /**
   * Rotates: loads the key anew, keeps it in the store, then signs with it. When anything fails, the old one stays in
   * use. Calls at the same time run one after the other.
   *
   * @returns the kid in use, and whether it is another one than before
   * @throws {StartUpError} when the new key is not good, or its kid was another key's
   */
  reload(): Promise<{ readonly kid: string; readonly changed: boolean }>;
  /** What the JWKS holds, the current key first. Public members only. */
  publicJwks(): Promise<readonly PublicSigningJwk[]>;
}

/** Verifiers refuse a JWKS of more keys (`importSigningKeys`). */
const KEYS_PUBLISHED_MAX = 100;
/** What was being signed while the key was retired counts as signed before. */
const UNDER_WAY_MS = 60_000;

/**
 * Loads the current key, keeps it in the store, and gives the keys out (rules, section 8): a former key stays in the
 * JWKS for `formerKeysKeptMs`, and beyond that while a notification is awaiting that may have been signed with it.
 *
 * @throws {StartUpError} when the key is not good, or its kid was another key's
 */
export async function createSigningKeys(options: SigningKeysOptions): Promise<SigningKeys> {
  let key = await loadAndRemember(options);
  let reloading: Promise<unknown> = Promise.resolve();

  async function rotate(): Promise<{ kid: string; changed: boolean }> {
    const next = await loadAndRemember(options);
    const changed = next.publicJwk.kid !== key.publicJwk.kid;
    key = next;
    return { kid: next.publicJwk.kid, changed };
  }

  return {
    current: () => key.signer,
    signer: {
      get kid() {
        return key.signer.kid;
      },
      get iss() {
        return key.signer.iss;
      },
      get tan() {
        return key.signer.tan;
      },
      sign: (signingInput) => key.signer.sign(signingInput),
    },
    reload: () => {
      const reloaded = reloading.then(rotate);
      reloading = reloaded.catch(() => undefined);
      return reloaded;
    },
    publicJwks: async () => {
      const { publicJwk } = key;
      const [kept, oldestAwaitingAtMs] = await Promise.all([options.kept(), options.oldestAwaitingAtMs()]);
      const former = kept.filter((each) => each.publicJwk.kid !== publicJwk.kid);
      const live = former.filter(({ retiredAtMs }) => mayBeLive(retiredAtMs, oldestAwaitingAtMs, options));
      return [publicJwk, ...live.map((each) => each.publicJwk)].slice(0, KEYS_PUBLISHED_MAX);
    },
  };
}

/** The store knows the key before it signs anything, so that no signature outlives the knowledge of its key. */
async function loadAndRemember({ load, kept, remember, clock }: SigningKeysOptions): Promise<OwnSigningKey> {
  const key = await load();
  const { kid } = key.publicJwk;
  const before = (await kept()).find(({ publicJwk }) => publicJwk.kid === kid);
  if (before !== undefined && !isSameKey(before.publicJwk, key.publicJwk)) {
    throw new StartUpError(
      `"signing.kid" (${kid}) was the kid of another key, whose signatures would no longer verify; give the new key a ` +
        'kid of its own.',
    );
  }
  await remember(key.publicJwk, clock.nowMs());
  return { ...key, signer: Object.freeze({ ...key.signer }) };
}

function isSameKey(one: PublicSigningJwk, other: PublicSigningJwk): boolean {
  return one['n'] === other['n'] && one['e'] === other['e'];
}

function mayBeLive(
  retiredAtMs: number | undefined,
  oldestAwaitingAtMs: number | undefined,
  { formerKeysKeptMs, clock }: SigningKeysOptions,
): boolean {
  if (retiredAtMs === undefined) return true;
  if (clock.nowMs() - retiredAtMs < formerKeysKeptMs) return true;
  return oldestAwaitingAtMs !== undefined && oldestAwaitingAtMs < retiredAtMs + UNDER_WAY_MS;
}
