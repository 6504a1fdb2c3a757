import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { createSecureContext, type SecureContext } from 'node:tls';
import { runAfter } from '../clock.ts';
import { describeConnectionFault } from './connection-fault.ts';
import { RacingAgent, type RacingOptions } from './racing-agent.ts';
import { readCapped } from './read-capped.ts';

/** Certificate, private key and trusted authorities of a TLS client. PEM texts, not paths. */
export interface TlsTransport {
  /** Client certificate with its intermediates; omitted for server authentication only. */
  readonly certificatePem?: string | undefined;
  /** Private key of the certificate, PKCS #8, unencrypted. */
  readonly keyPem?: string | undefined;
  /**
   * Certificates of the authorities to trust, one after the other, **instead of** those built into Node.js. Needed where
   * the bank, its authorisation server or the JWKS has a certificate of a private authority, as in most sandboxes. Left
   * out, the server's certificate must be from a public authority.
   */
  readonly caPem?: string | undefined;
}

/** Options of {@link createTlsFetch}. */
export interface TlsFetchOptions {
  readonly transport?: TlsTransport | undefined;
  /** Deadline for one whole exchange, from name look-up to the last byte of the response. Default 10 000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Maximum body of a response. Default 1 048 576 (1 MiB). */
  readonly responseBytesMax?: number | undefined;
  /** Whether connections are kept open for some seconds for further requests. Default true. */
  readonly keepAlive?: boolean | undefined;
}

/** One HTTP request; the default method is GET. */
export interface TlsRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Overrides the client's deadline for this exchange. */
  readonly requestTimeoutMs?: number | undefined;
  /** Overrides the client's limit for this response. */
  readonly responseBytesMax?: number | undefined;
  /**
   * Whether sending the request twice has the effect of sending it once. Default: by its method (RFC 9110 section 9.2.2).
   * Such a request may use a kept connection, and is sent once more when the server closes that at the same moment. Any
   * other request gets a connection of its own, where that cannot happen.
   */
  readonly isRepeatable?: boolean | undefined;
  /** Aborts the exchange; its connection is destroyed. */
  readonly signal?: AbortSignal | undefined;
}

/** Sends one request over TLS. Resolves once the whole body of the response has been read. */
export interface TlsFetch {
  /** @throws {TlsFetchError} when there is no response; any HTTP status is a response */
  (url: string, request?: TlsRequest): Promise<Response>;
  /**
   * Uses another certificate, key and authorities for new connections. Requests in progress finish on theirs, which are
   * closed afterwards.
   *
   * @throws {TypeError} as `createTlsFetch`; then nothing has changed
   */
  renew(transport: TlsTransport): void;
  /** Closes all connections; requests in progress and later requests fail. */
  close(): void;
}

/**
 * Why there is no response. `url`: not an https URL, nothing was sent. `stale_connection`: the server closed a kept
 * connection while the request was sent on it, which is no refusal; twice in a row.
 */
export type TlsFetchErrorCode =
  | 'url'
  | 'closed'
  | 'aborted'
  | 'connection'
  | 'stale_connection'
  | 'timeout'
  | 'too_large'
  | 'malformed';

/**
 * An exchange without a response. `message` says why, with the remedy where it is known. It contains neither URL nor
 * headers, and so no secret.
 */
export class TlsFetchError extends Error {
  override readonly name = 'TlsFetchError';
  readonly code: TlsFetchErrorCode;

  constructor(code: TlsFetchErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Default of `requestTimeoutMs`. */
const REQUEST_TIMEOUT_MS = 10_000;
const RESPONSE_BYTES_MAX = 1_048_576;
const CONNECTIONS_MAX = 16;
// Below the 5 seconds after which a Node.js server closes an idle connection, so that a request rarely meets the close.
const IDLE_MS_MAX = 4_000;
const ABORTED = 'The request was aborted.';
// Statuses with which a Response must not have a body (Fetch standard, "null body status").
const STATUSES_WITHOUT_BODY = new Set([204, 205, 304]);

/**
 * Creates a small HTTPS client over `node:https`. It uses TLS 1.2 or later and an optional client certificate, and
 * always verifies the server, whatever the environment says. One deadline covers the whole exchange, within which every
 * address of the host is tried. The size of responses is limited. Redirects are returned and not followed. Requests are
 * not retried, except for those that meet the close of a kept connection; see `isRepeatable`.
 *
 * @throws {TypeError} when certificate, key or authorities are not valid PEM, or the key does not match the certificate
 */
export function createTlsFetch(options: TlsFetchOptions = {}): TlsFetch {
  const { requestTimeoutMs = REQUEST_TIMEOUT_MS, responseBytesMax = RESPONSE_BYTES_MAX, keepAlive = true } = options;
  const slots = new Slots(CONNECTIONS_MAX);
  const open = new Set<Connections>();
  let current = new Connections(options.transport ?? {}, keepAlive);
  let closed = false;

  async function tlsFetch(url: string, request: TlsRequest = {}): Promise<Response> {
    if (closed) throw new TlsFetchError('closed', 'The client was closed.');
    if (!URL.canParse(url) || new URL(url).protocol !== 'https:') {
      throw new TlsFetchError('url', 'Only https URLs are fetched.');
    }
    if (request.signal?.aborted) throw new TlsFetchError('aborted', ABORTED);
    const connections = current;
    open.add(connections);
    connections.inUse += 1;
    try {
      return await exchange(new URL(url), request, {
        connections,
        slots,
        requestTimeoutMs: request.requestTimeoutMs ?? requestTimeoutMs,
        responseBytesMax: request.responseBytesMax ?? responseBytesMax,
      });
    } finally {
      connections.inUse -= 1;
      if (connections.inUse === 0) open.delete(connections);
      if (connections.inUse === 0 && connections !== current) connections.destroy();
    }
  }

  return Object.assign(tlsFetch, {
    renew: (transport: TlsTransport) => {
      const renewed = new Connections(transport, keepAlive);
      if (current.inUse === 0) current.destroy();
      current = renewed;
    },
    close: () => {
      closed = true;
      for (const each of [current, ...open]) each.destroy();
    },
  });
}

/** The connections with one certificate. */
class Connections {
  readonly kept: RacingAgent;
  /** Each of its connections has one request. */
  readonly fresh: RacingAgent;
  /** Number of exchanges. */
  inUse = 0;
  isDestroyed = false;

  constructor(transport: TlsTransport, keepAlive: boolean) {
    const secureContext = secureContextOf(transport);
    const options = { maxSockets: CONNECTIONS_MAX, timeout: IDLE_MS_MAX, secureContext };
    this.kept = new RacingAgent({ ...options, keepAlive });
    this.fresh = new RacingAgent({ ...options, keepAlive: false });
  }

  destroy(): void {
    this.isDestroyed = true;
    this.kept.destroy();
    this.fresh.destroy();
  }
}

function secureContextOf({ certificatePem, keyPem, caPem }: TlsTransport): SecureContext {
  try {
    return createSecureContext({
      minVersion: 'TLSv1.2',
      ...(certificatePem !== undefined && { cert: certificatePem }),
      ...(keyPem !== undefined && { key: keyPem }),
      ...(caPem !== undefined && { ca: caPem }),
    });
  } catch (cause) {
    throw new TypeError(
      'transport: certificate, key and authorities must be valid PEM, and the key must match the certificate',
      { cause },
    );
  }
}

interface Limits {
  readonly connections: Connections;
  readonly slots: Slots;
  readonly requestTimeoutMs: number;
  readonly responseBytesMax: number;
}

/** Performs one exchange; the deadline covers the wait for a slot, the connection and the response. */
async function exchange(url: URL, request: TlsRequest, limits: Limits): Promise<Response> {
  const { requestTimeoutMs } = limits;
  const ending = new AbortController();
  const end = (code: TlsFetchErrorCode, message: string) => ending.abort(new TlsFetchError(code, message));
  const cancelDeadline = runAfter(requestTimeoutMs, () =>
    end('timeout', `No complete response within ${requestTimeoutMs} ms.`),
  );
  const abort = () => end('aborted', ABORTED);
  request.signal?.addEventListener('abort', abort);
  const ended = new Promise<never>((_resolve, reject) => {
    ending.signal.addEventListener('abort', () => reject(ending.signal.reason));
  });
  try {
    return await Promise.race([ended, answerWithinSlot(url, request, limits, ending.signal)]);
  } finally {
    cancelDeadline();
    request.signal?.removeEventListener('abort', abort);
  }
}

const REPEATABLE_METHODS: readonly string[] = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'];

async function answerWithinSlot(url: URL, request: TlsRequest, limits: Limits, ended: AbortSignal): Promise<Response> {
  const { connections, slots } = limits;
  const { isRepeatable = REPEATABLE_METHODS.includes(request.method ?? 'GET') } = request;
  const leave = await slots.enter(url.host, ended);
  try {
    if (!isRepeatable) return await answerOver(connections.fresh, url, request, limits, ended);
    try {
      return await answerOver(connections.kept, url, request, limits, ended);
    } catch (error) {
      if (!(error instanceof TlsFetchError && error.code === 'stale_connection')) throw error;
      if (connections.isDestroyed) throw new TlsFetchError('connection', 'The client was closed.', { cause: error });
      return await answerOver(connections.fresh, url, request, limits, ended);
    }
  } finally {
    leave();
  }
}

async function answerOver(
  agent: RacingAgent,
  url: URL,
  request: TlsRequest,
  { requestTimeoutMs, responseBytesMax }: Limits,
  ended: AbortSignal,
): Promise<Response> {
  let isReused = false;
  let hasResponse = false;
  try {
    const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
      const options: RacingOptions = {
        method: request.method ?? 'GET',
        headers: { ...request.headers },
        connectTimeoutMs: requestTimeoutMs,
        ended,
      };
      const outgoing = httpsRequest(url, { ...options, agent }, (response) => {
        hasResponse = true;
        resolve(response);
      });
      outgoing.on('socket', () => {
        isReused = outgoing.reusedSocket;
      });
      ended.addEventListener('abort', () => outgoing.destroy());
      outgoing.on('error', reject).on('upgrade', (_incoming, socket) => {
        socket.destroy();
        reject(new TlsFetchError('malformed', 'The server switched protocols without a request to do so.'));
      });
      // Covers any other end without a response or an error. A no-op after a response.
      outgoing.on('close', () => reject(new TlsFetchError('connection', 'The connection closed without a response.')));
      outgoing.end(request.body);
    });
    const body = await readCapped(incoming, responseBytesMax);
    if (body === undefined) throw new TlsFetchError('too_large', `The response has over ${responseBytesMax} bytes.`);
    return toResponse(incoming, body);
  } catch (cause) {
    // The deadline of the exchange says why, if it has ended.
    if (isReused && !hasResponse && !ended.aborted && isClose(cause)) {
      throw new TlsFetchError('stale_connection', 'The server closed a kept connection as the request was sent.', {
        cause,
      });
    }
    if (cause instanceof TlsFetchError) throw cause;
    throw new TlsFetchError('connection', describeConnectionFault(codeOf(cause)), { cause });
  }
}

const CLOSES: readonly string[] = ['ECONNRESET', 'EPIPE', 'ERR_STREAM_DESTROYED'];

/** Whether the connection was closed, and not, for example, a response malformed. */
function isClose(error: unknown): boolean {
  return error instanceof TlsFetchError ? error.code === 'connection' : CLOSES.includes(codeOf(error));
}

/** Limits concurrent exchanges per host: an agent does not count connections that are being established. */
class Slots {
  readonly #max: number;
  readonly #ofHost = new Map<string, { taken: number; readonly waiting: Set<() => void> }>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Waits for a slot. @returns releases the slot. @throws the reason of `ended` when it aborts first */
  async enter(host: string, ended: AbortSignal): Promise<() => void> {
    const slots = this.#ofHost.get(host) ?? { taken: 0, waiting: new Set() };
    this.#ofHost.set(host, slots);
    const wakeNext = () => slots.waiting.values().next().value?.();
    while (slots.taken >= this.#max) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          slots.waiting.delete(wake);
          resolve();
        };
        slots.waiting.add(wake);
        ended.addEventListener('abort', wake);
      });
      if (!ended.aborted) continue;
      // Passes on a slot that this waiter no longer needs.
      wakeNext();
      throw ended.reason;
    }
    slots.taken += 1;
    return () => {
      slots.taken -= 1;
      if (slots.taken === 0 && slots.waiting.size === 0) this.#ofHost.delete(host);
      wakeNext();
    };
  }
}

function toResponse(incoming: IncomingMessage, body: Uint8Array<ArrayBuffer>): Response {
  const status = incoming.statusCode ?? 0;
  // Response would refuse it too, but some servers of frameworks replace the global class by one that does not.
  if (status < 200 || status > 599) throw new TlsFetchError('malformed', 'The response has an invalid status.');
  try {
    const headers = new Headers();
    for (let at = 0; at + 1 < incoming.rawHeaders.length; at += 2) {
      headers.append(incoming.rawHeaders[at] ?? '', incoming.rawHeaders[at + 1] ?? '');
    }
    return new Response(STATUSES_WITHOUT_BODY.has(status) ? null : body, { status, headers });
  } catch (cause) {
    throw new TlsFetchError('malformed', 'The response has invalid headers.', { cause });
  }
}

/** Error code of Node.js, such as `ECONNREFUSED` or `CERT_HAS_EXPIRED`; safe to log. */
function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'unknown';
}
