import { headerOf, type ProxiedAnswer, type ProxiedRequest, withHeaders } from '../proxies.ts';
import {
  changesAnswer,
  changesRequest,
  clientIdOf,
  code,
  data,
  jsonOf,
  type Mutant,
  type MutantKeys,
  mutant,
  resigned,
  resourceOf,
  signedByClient,
  status,
  takes,
} from './mutant.ts';

/** Uses the token and the certificate of the client that was seen first, where one is allowed to. */
function asFirst(name: string, caughtBy: string, where: (request: ProxiedRequest) => boolean): Mutant {
  return mutant(name, caughtBy, () => {
    let first: ProxiedRequest | undefined;
    return {
      api: (request, forward) => {
        if (first === undefined && headerOf(request, 'authorization') !== undefined) first = request;
        if (first === undefined || !where(request)) return forward(request);
        return forward({
          ...request,
          certificate: first.certificate,
          headers: withHeaders(request.headers, { authorization: headerOf(first, 'authorization') }),
        });
      },
    };
  });
}

function isSecond(request: ProxiedRequest): boolean {
  return clientIdOf(request) === 'conformance-2';
}

function ofV31(request: ProxiedRequest): boolean {
  return request.path.includes('/v3.1/');
}

function throughV40(request: ProxiedRequest): ProxiedRequest {
  return { ...request, path: request.path.replace('/v3.1/', '/v4.0/') };
}

const ACCESS: readonly Mutant[] = [
  mutant('serves-without-a-certificate', 'ACC-01', () => ({
    api: async (request, forward) => {
      const answer = await forward(request);
      return answer && request.certificate === undefined ? { ...answer, status: 200 } : answer;
    },
  })),
  changesAnswer('serves-without-a-token', 'ACC-02', (answer, request) =>
    headerOf(request, 'authorization') === undefined ? { ...answer, status: 200 } : answer,
  ),
  status('answers-403-to-unknown-tokens', 'ACC-03', 401, 403),
  changesAnswer('takes-altered-tokens', 'ACC-04', (answer, request) =>
    answer.status === 401 && clientIdOf(request) !== '' ? { ...answer, status: 200 } : answer,
  ),
  changesAnswer('ignores-the-binding-of-tokens', 'ACC-05', (answer, request) =>
    answer.status === 401 && isSecond(request) ? { ...answer, status: 200 } : answer,
  ),
  changesAnswer('gives-401-a-body', 'ACC-09', (answer) =>
    answer.status === 401 ? { ...answer, body: Buffer.from('{"error":"unauthorised"}') } : answer,
  ),
];

const HEADERS: readonly Mutant[] = [
  changesAnswer('does-not-echo-the-interaction-id', 'HTTP-01', (answer) => ({
    ...answer,
    headers: withHeaders(answer.headers, { 'x-fapi-interaction-id': undefined }),
  })),
  changesAnswer('errors-have-a-fresh-interaction-id', 'HTTP-02', (answer) =>
    answer.status < 400
      ? answer
      : { ...answer, headers: withHeaders(answer.headers, { 'x-fapi-interaction-id': crypto.randomUUID() }) },
  ),
  changesAnswer('always-has-one-interaction-id', 'HTTP-03', (answer) => ({
    ...answer,
    headers: withHeaders(answer.headers, { 'x-fapi-interaction-id': 'c4405450-febe-4645-a4d6-48b0ce2b8b1f' }),
  })),
  changesAnswer('echoes-any-interaction-id', 'HTTP-04', (answer, request) => ({
    ...answer,
    headers: withHeaders(answer.headers, { 'x-fapi-interaction-id': headerOf(request, 'x-fapi-interaction-id') }),
  })),
  status('answers-404-to-get-by-id', 'HTTP-06', 405, 404),
  changesAnswer('answers-405-without-allow', 'HTTP-07', (answer) => ({
    ...answer,
    headers: withHeaders(answer.headers, { allow: undefined }),
  })),
  changesRequest('ignores-accept', 'HTTP-08', (request) => ({
    ...request,
    headers: withHeaders(request.headers, { accept: 'application/json' }),
  })),
  changesRequest('ignores-content-type', 'HTTP-09', (request) => ({
    ...request,
    headers: withHeaders(request.headers, { 'content-type': 'application/json' }),
  })),
  changesAnswer('answers-as-text', 'HTTP-11', (answer) => ({
    ...answer,
    headers: withHeaders(answer.headers, { 'content-type': 'text/plain' }),
  })),
  mutant('honours-idempotency-keys', 'HTTP-12', () => {
    const answers = new Map<string, ProxiedAnswer>();
    return {
      api: async (request, forward) => {
        const key = headerOf(request, 'x-idempotency-key');
        const known = key === undefined ? undefined : answers.get(key);
        const answer = known ?? (await forward(request));
        if (key !== undefined && answer?.status === 201) answers.set(key, answer);
        return answer;
      },
    };
  }),
  changesAnswer('tells-its-stack', 'HTTP-17', (answer) =>
    answer.status === 400
      ? {
          ...answer,
          body: Buffer.from('{"Errors":[{"ErrorCode":"U010","Message":"at parse (/srv/node_modules/x.js:1)"}]}'),
        }
      : answer,
  ),
];

const CREATION: readonly Mutant[] = [
  status('answers-200-to-post', 'SUB-01', 201, 200),
  data('leaves-out-the-version', 'SUB-02', ({ Version: _, ...rest }) => rest),
  changesAnswer('links-to-another-version', 'SUB-03', (answer, _request, keys) => {
    const body = jsonOf(answer);
    if (answer.status !== 201) return answer;
    const Links = JSON.parse(JSON.stringify(body['Links']).replace('/v3.1/', '/v9.9/').replace('/v4.0/', '/v9.9/'));
    return resigned(answer, { ...body, Links }, keys);
  }),
  status('creates-a-second-one', 'SUB-04', 409, 201),
  code('has-another-code-for-409', 'SUB-05', 'U029', 'U002'),
  data('lists-twice', 'SUB-06', (each) => ({ ...each, EventSubscriptionId: 'another' })),
  changesAnswer('answers-404-to-an-empty-list', 'SUB-07', (answer, request) =>
    request.method === 'GET' && answer.body.toString().includes('"EventSubscription":[]')
      ? { ...answer, status: 404 }
      : answer,
  ),
  status('answers-204-to-put', 'SUB-08', 200, 204, ({ method }) => method === 'PUT'),
  status('takes-another-id-in-the-body', 'SUB-09', 400, 200, ({ method }) => method === 'PUT'),
  status('answers-404-to-put-of-unknown', 'SUB-11', 400, 404, ({ method }) => method === 'PUT'),
  status('answers-200-to-delete', 'SUB-12', 204, 200, ({ method }) => method === 'DELETE'),
  status('answers-404-to-delete-of-unknown', 'SUB-13', 400, 404, ({ method }) => method === 'DELETE'),
  data('fills-in-event-types', 'SUB-14', (each) => ({ EventTypes: [], ...each })),
  data('drops-empty-event-types', 'SUB-15', ({ EventTypes, ...rest }) =>
    Array.isArray(EventTypes) && EventTypes.length === 0 ? rest : { ...rest, EventTypes },
  ),
  takes('takes-unknown-event-types', 'SUB-16', (each) => ({ ...each, EventTypes: [] })),
  takes('takes-http-callback-urls', 'SUB-18', ({ CallbackUrl, ...rest }) =>
    CallbackUrl === undefined ? rest : { ...rest, CallbackUrl: String(CallbackUrl).replace('http:', 'https:') },
  ),
  takes('takes-any-end-of-callback-urls', 'SUB-19', ({ CallbackUrl, ...rest }) =>
    CallbackUrl === undefined
      ? rest
      : { ...rest, CallbackUrl: String(CallbackUrl).replace(/\/events$/, '/event-notifications') },
  ),
  takes('takes-any-version', 'SUB-24', (each) => ({
    ...each,
    Version: each['Version'] === '99.0' ? '4.0' : each['Version'],
  })),
  code('has-another-code-for-a-missing-field', 'SUB-23', 'U004', 'U010'),
  takes('takes-callback-urls-of-http', 'CB-07', ({ Url, ...rest }) =>
    Url === undefined
      ? rest
      : {
          ...rest,
          Url: String(Url)
            .replace('http:', 'https:')
            .replace(/\/events$/, '/event-notifications'),
        },
  ),
  status('creates-a-second-callback-url', 'CB-02', 409, 201, ({ path }) => path.includes('callback-urls')),
];

const VERSIONS: readonly Mutant[] = [
  changesRequest('lists-v4-through-v3', 'VER-01', (request) =>
    ofV31(request) && request.method === 'GET' ? throughV40(request) : request,
  ),
  changesRequest('changes-v4-through-v3', 'VER-02', (request) =>
    ofV31(request) && request.method === 'PUT' ? throughV40(request) : request,
  ),
  changesRequest('deletes-v4-through-v3', 'VER-03', (request) =>
    ofV31(request) && request.method === 'DELETE' ? throughV40(request) : request,
  ),
  status('answers-403-to-post-beside-v4', 'VER-04', 409, 403, ofV31),
];

const ERRORS: readonly Mutant[] = [
  changesAnswer('has-v3-errors-on-v4', 'ERR-01', (answer, request) =>
    answer.status === 400 && !ofV31(request)
      ? { ...answer, body: withMembers(answer, { Code: '400', Message: 'Bad' }) }
      : answer,
  ),
  changesAnswer('has-v4-errors-on-v3', 'ERR-02', (answer, request) => {
    if (answer.status !== 400 || !ofV31(request)) return answer;
    const { Code: _code, Message: _message, ...rest } = jsonOf(answer);
    return { ...answer, body: Buffer.from(JSON.stringify(rest)) };
  }),
  changesAnswer('names-no-path', 'ERR-03', (answer) =>
    answer.status === 400
      ? { ...answer, body: Buffer.from(answer.body.toString().replaceAll('"Path":', '"Message":')) }
      : answer,
  ),
  status('fails-on-what-is-not-json', 'ERR-09', 400, 500),
  changesRequest('ignores-unknown-members', 'ERR-05', (request, keys) => {
    const { Unknown, ...rest } = jsonOf(request);
    return Unknown === undefined ? request : signedByClient(request, Buffer.from(JSON.stringify(rest)), keys);
  }),
  changesRequest('lets-the-last-of-two-members-win', 'ERR-07', (request, keys) => {
    const isTwice = request.body.toString().split('"Version"').length > 2;
    return isTwice ? signedByClient(request, Buffer.from(JSON.stringify(jsonOf(request))), keys) : request;
  }),
  changesAnswer('has-an-empty-list-of-errors', 'ERR-11', (answer) =>
    answer.status === 403 ? { ...answer, body: Buffer.from('{"Errors":[]}') } : answer,
  ),
];

function withMembers(answer: ProxiedAnswer, members: object): Buffer {
  return Buffer.from(JSON.stringify({ ...jsonOf(answer), ...members }));
}

const ISOLATION: readonly Mutant[] = [
  asFirst('lists-registrations-of-others', 'ISO-01', (request) => request.method === 'GET' && isSecond(request)),
  mutant('lets-others-change', 'ISO-02', (keys: MutantKeys) => ({
    api: async (request, forward) => {
      const answer = await forward(request);
      return answer?.status === 403 && request.method === 'PUT'
        ? resigned({ ...answer, status: 200 }, jsonOf(request), keys)
        : answer;
    },
  })),
  asFirst('lets-others-delete', 'ISO-03', (request) => request.method === 'DELETE' && isSecond(request)),
  asFirst('offers-events-of-others', 'ISO-05', (request) => resourceOf(request) === 'events' && isSecond(request)),
  mutant('counts-acknowledgements-of-others', 'ISO-06', () => {
    let owner: ProxiedRequest | undefined;
    return {
      api: async (request, forward) => {
        if (resourceOf(request) !== 'events') return await forward(request);
        if (!isSecond(request)) owner = request;
        else if (owner !== undefined) await forward({ ...owner, body: request.body });
        return await forward(request);
      },
    };
  }),
];

/** Banks that break rules of access, headers, registrations, versions, errors and isolation. */
export const REGISTRATION_MUTANTS: readonly Mutant[] = [
  ...ACCESS,
  ...HEADERS,
  ...CREATION,
  ...VERSIONS,
  ...ERRORS,
  ...ISOLATION,
];
