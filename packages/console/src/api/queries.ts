import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { api, dataOf, type Schemas } from './client.ts';

const ONCE_A_SECOND_MS = 1000;
const OFTEN_MS = 5000;
const SELDOM_MS = 30_000;

/** How the service is. */
export const statusQuery = queryOptions({
  queryKey: ['status'],
  queryFn: ({ signal }) => dataOf(api.GET('/operator/v1/status', { signal })),
  refetchInterval: OFTEN_MS,
});

/** The instances of the service. */
export const instancesQuery = queryOptions({
  queryKey: ['instances'],
  queryFn: ({ signal }) => dataOf(api.GET('/operator/v1/instances', { signal })),
  refetchInterval: 2 * OFTEN_MS,
});

/** Alerts that are open, the last 500. */
export const alertsQuery = queryOptions({
  queryKey: ['alerts'],
  queryFn: ({ signal }) =>
    dataOf(api.GET('/operator/v1/alerts', { params: { query: { state: 'open', limit: 500 } }, signal })),
  refetchInterval: OFTEN_MS,
});

/** Counts of the last hours or minutes. */
export const statisticsQuery = (resolution: 'minute' | 'hour', clientId?: string) =>
  queryOptions({
    queryKey: ['statistics', resolution, clientId],
    queryFn: ({ signal }) =>
      dataOf(
        api.GET('/operator/v1/statistics', {
          params: { query: { resolution, ...(clientId !== undefined && { clientId }) } },
          signal,
        }),
      ),
    refetchInterval: 2 * OFTEN_MS,
  });

type TppStatistics = Schemas['TppStatistics']['tpps'][number];
const STATISTICS_PAGES_MAX = 10;

/** Counts of the last 24 hours by client_id, of up to 2,000 TPPs. */
export const tppStatisticsQuery = queryOptions({
  queryKey: ['statistics', 'tpps'],
  queryFn: async ({ signal }) => {
    const found = new Map<string, TppStatistics>();
    let after: string | undefined;
    for (let pages = 0; pages < STATISTICS_PAGES_MAX; pages += 1) {
      const query = { limit: 200, ...(after !== undefined && { after }) };
      const page = await dataOf(api.GET('/operator/v1/statistics/tpps', { params: { query }, signal }));
      for (const each of page.tpps) found.set(each.clientId, each);
      after = page.next;
      if (after === undefined) break;
    }
    return found;
  },
  refetchInterval: SELDOM_MS,
});

/** Callback URLs that something is pushed to, up to 500. */
export const callbackUrlsQuery = queryOptions({
  queryKey: ['callback-urls'],
  queryFn: ({ signal }) => dataOf(api.GET('/operator/v1/callback-urls', { params: { query: { limit: 500 } }, signal })),
  refetchInterval: OFTEN_MS,
});

/** One callback URL with its last attempts; null: nothing is pushed to this TPP. */
export const callbackUrlQuery = (clientId: string) =>
  queryOptions({
    queryKey: ['callback-urls', clientId],
    queryFn: async ({ signal }) => {
      const { callbackUrls } = await dataOf(
        api.GET('/operator/v1/callback-urls', { params: { query: { limit: 500 } }, signal }),
      );
      if (!callbackUrls.some((each) => each.clientId === clientId)) return null;
      return dataOf(api.GET('/operator/v1/callback-urls/{clientId}', { params: { path: { clientId } }, signal }));
    },
    refetchInterval: OFTEN_MS,
  });

/** TPPs, a page at a time. */
export const tppsQuery = infiniteQueryOptions({
  queryKey: ['tpps'],
  initialPageParam: '',
  queryFn: ({ pageParam, signal }) =>
    dataOf(
      api.GET('/operator/v1/tpps', {
        params: { query: { limit: 200, ...(pageParam !== '' && { after: pageParam }) } },
        signal,
      }),
    ),
  getNextPageParam: ({ next }) => next,
  refetchInterval: SELDOM_MS,
});

export const tppQuery = (clientId: string) =>
  queryOptions({
    queryKey: ['tpps', 'one', clientId],
    queryFn: ({ signal }) =>
      dataOf(api.GET('/operator/v1/tpps/{clientId}', { params: { path: { clientId } }, signal })),
    refetchInterval: SELDOM_MS,
  });

/** The keys of a TPP that the instance that answers holds. */
export const tppKeysQuery = (clientId: string) =>
  queryOptions({
    queryKey: ['tpps', 'keys', clientId],
    queryFn: ({ signal }) =>
      dataOf(api.GET('/operator/v1/tpps/{clientId}/keys', { params: { path: { clientId } }, signal })),
    refetchInterval: OFTEN_MS,
  });

export const tppRegistrationsQuery = (clientId: string) =>
  queryOptions({
    queryKey: ['registrations', clientId],
    queryFn: ({ signal }) =>
      dataOf(api.GET('/operator/v1/tpps/{clientId}/registrations', { params: { path: { clientId } }, signal })),
    refetchInterval: SELDOM_MS,
  });

/** Registrations of all TPPs, the first 1,000. */
export const registrationsQuery = queryOptions({
  queryKey: ['registrations'],
  queryFn: ({ signal }) =>
    dataOf(api.GET('/operator/v1/registrations', { params: { query: { limit: 1000 } }, signal })),
  refetchInterval: SELDOM_MS,
});

export const notificationQuery = (jti: string) =>
  queryOptions({
    queryKey: ['notifications', 'one', jti],
    queryFn: ({ signal }) => dataOf(api.GET('/operator/v1/notifications/{jti}', { params: { path: { jti } }, signal })),
    // What is under way is followed more closely.
    refetchInterval: ({ state: { data } }) => (data?.state === 'awaiting' ? ONCE_A_SECOND_MS : OFTEN_MS),
  });

export const evidenceQuery = (jti: string) =>
  queryOptions({
    queryKey: ['notifications', 'evidence', jti],
    queryFn: ({ signal }) =>
      dataOf(api.GET('/operator/v1/notifications/{jti}/evidence', { params: { path: { jti } }, signal })),
  });

export const signingKeysQuery = queryOptions({
  queryKey: ['signing-keys'],
  queryFn: ({ signal }) => dataOf(api.GET('/operator/v1/signing-keys', { signal })),
  refetchInterval: OFTEN_MS,
});

/** Filters of the audit, as the address has them. */
export interface AuditFilter {
  readonly actor?: string | undefined;
  readonly action?: string | undefined;
  readonly subject?: string | undefined;
}

export const auditQuery = ({ actor, action, subject }: AuditFilter) =>
  infiniteQueryOptions({
    queryKey: ['audit', actor, action, subject],
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) => {
      const given = Object.entries({ actor, action, subject, before: pageParam }).filter(([, value]) => value);
      const query: { actor?: string; action?: string; subject?: string; before?: string } = Object.fromEntries(given);
      return dataOf(api.GET('/operator/v1/audit', { params: { query: { ...query, limit: 100 } }, signal }));
    },
    getNextPageParam: ({ next }) => next,
    refetchInterval: SELDOM_MS,
  });

/** Certificates of the instance that answers. */
export const certificatesQuery = queryOptions({
  queryKey: ['certificates'],
  queryFn: ({ signal }) => dataOf(api.GET('/operator/v1/certificates', { signal })),
  staleTime: SELDOM_MS,
});

/** Findings of an inspection of the instance that answers. */
export const findingsQuery = queryOptions({
  queryKey: ['findings'],
  queryFn: ({ signal }) => dataOf(api.GET('/operator/v1/findings', { signal })),
  staleTime: SELDOM_MS,
});

/** Settings of the instance that answers. */
export const configurationQuery = queryOptions({
  queryKey: ['configuration'],
  queryFn: ({ signal }) => dataOf(api.GET('/operator/v1/configuration', { signal })),
  staleTime: SELDOM_MS,
});
