import type { PollAnswer } from '../bank/event-polling.ts';
import { type EventNotification, eventNotificationOf } from '../notification/event-notification.ts';
import { NotificationError } from '../notification/notification-error.ts';
import { type SetVerification, verifiedClaims } from '../notification/set-verifier.ts';
import { forEachConcurrently } from './concurrency.ts';

/** A SET of an answer that was not believed, or could not be checked. */
export interface UnverifiedSet {
  /** The bank's key of it. */
  readonly jti: string;
  readonly error: NotificationError;
}

/** The SETs of one answer, sorted out. */
export interface OfferedSets {
  /** Oldest first. */
  readonly notifications: readonly EventNotification[];
  readonly unverified: readonly UnverifiedSet[];
}

// Signatures are verified on Node's thread pool, which has four threads.
const VERIFICATIONS_AT_ONCE = 8;

/**
 * Verifies the SETs of one answer. A SET whose own `jti` is not its key is refused: it would be acknowledged under
 * another name. Oldest first is by `iat`, and among equals by the bank's order: the order of JSON members is no promise,
 * and JavaScript does not keep that of keys that look like numbers.
 */
export async function verifyOffered(answer: PollAnswer, options: SetVerification): Promise<OfferedSets> {
  const entries = [...answer.sets].map(([jti, set], at) => ({ jti, set, at }));
  const verified: { readonly at: number; readonly notification: EventNotification }[] = [];
  const unverified: UnverifiedSet[] = [];
  await forEachConcurrently(entries, VERIFICATIONS_AT_ONCE, async ({ jti, set, at }) => {
    try {
      const claims = await verifiedClaims(set, options);
      if (claims.jti !== jti)
        throw new NotificationError('invalid_request', 'jti is not the key that the SET is under.');
      verified.push({ at, notification: eventNotificationOf(claims, set, answer.interactionId) });
    } catch (error) {
      if (!(error instanceof NotificationError)) throw error;
      unverified.push({ jti, error });
    }
  });
  verified.sort((a, b) => a.notification.claims.iat - b.notification.claims.iat || a.at - b.at);
  return { notifications: verified.map(({ notification }) => notification), unverified };
}
