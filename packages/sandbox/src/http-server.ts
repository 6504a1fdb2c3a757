import type { RequestListener } from 'node:http';
import type { ServerOptions } from 'node:https';
import { createHttpServer, createLog, HttpRefusal, rejectOtherMethods, systemClock } from '@tidings/service';

/** Certificate and key of a server, and the root of the accepted client certificates. All in PEM. */
export interface MutualTls {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly caPem: string;
}

/** A path of a server with its only method. */
export interface Endpoint {
  readonly method: 'GET' | 'POST';
  /** Segments may be parameters, as in `/payments/:id`. */
  readonly path: string;
  /** Handles requests, including their bodies, which have not been read. */
  readonly answer: RequestListener;
}

export interface HttpServerSettings {
  /** The address to listen on, such as `127.0.0.1`. */
  readonly host: string;
  /** Port to listen on; 0 for any free port. */
  readonly port: number;
  /** With `caPem` clients must present a certificate issued by that root; without it none is required. */
  readonly tls: Omit<MutualTls, 'caPem'> & { readonly caPem?: string };
  readonly endpoints: readonly Endpoint[];
  /** Optional observer of connections that could not be accepted (EMFILE). */
  readonly onError?: (error: Error) => void;
}

/** A running server. */
export interface HttpServer {
  readonly port: number;
  /** Closes idle connections at once and all others within five seconds. Idempotent. */
  close(): Promise<void>;
}

const FIRST_REQUEST_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 15_000;
const KEEP_ALIVE_TIMEOUT_MS = 5_000;
const CONNECTIONS_MAX = 500;
const BODY_BYTES_MAX = 131_072;

const log = createLog('silent');

/**
 * Starts a server of the sandbox on the same HTTP layer as the service's own listeners: every response has
 * `x-fapi-interaction-id`, and the same kinds of limits apply. Only the given endpoints exist.
 *
 * @throws the error of `listen` with its code, such as `EADDRINUSE`
 */
export async function startHttpServer(settings: HttpServerSettings): Promise<HttpServer> {
  const { host, port, onError = () => undefined } = settings;
  const app = createHttpServer({
    tls: tlsOf(settings.tls),
    bodyBytesMax: BODY_BYTES_MAX,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    firstRequestTimeoutMs: FIRST_REQUEST_TIMEOUT_MS,
    keepAliveTimeoutMs: KEEP_ALIVE_TIMEOUT_MS,
    connectionsMax: CONNECTIONS_MAX,
    // All clients are on this machine.
    connectionsPerAddressMax: CONNECTIONS_MAX,
    clock: systemClock,
    log,
  });
  // Endpoints read the body themselves.
  app.addContentTypeParser('*', (_request, _body, done) => done(null));
  app.setNotFoundHandler((_request, reply) => reply.code(404).send());
  app.setErrorHandler((error, _request, reply) => {
    if (error instanceof HttpRefusal) return reply.code(error.status).headers(error.headers).send();
    // Errors of the framework, such as an invalid media type.
    if (statusOf(error) < 500) return reply.code(statusOf(error)).send();
    onError(error instanceof Error ? error : new Error(String(error)));
    return reply.code(500).send();
  });
  for (const { method, path, answer } of settings.endpoints) {
    app.route({
      method,
      url: path,
      handler: (request, reply) => {
        for (const [name, value] of Object.entries(reply.getHeaders())) reply.raw.setHeader(name, value ?? '');
        reply.hijack();
        answer(request.raw, reply.raw);
      },
    });
    rejectOtherMethods(app, path, [method]);
  }
  await app.listen({ host, port });
  // A connection that could not be accepted must not terminate the process.
  app.server.on('error', onError);
  const address = app.server.address();
  let closed: Promise<void> | undefined;
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: () => {
      closed ??= app.close();
      return closed;
    },
  };
}

function tlsOf({ certificatePem: cert, keyPem: key, caPem: ca }: HttpServerSettings['tls']): ServerOptions {
  return { cert, key, ...(ca !== undefined && { ca, requestCert: true, rejectUnauthorized: true }) };
}

function statusOf(error: unknown): number {
  const isTold = error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number';
  return isTold ? Number(error.statusCode) : 500;
}
