import {
  buildSetClaims,
  coversResourceVersion,
  type EventTypeCatalogue,
  type EventTypeFilter,
  filterEventTypes,
  RESOURCE_UPDATE,
} from '@tidings/protocol';
import type { BankEvent, FanOut } from '../model/event.ts';
import type { Registration } from '../model/registration.ts';
import type { Tpp } from '../model/tpp.ts';

/** Context of fan-out, beside event, TPP and registration. */
export interface FanOutContext {
  /** The ASPSP's own URI, `iss` of the SET. */
  readonly issuer: string;
  readonly catalogue: EventTypeCatalogue;
  readonly nowMs: number;
  readonly newJti: () => string;
}

/** The part of a registration that decides what its TPP is notified of. */
export type Subscribed = Pick<Registration, 'kind' | 'version' | 'eventTypes'>;

/**
 * Decides whether an event becomes a notification for its TPP, by the TPP's registration. The claims made here are final:
 * they are the same in every retry, and for push and polling. Pure but for the `jti`.
 */
export function fanOut(
  context: FanOutContext,
  event: BankEvent,
  tpp: Tpp | undefined,
  registration: Registration | undefined,
): FanOut {
  if (tpp === undefined) return { kind: 'none', reason: 'unknown-client' };
  if (registration === undefined) return { kind: 'none', reason: 'no-registration' };
  return fanOutTo(context, event, registration);
}

/** As {@link fanOut}, for a TPP that has a registration. */
export function fanOutTo(context: FanOutContext, event: BankEvent, registration: Subscribed): FanOut {
  if (!coversResourceVersion(registration.version, event.resource.version)) {
    return { kind: 'none', reason: 'version-below-minimum' };
  }
  const types = event.events.map(({ type }) => type);
  const wanted = new Set(filterEventTypes(types, eventTypesOf(registration), context.catalogue));
  const events = event.events.filter(({ type }) => wanted.has(type));
  if (events.length === 0) return { kind: 'none', reason: 'type-filtered' };
  const claims = buildSetClaims({
    issuer: context.issuer,
    jti: context.newJti(),
    clientId: event.clientId,
    nowMs: context.nowMs,
    occurredAtMs: event.occurredAtMs,
    transactionId: event.transactionId,
    resource: event.resource,
    events,
  });
  return { kind: 'notification', claims, set: undefined };
}

/** The event types of a registration; a callback URL gets resource-update only (rules, section 2). */
export function eventTypesOf({
  kind,
  version,
  eventTypes,
}: EventTypeFilter & Pick<Registration, 'kind'>): EventTypeFilter {
  return { version, eventTypes: kind === 'event-subscription' ? eventTypes : [RESOURCE_UPDATE] };
}
