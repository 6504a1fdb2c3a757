import createClient from 'openapi-fetch';
import type { components, paths } from './operator-api.d.ts';
import { Offline, problemOf } from './problem.ts';

/** Schemas of the operator API by their names. */
export type Schemas = components['schemas'];

const ACTIVE_MS = 60_000;
let lastInputMs = Date.now();

/** Follows what the person does, so that a console that only looks by itself does not keep its session going. */
export function followActivity(): void {
  for (const type of ['pointerdown', 'keydown', 'wheel']) {
    window.addEventListener(
      type,
      () => {
        lastInputMs = Date.now();
      },
      { passive: true },
    );
  }
}

/** The headers of every call: a form of another site cannot send them. */
export function consoleHeaders(): Record<string, string> {
  return { 'tidings-console': Date.now() - lastInputMs < ACTIVE_MS ? 'active' : 'background' };
}

const client = createClient<paths>({
  baseUrl: window.location.origin,
  fetch: (request) => fetch(request).catch(reachable),
});
client.use({
  onRequest: ({ request }) => {
    for (const [name, value] of Object.entries(consoleHeaders())) request.headers.set(name, value);
    return request;
  },
});

/** Calls operations of the operator API by path, with the session. */
export const api: typeof client = client;

/** @throws {Offline} in place of what the browser throws; an aborted call stays one */
export function reachable(error: unknown): never {
  if (error instanceof DOMException && error.name === 'AbortError') throw error;
  throw new Offline();
}

type Answered<T> = { readonly data?: T; readonly error?: unknown; readonly response: Response };

/** The data of an answer. @throws {ApiProblem} when it was refused */
export async function dataOf<T>(call: Promise<Answered<T>>): Promise<T> {
  const { data, error, response } = await call;
  if (!response.ok) throw problemOf(response.status, error);
  return data as T;
}
