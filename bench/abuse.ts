import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { connect as connectTcp } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';

/** Targets of abusive requests, and the credentials that their senders have. */
export interface AbuseTarget {
  readonly apiPort: number;
  readonly operatorPort: number;
  readonly caPem: string;
  /** Client certificate of a registered TPP, for abuse from inside. */
  readonly transport: Credentials;
  readonly accessToken: string;
  /** Client certificate of an untrusted certificate authority. */
  readonly strange: Credentials;
}

interface Credentials {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** By kind: how often it was started, and the outcomes, each a status or how the connection ended. */
export type AbuseCounts = Readonly<Record<string, { begun: number; readonly came: Record<string, number> }>>;

export interface Abuse {
  readonly counts: AbuseCounts;
  stop(): void;
}

type Kind = (target: AbuseTarget) => Promise<string>;

const unreferenced = { ref: false };

const PAUSE_MAX_MS = 60;
const ANSWER_MAX_MS = 20_000;
const SLOW_BYTE_MS = 500;
const SLOW_BYTES = 24;
const SILENT_MS = 12_000;
const SLOW_AT_ONCE = 10;
const PATHS = ['/events', '/event-subscriptions', '/callback-urls', '/event-subscriptions/unknown', '/nowhere'];

/**
 * Sends abusive requests of every kind concurrently until stopped, each kind in its own loop. They come from other
 * loopback addresses than good requests, so that limits per address affect only them.
 */
export function startAbuse(target: AbuseTarget): Abuse {
  const counts: AbuseCounts = Object.fromEntries(Object.keys(KINDS).map((name) => [name, { begun: 0, came: {} }]));
  let isStopping = false;
  const loop = async (count: AbuseCounts[string], kind: Kind): Promise<void> => {
    while (!isStopping) {
      count.begun += 1;
      const came = await kind(target);
      count.came[came] = (count.came[came] ?? 0) + 1;
      await pause(randomInt(PAUSE_MAX_MS), undefined, unreferenced);
    }
  };
  for (const [name, { kind, atOnce = 1 }] of Object.entries(KINDS)) {
    const count = counts[name];
    for (let at = 0; at < atOnce && count !== undefined; at += 1) void loop(count, kind);
  }
  return {
    counts,
    stop: () => {
      isStopping = true;
    },
  };
}

const KINDS: Readonly<Record<string, { readonly kind: Kind; readonly atOnce?: number }>> = {
  'malformed body': { kind: (target) => post(target, oneOf(BAD_BODIES)) },
  'wrong signature': {
    kind: (target) => post(target, JSON.stringify({ Data: { Version: '4.0' } }), { 'x-jws-signature': badSignature() }),
  },
  'not HTTP': { kind: (target) => exchange(api(target), randomBytes(200)) },
  'no token': { kind: (target) => exchange(api(target), request(oneOf(PATHS), '{}', {})) },
  'unknown token': {
    kind: (target) => exchange(api(target), request(oneOf(PATHS), '{}', bearer(randomBytes(40).toString('base64url')))),
  },
  'operator without a token': {
    kind: (target) => exchange(operator(target), request('/operator/v1/events', '[]', bearer(randomUUID()), '')),
  },
  'no certificate': {
    kind: (target) =>
      exchange({ ...api(target), credentials: undefined }, request('/events', '{}', bearer(target.accessToken))),
  },
  'strange certificate': {
    kind: (target) =>
      exchange({ ...api(target), credentials: target.strange }, request('/events', '{}', bearer(target.accessToken))),
  },
  // Not for a poll, whose body may be large.
  'oversized body': {
    kind: (target) => {
      const body = `{"Data":{"Version":"${'4'.repeat(200_000)}"}}`;
      return exchange(api(target), request('/event-subscriptions', body, bearer(target.accessToken)));
    },
  },
  'oversized chunks': { kind: (target) => exchange(api(target), chunked(target, 200_000)) },
  'oversized header': { kind: (target) => post(target, '{}', { 'x-padding': 'a'.repeat(100_000) }) },
  abandoned: { kind: abandon },
  slow: { kind: trickle, atOnce: SLOW_AT_ONCE },
  silent: { kind: sendNothing, atOnce: SLOW_AT_ONCE },
};

const BAD_BODIES = [
  ...[
    '',
    '{',
    'null',
    '[]',
    '"',
    '{"maxEvents":-1}',
    '{"maxEvents":"1"}',
    '{"ack":"x"}',
    '{"ack":[1]}',
    '{"unknown":true}',
  ],
  ...['{"ack":[],"ack":[]}', '\ufeff{}', '{"setErrs":{"x":{}}}', '{"setErrs":[]}', '['.repeat(20_000)],
];

interface Connection {
  readonly port: number;
  readonly caPem: string;
  readonly credentials: Credentials | undefined;
}

function api({ apiPort, caPem, transport }: AbuseTarget): Connection {
  return { port: apiPort, caPem, credentials: transport };
}

function operator({ operatorPort, caPem }: AbuseTarget): Connection {
  return { port: operatorPort, caPem, credentials: undefined };
}

function post(target: AbuseTarget, body: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const isSigned = headers['x-jws-signature'] !== undefined;
  const path = isSigned ? '/event-subscriptions' : '/events';
  return exchange(api(target), request(path, body, { ...bearer(target.accessToken), ...headers }));
}

function bearer(token: string): Readonly<Record<string, string>> {
  return { authorization: `Bearer ${token}` };
}

function request(path: string, body: string, headers: Readonly<Record<string, string>>, base = '/open-banking/v4.0') {
  const all = {
    host: 'localhost',
    connection: 'close',
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'x-fapi-interaction-id': randomUUID(),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return `POST ${base}${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
}

function chunked({ accessToken }: AbuseTarget, bytes: number): string {
  const head = `POST /open-banking/v4.0/event-subscriptions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${accessToken}\r\n`;
  return `${head}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${bytes.toString(16)}\r\n${' '.repeat(bytes)}`;
}

/** A malformed signature of three segments, the middle one empty. */
function badSignature(): string {
  const header = Buffer.from(JSON.stringify({ alg: 'PS256', kid: randomUUID() })).toString('base64url');
  return `${header}..${randomBytes(256).toString('base64url')}`;
}

/** Sends bytes and waits for the status line of a response, or for the end of the connection. */
async function exchange(connection: Connection, bytes: string | Uint8Array): Promise<string> {
  const socket = open(connection);
  const came = answerOf(socket);
  socket.write(bytes);
  const answer = await came;
  socket.destroy();
  return answer;
}

/** A long poll or a publish request whose sender disconnects. */
async function abandon(target: AbuseTarget): Promise<string> {
  const socket = open(api(target));
  socket.on('error', () => undefined);
  socket.write(request('/events', '{"returnImmediately":false}', bearer(target.accessToken)));
  await pause(randomInt(300), undefined, unreferenced);
  socket.destroy();
  return 'abandoned';
}

/** Request headers that never end, sent byte by byte. */
async function trickle(target: AbuseTarget): Promise<string> {
  const socket = open(api(target));
  const came = answerOf(socket);
  socket.write('POST /open-banking/v4.0/events HTTP/1.1\r\nhost: localhost\r\nx-slow: ');
  let hasEnded = false;
  socket.once('close', () => {
    hasEnded = true;
  });
  for (let sent = 0; sent < SLOW_BYTES && !hasEnded; sent += 1) {
    await pause(SLOW_BYTE_MS, undefined, unreferenced);
    socket.write('a');
  }
  socket.end();
  const answer = await came;
  socket.destroy();
  return answer;
}

/** A connection without a TLS handshake. */
async function sendNothing({ apiPort, operatorPort }: AbuseTarget): Promise<string> {
  const port = randomInt(2) === 0 ? apiPort : operatorPort;
  const socket = connectTcp({ port, host: '127.0.0.1', localAddress: strangeAddress() });
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve('closed')));
  socket.on('error', () => undefined).resume();
  const came = await Promise.race([closed, pause(SILENT_MS, 'left open', unreferenced)]);
  socket.destroy();
  return came;
}

function open({ port, caPem, credentials }: Connection): TLSSocket {
  const socket = connectTcp({ port, host: '127.0.0.1', localAddress: strangeAddress() });
  return connect({
    socket,
    ca: caPem,
    servername: 'localhost',
    ...(credentials !== undefined && { cert: credentials.certificatePem, key: credentials.keyPem }),
  });
}

function strangeAddress(): string {
  return `127.0.1.${randomInt(1, 250)}`;
}

function answerOf(socket: TLSSocket): Promise<string> {
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve('no answer'), ANSWER_MAX_MS).unref();
    const end = (came: string) => {
      clearTimeout(late);
      resolve(came);
    };
    socket.on('data', (chunk) => end(/^HTTP\/1\.1 (\d{3})/.exec(chunk.toString('latin1'))?.[1] ?? 'not HTTP'));
    socket.on('error', () => end('refused'));
    socket.on('close', () => end('closed'));
  });
}

function oneOf<T>(list: readonly T[]): T {
  const found = list[randomInt(list.length)];
  if (found === undefined) throw new Error('the list is empty');
  return found;
}
