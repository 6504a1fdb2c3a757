import { isJsonObject, parseMediaType, shapeOf } from '@tidings/protocol';
import { type Static, Type } from 'typebox';
import {
  EVENT_FIELDS,
  EVENTS_PER_BATCH_MAX,
  type HandedEvent,
  type PublishedEvent,
  RESOURCE_FIELDS,
  readTraceContext,
} from './events.ts';
import { fieldProblem, joinPath } from './request.ts';

/** Media types of CloudEvents in the JSON format: one event, and a batch (structured mode of the HTTP binding). */
export const CLOUD_EVENT_TYPE = 'application/cloudevents+json';
export const CLOUD_EVENT_BATCH_TYPE = 'application/cloudevents-batch+json';

/** The source under which the id of a CloudEvent is the id of the event as it is. */
const PLAIN_SOURCE = 'tidings:event';

/** Separates source and id in the id of an event. No URI contains it, so that they can be separated again. */
const SEPARATOR = '|';

/**
 * The id of the event that a CloudEvent is: `source|id`. Of two CloudEvents that differ in either no two have the same, for
 * a `source` is a URI reference and has no `|` in it. Checks neither.
 */
export function eventIdOf({ source, id }: { readonly source: string; readonly id: string }): string {
  return source === PLAIN_SOURCE ? id : `${source}${SEPARATOR}${id}`;
}

const closed = { additionalProperties: false };
const { clientId, transactionId, events, occurredAt } = EVENT_FIELDS;

/** The data of a CloudEvent, besides its attributes. */
const CloudEventData = Type.Object(
  {
    clientId,
    transactionId,
    resource: Type.Object({ ...RESOURCE_FIELDS, id: Type.Optional(RESOURCE_FIELDS.id) }, closed),
    events: Type.Optional(events),
  },
  closed,
);

/** An event as a CloudEvent. Other attributes are extensions: accepted, but not stored. */
export const CloudEvent = Type.Object({
  specversion: Type.Literal('1.0'),
  id: Type.String({ minLength: 1, maxLength: 128, description: 'Together with the source, the id of the event' }),
  source: Type.String({
    format: 'uri-reference',
    minLength: 1,
    maxLength: 2048,
    description: 'System of the bank that the event comes from',
  }),
  type: Type.String({ minLength: 1, maxLength: 256, description: 'The event type: URN or subscribe code' }),
  time: Type.String({
    ...occurredAt,
    description: 'When the event happened (occurredAt), with time zone; not in the future',
  }),
  subject: Type.Optional(Type.String({ minLength: 1, maxLength: 128, description: 'Id of the resource' })),
  datacontenttype: Type.Optional(
    Type.String({ maxLength: 256, description: 'application/json. Default: application/json' }),
  ),
  dataschema: Type.Optional(Type.String({ format: 'uri', maxLength: 2048, description: 'Accepted, but ignored' })),
  traceparent: Type.Optional(Type.String({ description: 'Distributed tracing: W3C trace context' })),
  tracestate: Type.Optional(Type.String({ description: 'Distributed tracing: W3C trace state' })),
  data: CloudEventData,
});
export type CloudEvent = Static<typeof CloudEvent>;

/** Several CloudEvents, published all or none. */
export const CloudEventBatch = Type.Array(CloudEvent, { minItems: 1, maxItems: EVENTS_PER_BATCH_MAX });

// CloudEvents 1.0.2, its JSON format, its HTTP binding, and its extension for distributed tracing.
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md

const ATTRIBUTE_NAME = /^[a-z0-9]+$/;
const shapeCloudEvent = shapeOf(CloudEvent);
const shapeId = shapeOf(EVENT_FIELDS.id);
const shapeSource = shapeOf(CloudEvent.properties.source);

/** The one `source` and `id` whose event has this id: the inverse of {@link eventIdOf}. */
export function cloudIdentityOf(eventId: string): { readonly source: string; readonly id: string } {
  const at = eventId.indexOf(SEPARATOR);
  const source = eventId.slice(0, Math.max(at, 0));
  const id = eventId.slice(at + 1);
  const isJoined = at > 0 && id !== '' && source !== PLAIN_SOURCE && shapeSource(source).ok;
  return isJoined ? { source, id } : { source: PLAIN_SOURCE, id: eventId };
}

/**
 * Reads one CloudEvent in the JSON format. Attributes that are null are left out, as the format has it; extension
 * attributes are taken and not kept, save those of distributed tracing. Event types are not looked at.
 *
 * @param placeOf where an attribute, or a member of `data`, stands in what was sent
 * @throws {Problem} 400 that names the field
 */
export function readCloudEvent(value: unknown, placeOf: (path: string) => string): HandedEvent {
  const shaped = shapeCloudEvent(withAttributesChecked(value, placeOf));
  if (!shaped.ok) {
    const { path, why, kind } = shaped.fault;
    throw fieldProblem(placeOf(path), kind === 'unexpected' ? 'is not a field here; take it out' : why);
  }
  const cloud = shaped.value;
  const { clientId, transactionId, resource } = cloud.data;
  const published = {
    id: readIdentity(cloud, placeOf),
    ...{ clientId, occurredAt: cloud.time, ...(transactionId !== undefined && { transactionId }) },
    resource: { ...resource, id: readResourceId(cloud, placeOf) },
    events: readTypes(cloud, placeOf),
  };
  const hasTypes = cloud.data.events !== undefined;
  const where = (path: string) => placeOf(pathInCloudEvent(path, hasTypes));
  const traceContext = readTraceContext(cloud);
  return { published, where, ...(traceContext !== undefined && { traceContext }) };
}

/** Checks the rules of the format, with clearer messages than a schema. @returns it without null attributes */
function withAttributesChecked(value: unknown, placeOf: (path: string) => string): unknown {
  if (!isJsonObject(value)) throw fieldProblem(placeOf(''), 'must be a CloudEvent, which is an object');
  const set = Object.entries(value).filter(([, each]) => each !== null);
  const attributes = new Map(set);
  const version = attributes.get('specversion');
  if (version !== '1.0')
    throw fieldProblem(
      placeOf('specversion'),
      version === undefined ? 'is missing; it must be "1.0"' : 'must be "1.0"',
    );
  if (attributes.has('data_base64')) {
    throw fieldProblem(placeOf('data_base64'), 'is not taken; send the event as JSON in "data"');
  }
  const type = attributes.get('datacontenttype');
  if (typeof type === 'string' && parseMediaType(type)?.essence !== 'application/json') {
    throw fieldProblem(placeOf('datacontenttype'), 'must be application/json, or left out');
  }
  for (const [name, each] of set) {
    if (name === 'data') continue;
    if (!ATTRIBUTE_NAME.test(name)) {
      const why =
        'is no name of a CloudEvents attribute (lower case letters and digits); what is yours goes into "data"';
      throw fieldProblem(placeOf(name), why);
    }
    if (typeof each === 'object') throw fieldProblem(placeOf(name), 'must be a string, a number or a boolean');
  }
  // No member of its own can be __proto__ by now, save in data, which is taken as it is.
  return Object.fromEntries(set);
}

// Attributes that binary mode has no header for: the body is the data, and Content-Type its type.
const NO_HEADERS = new Set(['data', 'data_base64', 'datacontenttype']);

/**
 * Reads one CloudEvent in binary mode: attributes are headers, and the body is the data.
 *
 * @param attributes by their names, without the prefix of the headers
 * @param prefix of the headers, for messages: `ce-` in HTTP, `ce_` in Kafka
 * @throws {Problem} 400 that names the header or the field
 */
export function readBinaryCloudEvent(
  attributes: readonly (readonly [name: string, value: string])[],
  data: unknown,
  prefix: string,
): HandedEvent {
  if (!isJsonObject(data)) throw fieldProblem('', 'must be the data of one CloudEvent, which is an object');
  for (const [name] of attributes) {
    if (NO_HEADERS.has(name)) throw fieldProblem(`${prefix}${name}`, 'is no header of a CloudEvent; take it out');
  }
  return readCloudEvent({ ...Object.fromEntries(attributes), data }, (path) => {
    if (path === 'data') return '';
    return path.startsWith('data.') ? path.slice('data.'.length) : `${prefix}${path}`;
  });
}

function readIdentity(cloud: CloudEvent, placeOf: (path: string) => string): string {
  const eventId = eventIdOf(cloud);
  if (!shapeId(eventId).ok) {
    throw fieldProblem(placeOf('id'), 'and "source" together must have at most 127 characters; shorten either');
  }
  // Otherwise two CloudEvents would have the same event id.
  if (cloudIdentityOf(eventId).source !== cloud.source) {
    throw fieldProblem(
      placeOf('id'),
      `holds a source of its own; write that into "source" in place of ${PLAIN_SOURCE}`,
    );
  }
  return eventId;
}

function readResourceId({ subject, data }: CloudEvent, placeOf: (path: string) => string): string {
  const id = data.resource.id ?? subject;
  if (id === undefined) throw fieldProblem(placeOf('data.resource.id'), 'is missing; give it here or as "subject"');
  if (subject !== undefined && subject !== id) {
    throw fieldProblem(placeOf('subject'), 'must be the same as data.resource.id; leave out either');
  }
  return id;
}

function readTypes({ type, data }: CloudEvent, placeOf: (path: string) => string): PublishedEvent['events'] {
  const events = data.events ?? [{ type }];
  if (events.some((each) => each.type === type)) return events;
  throw fieldProblem(placeOf('type'), 'must be one of the types in data.events, written in the same way');
}

/** Path of a field of an event in a CloudEvent. */
function pathInCloudEvent(path: string, hasTypes: boolean): string {
  if (path === '' || path === 'id') return path;
  if (path === 'occurredAt') return 'time';
  if (path === 'events[0].type' && !hasTypes) return 'type';
  return joinPath('data', path);
}
