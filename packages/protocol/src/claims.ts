import { type EventTypeRule, RESOURCE_UPDATE } from './event-types.ts';

/** Value of `subject_type`: the subject is identified by its id and its type. */
export const SUBJECT_TYPE = 'http://openbanking.org.uk/rid_http://openbanking.org.uk/rty';
/** Member of `subject`: id of the resource, at most 128 characters. */
export const RESOURCE_ID = 'http://openbanking.org.uk/rid';
/** Member of `subject`: type of the resource, such as `account-access-consent`; readers also accept the plural. */
export const RESOURCE_TYPE = 'http://openbanking.org.uk/rty';
/** Member of `subject`: links to all supported versions of the resource, at least one. */
export const RESOURCE_LINKS = 'http://openbanking.org.uk/rlk';

/** A link to the resource in one version of the API. Code must not rely on `version`. */
export interface ResourceLink {
  readonly version: string;
  readonly link: string;
}

/** `OBEventSubject1`: which resource the event is about. */
export interface EventSubject {
  readonly subject_type: typeof SUBJECT_TYPE;
  readonly [RESOURCE_ID]: string;
  readonly [RESOURCE_TYPE]: string;
  readonly [RESOURCE_LINKS]: readonly ResourceLink[];
}

/** Content of one member of `events`; unknown members are kept. */
export interface EventContent {
  readonly subject?: EventSubject;
  readonly reason?: string;
  readonly [member: string]: unknown;
}

/** The claims of an event notification (rules, section 3). No `exp`: a SET does not expire. */
export interface SetClaims {
  /** URI of the ASPSP. */
  readonly iss: string;
  /** When the notification was created, whole seconds since the epoch. */
  readonly iat: number;
  /** Identifies the notification across retries and both ways of delivery; at most 128 characters. */
  readonly jti: string;
  /** The client_id of the TPP. */
  readonly aud: string;
  /** URI of the resource. */
  readonly sub: string;
  /** The `x-fapi-interaction-id` of the call that caused the change, or the `jti`. */
  readonly txn: string;
  /** When the event occurred, whole seconds since the epoch. */
  readonly toe: number;
  /** Content by URN; at least one. */
  readonly events: Readonly<Record<string, EventContent>>;
}

/** The resource that an event is about. */
export interface AffectedResource {
  readonly id: string;
  readonly type: string;
  readonly uri: string;
  /** Links to all supported versions of the resource; at least one. */
  readonly links: readonly ResourceLink[];
}

/** Input of {@link buildSetClaims}. Times are milliseconds since the epoch, rounded down to whole seconds. */
export interface ClaimsInput {
  readonly issuer: string;
  readonly jti: string;
  readonly clientId: string;
  readonly nowMs: number;
  readonly occurredAtMs: number;
  /** Defaults to the `jti`. */
  readonly transactionId: string | undefined;
  readonly resource: AffectedResource;
  /** The event types that pass the registration's filter, with their reasons; at least one. */
  readonly events: readonly { readonly type: EventTypeRule; readonly reason?: string | undefined }[];
}

/**
 * Builds the claims of one notification. The resource-update carries the `subject`. An event type whose subject is
 * optional carries it only when the token has no resource-update, for example because a filter removed it (rules,
 * section 3).
 */
export function buildSetClaims(input: ClaimsInput): SetClaims {
  const subject: EventSubject = {
    subject_type: SUBJECT_TYPE,
    [RESOURCE_ID]: input.resource.id,
    [RESOURCE_TYPE]: input.resource.type,
    [RESOURCE_LINKS]: input.resource.links.map(({ version, link }) => ({ version, link })),
  };
  const hasResourceUpdate = input.events.some(({ type }) => type.urn === RESOURCE_UPDATE);
  const events: Record<string, EventContent> = {};
  for (const { type, reason } of input.events) {
    const withSubject = type.subject === 'always' || !hasResourceUpdate;
    events[type.urn] = {
      ...(reason !== undefined && type.reasonAllowed && { reason }),
      ...(withSubject && { subject }),
    };
  }
  return {
    iss: input.issuer,
    iat: wholeSeconds(input.nowMs),
    jti: input.jti,
    aud: input.clientId,
    sub: input.resource.uri,
    txn: input.transactionId ?? input.jti,
    toe: wholeSeconds(input.occurredAtMs),
    events,
  };
}

function wholeSeconds(timeMs: number): number {
  return Math.floor(timeMs / 1000);
}
