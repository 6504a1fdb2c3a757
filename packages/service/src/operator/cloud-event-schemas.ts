import { type Static, Type } from 'typebox';
import { EVENT_FIELDS, EVENTS_PER_BATCH_MAX, RESOURCE_FIELDS } from './publish-schemas.ts';

const closed = { additionalProperties: false };
const { clientId, transactionId, events, occurredAt } = EVENT_FIELDS;

/** What a CloudEvent carries for us, beside its attributes. */
const CloudEventData = Type.Object(
  {
    clientId,
    transactionId,
    resource: Type.Object({ ...RESOURCE_FIELDS, id: Type.Optional(RESOURCE_FIELDS.id) }, closed),
    events: Type.Optional(events),
  },
  closed,
);

/** An event as a CloudEvent. Attributes that are not named here are extensions: taken, and not kept. */
export const CloudEvent = Type.Object({
  specversion: Type.Literal('1.0'),
  id: Type.String({ minLength: 1, maxLength: 128, description: 'With the source it is the id of the event' }),
  source: Type.String({
    format: 'uri-reference',
    minLength: 1,
    maxLength: 2048,
    description: 'Which of your systems it comes from',
  }),
  type: Type.String({ minLength: 1, maxLength: 256, description: 'The event type: URN or subscribe code' }),
  time: Type.String({ ...occurredAt, description: 'occurredAt: when it happened, with its zone; not in the future' }),
  subject: Type.Optional(Type.String({ minLength: 1, maxLength: 128, description: 'The id of the resource' })),
  datacontenttype: Type.Optional(Type.String({ maxLength: 256, description: 'application/json, or left out' })),
  dataschema: Type.Optional(Type.String({ format: 'uri', maxLength: 2048, description: 'Taken, and not looked at' })),
  traceparent: Type.Optional(Type.String({ description: 'Distributed tracing: W3C trace context' })),
  tracestate: Type.Optional(Type.String({ description: 'Distributed tracing: W3C trace state' })),
  data: CloudEventData,
});
export type CloudEvent = Static<typeof CloudEvent>;

/** Several CloudEvents at once: all or nothing. */
export const CloudEventBatch = Type.Array(CloudEvent, { minItems: 1, maxItems: EVENTS_PER_BATCH_MAX });
