import type { ProxiedRequest } from '../proxies.ts';
import {
  changesAnswer,
  changesRequest,
  clientIdOf,
  code,
  data,
  jsonOf,
  type Mutant,
  mutant,
  resigned,
  resourceOf,
  signedByClient,
  status,
  takes,
} from './mutant.ts';

function isCallbackUrl({ path }: ProxiedRequest): boolean {
  return path.includes('/callback-urls');
}

function ofV31({ path }: ProxiedRequest): boolean {
  return path.includes('/v3.1/');
}

/** Lists nothing, where there may be something. */
function listsNothing(name: string, caughtBy: string, where: (request: ProxiedRequest) => boolean): Mutant {
  return changesAnswer(name, caughtBy, (answer, request, keys) =>
    request.method === 'GET' && answer.status === 200 && where(request)
      ? resigned(answer, { ...jsonOf(answer), Data: {} }, keys)
      : answer,
  );
}

/** Banks that break rules of callback URLs. */
export const CALLBACK_URL_MUTANTS: readonly Mutant[] = [
  status('answers-200-to-post-of-a-callback-url', 'CB-01', 201, 200, isCallbackUrl),
  listsNothing('lists-no-callback-urls', 'CB-03', isCallbackUrl),
  status('answers-204-to-put-of-a-callback-url', 'CB-04', 200, 204, ({ method }) => method === 'PUT'),
  status('answers-200-to-delete-of-a-callback-url', 'CB-05', 204, 200, isCallbackUrl),
  status('answers-404-to-unknown-callback-urls', 'CB-06', 400, 404, isCallbackUrl),
  code('has-another-code-for-a-missing-url', 'CB-08', 'U004', 'U010'),
  takes('takes-any-version-of-a-callback-url', 'CB-09', (each) => ({ ...each, Version: '4.0' })),
  mutant('has-one-registration-of-either-kind', 'CB-10', () => {
    const owners = new Set<string>();
    return {
      api: async (request, forward) => {
        const answer = await forward(request);
        if (answer?.status === 201 && isCallbackUrl(request)) owners.add(clientIdOf(request));
        const isSecond = answer?.status === 201 && !isCallbackUrl(request) && owners.has(clientIdOf(request));
        return answer && isSecond ? { ...answer, status: 409 } : answer;
      },
    };
  }),
];

/** Banks that break rules of release management. */
export const VERSION_MUTANTS: readonly Mutant[] = [
  mutant('hides-v3-from-v4', 'VER-05', (keys) => {
    let isOfV31 = false;
    return {
      api: async (request, forward) => {
        const answer = await forward(request);
        if (answer?.status === 201) isOfV31 = ofV31(request);
        const isHidden = isOfV31 && request.method === 'GET' && !ofV31(request) && answer?.status === 200;
        return answer && isHidden && resourceOf(request) === 'event-subscriptions'
          ? resigned(answer, { ...jsonOf(answer), Data: {} }, keys)
          : answer;
      },
    };
  }),
  changesAnswer('does-not-change-v3-through-v4', 'VER-06', (answer, request) =>
    request.method === 'PUT' && !ofV31(request) ? { ...answer, status: 403 } : answer,
  ),
  changesAnswer('does-not-delete-v3-through-v4', 'VER-07', (answer, request) =>
    request.method === 'DELETE' && !ofV31(request) ? { ...answer, status: 403 } : answer,
  ),
  status('changes-through-v3-what-is-of-v4', 'VER-08', 403, 200, ofV31),
  data('writes-the-version-of-the-path', 'VER-09', (each) => ({ ...each, Version: '4.0' })),
  changesRequest('ignores-versions', 'VER-09', (request, keys) => {
    const { Data } = jsonOf(request);
    if (request.method !== 'POST' || typeof Data !== 'object') return request;
    return signedByClient(request, Buffer.from(JSON.stringify({ Data: { ...Data, Version: '4.0' } })), keys);
  }),
];
