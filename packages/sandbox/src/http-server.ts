import type { RequestListener } from 'node:http';
import type { ServerOptions } from 'node:https';
import { createHttpServer, createLog, HttpRefusal, refuseOtherMethods, systemClock } from '@tidings/service';

/** A server's own certificate and key, and the one root that client certificates must come from. All in PEM. */
export interface MutualTls {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly caPem: string;
}

/** One path of a server, and the one method that it has. */
export interface Endpoint {
  readonly method: 'GET' | 'POST';
  /** A segment may be a parameter, as in `/payments/:id`. */
  readonly path: string;
  /** Answers requests, whose bodies nobody has read. */
  readonly answer: RequestListener;
}

export interface HttpServerSettings {
  /** The address to listen on, such as `127.0.0.1`. */
  readonly host: string;
  /** 0 is any free port. */
  readonly port: number;
  /** Without a root anybody may connect; with one nobody without a certificate that it issued. */
  readonly tls: Omit<MutualTls, 'caPem'> & { readonly caPem?: string };
  readonly endpoints: readonly Endpoint[];
  /** Optional observer of connections that could not be accepted (EMFILE). */
  readonly onError?: (error: Error) => void;
}

/** A server that is listening. */
export interface HttpServer {
  readonly port: number;
  /** Ends idle connections at once and all others within five seconds. May be called again. */
  close(): Promise<void>;
}

const FIRST_REQUEST_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 15_000;
const KEEP_ALIVE_TIMEOUT_MS = 5_000;
const CONNECTIONS_MAX = 500;
const BODY_BYTES_MAX = 131_072;

const log = createLog('silent');

/**
 * Starts a server of the sandbox, with the HTTP of the service's own listeners: every answer has `x-fapi-interaction-id`
 * and its limits are theirs. Nothing but the endpoints is there.
 *
 * @throws The error of `listen`, as it is: one with code `EADDRINUSE` when the port is taken.
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
    // Everybody is on this machine.
    connectionsPerAddressMax: CONNECTIONS_MAX,
    clock: systemClock,
    log,
  });
  // Who answers reads the body.
  app.addContentTypeParser('*', (_request, _body, done) => done(null));
  app.setNotFoundHandler((_request, reply) => reply.code(404).send());
  app.setErrorHandler((error, _request, reply) => {
    if (error instanceof HttpRefusal) return reply.code(error.status).headers(error.headers).send();
    // The framework's own: what is no media type, say.
    if (statusOf(error) < 500) return reply.code(statusOf(error)).send();
    onError(error instanceof Error ? error : new Error(String(error)));
    return reply.code(500).send();
  });
  for (const { method, path, answer } of settings.endpoints) {
    app.route({
      ...{ method, url: path },
      handler: (request, reply) => {
        for (const [name, value] of Object.entries(reply.getHeaders())) reply.raw.setHeader(name, value ?? '');
        reply.hijack();
        answer(request.raw, reply.raw);
      },
    });
    refuseOtherMethods(app, path, [method]);
  }
  await app.listen({ host, port });
  // A connection that could not be accepted must not end the process.
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
