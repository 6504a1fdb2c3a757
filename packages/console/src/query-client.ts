import { QueryCache, QueryClient } from '@tanstack/react-query';
import { ApiProblem, Offline } from './api/problem.ts';
import { sessionQuery } from './session/session.ts';

const RETRIES_MAX = 2;

/** A session that ended is noticed by whichever call is refused first. */
function onError(error: Error): void {
  if (error instanceof ApiProblem && error.status === 401) {
    void queryClient.invalidateQueries({ queryKey: sessionQuery.queryKey });
  }
}

export const queryClient: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError }),
  defaultOptions: {
    queries: {
      staleTime: 2000,
      // The console is asked to be right when it is online again, and the browser's guess of that is wrong on loopback.
      networkMode: 'always',
      retry: (failures, error) => !(error instanceof ApiProblem || error instanceof Offline) && failures < RETRIES_MAX,
    },
    mutations: { networkMode: 'always' },
  },
});
