import { queryOptions, useQuery } from '@tanstack/react-query';
import { consoleHeaders, reachable } from '../api/client.ts';
import { problemOf } from '../api/problem.ts';

/** Roles of the operator API that the console knows of; each may do what those before it may. */
const ORDER = ['viewer', 'operator', 'administrator'] as const;
export type Role = (typeof ORDER)[number];

/** The session of this browser. */
export type Session =
  | {
      readonly isSignedIn: false;
      /** Staff may sign in at the bank's identity provider. */
      readonly hasIdentityProvider?: boolean;
    }
  | {
      readonly isSignedIn: true;
      readonly name: string;
      readonly roles: readonly string[];
      readonly authenticatedBy: 'token' | 'oidc';
      /** When it ends unless something is done. */
      readonly idleAt: string;
      /** When it ends in any case. */
      readonly endsAt: string;
      /** The sandbox serves this console, and can make things happen at its bank. */
      readonly isOfSandbox: boolean;
    };

/** Where the address is kept that a sign-in at the identity provider comes back to, in this tab. */
export const RETURN_TO = 'tidings-return-to';

const PATH = '/console/session';
const SANDBOX_PATH = '/sandbox/actions';

async function send(method: string, body?: unknown, signal?: AbortSignal, path = PATH): Promise<Response> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  const response = await fetch(path, {
    method,
    headers: { ...consoleHeaders(), ...type },
    ...sent,
    signal: signal ?? null,
  }).catch(reachable);
  if (response.ok) return response;
  throw problemOf(response.status, await response.json().catch(() => undefined));
}

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: async ({ signal }): Promise<Session> => {
    const response = await send('GET', undefined, signal);
    return { ...(await response.json()), isOfSandbox: response.headers.has('tidings-sandbox') };
  },
  staleTime: 60_000,
});

/** Exchanges a token for a session. @throws {ApiProblem} 401, 403 or 429 */
export async function signIn(token: string): Promise<void> {
  await send('POST', { token });
}

export async function signOut(): Promise<void> {
  await send('DELETE');
}

/** Something that the sandbox can make happen at its bank. */
export interface SandboxAction {
  readonly name: string;
  readonly title: string;
  readonly description: string;
}

export const sandboxActionsQuery = queryOptions({
  queryKey: ['sandbox-actions'],
  queryFn: async ({ signal }): Promise<readonly SandboxAction[]> =>
    (await send('GET', undefined, signal, SANDBOX_PATH)).json(),
  staleTime: Number.POSITIVE_INFINITY,
});

/** Makes something happen at the sandbox's bank. @returns the view that shows what came of it */
export async function actInSandbox(name: string): Promise<{ readonly open: string }> {
  return (await send('POST', undefined, undefined, `${SANDBOX_PATH}/${name}`)).json();
}

/** Whether the person may do what needs a role. The API decides; this only hides what it would refuse. */
export function useMay(role: Role): boolean {
  const { data } = useQuery(sessionQuery);
  if (data?.isSignedIn !== true) return false;
  const best = Math.max(...data.roles.map((each) => ORDER.indexOf(each as Role)));
  return best >= ORDER.indexOf(role);
}
