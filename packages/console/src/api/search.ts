import { infiniteQueryOptions } from '@tanstack/react-query';
import { api, dataOf, type Schemas } from './client.ts';

export type Found = Schemas['NotificationPage']['notifications'][number];

/** The filter of a search, as the address has it; `id` is a jti, or the id of an event, a transaction or a resource. */
export interface NotificationFilter {
  readonly id?: string | undefined;
  readonly client?: string | undefined;
  readonly type?: string | undefined;
  readonly state?: string | undefined;
  readonly from?: string | undefined;
  readonly before?: string | undefined;
}

type Query = Record<string, string>;
type State = 'awaiting' | 'acknowledged' | 'withdrawn' | 'expired' | 'failed';

const IDS = ['jti', 'eventId', 'transactionId', 'resourceId'] as const;
const PAGE = 200;

async function page(query: Query, after: string, signal: AbortSignal): Promise<Schemas['NotificationPage']> {
  const { state, ...others } = query;
  const asked = { ...others, ...(state !== undefined && { state: state as State }), ...(after !== '' && { after }) };
  return dataOf(api.GET('/operator/v1/notifications', { params: { query: { ...asked, limit: PAGE } }, signal }));
}

/** A page may hold few, or none, although there is a next one: goes on until there is something to show. */
async function filledPage(query: Query, first: string, signal: AbortSignal): Promise<Schemas['NotificationPage']> {
  let found = await page(query, first, signal);
  for (let turns = 0; found.notifications.length === 0 && found.next !== undefined && turns < 20; turns += 1) {
    found = await page(query, found.next, signal);
  }
  return found;
}

/** An id may be of four kinds; a search for each, the newest of them first. */
async function byAnyId(id: string, query: Query, signal: AbortSignal): Promise<Schemas['NotificationPage']> {
  const pages = await Promise.all(IDS.map((name) => filledPage({ ...query, [name]: id }, '', signal)));
  const byJti = new Map(pages.flatMap(({ notifications }) => notifications).map((each) => [each.jti, each]));
  return { notifications: [...byJti.values()].toSorted((a, b) => b.publishedAt.localeCompare(a.publishedAt)) };
}

function queryOf({ client, type, state, from, before }: NotificationFilter): Query {
  const named = { clientId: client, eventType: type, state, publishedFrom: from, publishedBefore: before };
  return Object.fromEntries(Object.entries(named).flatMap(([name, value]) => (value ? [[name, value]] : [])));
}

/** Notifications that a filter finds, the newest first, a page at a time. */
export const searchQuery = (filter: NotificationFilter) =>
  infiniteQueryOptions({
    queryKey: ['notifications', 'search', filter],
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) =>
      filter.id === undefined
        ? filledPage(queryOf(filter), pageParam, signal)
        : byAnyId(filter.id, queryOf(filter), signal),
    getNextPageParam: ({ next }) => next,
    // What is further down was read on purpose; it stays as it was read.
    refetchInterval: ({ state }) => ((state.data?.pages.length ?? 0) <= 2 ? 5000 : false),
  });
