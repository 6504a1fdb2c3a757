import { type Static, Type } from 'typebox';

/** Most events in one batch. */
export const EVENTS_PER_BATCH_MAX = 1000;

const id = (description: string) => Type.String({ minLength: 1, maxLength: 128, description });
const uri = (description: string) => Type.String({ format: 'uri', maxLength: 2048, description });
const closed = { additionalProperties: false };

/** What the fields of an event are, in whatever form it is published. */
export const EVENT_FIELDS = {
  id: id('Yours; makes publishing idempotent'),
  clientId: id('The TPP that owns the resource'),
  occurredAt: Type.String({
    format: 'date-time',
    maxLength: 64,
    description: 'When it happened (toe), with its zone; not in the future',
  }),
  transactionId: Type.Optional(id('x-fapi-interaction-id of the call that caused it (txn). Left out: the jti')),
  events: Type.Array(
    Type.Object(
      {
        type: Type.String({ minLength: 1, maxLength: 256, description: 'URN or subscribe code' }),
        reason: Type.Optional(id('Where the type has one, such as UK.OBIE.AccountClosure')),
      },
      closed,
    ),
    { minItems: 1, maxItems: 20, description: 'What happened; one token is made of all of them' },
  ),
};

/** What the fields of its resource are. */
export const RESOURCE_FIELDS = {
  id: id('rid'),
  type: id('rty, such as account-access-consent'),
  version: Type.String({
    minLength: 1,
    maxLength: 11,
    description: 'Version of the API in which it was made, such as 4.0',
  }),
  uri: uri('sub. For a linked-account-update, that of the consent'),
  links: Type.Array(
    Type.Object(
      { version: Type.String({ minLength: 1, maxLength: 10 }), link: uri('Where it is in this version') },
      closed,
    ),
    { minItems: 1, maxItems: 20, description: 'rlk: links to all versions of the resource that you serve' },
  ),
};

/** An event as the bank's systems publish it. */
export const PublishedEvent = Type.Object({ ...EVENT_FIELDS, resource: Type.Object(RESOURCE_FIELDS, closed) }, closed);
export type PublishedEvent = Static<typeof PublishedEvent>;

/** Several events at once: all or nothing. */
export const PublishBatch = Type.Array(PublishedEvent, { minItems: 1, maxItems: EVENTS_PER_BATCH_MAX });

const repeated = Type.Boolean({ description: 'It was published before, and this is what came of it then' });

/** What publishing came to: one outcome for each event, in their order. */
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
