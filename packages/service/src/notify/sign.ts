import { type JwsSigner, signSet } from '@tidings/protocol';
import type { OfferedNotification, Store } from '../store/store.ts';

/**
 * Gives the SET of a notification: the one that is kept, or a new one, kept before it is given out, so that the same
 * bytes go out over every retry and in every poll.
 */
export async function ensureSigned(
  notification: OfferedNotification,
  signer: JwsSigner,
  store: Store,
  nowMs: number,
): Promise<string> {
  if (notification.set !== undefined) return notification.set;
  const set = await signSet(notification.claims, signer, Math.floor(nowMs / 1000));
  return store.keepSet(notification.jti, set);
}
