import { createHash } from 'node:crypto';
import {
  buildSetClaims,
  type EventTypeCatalogue,
  type EventTypeRule,
  isVersion,
  JWS_CHARS_MAX,
  shapeOf,
} from '@tidings/protocol';
import { type Static, Type } from 'typebox';
import type { BankEvent, TraceContext } from '../model/event.ts';
import { fieldProblem, joinPath, shapedValue } from './request.ts';

/** Most events in one batch. */
export const EVENTS_PER_BATCH_MAX = 1000;

const id = (description: string) => Type.String({ minLength: 1, maxLength: 128, description });
const uri = (description: string) => Type.String({ format: 'uri', maxLength: 2048, description });
const closed = { additionalProperties: false };

/** Fields of an event, in whatever form it is published. */
export const EVENT_FIELDS = {
  id: id('Id of the event, chosen by the bank; makes publishing idempotent'),
  clientId: id('The TPP that owns the resource'),
  occurredAt: Type.String({
    format: 'date-time',
    maxLength: 64,
    description: 'When the event happened (toe), with time zone; not in the future',
  }),
  transactionId: Type.Optional(id('x-fapi-interaction-id of the call that caused the event (txn). Default: the jti')),
  events: Type.Array(
    Type.Object(
      {
        type: Type.String({ minLength: 1, maxLength: 256, description: 'Event type: URN or subscribe code' }),
        reason: Type.Optional(id('Reason, if the type allows one, such as UK.OBIE.AccountClosure')),
      },
      closed,
    ),
    { minItems: 1, maxItems: 20, description: 'Event types; all of them go into one SET' },
  ),
};

/** Fields of its resource. */
export const RESOURCE_FIELDS = {
  id: id('Id of the resource (rid)'),
  type: id('Type of the resource (rty), such as account-access-consent'),
  version: Type.String({
    minLength: 1,
    maxLength: 11,
    description: 'API version in which the resource was created, such as 4.0',
  }),
  uri: uri('URI of the resource (sub). For a linked-account-update, URI of the consent'),
  links: Type.Array(
    Type.Object(
      { version: Type.String({ minLength: 1, maxLength: 10 }), link: uri('URI of the resource in this version') },
      closed,
    ),
    { minItems: 1, maxItems: 20, description: 'Links to all versions of the resource that the bank serves (rlk)' },
  ),
};

/** An event as the bank's systems publish it. */
export const PublishedEvent = Type.Object({ ...EVENT_FIELDS, resource: Type.Object(RESOURCE_FIELDS, closed) }, closed);
export type PublishedEvent = Static<typeof PublishedEvent>;

/** Several events at once: all or nothing. */
export const PublishBatch = Type.Array(PublishedEvent, { minItems: 1, maxItems: EVENTS_PER_BATCH_MAX });

const repeated = Type.Boolean({
  description: 'true if the event was already published; this is the outcome of that time',
});

/** The result of publishing: one outcome for each event, in their order. */
export const PublishAnswer = Type.Object(
  {
    outcomes: Type.Array(
      Type.Union([
        Type.Object({ id: Type.String(), outcome: Type.Literal('notification'), jti: Type.String(), repeated }, closed),
        Type.Object(
          {
            id: Type.String(),
            outcome: Type.Literal('none'),
            reason: Type.Enum(['unknown-client', 'no-registration', 'type-filtered', 'version-below-minimum'], {
              description: 'Why no notification was made',
            }),
            repeated,
          },
          closed,
        ),
      ]),
    ),
  },
  closed,
);
export type PublishAnswer = Static<typeof PublishAnswer>;

// The bank's systems and this one may tell slightly different times; receivers refuse a toe in the future.
const FUTURE_TOLERANCE_MS = 30_000;
const STANDARD_REASONS = new Set(['UK.OBIE.AccountClosure', 'UK.OBIE.CASS']);

/** An event in the fields that all forms of publishing share. */
export interface HandedEvent {
  readonly published: PublishedEvent;
  /** Path of a field of `published` in the request body, for error messages. */
  readonly where: (path: string) => string;
  readonly traceContext?: TraceContext;
}

const shapeEvent = shapeOf(PublishedEvent);

/**
 * Reads an event in the form of this project. Only its shape is checked.
 *
 * @param at path of the event in what was sent, such as `[3]`; empty: it is all of it
 * @throws {Problem} 400 that names the field
 */
export function readPublishedEvent(value: unknown, at = ''): HandedEvent {
  return { published: shapedValue(shapeEvent(value), at), where: (path) => joinPath(at, path) };
}

/**
 * Validates published events, whatever their form. All are checked before any is published.
 *
 * @param carried trace context of the request, for events without their own
 * @throws {Problem} 400 that names the field, as in `[3].resource.version`
 */
export function readEvents(
  handed: readonly HandedEvent[],
  catalogue: EventTypeCatalogue,
  nowMs: number,
  carried: TraceContext | undefined,
): readonly BankEvent[] {
  return handed.map((event) => {
    const traceContext = event.traceContext ?? carried;
    return { ...readEvent(event, catalogue, nowMs), ...(traceContext !== undefined && { traceContext }) };
  });
}

function readEvent(handed: HandedEvent, catalogue: EventTypeCatalogue, nowMs: number): BankEvent {
  const { published, where } = handed;
  const { resource } = published;
  // Banks write both 4.0 and v4.0.
  const version = resource.version.replace(/^v/, '');
  if (!isVersion(version)) throw fieldProblem(where('resource.version'), 'must be a version such as 4.0');
  const event = {
    id: published.id,
    clientId: published.clientId,
    occurredAtMs: readOccurredAt(published.occurredAt, where('occurredAt'), nowMs),
    transactionId: published.transactionId,
    resource: { ...resource, version },
    events: readEventTypes(handed, catalogue),
  };
  checkSetSize(event, where('resource.links'));
  return { ...event, fingerprint: fingerprintOf(event) };
}

// Reserved for the header, the signature, and the claims that are not known here: issuer and jti.
const OTHER_JWS_CHARS = 8192;
const CLAIMS_BYTES_MAX = Math.floor(((JWS_CHARS_MAX - OTHER_JWS_CHARS) * 3) / 4);

/** Receivers bound what they read, ours at {@link JWS_CHARS_MAX}: a longer SET would be retried forever. */
function checkSetSize(event: Omit<BankEvent, 'fingerprint'>, path: string): void {
  const { clientId, transactionId, occurredAtMs, resource, events } = event;
  const of = { issuer: '', jti: '', clientId, transactionId, occurredAtMs, nowMs: occurredAtMs };
  const claims = JSON.stringify(buildSetClaims({ ...of, resource, events }));
  const bytes = Buffer.byteLength(claims);
  if (bytes <= CLAIMS_BYTES_MAX) return;
  throw fieldProblem(
    path,
    `and the event types make a SET whose claims have ${bytes} bytes, and receivers read ${CLAIMS_BYTES_MAX}; name fewer links, shorter ones, or fewer types`,
  );
}

function readOccurredAt(text: string, path: string, nowMs: number): number {
  const occurredAtMs = Date.parse(text);
  if (Number.isNaN(occurredAtMs) || occurredAtMs < 0) {
    throw fieldProblem(path, 'must be a date and time with its zone, such as 2026-11-21T09:30:00Z');
  }
  if (occurredAtMs > nowMs + FUTURE_TOLERANCE_MS) throw fieldProblem(path, 'lies in the future; check the clocks');
  return occurredAtMs;
}

function readEventTypes({ published, where }: HandedEvent, catalogue: EventTypeCatalogue): BankEvent['events'] {
  const seen = new Set<string>();
  return published.events.map(({ type: name, reason }, index) => {
    const path = where(`events[${index}].type`);
    const type = catalogue.find(name);
    if (type === undefined) throw fieldProblem(path, `is not an event type: ${supportedTypes(catalogue)}`);
    if (seen.has(type.urn)) throw fieldProblem(path, 'stands twice; name each event type once');
    seen.add(type.urn);
    checkReason(type, reason, where(`events[${index}].reason`));
    if (type.resourceType !== undefined && published.resource.type !== type.resourceType) {
      throw fieldProblem(where('resource.type'), `must be ${type.resourceType} for an event of type ${type.urn}`);
    }
    return { type, reason };
  });
}

function checkReason(type: EventTypeRule, reason: string | undefined, path: string): void {
  if (reason === undefined) return;
  if (!type.reasonAllowed) throw fieldProblem(path, `is not allowed for an event of type ${type.urn}; leave it out`);
  // The namespace of the standard holds these two; a bank's own reasons lie in its own.
  const inStandard = reason.startsWith('UK.OBIE.');
  if (inStandard && !STANDARD_REASONS.has(reason)) {
    throw fieldProblem(path, `must be ${[...STANDARD_REASONS].join(', ')}, or one of your own namespace`);
  }
}

function supportedTypes(catalogue: EventTypeCatalogue): string {
  return `use one of ${catalogue.all.map(({ urn }) => urn).join(', ')}`;
}

/** A hash over the parsed event, so that white space, order of members and time zone do not matter. */
function fingerprintOf(event: Omit<BankEvent, 'fingerprint'>): string {
  const { id: eventId, clientId, occurredAtMs, transactionId, resource, events } = event;
  const links = resource.links.map(({ version, link }) => [version, link]);
  const types = events.map(({ type, reason }) => [type.urn, reason]);
  const about = [resource.id, resource.type, resource.version, resource.uri, links];
  const content = JSON.stringify([eventId, clientId, occurredAtMs, transactionId, about, types]);
  return createHash('sha256').update(content).digest('hex');
}

// Version 00 has 55 characters; a later one may have more.
const TRACEPARENT =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[\x20-\x7e]{0,200})?$/;
const TRACESTATE_CHARACTERS_MAX = 512;

/**
 * Reads the trace context of a publisher, from headers or from a CloudEvent. Invalid values are ignored, never an error
 * (W3C Trace Context, sections 3.2 and 3.3).
 */
export function readTraceContext(given: {
  readonly traceparent?: unknown;
  readonly tracestate?: unknown;
}): TraceContext | undefined {
  const { traceparent, tracestate } = given;
  if (typeof traceparent !== 'string' || !TRACEPARENT.test(traceparent)) return undefined;
  const isStateKept =
    typeof tracestate === 'string' && tracestate !== '' && tracestate.length <= TRACESTATE_CHARACTERS_MAX;
  return { traceparent, ...(isStateKept && { tracestate }) };
}
