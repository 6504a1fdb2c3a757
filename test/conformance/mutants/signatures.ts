import { createHash, sign } from 'node:crypto';
import { base64url, HEADER_IAT, HEADER_ISS, HEADER_TAN, headerOf as joseOf, signDetached } from '@tidings/testing';
import { headerOf, type ProxiedRequest, withHeaders } from '../proxies.ts';
import {
  bankHeader,
  changesAnswer,
  changesRequest,
  forgedSet,
  isPoll,
  isRegistration,
  jsonOf,
  type Mutant,
  type MutantKeys,
  signedByClient,
} from './mutant.ts';

type Header = Record<string, unknown>;

/** Takes signatures that it must refuse: it makes a good one in their place. */
function takes(
  name: string,
  caughtBy: string,
  where: (header: Header | undefined, signature: string | undefined) => boolean,
): Mutant {
  return changesRequest(name, caughtBy, (request, keys) => {
    if (!isRegistration(request) || (request.method !== 'POST' && request.method !== 'PUT')) return request;
    const signature = headerOf(request, 'x-jws-signature');
    return where(headerIn(signature), signature) ? signedByClient(request, request.body, keys) : request;
  });
}

function headerIn(signature: string | undefined): Header | undefined {
  try {
    return signature === undefined ? undefined : joseOf(signature);
  } catch {
    return undefined;
  }
}

const REQUESTS: readonly Mutant[] = [
  takes('needs-no-signature', 'SIG-01', (_header, signature) => signature === undefined),
  takes('takes-what-is-no-jws', 'SIG-02', (header) => header === undefined),
  takes('verifies-nothing', 'SIG-03', (header) => header?.['alg'] === 'PS256'),
  takes('takes-attached-payloads', 'SIG-04', (_header, signature) => (signature?.split('.')[1] ?? '') !== ''),
  changesRequest('takes-the-first-of-two-signatures', 'SIG-05', (request, keys) => signedTwice(request, keys)),
  takes('takes-padding', 'SIG-06', (_header, signature) => signature?.endsWith('=') === true),
  changesRequest('needs-no-signature-for-put', 'SIG-07', (request, keys) =>
    request.method === 'PUT' ? signedByClient(request, request.body, keys) : request,
  ),
  changesAnswer('wants-signed-deletes', 'SIG-08', (answer, request) =>
    request.method === 'DELETE' && headerOf(request, 'x-jws-signature') === undefined
      ? { ...answer, status: 400 }
      : answer,
  ),
  changesRequest('verifies-the-json-it-wrote-itself', 'SIG-09', (request) =>
    request.method === 'POST' && isRegistration(request)
      ? { ...request, body: Buffer.from(JSON.stringify(jsonOf(request))) }
      : request,
  ),
  takes('takes-rs256', 'SIG-10', (header) => header?.['alg'] === 'RS256'),
  takes('takes-alg-none', 'SIG-11', (header) => header?.['alg'] === 'none'),
  takes('takes-hs256', 'SIG-12', (header) => header?.['alg'] === 'HS256'),
  takes('takes-any-kid', 'SIG-15', (header) => header?.['kid'] === 'no-such-key'),
  takes('takes-the-key-of-anybody', 'SIG-17', (header) => header?.['kid'] === 'kid-of-conformance-2'),
  takes('needs-no-crit', 'SIG-20', (header) => header !== undefined && header['crit'] === undefined),
  takes('takes-any-iss', 'SIG-21', (header) => String(header?.[HEADER_ISS]).includes('conformance-2')),
  takes('takes-any-trust-anchor', 'SIG-22', (header) => header?.[HEADER_TAN] === 'trust.example'),
  takes('takes-the-future', 'SIG-23', (header) => Number(header?.[HEADER_IAT]) > Date.now() / 1000 + 600),
  takes('takes-any-crit', 'SIG-25', (header) => Array.isArray(header?.['crit']) && header['crit'].length !== 3),
  takes('takes-keys-in-the-header', 'SIG-26', (header) => header?.['jwk'] !== undefined),
  takes('takes-b64-on-v4', 'SIG-27', (header) => header?.['b64'] === false),
];

/** As a bank that looks at the first of two headers. */
function signedTwice(request: ProxiedRequest, keys: MutantKeys): ProxiedRequest {
  const isTwice = headerOf(request, 'x-jws-signature')?.includes(',') === true;
  const count = request.headers.filter(([name]) => name === 'x-jws-signature').length;
  return isTwice || count > 1 ? signedByClient(request, request.body, keys) : request;
}

/** Changes the signature of answers. */
function signs(
  name: string,
  caughtBy: string,
  signature: (body: Buffer, keys: MutantKeys) => string | undefined,
  where: (request: ProxiedRequest) => boolean = () => true,
): Mutant {
  return changesAnswer(name, caughtBy, (answer, request, keys) => {
    if (headerOf(answer, 'x-jws-signature') === undefined || !where(request)) return answer;
    return { ...answer, headers: withHeaders(answer.headers, { 'x-jws-signature': signature(answer.body, keys) }) };
  });
}

function withRs256(header: object, body: Buffer, { bank }: MutantKeys): string {
  const input = `${base64url(JSON.stringify(header))}.${base64url(body)}`;
  return `${base64url(JSON.stringify(header))}..${sign('sha256', Buffer.from(input), bank.privateKey).toString('base64url')}`;
}

const CRIT = [HEADER_IAT, HEADER_ISS, HEADER_TAN];

const ANSWERS: readonly Mutant[] = [
  signs(
    'does-not-sign-answers-to-post',
    'RSP-01',
    () => undefined,
    ({ method }) => method === 'POST',
  ),
  signs(
    'does-not-sign-answers-to-put',
    'RSP-02',
    () => undefined,
    ({ method }) => method === 'PUT',
  ),
  signs(
    'signs-lists-with-rs256',
    'RSP-03',
    (body, keys) => withRs256(bankHeader(keys, { alg: 'RS256' }), body, keys),
    ({ method }) => method === 'GET',
  ),
  signs(
    'does-not-sign-callback-urls',
    'RSP-04',
    () => undefined,
    ({ path }) => path.includes('callback-urls'),
  ),
  signs('signs-as-another-organisation', 'RSP-05', (body, keys) =>
    signDetached(bankHeader(keys, { [HEADER_ISS]: 'another' }), body, keys.bank.keyPem),
  ),
  signs('signs-with-b64-false', 'RSP-06', (body, keys) =>
    signDetached(bankHeader(keys, { b64: false, crit: ['b64', ...CRIT] }), body, keys.bank.keyPem),
  ),
  signs('signs-other-bytes', 'RSP-08', (body, keys) =>
    signDetached(bankHeader(keys), JSON.stringify(JSON.parse(body.toString()), undefined, 1), keys.bank.keyPem),
  ),
  changesAnswer('publishes-keys-for-encryption-alone', 'RSP-07', (answer, { path }) =>
    path.endsWith('jwks.json')
      ? { ...answer, body: Buffer.from(answer.body.toString().replaceAll('"use":"sig"', '"use":"enc"')) }
      : answer,
  ),
];

/** Changes the SETs of polls. */
function offers(
  name: string,
  caughtBy: string,
  change: (token: string, keys: MutantKeys, nth: number) => string,
): Mutant {
  let nth = 0;
  return changesAnswer(name, caughtBy, (answer, request, keys) => {
    const { sets, ...rest } = jsonOf(answer);
    if (!isPoll(request) || answer.status !== 200 || typeof sets !== 'object' || sets === null) return answer;
    nth += 1;
    const changed = Object.entries(sets).map(([jti, token]) => [jti, change(String(token), keys, nth)]);
    return { ...answer, body: Buffer.from(JSON.stringify({ ...rest, sets: Object.fromEntries(changed) })) };
  });
}

function claims(name: string, caughtBy: string, changes: Readonly<Record<string, unknown>>): Mutant {
  return offers(name, caughtBy, (token, keys) => forgedSet(token, keys, { claims: changes }));
}

const SETS: readonly Mutant[] = [
  offers('signs-sets-with-another-key', 'SET-01', (token, keys) => {
    const other = Object.values(keys.clients)[0];
    return other === undefined ? token : forgedSet(token, { ...keys, bank: { ...other, kid: keys.bank.kid } }, {});
  }),
  offers('signs-sets-with-rs256', 'SET-02', (token, keys) => {
    const [, payload = ''] = token.split('.');
    const input = `${base64url(JSON.stringify(bankHeader(keys, { alg: 'RS256' })))}.${payload}`;
    return `${input}.${sign('sha256', Buffer.from(input), keys.bank.privateKey).toString('base64url')}`;
  }),
  offers('leaves-crit-out', 'SET-03', (token, keys) => forgedSet(token, keys, { header: { crit: undefined } })),
  offers('adds-a-thumbprint', 'SET-04', (token, keys) =>
    forgedSet(token, keys, { header: { 'x5t#S256': createHash('sha256').update('x').digest('base64url') } }),
  ),
  offers('writes-typ-jwt', 'SET-05', (token, keys) => forgedSet(token, keys, { header: { typ: 'JWT' } })),
  claims('has-another-iss', 'SET-10', { iss: 'https://other.example/' }),
  claims('has-a-list-of-aud', 'SET-11', { aud: ['conformance-1'] }),
  claims('has-iat-in-milliseconds', 'SET-12', { iat: Date.now() }),
  claims('lets-sets-expire', 'SET-13', { exp: 4_000_000_000 }),
  claims('has-sub-that-is-no-uri', 'SET-14', { sub: 'the payment' }),
  claims('has-one-jti-for-all', 'SET-15', { jti: 'one' }),
  claims('has-no-subject', 'SET-16', { events: { 'urn:uk:org:openbanking:events:resource-update': {} } }),
  offers('links-over-http', 'SET-17', (token, keys) => {
    const [, payload = ''] = token.split('.');
    const { events } = JSON.parse(Buffer.from(payload, 'base64url').toString());
    return forgedSet(token, keys, {
      claims: { events: JSON.parse(JSON.stringify(events).replaceAll('https://bank', 'http://bank')) },
    });
  }),
  claims('makes-up-an-event-type', 'SET-18', { events: { 'urn:bank.example:changed': {} } }),
  offers('changes-claims-when-it-offers-again', 'POLL-12', (token, keys, nth) =>
    forgedSet(token, keys, { claims: { iat: 1_700_000_000 + nth } }),
  ),
];

/** Banks that break rules of signatures and of the SETs. */
export const SIGNATURE_MUTANTS: readonly Mutant[] = [...REQUESTS, ...ANSWERS, ...SETS];
