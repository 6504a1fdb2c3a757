import { type IncomingMessage, METHODS } from 'node:http';
import { type ServerOptions, Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { INTERACTION_ID_HEADER } from '@tidings/protocol';
import { type FastifyInstance, fastify, LogController } from 'fastify';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import type { Random } from './random.ts';

/** What the two listeners of the service have in common. */
export interface HttpServerOptions {
  /** Undefined: without TLS, for a listener on loopback or behind a gateway. */
  readonly tls: ServerOptions | undefined;
  readonly bodyBytesMax: number;
  /** Longest time a request may take to arrive, headers and body. */
  readonly requestTimeoutMs: number;
  /** Longest time in which nothing moves on a connection, while an answer is waited for too. Default: 60 seconds. */
  readonly idleTimeoutMs?: number;
  /** Most connections at once; more are hung up on. Default: 1000. */
  readonly connectionsMax?: number;
  readonly clock: Clock;
  /** Makes the interaction ids of answers to what was not even HTTP; undefined: they have none. */
  readonly random?: Random;
  readonly log: Log;
}

const TLS_VERSION_MIN = 'TLSv1.2';
const KEEP_ALIVE_MS = 30_000;
const HEADER_BYTES_MAX = 32_768;
const IDLE_TIMEOUT_MS = 60_000;
const CONNECTIONS_MAX = 1000;
// How often Node looks for requests that are late; its default of 30 s would be the true deadline of every request.
const LATE_CHECK_MS = 1000;
// Once it closes, Node looks for late requests no more, so those that do not end by themselves are cut off.
const CLOSE_GRACE_MS = 5000;
// For a request that a connection was opened for; one that a client keeps in reserve holds nobody up.
const UNUSED_GRACE_MS = 250;

const CLIENT_ERROR_STATUS: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
};

// What it was told may still be on its way to a peer; one that does not hang up then is hung up on.
const LINGER_MS = 1000;

/** What was not even HTTP gets a status and nothing else, and the connection ends; what was not even TLS just ends. */
function unreadableRequestHandler({ clock, random }: HttpServerOptions) {
  return (error: Error & { code?: string }, socket: Socket): void => {
    const isOfHttp = /^(?:HPE_|ERR_HTTP_)/.test(error.code ?? '');
    if (!isOfHttp || !socket.writable) {
      socket.destroy();
      return;
    }
    const status = CLIENT_ERROR_STATUS[error.code ?? ''] ?? '400 Bad Request';
    socket.once(
      'close',
      clock.after(LINGER_MS, () => socket.destroy()),
    );
    const headers = ['connection: close', 'content-length: 0'];
    if (random !== undefined) headers.push(`${INTERACTION_ID_HEADER}: ${random.uuid()}`);
    socket.end(`HTTP/1.1 ${status}\r\n${headers.join('\r\n')}\r\n\r\n`);
  };
}

/**
 * Makes an HTTP server with everything bounded: body, headers, time, connections. Bodies stay the bytes that were
 * received; who handles a request parses them. Trusts no `X-Forwarded-…` header. Every method that Node can read may be
 * routed. Closing it lets requests under way finish, for a while.
 */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const { tls, requestTimeoutMs } = options;
  const bounds = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: requestTimeoutMs,
    connectionsCheckingInterval: Math.min(requestTimeoutMs, LATE_CHECK_MS),
  };
  const shared = {
    bodyLimit: options.bodyBytesMax,
    requestTimeout: requestTimeoutMs,
    // Against callers that ask and do not read.
    connectionTimeout: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    // What still comes in on a kept connection is answered as ever, past no hook; the connection ends with the answer.
    return503OnClosing: false,
    loggerInstance: options.log,
    // One wide line per exchange is written where it is answered.
    logController: new LogController({ disableRequestLogging: true }),
    clientErrorHandler: unreadableRequestHandler(options),
    exposeHeadRoutes: false,
    trustProxy: false,
    // An id of any length is an id, which headers bound; what is no URL is a path that nothing is at. Left to itself the
    // framework answers both in its own words, past every hook.
    routerOptions: { maxParamLength: HEADER_BYTES_MAX },
    rewriteUrl: ({ url = '/' }: { url?: string | undefined }) => (isDecodable(url) ? url : url.replaceAll('%', '%25')),
  } as const;
  // The types of an HTTPS and an HTTP instance differ in nothing that is used here.
  const app: unknown =
    tls === undefined
      ? fastify({ ...shared, http: bounds })
      : fastify({
          ...shared,
          https: { ...bounds, handshakeTimeout: requestTimeoutMs, minVersion: TLS_VERSION_MIN, ...tls },
        });
  const server = app as FastifyInstance;
  server.removeAllContentTypeParsers();
  supportEveryMethod(server);
  server.server.maxConnections = options.connectionsMax ?? CONNECTIONS_MAX;
  endConnectionsWhenClosing(server, options.clock);
  return server;
}

/** Connections that are made from now on get another certificate and other roots; those that are there go on. */
export function renewTls({ server }: FastifyInstance, tls: ServerOptions | undefined): void {
  if (tls !== undefined && server instanceof TlsServer)
    server.setSecureContext({ minVersion: TLS_VERSION_MIN, ...tls });
}

/** So that a path can answer 405 to any method. The framework demands a body of QUERY unless it is told otherwise. */
function supportEveryMethod(server: FastifyInstance): void {
  const known = new Set<string>(server.supportedMethods);
  for (const method of METHODS) {
    if (!known.has(method) || method === 'QUERY') server.addHttpMethod(method, { overrideExisting: true });
  }
}

/**
 * Kept connections end with the answer under way on them, and unused ones almost at once; what has not ended after the
 * grace is cut off.
 */
function endConnectionsWhenClosing(server: FastifyInstance, clock: Clock): void {
  // Node's own list leaves out what is still in the handshake, and takes one without a request for one that is busy.
  const connections = new Set<Socket>();
  const used = new WeakSet<Socket>();
  const track = (socket: Socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  };
  server.server.on('connection', track);
  // The same connections once more, as requests come from them.
  if (server.server instanceof TlsServer) server.server.on('secureConnection', track);
  server.server.on('request', ({ socket }: IncomingMessage) => used.add(socket));
  const isUnused = (socket: Socket) => socket.bytesRead === 0 || (socket instanceof TLSSocket && !used.has(socket));
  let isClosing = false;
  server.addHook('preClose', async () => {
    isClosing = true;
    const cutOff = (isMeant: (socket: Socket) => boolean) => {
      for (const socket of connections) if (isMeant(socket)) socket.destroy();
    };
    server.server.once(
      'close',
      clock.after(UNUSED_GRACE_MS, () => cutOff(isUnused)),
    );
    server.server.once(
      'close',
      clock.after(CLOSE_GRACE_MS, () => cutOff(() => true)),
    );
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
