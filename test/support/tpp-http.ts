import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

/** Who a client is to a server, and whom it trusts. PEM texts. */
export interface ClientTls {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
}

/** An answer, read to its end. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly headersDistinct: IncomingMessage['headersDistinct'];
  readonly body: Buffer;
}

/** One request; the path is sent as it is. */
export interface HttpExchange {
  readonly method?: string | undefined;
  /** An array sends the header as often. */
  readonly headers?: OutgoingHttpHeaders | undefined;
  readonly body?: string | Uint8Array | undefined;
  /** Hangs up. */
  readonly signal?: AbortSignal | undefined;
  /** Longest time until the whole answer is there. Default: thirty seconds. */
  readonly timeoutMs?: number | undefined;
}

/** Sends requests to one origin over kept connections, as many as there are requests at once. */
export interface HttpPeer {
  /** Rejects when no whole answer comes in time. */
  send(path: string, exchange?: HttpExchange): Promise<HttpAnswer>;
  close(): void;
}

const TIMEOUT_MS = 30_000;

/** Makes a client of an origin, `https://localhost:1234` or, without TLS, `http://localhost:1234`. */
export function createHttpPeer(origin: string, tls?: ClientTls): HttpPeer {
  const { hostname, port, protocol } = new URL(origin);
  const isTls = protocol === 'https:';
  const agent = isTls
    ? new HttpsAgent({ keepAlive: true, servername: hostname, ...tls })
    : new HttpAgent({ keepAlive: true });
  return {
    close: () => agent.destroy(),
    send: async (path, { method = 'GET', headers = {}, body, signal, timeoutMs = TIMEOUT_MS } = {}) => {
      // Node frames the body of a GET or DELETE only when it is told its length.
      const isFramed = body === undefined || 'transfer-encoding' in headers;
      const framed = { ...(!isFramed && { 'content-length': Buffer.byteLength(body) }), ...headers };
      const patience = AbortSignal.timeout(timeoutMs);
      const either = signal === undefined ? patience : AbortSignal.any([patience, signal]);
      const options = { hostname, port, path, method, headers: framed, signal: either, agent };
      const outgoing = isTls ? httpsRequest(options) : httpRequest(options);
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
