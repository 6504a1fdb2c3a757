import type { ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import { INTERACTION_ID_HEADER } from '@tidings/protocol';
import { type FastifyInstance, fastify, LogController } from 'fastify';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import type { Random } from './random.ts';

/** What the two listeners of the service have in common. */
export interface HttpServerOptions {
  /** Undefined: without TLS, for a listener on loopback. */
  readonly tls: ServerOptions | undefined;
  readonly bodyBytesMax: number;
  /** Longest time a request may take to arrive, headers and body. */
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const KEEP_ALIVE_MS = 30_000;
const HEADER_BYTES_MAX = 32_768;
// How often Node looks for requests that are late; its default of 30 s would be the true deadline of every request.
const LATE_CHECK_MS = 1000;
// Once it closes, Node looks for late requests no more, so those that do not end by themselves are cut off.
const CLOSE_GRACE_MS = 5000;

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
    const headers = ['connection: close', 'content-length: 0', `${INTERACTION_ID_HEADER}: ${random.uuid()}`];
    socket.end(`HTTP/1.1 ${status}\r\n${headers.join('\r\n')}\r\n\r\n`);
  };
}

/**
 * Makes an HTTP server with everything bounded: body, headers, time. Bodies stay the bytes that were received; who
 * handles a request parses them. Trusts no `X-Forwarded-…` header. Closing it lets requests under way finish, for a while.
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
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
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
      : fastify({ ...shared, https: { ...bounds, handshakeTimeout: requestTimeoutMs, minVersion: 'TLSv1.2', ...tls } });
  const server = app as FastifyInstance;
  server.removeAllContentTypeParsers();
  server.addHook('preClose', async () => {
    const cancel = options.clock.after(CLOSE_GRACE_MS, () => server.server.closeAllConnections());
    server.server.once('close', cancel);
  });
  return server;
}

function isDecodable(url: string): boolean {
  try {
    decodeURIComponent(url);
    return true;
  } catch {
    return false;
  }
}
