import assert from 'node:assert/strict';
import {
  ACCOUNT_LINKED_ACCOUNT_UPDATE,
  CONSENT_ACCESS_REVOKED,
  CONSENT_AUTHORIZATION_REVOKED,
  type EventContent,
  isJsonObject,
  RESOURCE_ID,
  RESOURCE_LINKS,
  RESOURCE_TYPE,
  RESOURCE_UPDATE,
  type ResourceLink,
  type SetClaims,
  VRP_LINKED_ACCOUNT_UPDATE,
} from '@tidings/protocol';

/** The members that every event has. */
interface AnyEvent<Kind extends string> {
  /** Tells the event types apart: for the standard's, the last part of the URN. The same in v3.1 and v4.0. */
  readonly kind: Kind;
  /** URN of the event type. */
  readonly eventType: string;
  /** Links to the resource in all versions of the API, without duplicates. Do not infer anything from `version`. */
  readonly links: readonly ResourceLink[];
  /** The content as the bank sent it, with members that the standard does not define. */
  readonly content: EventContent;
}

/** An event of a type of the standard, whose resource is always known. */
interface StandardEvent<Kind extends string, Reason> extends AnyEvent<Kind> {
  /** Id of the resource (`rid`). */
  readonly resourceId: string;
  /** Type of the resource (`rty`), in the singular whatever the bank sends: `account-access-consent`. */
  readonly resourceType: string;
  readonly reason: Reason;
}

/** The resource has changed: fetch it to see how. */
export type ResourceUpdateEvent = StandardEvent<'resource-update', undefined>;

/** The customer has revoked the authorisation of a consent at the bank. */
export type ConsentAuthorizationRevokedEvent = StandardEvent<'consent-authorization-revoked', string | undefined>;

/** The customer has revoked the access that a consent gives (from v3.1.10). */
export type ConsentAccessRevokedEvent = StandardEvent<'consent-access-revoked', string | undefined>;

/** Reasons of the standard why a linked account changed. The bank may send others. */
export type LinkedAccountReason = 'UK.OBIE.AccountClosure' | 'UK.OBIE.CASS' | (string & Record<never, never>);

/** An account of an account access consent was closed or switched. */
export type AccountLinkedAccountUpdateEvent = StandardEvent<
  'account-access-consent-linked-account-update',
  LinkedAccountReason | undefined
>;

/** An account of a VRP consent was closed or switched. */
export type VrpLinkedAccountUpdateEvent = StandardEvent<
  'domestic-vrp-consent-linked-account-update',
  LinkedAccountReason | undefined
>;

/** An event of the bank's own types, or of a later standard; see `eventType`. Its content was not checked. */
export interface OtherEvent extends AnyEvent<'other'> {
  /** Undefined when the event has no `subject` with an id. */
  readonly resourceId: string | undefined;
  readonly resourceType: string | undefined;
  readonly reason: string | undefined;
}

/** One event of a notification. `switch (event.kind)` narrows it to its type. */
export type NotificationEvent =
  | ResourceUpdateEvent
  | ConsentAuthorizationRevokedEvent
  | ConsentAccessRevokedEvent
  | AccountLinkedAccountUpdateEvent
  | VrpLinkedAccountUpdateEvent
  | OtherEvent;

type StandardKind = Exclude<NotificationEvent['kind'], 'other'>;

const KINDS: Readonly<Record<string, StandardKind>> = {
  [RESOURCE_UPDATE]: 'resource-update',
  [CONSENT_AUTHORIZATION_REVOKED]: 'consent-authorization-revoked',
  [CONSENT_ACCESS_REVOKED]: 'consent-access-revoked',
  [ACCOUNT_LINKED_ACCOUNT_UPDATE]: 'account-access-consent-linked-account-update',
  [VRP_LINKED_ACCOUNT_UPDATE]: 'domestic-vrp-consent-linked-account-update',
};

/** The events of verified claims, in the order of the token. At least one. */
export function eventsOf(claims: SetClaims): readonly NotificationEvent[] {
  const entries = Object.entries(claims.events);
  // An event beside a resource-update may have no subject of its own (rules, section 3).
  const shared = subjectOf(claims.events[RESOURCE_UPDATE] ?? {});
  return entries.map(([eventType, content]) => eventOf(eventType, content, subjectOf(content) ?? shared));
}

/**
 * The event that says most about a notification with several: a revoked consent or changed account, then a
 * resource-update, then an event of the bank's own types, which a TPP may not know.
 */
export function mainEventOf(events: readonly NotificationEvent[]): NotificationEvent {
  const main =
    events.find(({ kind }) => kind !== 'other' && kind !== 'resource-update') ??
    events.find(({ kind }) => kind !== 'other') ??
    events[0];
  assert.ok(main !== undefined, 'claims without events are refused');
  return main;
}

interface Subject {
  readonly resourceId: string;
  readonly resourceType: string | undefined;
  readonly links: readonly ResourceLink[];
}

function eventOf(eventType: string, content: EventContent, subject: Subject | undefined): NotificationEvent {
  const kind = Object.hasOwn(KINDS, eventType) ? KINDS[eventType] : undefined;
  // parseSetClaims does not check the content of event types that the standard does not define.
  const given: unknown = content.reason;
  const reason = typeof given === 'string' ? given : undefined;
  const { resourceId, resourceType, links = linksOf(content) } = subject ?? {};
  if (kind === undefined) return { kind: 'other', eventType, resourceId, resourceType, reason, links, content };
  assert.ok(resourceId !== undefined && resourceType !== undefined, 'a standard event without subject is refused');
  const common = { eventType, resourceId, resourceType, links, content };
  return kind === 'resource-update' ? { kind, reason: undefined, ...common } : { kind, reason, ...common };
}

function subjectOf(content: EventContent): Subject | undefined {
  const subject: unknown = content.subject;
  if (!isJsonObject(subject)) return undefined;
  const { [RESOURCE_ID]: resourceId, [RESOURCE_TYPE]: type } = subject;
  if (typeof resourceId !== 'string') return undefined;
  const resourceType = typeof type === 'string' ? singular(type) : undefined;
  return { resourceId, resourceType, links: linksOf(content) };
}

function linksOf(content: EventContent): ResourceLink[] {
  const subject: unknown = content.subject;
  const entries = isJsonObject(subject) ? subject[RESOURCE_LINKS] : undefined;
  if (!Array.isArray(entries)) return [];
  const links = new Map<string, ResourceLink>();
  for (const entry of entries) {
    if (!isJsonObject(entry)) continue;
    const { version, link } = entry;
    if (typeof version === 'string' && typeof link === 'string' && !links.has(link)) links.set(link, { version, link });
  }
  return [...links.values()];
}

// Some banks send the name of the collection. Only the standard's resource types end so.
const PLURAL = /(?<=consent|payment|order|vrp)s$/;

function singular(resourceType: string): string {
  return resourceType.replace(PLURAL, '');
}
