import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import type { SecureVersion } from 'node:tls';

/** Whom a client trusts, and how it identifies itself. PEM texts. */
export interface ClientTls {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  readonly minVersion?: SecureVersion;
  readonly maxVersion?: SecureVersion;
  readonly ciphers?: string;
}

/** A whole answer. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly headersDistinct: IncomingMessage['headersDistinct'];
  readonly body: Buffer;
}

/** One request; the path is sent as it is. */
export interface Exchange {
  readonly method?: string | undefined;
  /** An array sends the header several times; a flat list of names and values is sent as it is. */
  readonly headers?: OutgoingHttpHeaders | readonly string[] | undefined;
  readonly body?: string | Uint8Array | undefined;
  /** Closes the connection. */
  readonly signal?: AbortSignal | undefined;
  /** Longest time until the whole answer has come. Default: thirty seconds. */
  readonly timeoutMs?: number | undefined;
}

/** Sends requests to one origin over connections that are kept open, as many as there are requests at once. */
export interface HttpClient {
  /** Rejects when no whole answer comes in time. */
  send(path: string, exchange?: Exchange): Promise<Answer>;
  close(): void;
}

const TIMEOUT_MS = 30_000;

/** Makes a client of an origin, `https://localhost:1234` or, without TLS, `http://localhost:1234`. */
export function createHttpClient(origin: string, tls?: ClientTls): HttpClient {
  const { hostname, port, protocol } = new URL(origin);
  const isTls = protocol === 'https:';
  const agent = isTls
    ? new HttpsAgent({ keepAlive: true, servername: isIP(hostname) === 0 ? hostname : '', ...tls })
    : new HttpAgent({ keepAlive: true });
  return {
    close: () => agent.destroy(),
    send: async (path, { method = 'GET', headers = {}, body, signal, timeoutMs = TIMEOUT_MS } = {}) => {
      const timeout = AbortSignal.timeout(timeoutMs);
      const either = signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
      const options = { hostname, port, path, method, headers: framed(headers, body), signal: either, agent };
      const request = isTls ? httpsRequest(options) : httpRequest(options);
      const answer = answerTo(request);
      request.end(body);
      return await answer;
    },
  };
}

/** Reads the answer to a request to its end. */
export async function answerTo(request: ClientRequest): Promise<Answer> {
  const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve).on('error', reject);
  });
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const { statusCode: status = 0, headers, headersDistinct } = incoming;
  return { status, headers, headersDistinct, body: Buffer.concat(chunks) };
}

/** Node.js frames the body of a GET or DELETE only when it is given the length. */
function framed(
  headers: OutgoingHttpHeaders | readonly string[],
  body: string | Uint8Array | undefined,
): OutgoingHttpHeaders | readonly string[] {
  if (body === undefined || isList(headers) || 'transfer-encoding' in headers) return headers;
  return { 'content-length': Buffer.byteLength(body), ...headers };
}

function isList(headers: OutgoingHttpHeaders | readonly string[]): headers is readonly string[] {
  return Array.isArray(headers);
}
