import { isJsonObject, RESOURCE_LINKS, type ResourceLink, type SetClaims } from '@tidings/protocol';

/** A notification that was verified, as the handler gets it. */
export interface EventNotification {
  /** Identifies the notification; the same over every retry and in both ways of delivery. */
  readonly jti: string;
  /** URNs of what happened, at least one. Types that the standard does not define are among them. */
  readonly eventTypes: readonly string[];
  /** URI of the affected resource (`sub`). */
  readonly resourceUri: string;
  /** Where the resource can be read, in the order of the token, each once; empty when no event names its subject. */
  readonly links: readonly ResourceLink[];
  /** All claims. Times in them are whole seconds. */
  readonly claims: SetClaims;
  /** The exact token, as evidence: it verifies again whenever it is needed. */
  readonly set: string;
  /** `x-fapi-interaction-id` of this delivery, the bank's on push and the poll's own; another one on every retry. */
  readonly interactionId: string;
}

/** Shapes the claims of a verified SET for the handler. */
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
    // The content of an event type that the standard does not define was not checked by the reader of the claims.
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
