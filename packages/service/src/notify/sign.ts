import { type JwsSigner, signSet } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import type { OfferedNotification } from '../model/notification.ts';
import type { Store, StoreError } from '../store/store.ts';
import type { Observer } from '../telemetry/observer.ts';
import type { Enqueue } from '../trust/signing-queue.ts';
import { Batcher } from './batcher.ts';

/** Gets the SET of a notification, signing it if necessary. */
export type EnsureSigned = (notification: OfferedNotification) => Promise<string>;

export interface SigningOptions {
  readonly store: Pick<Store, 'keepSets'>;
  readonly signer: JwsSigner;
  /** The signing queue of a TPP. */
  readonly queueOf: (clientId: string) => Enqueue;
  readonly clock: Clock;
  /** Called when the store is unavailable; the write is retried until `giveUp`. */
  readonly onStoreError: (error: StoreError) => void;
  /** Ends the retries; when it is aborted already, an error of the store is passed on at once. */
  readonly giveUp: AbortSignal;
  /** Optional observer of each signature. */
  readonly observer?: Observer | undefined;
}

/**
 * Makes the function that signs notifications. It returns the stored SET if there is one; a new SET is stored before it is
 * returned, so that every retry and every poll sends the same bytes. SETs that are signed together are stored together. The
 * function rejects with a {@link StoreError} when the SET could not be stored; it must not be sent then.
 */
export function createSigning(options: SigningOptions): EnsureSigned {
  const { store, signer, queueOf, clock, onStoreError, giveUp, observer } = options;
  const write = (sets: readonly { jti: string; set: string }[]) => store.keepSets(sets);
  const keeping = new Batcher<{ jti: string; set: string }, string>({
    write,
    clock,
    onStoreError,
    giveUp,
    // A delivery waits for it.
    lingerMs: 0,
  });
  return async ({ jti, claims, set }) => {
    if (set !== undefined) return set;
    const askedMs = clock.monotonicMs();
    const signed = await queueOf(claims.aud)(async () => {
      const beganMs = clock.monotonicMs();
      const signature = await signSet(claims, signer, Math.floor(clock.nowMs() / 1000));
      const durationMs = clock.monotonicMs() - beganMs;
      observer?.record({ kind: 'signed', atMs: clock.nowMs(), waitedMs: beganMs - askedMs, durationMs });
      return signature;
    });
    return keeping.run({ jti, set: signed });
  };
}
