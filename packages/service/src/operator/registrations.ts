import assert from 'node:assert/strict';
import { API_VERSIONS, type EventTypeCatalogue, type EventTypeRule, filterEventTypes } from '@tidings/protocol';
import { type Static, Type } from 'typebox';
import { CALLBACK_URL_STATES, deliveryStateOf } from '../model/callback-url.ts';
import type { Registration, RegistrationsOfTpp } from '../model/registration.ts';
import { eventTypesOf } from '../notify/fan-out.ts';
import { ShownTarget, writeTarget } from './delivery-state.ts';
import type { OperatorContext } from './options.ts';
import { choice, cursor, fieldProblem, isoTime, limit, text } from './request.ts';
import { ok, route } from './route.ts';
import { findTpp } from './tpp-registry.ts';

/** Registrations on one page by default. */
const REGISTRATIONS_PER_PAGE = 100;
/** Most registrations on one page, but for the second one of the last TPP. */
const REGISTRATIONS_PER_PAGE_MAX = 1000;

/** States of a registration. */
const REGISTRATION_STATES = [...CALLBACK_URL_STATES, 'suspended', 'polling-only', 'superseded'] as const;

const closed = { additionalProperties: false };

/** An event subscription or a callback URL of a TPP. */
export const ShownRegistration = Type.Object(
  {
    clientId: Type.String(),
    kind: Type.Enum(['event-subscription', 'callback-url']),
    id: Type.String({ description: 'EventSubscriptionId or CallbackUrlId' }),
    state: Type.Enum([...REGISTRATION_STATES], {
      description:
        'healthy, failing, unresponsive: state of its callback URL. suspended: the TPP is suspended. polling-only: it has no callback URL. superseded: a callback URL that an event subscription supersedes',
    }),
    callbackUrl: Type.Optional(Type.String()),
    version: Type.String({ description: 'Minimum version of the resources to receive events about' }),
    eventTypes: Type.Optional(
      Type.Array(Type.String(), { description: 'As sent. Absent or empty: all supported types' }),
    ),
    apiVersion: Type.Enum([...API_VERSIONS], { description: 'API version that it was made through' }),
    unresponsiveSince: Type.Optional(Type.String({ format: 'date-time' })),
    target: Type.Optional(ShownTarget),
  },
  closed,
);
export type ShownRegistration = Static<typeof ShownRegistration>;

/** One page of registrations, in the order of the client_ids. */
export const RegistrationPage = Type.Object(
  {
    registrations: Type.Array(ShownRegistration, { maxItems: REGISTRATIONS_PER_PAGE_MAX + 1 }),
    next: Type.Optional(
      Type.String({
        description: 'Cursor of the next page, to be given as "after"; that page may be empty. Absent on the last page',
      }),
    ),
  },
  closed,
);
export type RegistrationPage = Static<typeof RegistrationPage>;

const apiVersion = Type.Enum(['v3.1', 'v4.0'], { description: 'API version that it was made through' });
const unresponsiveSince = Type.Optional(
  Type.String({ format: 'date-time', description: 'When its callback URL exceeded a limit of the retry policy' }),
);

/** A registration, as the operator sees it. */
export const TppRegistrations = Type.Object(
  {
    effective: Type.Optional(
      Type.Enum(['event-subscription', 'callback-url'], {
        description:
          'The effective registration: an event subscription supersedes a callback URL. Absent if the TPP has none',
      }),
    ),
    eventSubscription: Type.Optional(
      Type.Object(
        {
          eventSubscriptionId: Type.String(),
          callbackUrl: Type.Optional(Type.String({ description: 'Absent for a TPP that only polls' })),
          version: Type.String({ description: 'Minimum version of the resources to receive events about' }),
          eventTypes: Type.Optional(Type.Array(Type.String(), { description: 'As sent. Absent or empty: all' })),
          apiVersion,
          unresponsiveSince,
        },
        closed,
      ),
    ),
    callbackUrl: Type.Optional(
      Type.Object(
        { callbackUrlId: Type.String(), url: Type.String(), version: Type.String(), apiVersion, unresponsiveSince },
        closed,
      ),
    ),
  },
  closed,
);
export type TppRegistrations = Static<typeof TppRegistrations>;

// TPPs that are inspected for one page, even if few of them match.
const LOOKED_AT_MAX = 2000;
const TEXT_CHARS_MAX = 256;

/** Selects registrations; all given criteria must match. */
interface Filter {
  readonly apiVersion: string | undefined;
  readonly version: string | undefined;
  readonly eventType: EventTypeRule | undefined;
  readonly state: string | undefined;
}

/** Registrations of all TPPs, and of one. */
export const registrationRoutes = [
  route({
    operationId: 'listRegistrations',
    method: 'get',
    path: '/operator/v1/registrations',
    role: 'viewer',
    tag: 'TPPs',
    summary: 'List event subscriptions and callback URLs of all TPPs, in the order of the client_ids',
    query: {
      apiVersion: choice('Made or last changed through this API version', API_VERSIONS),
      version: text('With this minimum version of resources', TEXT_CHARS_MAX),
      eventType: text(
        'Registrations that receive events of this type, given by URN or code; versions of resources are not considered',
        TEXT_CHARS_MAX,
      ),
      state: choice('Entries in this state only', REGISTRATION_STATES),
      after: cursor('"next" of the previous page'),
      limit: limit('Page size', REGISTRATIONS_PER_PAGE, REGISTRATIONS_PER_PAGE_MAX),
    },
    response: ok('One page', { RegistrationPage }),
    handler:
      ({ store, catalogue }) =>
      ({ query }) => {
        const { eventType, after, limit: most, ...others } = query;
        const filter = { ...others, eventType: findEventType(eventType, catalogue) };
        return list(filter, { after, limit: most }, { store, catalogue });
      },
  }),
  route({
    operationId: 'getTppRegistrations',
    method: 'get',
    path: '/operator/v1/tpps/{clientId}/registrations',
    role: 'viewer',
    tag: 'TPPs',
    summary: 'Get the registrations of a TPP, and since when its callback URL is unresponsive',
    response: ok('Its registrations', { TppRegistrations }),
    refusals: [404],
    handler:
      ({ store }) =>
      async ({ params }) => {
        const { clientId } = await findTpp(store, params.clientId);
        return writeRegistrations(await store.registrationsOf(clientId));
      },
  }),
];

async function list(
  filter: Filter,
  page: { readonly after: string | undefined; readonly limit: number },
  { store, catalogue }: Pick<OperatorContext, 'store' | 'catalogue'>,
): Promise<RegistrationPage> {
  const registrations: ShownRegistration[] = [];
  let after = page.after ?? '';
  for (let lookedAt = 0; lookedAt < LOOKED_AT_MAX; ) {
    const found = await store.registrations(after, page.limit);
    for (const tpp of found) {
      registrations.push(...shownOf(tpp).filter((each) => isMeant(each, filter, catalogue)));
      after = tpp.clientId;
      // What one TPP registered stands on one page: the page may have one more than its limit.
      if (registrations.length >= page.limit) return { registrations, ...(await nextOf(after)) };
    }
    if (found.length < page.limit) return { registrations };
    lookedAt += found.length;
  }
  return { registrations, next: after };

  async function nextOf(clientId: string): Promise<{ next?: string }> {
    const [another] = await store.registrations(clientId, 1);
    return another === undefined ? {} : { next: clientId };
  }
}

function findEventType(name: string | undefined, catalogue: EventTypeCatalogue): EventTypeRule | undefined {
  if (name === undefined) return undefined;
  const type = catalogue.find(name);
  if (type === undefined) throw fieldProblem('eventType', 'must be an event type, by its URN or its code');
  return type;
}

function shownOf({ clientId, isSuspended, registrations, target }: RegistrationsOfTpp): ShownRegistration[] {
  const state = deliveryStateOf({ isSuspended, hasRegistration: true, target });
  assert(state !== 'no-registration', 'it has one');
  return registrations.map((registration, at) => ({
    ...{ clientId, kind: registration.kind, id: registration.id },
    state: at === 0 ? state : 'superseded',
    ...writeRegistration(registration),
    ...(at === 0 && target !== undefined && { target: writeTarget(target) }),
  }));
}

function isMeant(each: ShownRegistration, filter: Filter, catalogue: EventTypeCatalogue): boolean {
  const { apiVersion, version, eventType, state } = filter;
  if (apiVersion !== undefined && apiVersion !== each.apiVersion) return false;
  if (version !== undefined && version !== each.version) return false;
  if (state !== undefined && state !== each.state) return false;
  if (eventType === undefined) return true;
  return filterEventTypes([eventType], eventTypesOf({ eventTypes: undefined, ...each }), catalogue).length > 0;
}

/** Writes the registrations of a TPP. @param registrations the effective one first */
function writeRegistrations(registrations: readonly Registration[]): TppRegistrations {
  const written: TppRegistrations = {};
  const [effective] = registrations;
  if (effective !== undefined) written.effective = effective.kind;
  for (const registration of registrations) {
    if (registration.kind === 'event-subscription') written.eventSubscription = writeSubscription(registration);
    else written.callbackUrl = writeCallbackUrl(registration);
  }
  return written;
}

function writeSubscription(registration: Registration): NonNullable<TppRegistrations['eventSubscription']> {
  return { eventSubscriptionId: registration.id, ...writeRegistration(registration) };
}

function writeCallbackUrl(registration: Registration): NonNullable<TppRegistrations['callbackUrl']> {
  const { callbackUrl: url, ...rest } = writeRegistration(registration);
  assert(url !== undefined, 'a callback URL resource has its URL');
  return { callbackUrlId: registration.id, url, ...rest };
}

/** Writes the content of a registration and the state of its callback URL. */
function writeRegistration({
  callbackUrl,
  version,
  eventTypes,
  apiVersion,
  unresponsiveSinceMs,
}: Registration): Omit<NonNullable<TppRegistrations['eventSubscription']>, 'eventSubscriptionId'> {
  return {
    ...(callbackUrl !== undefined && { callbackUrl }),
    version,
    ...(eventTypes !== undefined && { eventTypes: [...eventTypes] }),
    apiVersion,
    ...(unresponsiveSinceMs !== undefined && { unresponsiveSince: isoTime(unresponsiveSinceMs) }),
  };
}
