import { createHash } from 'node:crypto';
import { parseSetClaims, SetError } from '@tidings/protocol';
import { type EventNotification, eventNotificationOf } from '../notification/event-notification.ts';
import { InboxError } from './inbox-error.ts';
import type { ClaimedNotification, NotificationToStore } from './inbox-store.ts';

/** @param nowMs when it was received. @param dueAtMs earliest time of the first attempt; milliseconds since the epoch */
export function toStore(notification: EventNotification, nowMs: number, dueAtMs: number): NotificationToStore {
  const { claims, set, interactionId, resourceType, resourceId, resourceUri } = notification;
  // Not by the URI alone: it has the version of the API in it.
  const resource = resourceId === undefined ? [claims.iss, resourceUri] : [claims.iss, resourceType ?? '', resourceId];
  return {
    key: hashOf([claims.iss, claims.jti]),
    issuer: claims.iss,
    jti: claims.jti,
    resource: hashOf(resource),
    toeSeconds: claims.toe,
    claims: JSON.stringify(claims),
    set,
    interactionId,
    receivedAtMs: nowMs,
    dueAtMs,
  };
}

/** Does not verify the token again: it was verified before it was stored. @throws {InboxError} invalid_row */
export function fromStore(stored: Pick<ClaimedNotification, 'claims' | 'set' | 'interactionId'>): EventNotification {
  try {
    const claims = parseSetClaims(new TextEncoder().encode(stored.claims));
    return eventNotificationOf(claims, stored.set, stored.interactionId);
  } catch (cause) {
    if (!(cause instanceof SetError)) throw cause;
    throw new InboxError('invalid_row', `The stored claims are not those of a notification: ${cause.message}`, {
      cause,
    });
  }
}

/** Of fixed length, because an index of PostgreSQL does not take every URI. */
function hashOf(texts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('base64url');
}
