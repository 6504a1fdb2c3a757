import { constants, createHmac, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { get as httpGet } from 'node:http';
import { createServer, get as httpsGet, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import {
  HEADER_IAT,
  HEADER_ISS,
  HEADER_TAN,
  parseStrictJson,
  RESOURCE_LINKS,
  RESOURCE_UPDATE,
} from '@tidings/protocol';
import { testPki } from '@tidings/testing';

// A receiver of a TPP, written by hand with node:crypto, whose rules can be left out and whose habits can be changed. It shares
// no code with the receiver of @tidings/tpp, but for the strict parser.

export const EXPECTED = { issuer: 'https://bank.example', organisationId: 'org-1', clientId: 'tpp-1' };
export const PATH = '/open-banking/v4.0/event-notifications';
const CRITICAL = [HEADER_IAT, HEADER_ISS, HEADER_TAN];
const ISSUED_LATEST_SECONDS = 60;
const BODY_BYTES_MAX = 131_072;
const TYPES = ['JOSE', 'JWT', 'secevent+jwt'];

type Members = Readonly<Record<string, unknown>>;

/** A token in parts. */
export interface Parts {
  readonly input: Buffer;
  readonly signature: Buffer;
  readonly header: Members;
}

type Rule<T> = readonly [name: string, err: string, holds: (value: T) => boolean];

interface RequestHead {
  readonly request: IncomingMessage;
}

const REQUEST_RULES: readonly (readonly [name: string, status: number, holds: (head: RequestHead) => boolean])[] = [
  ['path', 404, ({ request }) => request.url === PATH],
  ['method', 405, ({ request }) => request.method === 'POST'],
  ['media-type', 415, ({ request }) => /^application\/jwt *(;|$)/i.test(request.headers['content-type'] ?? '')],
  ['coding', 415, ({ request }) => request.headers['content-encoding'] === undefined],
];

const nowSeconds = () => Date.now() / 1000;
const isText = (value: unknown, charsMax = 2048) =>
  typeof value === 'string' && value !== '' && value.length <= charsMax;
const isSeconds = (value: unknown) => typeof value === 'number' && value >= 0;
const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const HEADER_RULES: readonly Rule<Members>[] = [
  [
    'members',
    'invalid_request',
    (header) => Object.keys(header).every((each) => ['alg', 'kid', 'typ', 'cty', 'crit', ...CRITICAL].includes(each)),
  ],
  ['typ', 'invalid_request', ({ typ }) => typ === undefined || TYPES.some((each) => each === typ)],
  ['crit-there', 'invalid_request', ({ crit }) => Array.isArray(crit) && CRITICAL.every((each) => crit.includes(each))],
  [
    'crit-known',
    'invalid_request',
    ({ crit }) => !Array.isArray(crit) || crit.every((each) => CRITICAL.includes(each)),
  ],
  ['crit-unique', 'invalid_request', ({ crit }) => !Array.isArray(crit) || new Set(crit).size === crit.length],
  ['header-iss', 'invalid_issuer', (header) => header[HEADER_ISS] === EXPECTED.organisationId],
  ['header-tan', 'invalid_issuer', (header) => header[HEADER_TAN] === 'openbanking.org.uk'],
  ['header-iat', 'invalid_request', (header) => isSeconds(header[HEADER_IAT])],
  [
    'header-iat-past',
    'invalid_request',
    (header) => Number(header[HEADER_IAT]) <= nowSeconds() + ISSUED_LATEST_SECONDS,
  ],
];

const CLAIM_RULES: readonly Rule<Members>[] = [
  ['iss', 'invalid_issuer', ({ iss }) => iss === EXPECTED.issuer],
  ['aud', 'invalid_audience', ({ aud }) => aud === EXPECTED.clientId],
  ['jti', 'invalid_request', ({ jti }) => isText(jti, 128)],
  [
    'mandatory',
    'invalid_request',
    (claims) => ['iat', 'toe', 'sub', 'txn', 'events'].every((each) => claims[each] !== undefined),
  ],
  ['times', 'invalid_request', ({ iat, toe }) => [iat, toe].every((each) => each === undefined || isSeconds(each))],
  [
    'iat-past',
    'invalid_request',
    ({ iat }) => Number(iat ?? 0) <= nowSeconds() + ISSUED_LATEST_SECONDS || typeof iat !== 'number',
  ],
  ['exp', 'invalid_request', ({ exp }) => exp === undefined || Number(exp) > nowSeconds()],
  [
    'events',
    'invalid_request',
    ({ events }) =>
      events === undefined ||
      (isObject(events) && Object.keys(events).length > 0 && Object.values(events).every(isObject)),
  ],
  ['subject', 'invalid_request', ({ events }) => !isObject(events) || hasSubjects(events)],
];

function hasSubjects(events: Members): boolean {
  const hasUpdate = RESOURCE_UPDATE in events;
  return Object.entries(events).every(([urn, content]) => {
    if (!urn.startsWith('urn:uk:org:openbanking:')) return true;
    const subject = isObject(content) ? content['subject'] : undefined;
    if (subject === undefined) return urn !== RESOURCE_UPDATE && hasUpdate;
    const links = isObject(subject) ? subject[RESOURCE_LINKS] : undefined;
    return isObject(subject) && Object.keys(subject).length >= 4 && Array.isArray(links) && links.length > 0;
  });
}

/** The names of every rule that can be left out. */
export const RULES: readonly string[] = [...REQUEST_RULES, ...HEADER_RULES, ...CLAIM_RULES].map(([name]) => name);

type Verifier = (parts: Parts, key: KeyObject) => boolean;

/** How a signature is verified, by alg. */
export type Algorithms = Readonly<Record<string, Verifier>>;

/** PSS with a salt of this many bytes. */
export function pssVerifier(hash: string, saltLength: number): Verifier {
  return ({ input, signature }, key) =>
    verify(hash, input, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }, signature);
}

/** HMAC. @param secret default: the PEM of the key, as in old libraries */
export function hmacVerifier(secret?: string): Verifier {
  return ({ input, signature }, key) => {
    const bytes = secret ?? key.export({ type: 'spki', format: 'pem' });
    return createHmac('sha256', bytes).update(input).digest().equals(signature);
  };
}

/** A response, before it is sent. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The habits of a receiver; all of a good one are the default. */
export interface Habits {
  /** Rules that are left out. */
  readonly without?: readonly string[];
  readonly algorithms?: Algorithms;
  readonly parse?: (bytes: Buffer) => unknown;
  /** Further rules: they refuse what a good receiver accepts. */
  readonly alsoDemands?: (claims: Members, header: Members, request: IncomingMessage) => boolean;
  /** The last word on every response. @param jtiSeen whether the notification came before */
  readonly reply?: (good: Reply, about: { readonly request: IncomingMessage; readonly jtiSeen: boolean }) => Reply;
  readonly bodyBytesMax?: number;
  /** Accepts base64url as lenient decoders do. */
  readonly isLenientBase64?: boolean;
  /** Answers when the head of the request has come. */
  readonly isEarly?: boolean;
  /** Chooses the key. Default: the one with the kid and use sig, from a JWKS that is fetched again when it is unknown. */
  readonly keyOf?: (header: Members, jwks: readonly Members[]) => Members | Promise<Members | undefined> | undefined;
  readonly neverFetchesAgain?: boolean;
  readonly tls?: ServerOptions;
  /** Before the request is looked at. @returns whether it was answered */
  readonly intercept?: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Handles one request after the other, and waits for bodies. */
  readonly isSerial?: boolean;
}

/** A receiver that listens. */
export interface ReferenceReceiver {
  readonly callbackUrl: string;
  /** Tells it where the bank's JWKS is. */
  knows(jwksUrl: string): void;
  close(): Promise<void>;
}

class Refusal extends Error {
  readonly status: number;
  readonly err: string | undefined;

  constructor(status: number, err?: string) {
    super(err ?? String(status));
    this.status = status;
    this.err = err;
  }
}

/** Starts a receiver at `https://localhost`, with a certificate of the test PKI. */
export async function startReferenceReceiver(habits: Habits = {}): Promise<ReferenceReceiver> {
  const { server: identity, caPem } = await testPki();
  let jwksUrl = '';
  let jwks: readonly Members[] | undefined;
  const seen = new Set<string>();
  let turn: Promise<unknown> = Promise.resolve();

  async function keyFor(header: Members): Promise<KeyObject> {
    const choose = habits.keyOf ?? (({ kid }, keys) => keys.find((key) => key['kid'] === kid && key['use'] === 'sig'));
    jwks ??= await fetchJwks(jwksUrl, caPem);
    let jwk = await choose(header, jwks);
    if (jwk === undefined && habits.neverFetchesAgain !== true) {
      jwks = await fetchJwks(jwksUrl, caPem);
      jwk = await choose(header, jwks);
    }
    if (jwk === undefined) throw new Refusal(400, 'invalid_key');
    return createPublicKey({ key: { ...jwk }, format: 'jwk' });
  }

  async function receive(request: IncomingMessage): Promise<{ jti: string; jtiSeen: boolean }> {
    const body = await readBody(request, habits);
    const parts = partsOf(body, habits);
    demand(HEADER_RULES, parts.header, habits);
    const algorithms = habits.algorithms ?? { PS256: pssVerifier('sha256', 32) };
    const verifySignature = algorithms[String(parts.header['alg'])];
    if (verifySignature === undefined || typeof parts.header['alg'] !== 'string')
      throw new Refusal(400, 'invalid_request');
    if (habits.keyOf === undefined && !isText(parts.header['kid'])) throw new Refusal(400, 'invalid_key');
    if (!verifySignature(parts, await keyFor(parts.header))) throw new Refusal(400, 'authentication_failed');
    const claims = objectOf(Buffer.from(body.split('.')[1] ?? '', 'base64url'), habits);
    demand(CLAIM_RULES, claims, habits);
    if (habits.alsoDemands?.(claims, parts.header, request) === false) throw new Refusal(400, 'invalid_request');
    const jti = String(claims['jti']);
    const jtiSeen = seen.has(jti);
    seen.add(jti);
    return { jti, jtiSeen };
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (habits.intercept?.(request, response) === true) return;
    const sentId = request.headers['x-fapi-interaction-id'];
    const headers = { 'x-fapi-interaction-id': typeof sentId === 'string' ? sentId : crypto.randomUUID() };
    const reply = habits.reply ?? ((good) => good);
    let good: Reply = { status: 202, headers, body: '' };
    let jtiSeen = false;
    if (habits.isEarly === true) send(request, response, good);
    try {
      const refusedBy = REQUEST_RULES.find(([name, , holds]) => !isLeftOut(name, habits) && !holds({ request }));
      if (refusedBy !== undefined) throw new Refusal(refusedBy[1]);
      ({ jtiSeen } = await receive(request));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      good = refusalReply(error, headers);
    }
    if (habits.isEarly === true) return;
    send(request, response, reply(good, { request, jtiSeen }));
  }

  const server = createServer({ ...identity.tls, ...habits.tls }, (request, response) => {
    const work = () => answer(request, response).catch(() => response.destroy());
    if (habits.isSerial === true) turn = turn.then(work);
    else void work();
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    callbackUrl: `https://localhost:${(server.address() as AddressInfo).port}${PATH}`,
    knows: (url) => {
      jwksUrl = url;
      jwks = undefined;
    },
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function isLeftOut(name: string, { without = [] }: Habits): boolean {
  return without.includes(name);
}

function demand<T>(rules: readonly Rule<T>[], value: T, habits: Habits): void {
  const broken = rules.find(([name, , holds]) => !isLeftOut(name, habits) && !holds(value));
  if (broken !== undefined) throw new Refusal(400, broken[1]);
}

function refusalReply({ status, err }: Refusal, headers: Readonly<Record<string, string>>): Reply {
  if (status === 405) return { status, headers: { ...headers, allow: 'POST' }, body: '' };
  if (err === undefined) return { status, headers, body: '' };
  const body = JSON.stringify({ err, description: 'The notification was refused.' });
  return { status, headers: { ...headers, 'content-type': 'application/json', 'content-language': 'en' }, body };
}

function send(request: IncomingMessage, response: ServerResponse, { status, headers, body }: Reply): void {
  // What was not read would be taken for the next request.
  if (!request.complete) response.setHeader('connection', 'close');
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body);
}

async function readBody(request: IncomingMessage, { bodyBytesMax = BODY_BYTES_MAX }: Habits): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Otherwise leaving the loop would destroy the socket before the 413.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) throw new Refusal(413);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('latin1');
}

function partsOf(body: string, habits: Habits): Parts {
  const segments = body.split('.');
  const [header = '', payload = '', signature = ''] = segments;
  const isCanonical = (text: string) => Buffer.from(text, 'base64url').toString('base64url') === text;
  const isNone = habits.algorithms !== undefined && 'none' in habits.algorithms;
  const isWhole = segments.length === 3 && header !== '' && (signature !== '' || isNone);
  if (!isWhole || (habits.isLenientBase64 !== true && !segments.every(isCanonical)))
    throw new Refusal(400, 'invalid_request');
  return {
    input: Buffer.from(`${header}.${payload}`),
    signature: Buffer.from(signature, 'base64url'),
    header: objectOf(Buffer.from(header, 'base64url'), habits),
  };
}

function objectOf(bytes: Buffer, { parse = parseStrictJson }: Habits): Members {
  try {
    const value = parse(bytes);
    if (isObject(value)) return value;
  } catch (error) {
    // What is not JSON is refused below.
    if (error instanceof RangeError) throw error;
  }
  throw new Refusal(400, 'invalid_request');
}

function fetchJwks(url: string, ca: string): Promise<readonly Members[]> {
  return new Promise((resolve, reject) => {
    const request = url.startsWith('https:') ? httpsGet(url, { ca, agent: false }) : httpGet(url, { agent: false });
    request.on('error', reject).on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(JSON.parse(text).keys));
    });
  });
}
