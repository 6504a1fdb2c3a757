import type { ResourceLink, SetClaims } from '@tidings/protocol';
import { eventsOf, mainEventOf, type NotificationEvent } from './notification-event.ts';

/** The members that every verified notification has. */
interface Notification {
  /** Identifies the notification across retries and both ways of delivery. */
  readonly jti: string;
  /** URNs of the event types, at least one, including types that the standard does not define. */
  readonly eventTypes: readonly string[];
  /** All events, at least one, in the order of the token. */
  readonly events: readonly NotificationEvent[];
  /** URI of the affected resource (`sub`). */
  readonly resourceUri: string;
  /** Links to the resource, of all events, in the order of the token without duplicates; empty when none has a subject. */
  readonly links: readonly ResourceLink[];
  /** All claims; their times are whole seconds. */
  readonly claims: SetClaims;
  /** The exact token, which can be kept as evidence and verified again later. */
  readonly set: string;
  /**
   * `x-fapi-interaction-id` of this delivery: the bank's on push, that of the poll otherwise. Differs on every retry.
   */
  readonly interactionId: string;
}

/**
 * A verified notification. `kind`, `eventType`, `resourceId`, `resourceType`, `reason` and `content` are those of its event:
 * `switch (notification.kind)` narrows it. Where one token has several events, as when a funds confirmation consent is
 * revoked, they are those of the event that says most: a revoked consent or changed account, then a resource-update, then
 * an event that the standard does not define. `events` has them all.
 */
export type EventNotification = Notification & NotificationEvent;

/** Converts the claims of a verified SET to a notification. */
export function eventNotificationOf(claims: SetClaims, set: string, interactionId: string): EventNotification {
  const events = eventsOf(claims);
  const links = new Map(events.flatMap((event) => event.links.map((each) => [each.link, each])));
  return {
    ...mainEventOf(events),
    jti: claims.jti,
    eventTypes: Object.keys(claims.events),
    events,
    resourceUri: claims.sub,
    links: [...links.values()],
    claims,
    set,
    interactionId,
  };
}
