import { constants, verify } from 'node:crypto';
import { get } from 'node:https';
import { CONSENT_ACCESS_REVOKED, HEADER_IAT, RESOURCE_TYPE, RESOURCE_UPDATE } from '@tidings/protocol';
import { testPki } from '@tidings/testing';
import { type Mutant, mutant } from './mutant.ts';
import { type Algorithms, type Habits, hmacVerifier, pssVerifier, type Reply } from './reference-receiver.ts';
import { TLS_MUTANTS } from './tls-mutants.ts';

const PS256 = { PS256: pssVerifier('sha256', 32) };
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Parses as most libraries do: the last of two equal members wins. */
const parseLastWins = (bytes: Buffer): unknown => JSON.parse(utf8.decode(bytes));

/** Parses as some do: the first of two equal members wins. */
function parseFirstWins(bytes: Buffer): unknown {
  const text = utf8.decode(bytes);
  const first = /^\{"((?:[^"\\]|\\.)*)":("(?:[^"\\]|\\.)*")/.exec(text);
  const value: unknown = JSON.parse(text);
  if (first === null || typeof value !== 'object' || value === null) return value;
  return { ...value, [JSON.parse(`"${first[1]}"`)]: JSON.parse(first[2] ?? '""') };
}

const withReply = (change: (good: Reply) => Partial<Reply>): Habits => ({
  reply: (good) => ({ ...good, ...change(good) }),
});
const onRefusal = (change: (good: Reply) => Partial<Reply>): Habits =>
  withReply((good) => (good.status === 202 ? {} : change(good)));
const onSuccess = (change: (good: Reply) => Partial<Reply>): Habits =>
  withReply((good) => (good.status === 202 ? change(good) : {}));
/** The URNs of the events of a token. */
const typesOf = (events: unknown): string[] =>
  typeof events === 'object' && events !== null ? Object.keys(events) : [];
const without = (...rules: string[]): Habits => ({ without: rules });

/** Fetches the URL that a token names, and waits for it. */
async function fetched(url: unknown): Promise<undefined> {
  const { caPem: ca } = await testPki();
  await new Promise<void>((resolve) => {
    if (typeof url !== 'string') return resolve();
    const request = get(url, { agent: false, ca }, (response) => response.resume().on('end', resolve));
    request.on('error', () => resolve());
  });
}

/** Receivers that break one rule each. */
export const MUTANTS: readonly Mutant[] = [
  // The response.
  mutant(
    'answers 200',
    'TPP-ACK-01',
    onSuccess(() => ({ status: 200 })),
  ),
  mutant(
    'answers 204',
    'TPP-ACK-01',
    onSuccess(() => ({ status: 204 })),
  ),
  mutant(
    'does not echo the interaction id',
    'TPP-ACK-02',
    onSuccess(() => ({ headers: {} })),
  ),
  mutant(
    'answers with an interaction id of its own',
    'TPP-ACK-02',
    onSuccess(() => ({ headers: { 'x-fapi-interaction-id': crypto.randomUUID() } })),
  ),
  mutant(
    'sends a body with the 202',
    'TPP-ACK-03',
    onSuccess(() => ({ body: '{"status":"ok"}' })),
  ),
  mutant('answers 500 to a duplicate', ['TPP-ACK-04', 'TPP-ACK-05'], {
    reply: (good, { jtiSeen }) => (jtiSeen ? { ...good, status: 500 } : good),
  }),
  mutant('answers 409 to a duplicate', 'TPP-ACK-04', {
    reply: (good, { jtiSeen }) => (jtiSeen ? { ...good, status: 409 } : good),
  }),
  mutant('demands x-fapi-financial-id', 'TPP-ACK-06', {
    alsoDemands: (_claims, _header, request) => request.headers['x-fapi-financial-id'] !== undefined,
  }),
  mutant('refuses old notifications', 'TPP-ACK-07', {
    alsoDemands: ({ iat }) => Number(iat) > Date.now() / 1000 - 300,
  }),
  mutant(
    'refuses without an interaction id',
    'TPP-ACK-08',
    onRefusal(() => ({ headers: { 'content-type': 'application/json' } })),
  ),
  mutant('echoes what is not there', 'TPP-ACK-09', {
    reply: (good, { request }) =>
      request.headers['x-fapi-interaction-id'] === undefined
        ? { ...good, headers: { 'x-fapi-interaction-id': 'undefined' } }
        : good,
  }),
  // What it refuses without need.
  mutant('knows resource-update only', ['TPP-EVT-02', 'TPP-EVT-03', 'TPP-EVT-04', 'TPP-EVT-05', 'TPP-EVT-09'], {
    alsoDemands: ({ events }) => typesOf(events).includes(RESOURCE_UPDATE),
  }),
  mutant('knows no VRP', 'TPP-EVT-04', {
    alsoDemands: ({ events }) => !typesOf(events).includes(CONSENT_ACCESS_REVOKED),
  }),
  mutant('takes one event a token', 'TPP-EVT-06', {
    alsoDemands: ({ events }) => typesOf(events).length === 1,
  }),
  mutant('refuses reasons that are not ASCII', 'TPP-EVT-07', {
    alsoDemands: (claims) => /^[\x20-\x7e]*$/.test(JSON.stringify(claims)),
  }),
  mutant('has a closed schema', 'TPP-EVT-08', { alsoDemands: (claims) => Object.keys(claims).length === 8 }),
  mutant('refuses event types that it does not know', 'TPP-EVT-09', {
    alsoDemands: ({ events }) => typesOf(events).every((urn) => urn.startsWith('urn:uk:org:openbanking:')),
  }),
  mutant('refuses versions that it does not know', 'TPP-EVT-10', {
    alsoDemands: (claims) => !JSON.stringify(claims).includes('"5.0"'),
  }),
  mutant('refuses the plural', 'TPP-EVT-11', {
    alsoDemands: (claims) => !JSON.stringify(claims).includes(`"${RESOURCE_TYPE}":"account-access-consents"`),
  }),
  mutant('has room for UUIDs only', 'TPP-EVT-12', {
    alsoDemands: ({ jti, txn }) => [jti, txn].every((each) => String(each).length <= 36),
  }),
  mutant('reads 8 kB', 'TPP-EVT-13', { bodyBytesMax: 8192 }),
  mutant('demands that toe is near iat', 'TPP-EVT-14', {
    alsoDemands: ({ iat, toe }) => Number(iat) - Number(toe) < 3600,
  }),
  mutant('refuses typ JOSE', 'TPP-HDR-01', { alsoDemands: (_claims, { typ }) => typ !== 'JOSE' }),
  mutant('refuses typ JWT', 'TPP-HDR-02', { alsoDemands: (_claims, { typ }) => typ !== 'JWT' }),
  mutant('compares crit in order', 'TPP-HDR-03', {
    alsoDemands: (_claims, { crit }) => Array.isArray(crit) && crit[0] === HEADER_IAT,
  }),
  mutant('refuses fractions of the time of signing', 'TPP-HDR-04', {
    alsoDemands: (_claims, header) => Number.isInteger(header[HEADER_IAT]),
  }),
  // Signatures.
  mutant('verifies no signature', ['TPP-SIG-01', 'TPP-SIG-02', 'TPP-SIG-03', 'TPP-SIG-04'], {
    algorithms: { PS256: () => true },
  }),
  mutant('verifies a signature once', 'TPP-SIG-02', () => {
    const verified = new Set<string>();
    const PS256_CACHED: Algorithms[string] = (parts, key) => {
      const id = parts.signature.toString('hex');
      if (!verified.has(id) && !PS256.PS256(parts, key)) return false;
      verified.add(id);
      return true;
    };
    return Promise.resolve({ algorithms: { PS256: PS256_CACHED } });
  }),
  mutant('takes the key from the token', 'TPP-SIG-13', {
    without: ['members'],
    keyOf: (header, jwks) =>
      typeof header['jwk'] === 'object' && header['jwk'] !== null
        ? { ...header['jwk'] }
        : jwks.find(({ kid }) => kid === header['kid']),
  }),
  mutant('accepts none', 'TPP-SIG-06', { algorithms: { ...PS256, none: () => true } }),
  mutant('accepts NONE', 'TPP-SIG-06', { algorithms: { ...PS256, none: () => false, NONE: () => true } }),
  mutant('accepts an empty signature', 'TPP-SIG-05', {
    algorithms: { PS256: (parts, key) => parts.signature.length === 0 || PS256.PS256(parts, key), none: () => false },
  }),
  mutant('accepts HS256', 'TPP-SIG-07', { algorithms: { ...PS256, HS256: hmacVerifier() } }),
  mutant('accepts RS256', 'TPP-SIG-08', {
    algorithms: { ...PS256, RS256: ({ input, signature }, key) => verify('sha256', input, key, signature) },
  }),
  mutant('accepts PS512', 'TPP-SIG-09', { algorithms: { ...PS256, PS512: pssVerifier('sha512', 64) } }),
  mutant('accepts any salt', 'TPP-SIG-10', {
    algorithms: { PS256: pssVerifier('sha256', constants.RSA_PSS_SALTLEN_AUTO) },
  }),
  mutant('decodes base64url leniently', 'TPP-SIG-11', { isLenientBase64: true }),
  mutant(
    'answers 500 to what it cannot parse',
    ['TPP-SIG-12', 'TPP-HDR-19', 'TPP-CLM-13'],
    onRefusal(({ status, body }) => (body.includes('invalid_request') ? { status: 500 } : { status })),
  ),
  mutant('fetches jku', 'TPP-SIG-14', {
    keyOf: async (header, jwks) => (await fetched(header['jku'])) ?? jwks.find(({ kid }) => kid === header['kid']),
    without: ['members'],
  }),
  mutant('ignores b64', 'TPP-SIG-15', without('members', 'crit-known')),
  // The header.
  mutant('ignores kid', ['TPP-HDR-05', 'TPP-HDR-06'], { keyOf: (_header, jwks) => jwks[0] }),
  mutant('compares kid without regard to case', 'TPP-HDR-05', {
    keyOf: ({ kid }, jwks) => jwks.find((key) => String(key['kid']).toLowerCase() === String(kid).toLowerCase()),
  }),
  mutant('takes kid for a file', 'TPP-HDR-07', {
    algorithms: { ...PS256, HS256: hmacVerifier('') },
    keyOf: ({ kid }, jwks) => jwks.find((key) => key['kid'] === kid) ?? (kid === '/dev/null' ? jwks[0] : undefined),
  }),
  mutant(
    'ignores crit',
    ['TPP-HDR-08', 'TPP-HDR-09', 'TPP-HDR-10'],
    without('crit-there', 'crit-known', 'crit-unique'),
  ),
  mutant('looks for its own names in crit only', 'TPP-HDR-09', without('crit-known', 'members')),
  mutant('accepts a crit with a member twice', 'TPP-HDR-10', without('crit-unique')),
  mutant('ignores the issuer of the header', 'TPP-HDR-11', without('header-iss')),
  mutant('ignores the trust anchor', 'TPP-HDR-12', without('header-tan')),
  mutant('ignores the time of signing', ['TPP-HDR-13', 'TPP-HDR-14'], without('header-iat', 'header-iat-past')),
  mutant('accepts times of signing in the future', 'TPP-HDR-13', without('header-iat-past')),
  mutant('accepts any member', 'TPP-HDR-15', without('members')),
  mutant('ignores typ', 'TPP-HDR-16', without('typ')),
  mutant('takes the first of two members', ['TPP-HDR-17', 'TPP-CLM-11'], { parse: parseFirstWins }),
  mutant('takes the last of two members', ['TPP-HDR-18', 'TPP-CLM-12'], { parse: parseLastWins }),
  // The claims.
  mutant('ignores aud', 'TPP-CLM-01', without('aud')),
  mutant('compares the beginning of aud', 'TPP-CLM-01', {
    without: ['aud'],
    alsoDemands: ({ aud }) => typeof aud === 'string' && aud !== '' && 'tpp-1'.startsWith(aud),
  }),
  mutant('ignores iss', 'TPP-CLM-02', without('iss')),
  mutant('compares the beginning of iss', 'TPP-CLM-02', {
    without: ['iss'],
    alsoDemands: ({ iss }) => String(iss).startsWith('https://bank.example'),
  }),
  mutant('ignores iat', 'TPP-CLM-03', without('iat-past')),
  mutant('ignores exp', 'TPP-CLM-04', without('exp')),
  mutant('ignores jti', 'TPP-CLM-06', without('jti')),
  mutant('demands no claim', 'TPP-CLM-07', without('mandatory')),
  mutant('ignores the form of events', 'TPP-CLM-08', without('events')),
  mutant('demands no subject', 'TPP-CLM-09', without('subject')),
  mutant('takes any time', 'TPP-CLM-10', without('times')),
  mutant('falls over deep JSON', 'TPP-CLM-14', {
    parse: (bytes) => {
      if (bytes.includes('[[[[[[[[')) throw new RangeError('Maximum call stack size exceeded');
      return parseLastWins(bytes);
    },
  }),
  // Keys.
  mutant('takes the first key', 'TPP-KEY-01', {
    keyOf: ({ kid }, jwks) => jwks.slice(0, 1).find((key) => key['kid'] === kid),
  }),
  mutant('takes keys for encryption', 'TPP-KEY-02', {
    keyOf: ({ kid }, jwks) => jwks.find((key) => key['kid'] === kid),
  }),
  mutant('never fetches the JWKS again', 'TPP-KEY-03', { neverFetchesAgain: true }, { timing: { keyRefreshMs: 200 } }),
  // Errors.
  mutant(
    'refuses with 401',
    'TPP-ERR-01',
    onRefusal(() => ({ status: 401 })),
  ),
  mutant(
    'refuses with 200 and an error',
    ['TPP-CLM-01', 'TPP-ERR-01'],
    onRefusal(() => ({ status: 200 })),
  ),
  mutant(
    'refuses without a body',
    'TPP-ERR-02',
    onRefusal(() => ({ body: '' })),
  ),
  mutant(
    'refuses with HTML',
    'TPP-ERR-02',
    onRefusal(({ headers }) => ({
      body: '<h1>Bad Request</h1>',
      headers: { ...headers, 'content-type': 'text/html' },
    })),
  ),
  mutant(
    'has one code for everything',
    'TPP-ERR-03',
    onRefusal(() => ({ body: '{"err":"invalid_request","description":"no"}' })),
  ),
  mutant(
    'names no language',
    'TPP-ERR-04',
    onRefusal(({ headers: { 'content-language': _, ...headers } }) => ({ headers })),
  ),
  mutant(
    'shows its stack',
    'TPP-ERR-05',
    onRefusal(() => ({ body: 'SyntaxError: bad\n    at parse (/app/node_modules/x/index.js:10:5)' })),
  ),
  // HTTP.
  mutant('demands Content-Length', 'TPP-HTTP-01', {
    intercept: (request, response) => {
      if (request.headers['transfer-encoding'] === undefined) return false;
      response.writeHead(411, { connection: 'close' }).end();
      return true;
    },
  }),
  mutant('answers before the body has come', ['TPP-HTTP-02', 'TPP-HTTP-03'], { isEarly: true }),
  mutant('accepts a body that was cut', 'TPP-HTTP-03', {
    intercept: (request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.split('.').length === 3 && Number(request.headers['content-length']) === text.length + 10) {
          response.writeHead(202).end();
        }
      });
      return false;
    },
  }),
  mutant('breaks connections that are used again', ['TPP-HTTP-04', 'TPP-HTTP-05'], {
    intercept: (request, response) => {
      const socket = request.socket as { servedBefore?: boolean };
      if (socket.servedBefore === true) response.destroy();
      const wasServed = socket.servedBefore === true;
      socket.servedBefore = true;
      return wasServed;
    },
  }),
  mutant('compares the media type as a text', 'TPP-HTTP-06', {
    alsoDemands: (_claims, _header, request) => request.headers['content-type'] === 'application/jwt',
  }),
  mutant('ignores the media type', 'TPP-HTTP-07', without('media-type')),
  mutant('acknowledges an empty body', 'TPP-HTTP-08', {
    intercept: (request, response) => {
      if (request.headers['content-length'] !== '0') return false;
      response.writeHead(202).end();
      return true;
    },
  }),
  mutant('accepts PUT', 'TPP-HTTP-09', without('method')),
  mutant(
    'sends 405 without Allow',
    'TPP-HTTP-09',
    onRefusal(({ headers: { allow: _, ...headers } }) => ({ headers })),
  ),
  mutant('ignores Content-Encoding', 'TPP-HTTP-10', without('coding')),
  mutant('reads without a limit', ['TPP-HTTP-11', 'TPP-HTTP-12'], { bodyBytesMax: Number.POSITIVE_INFINITY }),
  mutant('limits Content-Length only', 'TPP-HTTP-12', {
    bodyBytesMax: Number.POSITIVE_INFINITY,
    intercept: (request, response) => {
      if (!(Number(request.headers['content-length']) > 131_072)) return false;
      response.writeHead(413, { connection: 'close' }).end();
      return true;
    },
  }),
  mutant('takes Content-Length beside Transfer-Encoding', 'TPP-HTTP-13', { tls: { insecureHTTPParser: true } }),
  mutant('acknowledges at any path', 'TPP-HTTP-14', without('path')),
  // Load.
  mutant('serves ten requests and no more', 'TPP-LOAD-01', () => {
    let count = 0;
    const intercept: Habits['intercept'] = (_request, response) => {
      count += 1;
      if (count <= 10) return false;
      response.writeHead(503, { connection: 'close' }).end();
      return true;
    };
    return Promise.resolve({ intercept });
  }),
  mutant('sends the response of the request before', 'TPP-LOAD-02', () => {
    let before: Reply | undefined;
    const reply: Habits['reply'] = (good) => {
      const replied = before ?? good;
      before = good;
      return replied;
    };
    return Promise.resolve({ reply });
  }),
  mutant('serves one request after the other', 'TPP-LOAD-03', { isSerial: true }, { timing: { answerMs: 400 } }),
  ...TLS_MUTANTS,
];
