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
    /** When the request arrived, by the monotonic clock. */
    arrivedMs: number;
  }
}

/** Settings that both listeners of the service have. */
export interface HttpServerOptions {
  /** Undefined for a listener without TLS, on loopback or behind a gateway. */
  readonly tls: ServerOptions | undefined;
  readonly bodyBytesMax: number;
  /** Longest time for a request to arrive, headers and body. */
  readonly requestTimeoutMs: number;
  /** Longest time from a connection to the headers of its first request, the TLS handshake included. */
  readonly firstRequestTimeoutMs: number;
  /** Longest time that a connection is kept open between two requests. */
  readonly keepAliveTimeoutMs: number;
  /** Longest time without traffic on a connection, even while an answer is awaited. Default: 60 seconds. */
  readonly idleTimeoutMs?: number;
  /** Most concurrent connections. Default: 1000. */
  readonly connectionsMax?: number;
  /** Most concurrent connections from one remote address; an IPv6 /64 network counts as one. */
  readonly connectionsPerAddressMax: number;
  /** Whether a remote address is exempt from `connectionsPerAddressMax`. Default: none is. */
  readonly isUncounted?: (remoteAddress: string | undefined) => boolean;
  readonly clock: Clock;
  /** Source of interaction ids. Default: the system's. */
  readonly random?: Random;
  readonly log: Log;
}

const HEADER_BYTES_MAX = 32_768;
const IDLE_TIMEOUT_MS = 60_000;
const CONNECTIONS_MAX = 1000;
// How often Node checks for late requests. With its default of 30 s no deadline would be shorter than that.
const LATE_CHECK_MS = 1000;
// A closing server no longer checks for late requests, so those that do not end by themselves are cut off.
const CLOSE_GRACE_MS = 5000;
// Time for the request that a connection was opened for; one that a client keeps in reserve delays nobody.
const UNUSED_GRACE_MS = 250;

/**
 * Makes an HTTP server in which everything is limited: body, headers, time, connections. Bodies are left as received, for
 * the handlers to parse. `X-Forwarded-…` headers are ignored. Every method that Node can parse may be routed. Every answer
 * has `x-fapi-interaction-id`, even to requests that cannot be parsed. Requests that the rules of HTTP refuse are thrown as
 * {@link HttpRefusal} for the error handler, before the caller's hooks run. Closing the server lets requests under way
 * finish within a grace period.
 */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const { tls, requestTimeoutMs, clock, random = systemRandom } = options;
  const allowed = createAllowedMethods();
  const unreadable = createUnreadableRequestHandler({ clock, random, allowedAt: allowed.at });
  const bounds = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: requestTimeoutMs,
    connectionsCheckingInterval: Math.min(requestTimeoutMs, LATE_CHECK_MS),
    // A missing Host is refused below, with the headers that every answer has.
    requireHostHeader: false,
  };
  const shared = {
    bodyLimit: options.bodyBytesMax,
    requestTimeout: requestTimeoutMs,
    // Against callers that send requests and do not read the answers.
    connectionTimeout: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
    keepAliveTimeout: options.keepAliveTimeoutMs,
    forceCloseConnections: 'idle',
    // A request that still arrives on a kept connection is answered as usual, through all hooks, and then it is closed.
    return503OnClosing: false,
    loggerInstance: options.log,
    // One log line per exchange is written where it is answered.
    logController: new LogController({ disableRequestLogging: true }),
    clientErrorHandler: unreadable.onError,
    exposeHeadRoutes: false,
    trustProxy: false,
    // The framework would answer an overlong id, or a URL that cannot be decoded, in its own words and without any hook. The
    // size of the headers limits ids; such a URL becomes a path that has no route.
    routerOptions: { maxParamLength: HEADER_BYTES_MAX },
    rewriteUrl: ({ url = '/' }: { url?: string | undefined }) => (isDecodable(url) ? url : url.replaceAll('%', '%25')),
  } as const;
  const handshakeTimeout = Math.min(requestTimeoutMs, options.firstRequestTimeoutMs);
  // The types of HTTPS and HTTP instances do not differ in what is used here.
  const app: unknown =
    tls === undefined
      ? fastify({ ...shared, http: bounds })
      : fastify({ ...shared, https: { ...bounds, handshakeTimeout, ...tls, ...SERVER_TLS } });
  const server = app as FastifyInstance;
  server.removeAllContentTypeParsers();
  supportEveryMethod(server);
  // The size of the headers limits their number. A limit on the number makes Node drop headers, even a second Host.
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

/** By listener: the part of TLS that decides which clients are accepted, and how to end the connections of those that were. */
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
 * Gives new connections another certificate, other roots and other revocation lists. Present connections go on, unless roots
 * or lists changed: then they are ended, since a client that is no longer accepted must not stay by keeping its connection.
 * TLS sessions are not resumed afterwards, because the keys of session tickets are new.
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

/** Lets a path answer 405 to any method. Unless overridden, the framework demands a body in QUERY requests. */
function supportEveryMethod(server: FastifyInstance): void {
  const known = new Set<string>(server.supportedMethods);
  for (const method of METHODS) {
    if (!known.has(method) || method === 'QUERY') server.addHttpMethod(method, { overrideExisting: true });
  }
}

const unmetExpectations = new WeakSet<IncomingMessage>();

/** By itself Node answers an unknown expectation without our headers, and closes the connection on CONNECT. */
function answerWhatNodeWould({ server }: FastifyInstance): void {
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    unmetExpectations.add(request);
    server.emit('request', request, response);
  });
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    // Node has detached the connection: nothing else handles its errors, or closes it.
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
      throw new HttpRefusal(405, 'This server is not a proxy.', { connection: 'close', allow: allAllowed() });
    }
  });
  // After authentication and routing, and before a byte of the body is read.
  server.addHook('preParsing', async (request) => {
    if (!request.is404) rejectContentEncoding(request.raw);
  });
}

/**
 * Connections end with the answer under way, and unused ones almost at once. Those that are still open after the grace
 * period are cut off.
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

/** A Fastify instance. */
interface Listener {
  readonly server: Pick<Server, 'address'>;
  listen(options: { host: string; port: number }): Promise<string>;
}

/**
 * Begins to listen.
 *
 * @param section the section of the configuration, for the message
 * @returns the port, which is another one than `address.port` when that is 0
 * @throws {StartUpError} with one sentence on what to change
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
    throw new StartUpError(describeListenError(error, section, host, port), { cause: error });
  }
  const bound = server.server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : port;
}

function describeListenError(error: unknown, section: string, host: string, port: number): string {
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
 * TLS settings of both listeners, beside the certificate: TLS 1.3, and those suites of TLS 1.2 that FAPI 1.0 Advanced section
 * 8.5 permits (AES-GCM with forward secrecy), for RSA and ECDSA certificates. The two finite-field suites that it permits as
 * well are left out: each such handshake costs the server many times what it costs the client.
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
