import type { PollAnswer } from '../bank/event-polling.ts';
import { type EventNotification, eventNotificationOf } from '../notification/event-notification.ts';
import { NotificationError } from '../notification/notification-error.ts';
import { type SetVerification, verifiedClaims } from '../notification/set-verifier.ts';
import { forEachConcurrently } from './concurrency.ts';

/** A SET that was rejected or could not be verified. */
export interface UnverifiedSet {
  /** Key of the SET in the response. */
  readonly jti: string;
  readonly error: NotificationError;
}

/** The SETs of one response, verified or not. */
export interface OfferedSets {
  /** Oldest first. */
  readonly notifications: readonly EventNotification[];
  readonly unverified: readonly UnverifiedSet[];
}

// Signatures are verified on the thread pool of Node.js, which has four threads.
const VERIFICATIONS_AT_ONCE = 8;

/**
 * Verifies the SETs of one response. A SET whose `jti` differs from its key is rejected, because it would be
 * acknowledged under another id. Notifications are sorted by `iat`, then by their order in the response. That order
 * alone is not reliable: JSON does not guarantee the order of members, and JavaScript reorders keys that look like
 * numbers.
 */
export async function verifyOffered(answer: PollAnswer, options: SetVerification): Promise<OfferedSets> {
  const entries = [...answer.sets].map(([jti, set], at) => ({ jti, set, at }));
  const verified: { readonly at: number; readonly notification: EventNotification }[] = [];
  const unverified: UnverifiedSet[] = [];
  await forEachConcurrently(entries, VERIFICATIONS_AT_ONCE, async ({ jti, set, at }) => {
    try {
      const claims = await verifiedClaims(set, options);
      if (claims.jti !== jti)
        throw new NotificationError('invalid_request', 'jti differs from the key of the SET in the response.');
      verified.push({ at, notification: eventNotificationOf(claims, set, answer.interactionId) });
    } catch (error) {
      if (!(error instanceof NotificationError)) throw error;
      unverified.push({ jti, error });
    }
  });
  verified.sort((a, b) => a.notification.claims.iat - b.notification.claims.iat || a.at - b.at);
  return { notifications: verified.map(({ notification }) => notification), unverified };
}
