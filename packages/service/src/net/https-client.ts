import { Agent } from 'undici';
import type { Clock } from '../base/clock.ts';
import { type ClientTls, Connector } from './connector.ts';
import type { HostGuard } from './host-guard.ts';

export interface HttpsClientOptions {
  readonly tls: ClientTls;
  /** Asked for each connection. Undefined only where all URLs are the bank's own. */
  readonly guard: HostGuard | undefined;
  /** HTTP proxy for all connections, which then looks up the hosts. Never taken from the environment. */
  readonly proxyUrl?: string | undefined;
  /** Deadline for one whole exchange, from the look-up to the last byte. */
  readonly timeoutMs: number;
  readonly responseBytesMax: number;
  /** Default: 16. Further concurrent requests wait. */
  readonly connectionsPerOriginMax?: number;
  readonly clock: Clock;
}

/** One request: GET without a body, POST with one. */
export interface HttpsRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** The answer to an {@link HttpsRequest}. */
export interface HttpsAnswer {
  readonly status: number;
  readonly body: Uint8Array;
  /** The `Date` header as received (RFC 9110 section 6.6.1). */
  readonly date?: string | undefined;
}

/** Exchanges small documents: JWKS, introspection answers and alerts. */
export interface HttpsClient {
  /**
   * @returns the status and the whole body; every status is an answer, a redirect too
   * @throws {HttpsError} when there is no answer, or a body that is too long
   */
  exchange(request: HttpsRequest): Promise<HttpsAnswer>;
  close(): Promise<void>;
}

/** An exchange without an answer. `message` is for the log and holds no secret. */
export class HttpsError extends Error {
  override readonly name = 'HttpsError';
}

const CONNECTIONS_PER_ORIGIN_MAX = 16;
const HEADER_BYTES_MAX = 16_384;
const KEEP_ALIVE_MS = 4000;

/**
 * Makes an HTTPS client: TLS 1.2 or later, the server always verified, whatever the environment says. Redirects are not
 * followed, requests are not retried, one deadline covers the exchange, and a body that is too long ends it. With a guard,
 * connections go only to addresses that it has checked; without one, to any address of the host.
 */
export function createHttpsClient(options: HttpsClientOptions): HttpsClient {
  const { tls, guard, timeoutMs, clock, proxyUrl } = options;
  const connector = new Connector({
    tls,
    timeoutMs,
    clock,
    proxyUrl,
    guard: guard && { addressesOf: (host) => checkedBy(guard, host) },
  });
  const agent = new Agent({
    connect: connector.connect,
    // Otherwise undici delays further connections until the first has negotiated its protocol.
    allowH2: false,
    connections: options.connectionsPerOriginMax ?? CONNECTIONS_PER_ORIGIN_MAX,
    pipelining: 1,
    maxHeaderSize: HEADER_BYTES_MAX,
    maxResponseSize: options.responseBytesMax,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    // The exchange has one deadline, below; these would only report it under another name.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  return {
    close: () => {
      connector.close();
      return agent.destroy();
    },
    exchange: async ({ url, headers, body }) => {
      if (!isHttpsUrl(url)) throw new HttpsError('the URL is not https');
      const parsed = new URL(url);
      const { origin, pathname, search } = parsed;
      // An address in place of a name is not looked up, so the guard would not see it.
      if (guard !== undefined) checkUrl(guard, parsed);
      const deadline = new AbortController();
      const cancel = clock.after(timeoutMs, () => deadline.abort());
      try {
        const answer = await agent.request({
          origin,
          path: pathname + search,
          method: body === undefined ? 'GET' : 'POST',
          headers,
          ...(body !== undefined && { body }),
          signal: deadline.signal,
        });
        const { date } = answer.headers;
        const bytes = await answer.body.bytes();
        return { status: answer.statusCode, body: bytes, date: typeof date === 'string' ? date : undefined };
      } catch (cause) {
        if (cause instanceof HttpsError) throw cause;
        throw new HttpsError(deadline.signal.aborted ? `no answer within ${timeoutMs} ms` : whyOf(cause), { cause });
      } finally {
        cancel();
      }
    },
  };
}

function checkUrl(guard: HostGuard, url: URL): void {
  try {
    guard.checkUrl(url);
  } catch (cause) {
    throw refusalOf(cause);
  }
}

function checkedBy(guard: HostGuard, host: string): ReturnType<HostGuard['addressesOf']> {
  return guard.addressesOf(host).catch((cause: unknown) => {
    throw refusalOf(cause);
  });
}

/** Keeps the guard's message, which tells the operator which setting allows the address. */
function refusalOf(cause: unknown): HttpsError {
  return new HttpsError(cause instanceof Error ? cause.message : 'the host was refused', { cause });
}

/** Whether a text is an https URL without user name and password. */
export function isHttpsUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url?.protocol === 'https:' && url.username === '' && url.password === '';
}

/** The error code of Node.js or undici (`ECONNREFUSED`, `UND_ERR_RES_EXCEEDED_MAX_SIZE`). */
function whyOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'the connection failed';
}
