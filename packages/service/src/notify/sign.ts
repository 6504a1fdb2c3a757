import { type JwsSigner, signSet } from '@tidings/protocol';
import type { ClaimedNotification, Store } from '../store/store.ts';

/**
 * Gives the SET of a notification: the one that is kept, or a new one, kept before it is given out, so that the same
 * bytes go out over every retry and in every poll.
 */
export async function ensureSigned(
  claimed: ClaimedNotification,
  signer: JwsSigner,
  store: Store,
  nowMs: number,
): Promise<string> {
  if (claimed.set !== undefined) return claimed.set;
  const set = await signSet(claimed.claims, signer, Math.floor(nowMs / 1000));
  return store.keepSet(claimed.jti, set);
}
