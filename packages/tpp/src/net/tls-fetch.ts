import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { createSecureContext, type SecureContext } from 'node:tls';
import { runAfter } from '../clock.ts';
import { RacingAgent, type RacingOptions } from './racing-agent.ts';
import { readCapped } from './read-capped.ts';

/** Certificate, key and roots of a TLS client. PEM texts, not paths. */
export interface TlsTransport {
  /** The client's certificate, with the intermediates that the server does not have; none for server-only TLS. */
  readonly certificatePem?: string | undefined;
  /** Its private key, PKCS #8, unencrypted. */
  readonly keyPem?: string | undefined;
  /** Authorities that are trusted in place of those of Node. */
  readonly caPem?: string | undefined;
}

/** Limits of {@link createTlsFetch}. */
export interface TlsFetchOptions {
  readonly transport?: TlsTransport | undefined;
  /** For one whole exchange, from the name look-up to the last byte of the answer. Default 10 000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Longest body of an answer. Default 1 048 576 (1 MiB). */
  readonly responseBytesMax?: number | undefined;
  /** Whether connections are kept for the next request, a few seconds long. Default true. */
  readonly keepAlive?: boolean | undefined;
}

/** One HTTP request; the method is GET unless said. */
export interface TlsRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** In place of the client's, for this exchange. */
  readonly requestTimeoutMs?: number | undefined;
  /** In place of the client's, for this answer. */
  readonly responseBytesMax?: number | undefined;
  /** Ends the exchange; its connection is destroyed. */
  readonly signal?: AbortSignal | undefined;
}

/** Sends one request over TLS. The body of the answer has been read to its end. */
export interface TlsFetch {
  /** @throws {TlsFetchError} when there is no answer to give; every status is an answer */
  (url: string, request?: TlsRequest): Promise<Response>;
  /** Ends all connections; requests under way fail, and later ones too. */
  close(): void;
}

/** Why there is no answer. `url`: not an https URL, nothing was sent. */
export type TlsFetchErrorCode = 'url' | 'closed' | 'aborted' | 'connection' | 'timeout' | 'too_large' | 'malformed';

/** An exchange that came to no answer. `message` holds neither URL nor headers, so no secret. */
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
// Below the five seconds after which servers on Node close an idle connection, so that the two rarely cross.
const IDLE_MS_MAX = 4_000;
const ABORTED = 'The request was aborted.';
// A Response with one of these may have no body (Fetch standard, "null body status").
const STATUSES_WITHOUT_BODY = new Set([204, 205, 304]);

/**
 * Makes a small HTTPS client over `node:https`: a client certificate where one is given, TLS 1.2 at least, the server
 * always verified (whatever the environment says), one deadline over the whole exchange, in which every address of the
 * host has its chance, a capped answer. Redirects are answers, never followed, and nothing is sent twice.
 *
 * @throws {TypeError} when certificate, key or authorities are not PEM, or do not belong together
 */
export function createTlsFetch(options: TlsFetchOptions = {}): TlsFetch {
  const { requestTimeoutMs = REQUEST_TIMEOUT_MS, responseBytesMax = RESPONSE_BYTES_MAX, keepAlive = true } = options;
  const agent = new RacingAgent({
    keepAlive,
    maxSockets: CONNECTIONS_MAX,
    timeout: IDLE_MS_MAX,
    secureContext: secureContextOf(options.transport ?? {}),
  });
  const slots = new Slots(CONNECTIONS_MAX);
  let closed = false;

  async function tlsFetch(url: string, request: TlsRequest = {}): Promise<Response> {
    if (closed) throw new TlsFetchError('closed', 'The client was closed.');
    if (!URL.canParse(url) || new URL(url).protocol !== 'https:') {
      throw new TlsFetchError('url', 'Only https URLs are fetched.');
    }
    if (request.signal?.aborted) throw new TlsFetchError('aborted', ABORTED);
    return await exchange(new URL(url), request, {
      agent,
      slots,
      requestTimeoutMs: request.requestTimeoutMs ?? requestTimeoutMs,
      responseBytesMax: request.responseBytesMax ?? responseBytesMax,
    });
  }

  return Object.assign(tlsFetch, {
    close: () => {
      closed = true;
      agent.destroy();
    },
  });
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
    throw new TypeError('transport: certificate, key and authorities must be PEM, and belong together', { cause });
  }
}

interface Limits {
  readonly agent: RacingAgent;
  readonly slots: Slots;
  readonly requestTimeoutMs: number;
  readonly responseBytesMax: number;
}

/** One exchange under one deadline, whatever it waits for: a free connection, the connection, or the answer. */
async function exchange(url: URL, request: TlsRequest, limits: Limits): Promise<Response> {
  const { requestTimeoutMs } = limits;
  const ending = new AbortController();
  const end = (code: TlsFetchErrorCode, message: string) => ending.abort(new TlsFetchError(code, message));
  const cancelDeadline = runAfter(requestTimeoutMs, () =>
    end('timeout', `No whole answer within ${requestTimeoutMs} ms.`),
  );
  const abort = () => end('aborted', ABORTED);
  request.signal?.addEventListener('abort', abort);
  const ended = new Promise<never>((_resolve, reject) => {
    ending.signal.addEventListener('abort', () => reject(ending.signal.reason));
  });
  try {
    return await Promise.race([ended, answerTo(url, request, limits, ending.signal)]);
  } finally {
    cancelDeadline();
    request.signal?.removeEventListener('abort', abort);
  }
}

async function answerTo(url: URL, request: TlsRequest, limits: Limits, ended: AbortSignal): Promise<Response> {
  const { agent, slots, requestTimeoutMs, responseBytesMax } = limits;
  const leave = await slots.enter(url.host, ended);
  try {
    const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
      const options: RacingOptions = {
        ...{ method: request.method ?? 'GET', headers: { ...request.headers } },
        ...{ connectTimeoutMs: requestTimeoutMs, ended },
      };
      const outgoing = httpsRequest(url, { ...options, agent }, resolve);
      ended.addEventListener('abort', () => outgoing.destroy());
      outgoing.on('error', reject).on('upgrade', (_incoming, socket) => {
        socket.destroy();
        reject(new TlsFetchError('malformed', 'The server changed the protocol, which nobody asked it to do.'));
      });
      // Whatever else ends it without an answer and without an error; after an answer it is too late to reject.
      outgoing.on('close', () => reject(new TlsFetchError('connection', 'The connection closed without an answer.')));
      outgoing.end(request.body);
    });
    const body = await readCapped(incoming, responseBytesMax);
    if (body === undefined) throw new TlsFetchError('too_large', `The answer has over ${responseBytesMax} bytes.`);
    return toResponse(incoming, body);
  } catch (cause) {
    if (cause instanceof TlsFetchError) throw cause;
    throw new TlsFetchError('connection', `The connection failed (${codeOf(cause)}).`, { cause });
  } finally {
    leave();
  }
}

/** Bounds exchanges under way by host: an agent does not count the connections that it is still making. */
class Slots {
  readonly #max: number;
  readonly #ofHost = new Map<string, { taken: number; readonly waiting: Set<() => void> }>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Waits for a slot. @returns gives it back. @throws the reason of `ended` when that aborts before */
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
      // It may have been woken for a slot that it no longer wants.
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
  try {
    const headers = new Headers();
    for (let at = 0; at + 1 < incoming.rawHeaders.length; at += 2) {
      headers.append(incoming.rawHeaders[at] ?? '', incoming.rawHeaders[at + 1] ?? '');
    }
    return new Response(STATUSES_WITHOUT_BODY.has(status) ? null : body, { status, headers });
  } catch (cause) {
    throw new TlsFetchError('malformed', 'The answer has a status or headers that HTTP does not know.', { cause });
  }
}

/** Node's code for what failed (`ECONNREFUSED`, `CERT_HAS_EXPIRED`), fit for a log. */
function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'unknown';
}
