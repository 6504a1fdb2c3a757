import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { request as httpRequest } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { SecureVersion } from 'node:tls';

/** Who a client is to a server, and whom it trusts. PEM texts. */
export interface ClientTls {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  readonly minVersion?: SecureVersion;
  readonly maxVersion?: SecureVersion;
  readonly ciphers?: string;
}

/** An answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly headersDistinct: IncomingMessage['headersDistinct'];
  readonly body: Buffer;
}

/** One request; the path is sent as it is. */
export interface Exchange {
  readonly method?: string | undefined;
  /** An array sends the header as often. */
  readonly headers?: OutgoingHttpHeaders | undefined;
  readonly body?: string | Uint8Array | undefined;
}

/** Sends requests to one origin over kept connections. */
export interface HttpClient {
  /** Rejects when no whole answer comes within ten seconds. */
  send(path: string, exchange?: Exchange): Promise<Answer>;
  close(): void;
}

const ANSWER_TIMEOUT_MS = 10_000;

/** Makes a client of an origin, `https://localhost:1234` or, without TLS, `http://localhost:1234`. */
export function createHttpClient(origin: string, tls?: ClientTls): HttpClient {
  const { hostname, port, protocol } = new URL(origin);
  const agent =
    protocol === 'https:' ? new Agent({ keepAlive: true, maxSockets: 8, servername: hostname, ...tls }) : undefined;
  return {
    close: () => agent?.destroy(),
    send: async (path, { method = 'GET', headers = {}, body } = {}) => {
      // Node frames the body of a GET or DELETE only when it is told its length.
      const isFramed = body === undefined || 'transfer-encoding' in headers;
      const framed = { ...(!isFramed && { 'content-length': Buffer.byteLength(body) }), ...headers };
      const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
      const options = { hostname, port, path, method, headers: framed, signal };
      const outgoing = agent === undefined ? httpRequest(options) : httpsRequest({ ...options, agent });
      const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
        outgoing.on('response', resolve).on('error', reject).end(body);
      });
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk);
      const { statusCode = 0, headersDistinct } = incoming;
      return { status: statusCode, headers: incoming.headers, headersDistinct, body: Buffer.concat(chunks) };
    },
  };
}
