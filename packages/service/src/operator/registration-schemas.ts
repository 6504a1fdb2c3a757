import { API_VERSIONS } from '@tidings/protocol';
import { type Static, Type } from 'typebox';

/** Registrations on one page unless the caller asks for another number. */
export const REGISTRATIONS_PER_PAGE = 100;
/** Most registrations on one page, but for the second one of the last TPP. */
export const REGISTRATIONS_PER_PAGE_MAX = 1000;

/** How a registration stands. */
export const REGISTRATION_STATES = ['responsive', 'unresponsive', 'polling', 'suspended', 'superseded'] as const;

const closed = { additionalProperties: false };

/** An event subscription or a callback URL of a TPP. */
export const ShownRegistration = Type.Object(
  {
    clientId: Type.String(),
    kind: Type.Enum(['event-subscription', 'callback-url']),
    id: Type.String({ description: 'EventSubscriptionId or CallbackUrlId' }),
    state: Type.Enum([...REGISTRATION_STATES], {
      description:
        'How its callback URL fares: responsive, unresponsive. polling: it has none. suspended: the TPP is. superseded: a callback URL beside an event subscription',
    }),
    callbackUrl: Type.Optional(Type.String()),
    version: Type.String({ description: 'Minimum version of the resources it wants events about' }),
    eventTypes: Type.Optional(
      Type.Array(Type.String(), { description: 'As sent. Absent or empty: all that it may have' }),
    ),
    apiVersion: Type.Enum([...API_VERSIONS], { description: 'The version of the API it was made through' }),
    unresponsiveSince: Type.Optional(Type.String({ format: 'date-time' })),
  },
  closed,
);
export type ShownRegistration = Static<typeof ShownRegistration>;

/** One page of registrations, in the order of the client_ids. */
export const RegistrationPage = Type.Object(
  {
    registrations: Type.Array(ShownRegistration, { maxItems: REGISTRATIONS_PER_PAGE_MAX + 1 }),
    next: Type.Optional(
      Type.String({ description: 'Give it as "after" for the next page, which may be empty; absent on the last one' }),
    ),
  },
  closed,
);
export type RegistrationPage = Static<typeof RegistrationPage>;
