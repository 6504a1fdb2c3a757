import { type Static, Type } from 'typebox';
import { ShownAttempt } from './notifications.ts';
import { ShownTarget } from './tpp-schemas.ts';

/** Callback URLs on one page unless the caller asks for another number. */
export const CALLBACK_URLS_PER_PAGE = 100;
/** Most callback URLs on one page. */
export const CALLBACK_URLS_PER_PAGE_MAX = 500;

const closed = { additionalProperties: false };

/** One of the last attempts. */
export const LastOutcome = Type.Object(
  {
    jti: Type.String(),
    ...ShownAttempt.properties,
    instance: Type.String({ description: 'Of the process that made it; a new one after each start' }),
  },
  closed,
);

/** A callback URL to which notifications are pushed, and how it fares. */
export const CallbackUrlHealth = Type.Object(
  {
    clientId: Type.String(),
    ...ShownTarget.properties,
    awaiting: Type.Integer({ minimum: 0, description: 'Notifications that are awaiting for it' }),
    isAtLeast: Type.Boolean({ description: 'true: there are more, which were not counted' }),
    breaker: Type.Optional(
      Type.Object(
        {
          state: Type.Enum(['closed', 'open', 'trial'], {
            description: 'closed: attempts go on. open: they pause, since most failed. trial: one is tried',
          }),
          pausedUntil: Type.Optional(Type.String({ format: 'date-time', description: 'When one is tried' })),
        },
        {
          ...closed,
          description: 'Of the instance that answers: each has its own. Absent: it delivers nothing',
        },
      ),
    ),
    lastOutcomes: Type.Array(LastOutcome, {
      description:
        'The last 10 attempts of all instances, the newest first; those of others, or of before the last start, some seconds late. In a list only the last',
    }),
  },
  closed,
);
export type CallbackUrlHealth = Static<typeof CallbackUrlHealth>;

/** One page of callback URLs, in the order of their client_ids. */
export const CallbackUrlPage = Type.Object(
  {
    callbackUrls: Type.Array(CallbackUrlHealth, { maxItems: CALLBACK_URLS_PER_PAGE_MAX }),
    next: Type.Optional(Type.String({ description: 'Give it as "after" for the next page; absent on the last one' })),
  },
  closed,
);
export type CallbackUrlPage = Static<typeof CallbackUrlPage>;
