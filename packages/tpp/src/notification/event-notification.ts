import { isJsonObject, RESOURCE_LINKS, type ResourceLink, type SetClaims } from '@tidings/protocol';

/** A verified notification. */
export interface EventNotification {
  /** Identifies the notification across retries and both ways of delivery. */
  readonly jti: string;
  /** URNs of the event types, at least one, including types that the standard does not define. */
  readonly eventTypes: readonly string[];
  /** URI of the affected resource (`sub`). */
  readonly resourceUri: string;
  /** Links to the resource, in the order of the token without duplicates; empty when no event has a subject. */
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

/** Converts the claims of a verified SET to a notification. */
export function eventNotificationOf(claims: SetClaims, set: string, interactionId: string): EventNotification {
  return {
    jti: claims.jti,
    eventTypes: Object.keys(claims.events),
    resourceUri: claims.sub,
    links: linksOf(claims),
    claims,
    set,
    interactionId,
  };
}

function linksOf(claims: SetClaims): ResourceLink[] {
  const links = new Map<string, ResourceLink>();
  for (const content of Object.values(claims.events)) {
    // parseSetClaims does not check the content of event types that the standard does not define.
    const subject: unknown = content.subject;
    const entries = isJsonObject(subject) ? subject[RESOURCE_LINKS] : undefined;
    if (!Array.isArray(entries)) continue;
    for (const entry of entries) {
      if (!isJsonObject(entry)) continue;
      const { version, link } = entry;
      if (typeof version === 'string' && typeof link === 'string' && !links.has(link))
        links.set(link, { version, link });
    }
  }
  return [...links.values()];
}
