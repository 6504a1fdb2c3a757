import { type IncomingMessage, METHODS, ServerResponse } from 'node:http';
import { type ServerOptions, Server as TlsServer } from 'node:https';
import type { Server, Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { INTERACTION_ID_HEADER, interactionIdOf } from '@tidings/protocol';
import { type FastifyInstance, fastify, LogController } from 'fastify';
import type { Clock } from './clock.ts';
import { Connections } from './connections.ts';
import { createAllowedMethods } from './http-methods.ts';
import { HttpRefusal, rejectAmbiguousMessage, rejectContentEncoding } from './http-refusal.ts';
import type { Log } from './log.ts';
import { type Random, systemRandom } from './random.ts';
import { StartUpError, systemErrorCode } from './start-up-error.ts';
import { createUnreadableRequestHandler } from './unreadable-request.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** `x-fapi-interaction-id` of this exchange: the caller's if it is a UUID, else a fresh one. */
    interactionId: string;
    /** When it arrived, of the monotonic clock. */
    arrivedMs: number;
  }
}

/** Settings that the two listeners of the service have in common. */
export interface HttpServerOptions {
  /** Undefined: without TLS, for a listener on loopback or behind a gateway. */
  readonly tls: ServerOptions | undefined;
  readonly bodyBytesMax: number;
  /** Longest time a request may take to arrive, headers and body. */
  readonly requestTimeoutMs: number;
  /** Longest time from a connection to the headers of its first request, the TLS handshake included. */
  readonly firstRequestTimeoutMs: number;
  /** Longest time a connection is kept without a request after one was answered. */
  readonly keepAliveTimeoutMs: number;
  /** Longest time in which nothing moves on a connection, while an answer is waited for too. Default: 60 seconds. */
  readonly idleTimeoutMs?: number;
  /** Most connections at once. Default: 1000. */
  readonly connectionsMax?: number;
  /** Most connections at once from one remote address; an IPv6 /64 is one. */
  readonly connectionsPerAddressMax: number;
  /** Whether a remote address may have any number of connections; left out: none may. */
  readonly isUncounted?: (remoteAddress: string | undefined) => boolean;
  readonly clock: Clock;
  /** Makes interaction ids. Default: that of the system. */
  readonly random?: Random;
  readonly log: Log;
}

const HEADER_BYTES_MAX = 32_768;
const IDLE_TIMEOUT_MS = 60_000;
const CONNECTIONS_MAX = 1000;
// How often Node looks for requests that are late; its default of 30 s would be the true deadline of every request.
const LATE_CHECK_MS = 1000;
// Once it closes, Node looks for late requests no more, so those that do not end by themselves are cut off.
const CLOSE_GRACE_MS = 5000;
// For a request that a connection was opened for; one that a client keeps in reserve holds nobody up.
const UNUSED_GRACE_MS = 250;

/**
 * Makes an HTTP server with everything bounded: body, headers, time, connections. Bodies stay the bytes that were
 * received; who handles a request parses them. Trusts no `X-Forwarded-…` header. Every method that Node can read may be
 * routed. Every answer has `x-fapi-interaction-id`, those to requests that could not be read too. What HTTP itself refuses
 * is thrown as an {@link HttpRefusal} for the error handler, before the hooks of whoever calls this. Closing the server
 * lets requests under way finish, for a while.
 */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const { tls, requestTimeoutMs, clock, random = systemRandom } = options;
  const allowed = createAllowedMethods();
  const unreadable = createUnreadableRequestHandler({ clock, random, allowedAt: allowed.at });
  const bounds = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: requestTimeoutMs,
    connectionsCheckingInterval: Math.min(requestTimeoutMs, LATE_CHECK_MS),
    // Refused below, with the headers that every answer has.
    requireHostHeader: false,
  };
  const shared = {
    bodyLimit: options.bodyBytesMax,
    requestTimeout: requestTimeoutMs,
    // Against callers that ask and do not read.
    connectionTimeout: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
    keepAliveTimeout: options.keepAliveTimeoutMs,
    forceCloseConnections: 'idle',
    // What still comes in on a kept connection is answered as ever, past no hook; the connection ends with the answer.
    return503OnClosing: false,
    loggerInstance: options.log,
    // One wide line per exchange is written where it is answered.
    logController: new LogController({ disableRequestLogging: true }),
    clientErrorHandler: unreadable.onError,
    exposeHeadRoutes: false,
    trustProxy: false,
    // An id of any length is an id, which headers bound; what is no URL is a path that nothing is at. Left to itself the
    // framework answers both in its own words, past every hook.
    routerOptions: { maxParamLength: HEADER_BYTES_MAX },
    rewriteUrl: ({ url = '/' }: { url?: string | undefined }) => (isDecodable(url) ? url : url.replaceAll('%', '%25')),
  } as const;
  const handshakeTimeout = Math.min(requestTimeoutMs, options.firstRequestTimeoutMs);
  // The types of an HTTPS and an HTTP instance differ in nothing that is used here.
  const app: unknown =
    tls === undefined
      ? fastify({ ...shared, http: bounds })
      : fastify({ ...shared, https: { ...bounds, handshakeTimeout, ...tls, ...SERVER_TLS } });
  const server = app as FastifyInstance;
  server.removeAllContentTypeParsers();
  supportEveryMethod(server);
  // The size of the headers bounds their number; beyond a number Node drops them, a second Host too.
  server.server.maxHeadersCount = 0;
  server.addHook('onRoute', allowed.add);
  answerWhatNodeWould(server);
  beginExchanges(server, { clock, random, allAllowed: allowed.all });
  const connections = new Connections(
    {
      ...options,
      connectionsMax: options.connectionsMax ?? CONNECTIONS_MAX,
      isUncounted: options.isUncounted ?? (() => false),
    },
    unreadable.onLate,
  );
  connections.follow(server.server, tls !== undefined);
  server.server.on('request', unreadable.follow);
  endConnectionsWhenClosing(server, connections, clock);
  retireWhenTrustChanges(server, connections, tls);
  return server;
}

/** The part of TLS that decides whom a listener lets in, and how the connections that it let in are ended; by listener. */
const trusts = new WeakMap<FastifyInstance, { trusted: string; readonly retire: () => void }>();

const trustedBy = (tls: ServerOptions | undefined) => JSON.stringify([tls?.ca, tls?.crl]);

// Longer than a long poll is held by default.
const RETIRED_GRACE_MS = 60_000;

function retireWhenTrustChanges(server: FastifyInstance, connections: Connections, tls: ServerOptions | undefined) {
  let cancel: () => void = () => undefined;
  server.server.once('close', () => cancel());
  trusts.set(server, {
    trusted: trustedBy(tls),
    retire: () => {
      cancel();
      cancel = connections.retire(RETIRED_GRACE_MS);
    },
  });
  server.addHook('onSend', async ({ raw }, reply) => {
    if (connections.isRetired(raw.socket)) reply.header('connection', 'close');
  });
}

/**
 * Connections that are made from now on get another certificate, other roots and revocation lists. Those that are there go
 * on, unless roots or lists changed: whom they would not let in any more must not stay by never hanging up. Sessions are
 * not resumed across it, since the keys of session tickets are new.
 */
export function renewTls(app: FastifyInstance, tls: ServerOptions | undefined): void {
  const { server } = app;
  if (tls === undefined || !(server instanceof TlsServer)) return;
  server.setSecureContext({ ...tls, ...SERVER_TLS });
  const trust = trusts.get(app);
  if (trust === undefined || trust.trusted === trustedBy(tls)) return;
  trust.trusted = trustedBy(tls);
  trust.retire();
}

/** So that a path can answer 405 to any method. The framework demands a body of QUERY unless it is told otherwise. */
function supportEveryMethod(server: FastifyInstance): void {
  const known = new Set<string>(server.supportedMethods);
  for (const method of METHODS) {
    if (!known.has(method) || method === 'QUERY') server.addHttpMethod(method, { overrideExisting: true });
  }
}

const unmetExpectations = new WeakSet<IncomingMessage>();

/** Left to itself Node answers an unknown expectation without our headers, and hangs up on CONNECT. */
function answerWhatNodeWould({ server }: FastifyInstance): void {
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    unmetExpectations.add(request);
    server.emit('request', request, response);
  });
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    // Node has let go of the connection: nobody else hears of its errors, or ends it.
    socket.on('error', () => socket.destroy());
    response.assignSocket(socket);
    response.once('finish', () => socket.end(() => socket.destroy()));
    server.emit('request', request, response);
  });
}

function beginExchanges(
  server: FastifyInstance,
  { clock, random, allAllowed }: { clock: Clock; random: Random; allAllowed: () => string },
): void {
  server.decorateRequest('interactionId', '');
  server.decorateRequest('arrivedMs', 0);
  server.addHook('onRequest', async (request, reply) => {
    request.arrivedMs = clock.monotonicMs();
    request.interactionId = interactionIdOf(request.headers[INTERACTION_ID_HEADER], () => random.uuid());
    reply.header(INTERACTION_ID_HEADER, request.interactionId).header('cache-control', 'no-store');
    rejectAmbiguousMessage(request.raw);
    if (unmetExpectations.has(request.raw)) {
      throw new HttpRefusal(417, 'Expect must be 100-continue, or left out.', { connection: 'close' });
    }
    if (request.method === 'CONNECT') {
      throw new HttpRefusal(405, 'This is no proxy.', { connection: 'close', allow: allAllowed() });
    }
  });
  // After all that tells who calls, and that there is such a path and method, and before a byte of the body is read.
  server.addHook('preParsing', async (request) => {
    if (!request.is404) rejectContentEncoding(request.raw);
  });
}

/**
 * Kept connections end with the answer under way on them, and unused ones almost at once; what has not ended after the
 * grace is cut off.
 */
function endConnectionsWhenClosing(server: FastifyInstance, connections: Connections, clock: Clock): void {
  let isClosing = false;
  server.addHook('preClose', async () => {
    isClosing = true;
    for (const [graceMs, which] of [
      [UNUSED_GRACE_MS, 'unused'],
      [CLOSE_GRACE_MS, 'all'],
    ] as const) {
      server.server.once(
        'close',
        clock.after(graceMs, () => connections.cutOff(which)),
      );
    }
  });
  server.addHook('onSend', async (_request, reply) => {
    if (isClosing) reply.header('connection', 'close');
  });
}

function isDecodable(url: string): boolean {
  try {
    decodeURIComponent(url);
    return true;
  } catch {
    return false;
  }
}

/** A server that can listen: a Fastify instance. */
interface Listener {
  readonly server: Pick<Server, 'address'>;
  listen(options: { host: string; port: number }): Promise<string>;
}

/**
 * Listens, and says in one sentence why it cannot.
 *
 * @param section of the configuration, for the message
 * @returns the port, which differs from the one asked for when that was 0
 * @throws {StartUpError}
 */
export async function listen(
  server: Listener,
  section: string,
  address: { host: string; port: number },
): Promise<number> {
  const { host, port } = address;
  try {
    await server.listen({ host, port });
  } catch (error) {
    throw new StartUpError(sayWhy(error, section, host, port), { cause: error });
  }
  const bound = server.server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : port;
}

function sayWhy(error: unknown, section: string, host: string, port: number): string {
  switch (systemErrorCode(error)) {
    case 'EADDRINUSE':
      return `Port ${port} of ${host} is in use; stop what uses it, or choose another "${section}.port".`;
    case 'EACCES':
      return `Port ${port} needs more rights than this user has; choose "${section}.port" above 1023.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `"${section}.host" (${host}) is not an address of this machine.`;
    default:
      return `Cannot listen on ${host} port ${port} ("${section}"): ${error instanceof Error ? error.message : error}.`;
  }
}

/**
 * TLS of every server of ours, beside its certificate: 1.3, and of 1.2 what FAPI 1.0 Advanced section 8.5 leaves, which is
 * AES-GCM with forward secrecy. The ECDSA pair is the same for a certificate with such a key. Of the two finite-field
 * pairs that it leaves there is none: each handshake costs the server many times what it costs the client.
 */
const SERVER_TLS = {
  minVersion: 'TLSv1.2',
  honorCipherOrder: true,
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
  ].join(':'),
} as const satisfies SecureContextOptions;
