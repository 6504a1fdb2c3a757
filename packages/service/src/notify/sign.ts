import { type JwsSigner, type SetClaims, signSet } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import type { OfferedNotification } from '../model/notification.ts';
import type { Store, StoreError } from '../store/store.ts';
import type { Observer } from '../telemetry/observer.ts';
import type { SigningQueue } from '../trust/signing-queue.ts';
import { Batcher } from './batcher.ts';

/** Signs the claims of a notification, in turn. Rejects as the signer does. */
export type SignSet = (claims: SetClaims) => Promise<string>;

/** Signs SETs; see {@link createSetSigner}. */
export interface SetSigner {
  readonly forDelivery: SignSet;
  /** For a poll: nothing that is pushed waits for it. */
  readonly forPoll: SignSet;
  /** When it last made a signature, by the monotonic clock; infinitely long ago before the first. */
  readonly signedAtMs: () => number;
}

/**
 * Makes a signer of SETs. Who asks for a notification that is being signed gets that signature: `jti` names the claims.
 */
export function createSetSigner(options: {
  readonly signer: JwsSigner;
  /** Runs a signature when its turn comes. */
  readonly queue: Pick<SigningQueue, 'forDelivery' | 'forAnswer'>;
  readonly clock: Clock;
  /** Optional observer of each signature. */
  readonly observer?: Observer | undefined;
}): SetSigner {
  const { signer, queue, clock, observer } = options;
  const underWay = new Map<string, Promise<string>>();
  let signedAtMs = Number.NEGATIVE_INFINITY;
  const sign = (claims: SetClaims, inTurn: (work: () => Promise<string>) => Promise<string>) => {
    const same = underWay.get(claims.jti);
    if (same !== undefined) return same;
    const askedMs = clock.monotonicMs();
    const signing = inTurn(async () => {
      const beganMs = clock.monotonicMs();
      const signature = await signSet(claims, signer, Math.floor(clock.nowMs() / 1000));
      signedAtMs = clock.monotonicMs();
      const durationMs = signedAtMs - beganMs;
      observer?.record({ kind: 'signed', atMs: clock.nowMs(), waitedMs: beganMs - askedMs, durationMs });
      return signature;
    }).finally(() => underWay.delete(claims.jti));
    underWay.set(claims.jti, signing);
    return signing;
  };
  return {
    forDelivery: (claims) => sign(claims, (work) => queue.forDelivery(work)),
    forPoll: (claims) => sign(claims, (work) => queue.forAnswer(claims.aud, work)),
    signedAtMs: () => signedAtMs,
  };
}

/** Gets the SET of a notification, signing it if necessary. */
export type EnsureSigned = (notification: OfferedNotification) => Promise<string>;

export interface SigningOptions {
  readonly store: Pick<Store, 'keepSets'>;
  readonly signSet: SignSet;
  readonly clock: Clock;
  /** Called when the store is unavailable; the write is retried until `giveUp`. */
  readonly onStoreError: (error: StoreError) => void;
  /** Ends the retries; when it is aborted already, an error of the store is passed on at once. */
  readonly giveUp: AbortSignal;
}

/**
 * Makes the function that signs notifications. It returns the stored SET if there is one; a new SET is stored before it is
 * returned, so that every retry and every poll sends the same bytes. SETs that are signed together are stored together. The
 * function rejects with a {@link StoreError} when the SET could not be stored; it must not be sent then.
 */
export function createSigning(options: SigningOptions): EnsureSigned {
  const { store, signSet, clock, onStoreError, giveUp } = options;
  const write = (sets: readonly { jti: string; set: string }[]) => store.keepSets(sets);
  const keeping = new Batcher<{ jti: string; set: string }, string>({
    write,
    clock,
    onStoreError,
    giveUp,
    // A delivery waits for it.
    lingerMs: 0,
  });
  return async ({ jti, claims, set }) => set ?? keeping.run({ jti, set: await signSet(claims) });
}
