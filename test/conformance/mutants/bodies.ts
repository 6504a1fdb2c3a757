import { gunzipSync } from 'node:zlib';
import { headerOf, type ProxiedAnswer, type ProxiedRequest, withHeaders } from '../proxies.ts';
import {
  changesAnswer,
  changesRequest,
  clientIdOf,
  code,
  isPoll,
  isRegistration,
  jsonOf,
  type Mutant,
  mutant,
  signedByClient,
  status,
  takes,
} from './mutant.ts';

type Data = Readonly<Record<string, unknown>>;

/** Takes other texts for a callback URL. */
function takesUrl(name: string, caughtBy: string, mend: (url: string) => string): Mutant {
  return takes(name, caughtBy, ({ CallbackUrl, ...rest }) =>
    typeof CallbackUrl === 'string' ? { ...rest, CallbackUrl: mend(CallbackUrl) } : rest,
  );
}

/** Refuses what it has to take. */
function refuses(name: string, caughtBy: string, where: (data: Data, request: ProxiedRequest) => boolean): Mutant {
  return changesAnswer(name, caughtBy, (answer, request) => {
    const { Data } = jsonOf(request);
    const isRefused = answer.status === 201 && typeof Data === 'object' && where({ ...Data }, request);
    return isRefused ? { ...answer, status: 400 } : answer;
  });
}

const HTTP: readonly Mutant[] = [
  changesRequest('takes-tokens-from-the-query', 'ACC-07', (request) => {
    const token = /[?&]access_token=([^&]+)/.exec(request.path)?.[1];
    if (token === undefined) return request;
    const headers = withHeaders(request.headers, { authorization: `Bearer ${decodeURIComponent(token)}` });
    return { ...request, headers, path: request.path.replace(/[?].*$/, '') };
  }),
  status('answers-400-to-unknown-paths', 'HTTP-05', 404, 400),
  changesAnswer('compares-the-media-type-as-a-text', 'HTTP-10', (answer, request) =>
    headerOf(request, 'content-type')?.includes(';') === true ? { ...answer, status: 415 } : answer,
  ),
  changesRequest('unpacks-what-it-has-not-verified', 'HTTP-13', (request, keys) => {
    if (headerOf(request, 'content-encoding') !== 'gzip') return request;
    const signed = signedByClient(request, gunzipSync(request.body), keys);
    return { ...signed, headers: withHeaders(signed.headers, { 'content-encoding': undefined }) };
  }),
  changesAnswer('fails-on-large-bodies', 'HTTP-14', (answer, request) =>
    request.body.length > 1_000_000 ? { ...answer, status: 500 } : answer,
  ),
  changesAnswer('fails-on-long-headers', 'HTTP-15', (answer, request) =>
    (headerOf(request, 'x-customer-user-agent')?.length ?? 0) > 10_000 ? { ...answer, status: 500 } : answer,
  ),
];

const DATA: readonly Mutant[] = [
  status('needs-no-id-in-the-body', 'SUB-10', 400, 200, ({ method }) => method === 'PUT'),
  code('names-no-list-of-event-types', 'SUB-17', 'Path', 'Message'),
  takesUrl('needs-no-version-in-the-url', 'SUB-20', (url) =>
    url.replace('open-banking/event', 'open-banking/v4.0/event'),
  ),
  takesUrl('takes-urls-with-a-query', 'SUB-21', (url) => url.replace(/[?].*$/, '')),
  takesUrl('takes-what-is-no-url', 'SUB-22', (url) =>
    url === 'not a url' ? 'https://tpp.example/v4.0/event-notifications' : url,
  ),
  takes('takes-what-is-no-version', 'SUB-25', (each) => ({
    ...each,
    Version: each['Version'] === 'four' ? '4.0' : each['Version'],
  })),
  refuses('needs-a-callback-url', 'SUB-26', ({ CallbackUrl }) => CallbackUrl === undefined),
  refuses(
    'knows-no-misspelling',
    'SUB-27',
    ({ EventTypes }) => JSON.stringify(EventTypes)?.includes('Acount') === true,
  ),
  refuses('needs-a-version-in-urls-of-v3', 'SUB-28', ({ CallbackUrl }) =>
    /open-banking\/event-notifications$/.test(String(CallbackUrl)),
  ),
  mutant('keeps-what-was-deleted', 'SUB-29', () => {
    let isDeleted = false;
    return {
      api: async (request, forward) => {
        const answer = await forward(request);
        if (answer?.status === 204) isDeleted = true;
        return answer?.status === 201 && isDeleted ? { ...answer, status: 409 } : answer;
      },
    };
  }),
  status('deletes-what-is-not-there', 'SUB-30', 400, 204, ({ method }) => method === 'DELETE'),
];

const ERRORS: readonly Mutant[] = [
  code('has-another-code-for-what-is-not-json', 'ERR-04', 'U010', 'U002'),
  changesAnswer('fails-without-data', 'ERR-06', (answer, request) =>
    request.body.toString() === '{}' ? { ...answer, status: 500 } : answer,
  ),
  changesRequest('skips-byte-order-marks', 'ERR-08', (request, keys) => {
    const text = request.body.toString();
    return text.startsWith('\uFEFF') ? signedByClient(request, Buffer.from(text.slice(1)), keys) : request;
  }),
  changesAnswer('fails-on-hostile-ids', 'ERR-10', (answer, { path }) =>
    path.includes('%') ? { ...answer, status: 500 } : answer,
  ),
];

const SIGNATURES: readonly Mutant[] = [
  takesAnySignature('takes-pkcs-1', 'SIG-13'),
  takesAnySignature('takes-any-salt', 'SIG-14'),
  takesAnySignature('takes-keys-of-others', 'SIG-16'),
  takesAnySignature('takes-texts-for-iat', 'SIG-24'),
  takesAnySignature('takes-members-twice', 'SIG-28'),
  changesAnswer('knows-no-typ', 'SIG-29', (answer, request) =>
    joseTextOf(request).includes('"typ"') ? { ...answer, status: 400 } : answer,
  ),
  changesAnswer('refuses-good-signatures', 'SIG-30', (answer) =>
    answer.status === 201 ? { ...answer, status: 400 } : answer,
  ),
];

/** Signs in place of the client, whatever it has signed. */
function takesAnySignature(name: string, caughtBy: string): Mutant {
  return changesRequest(name, caughtBy, (request, keys) =>
    request.method === 'POST' && isRegistration(request) ? signedByClient(request, request.body, keys) : request,
  );
}

function joseTextOf(request: ProxiedRequest): string {
  return Buffer.from(headerOf(request, 'x-jws-signature')?.split('.')[0] ?? '', 'base64url').toString();
}

const NOTHING = Buffer.from('{"sets":{},"moreAvailable":false}');

function emptied(answer: ProxiedAnswer, request: ProxiedRequest): ProxiedAnswer {
  return isPoll(request) && answer.status === 200 ? { ...answer, body: NOTHING } : answer;
}

const POLLS: readonly Mutant[] = [
  changesAnswer('lets-callback-urls-poll', 'POLL-21', (answer, request) =>
    isPoll(request) && answer.status === 403 ? { ...answer, status: 200, body: NOTHING } : answer,
  ),
  changesAnswer('ignores-wrong-types', 'POLL-24', (answer, request) =>
    isPoll(request) && answer.status === 400 ? { ...answer, status: 200, body: NOTHING } : answer,
  ),
  changesAnswer('fails-on-polls-that-are-not-json', 'POLL-26', (answer, request) =>
    isPoll(request) && answer.status === 400 ? { ...answer, status: 500 } : answer,
  ),
  changesAnswer('lets-former-subscribers-poll', 'POLL-27', (answer, request) =>
    isPoll(request) && answer.status === 403 ? { ...answer, status: 200, body: NOTHING } : answer,
  ),
  changesAnswer('offers-nothing-by-type', 'POLL-31', emptied),
  changesAnswer('offers-nothing-without-types', 'POLL-33', emptied),
  changesAnswer('answers-long-polls-empty', 'POLL-43', (answer, request) =>
    jsonOf(request)['returnImmediately'] === false ? emptied(answer, request) : answer,
  ),
];

const CLIENTS: readonly Mutant[] = [
  mutant('has-one-registration-for-all-clients', 'ISO-04', () => {
    const owners = new Set<string>();
    return {
      api: async (request, forward) => {
        const answer = await forward(request);
        if (answer?.status !== 201) return answer;
        owners.add(clientIdOf(request));
        return owners.size > 1 ? { ...answer, status: 409 } : answer;
      },
    };
  }),
];

/** Banks that break rules of bodies, headers and what they hold. */
export const BODY_MUTANTS: readonly Mutant[] = [...HTTP, ...DATA, ...ERRORS, ...SIGNATURES, ...POLLS, ...CLIENTS];
