import type { ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import { type FastifyInstance, fastify, LogController } from 'fastify';
import type { Log } from './log.ts';

/** What the two listeners of the service have in common. */
export interface HttpServerOptions {
  /** Undefined: without TLS, for a listener on loopback. */
  readonly tls: ServerOptions | undefined;
  readonly bodyBytesMax: number;
  /** Longest time a request may take to arrive, headers and body. */
  readonly requestTimeoutMs: number;
  readonly log: Log;
}

const KEEP_ALIVE_MS = 30_000;
const HEADER_BYTES_MAX = 32_768;
const PARAMETER_CHARS_MAX = 200;

const CLIENT_ERROR_STATUS: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
};

/** What was not even HTTP gets a status and nothing else, and the connection ends. */
function answerUnreadableRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = CLIENT_ERROR_STATUS[error.code ?? ''] ?? '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}

/**
 * Makes an HTTP server with everything bounded: body, headers, time. Bodies stay the bytes that were received; who
 * handles a request parses them. Trusts no `X-Forwarded-…` header. Closing it lets requests under way finish.
 */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const { tls, requestTimeoutMs } = options;
  const bounds = { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: requestTimeoutMs };
  const shared = {
    bodyLimit: options.bodyBytesMax,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    loggerInstance: options.log,
    // One wide line per exchange is written where it is answered.
    logController: new LogController({ disableRequestLogging: true }),
    clientErrorHandler: answerUnreadableRequest,
    exposeHeadRoutes: false,
    trustProxy: false,
    routerOptions: { maxParamLength: PARAMETER_CHARS_MAX },
  } as const;
  // The types of an HTTPS and an HTTP instance differ in nothing that is used here.
  const app: unknown =
    tls === undefined
      ? fastify({ ...shared, http: bounds })
      : fastify({ ...shared, https: { ...bounds, handshakeTimeout: requestTimeoutMs, minVersion: 'TLSv1.2', ...tls } });
  const server = app as FastifyInstance;
  server.removeAllContentTypeParsers();
  return server;
}
