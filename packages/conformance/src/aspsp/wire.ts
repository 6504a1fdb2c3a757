import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import type { SecureVersion } from 'node:tls';
import type { Clock } from '../clock.ts';
import type { Exchange, Message } from '../model.ts';

/** A header as it is sent: names in lower case, a name may come twice. */
export type Header = readonly [name: string, value: string];

/** One HTTP request. */
export interface WireRequest {
  readonly method: string;
  readonly headers: readonly Header[];
  readonly body?: string | Uint8Array | undefined;
  /** Longest time until the whole answer is there. */
  readonly timeoutMs: number;
}

/** A whole answer. */
export interface WireAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: readonly Header[];
  readonly body: Uint8Array;
  readonly durationMs: number;
}

/** Who is trusted, and how the client identifies itself. PEM texts. */
export interface WireTls {
  /** Undefined: the authorities built into Node.js. */
  readonly ca: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly maxVersion?: SecureVersion | undefined;
}

/** Where the exchanges go, and what ends them. */
export interface WireScope {
  record(exchange: Exchange): void;
  readonly signal: AbortSignal;
}

/** No whole answer came. `code` is that of Node.js, such as `ECONNRESET`, or `TIMEOUT`. */
export class WireError extends Error {
  override readonly name = 'WireError';
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const BODY_BYTES_MAX = 8_388_608;

/**
 * An HTTP client that sends what it is given, byte by byte, verifies its peer, and never follows redirects. Connections stay open.
 */
export class WireClient {
  readonly #agent: Agent;
  readonly #plainAgent = new HttpAgent({ keepAlive: true });
  readonly #clock: Clock;

  constructor(tls: WireTls, clock: Clock) {
    this.#clock = clock;
    const { ca, cert, key, maxVersion } = tls;
    this.#agent = new Agent({
      rejectUnauthorized: true,
      keepAlive: true,
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      // Security level 0 lets OpenSSL offer the versions that a bank must refuse.
      ...(maxVersion !== undefined && { minVersion: 'TLSv1', maxVersion, ciphers: 'DEFAULT:@SECLEVEL=0' }),
    });
  }

  close(): void {
    this.#agent.destroy();
    this.#plainAgent.destroy();
  }

  /** @throws {WireError} when no whole answer comes, or the scope's signal is aborted */
  async send(url: string, request: WireRequest, scope: WireScope): Promise<WireAnswer> {
    const startedAtMs = this.#clock.nowMs();
    const beganMs = this.#clock.monotonicMs();
    const about = { role: 'client', startedAtMs, request: requestMessage(url, request) } as const;
    try {
      const { phrase, ...answer } = await this.#exchange(url, request, scope.signal);
      const durationMs = this.#clock.monotonicMs() - beganMs;
      const response = messageOf(`${answer.status} ${phrase}`.trim(), answer.headers, answer.body);
      scope.record({ ...about, durationMs, response });
      return { ...answer, durationMs };
    } catch (cause) {
      scope.signal.throwIfAborted();
      const error = wireErrorOf(cause, url);
      scope.record({ ...about, durationMs: this.#clock.monotonicMs() - beganMs, error: error.message });
      throw error;
    }
  }

  #exchange(url: string, { method, headers, body, timeoutMs }: WireRequest, signal: AbortSignal) {
    const { hostname, host } = new URL(url);
    return new Promise<Omit<WireAnswer, 'durationMs'> & { phrase: string }>((resolve, reject) => {
      const ending = new AbortController();
      const cancel = this.#clock.after(timeoutMs, () =>
        ending.abort(new WireError('TIMEOUT', `No whole answer came within ${timeoutMs / 1000} s.`)),
      );
      const options = {
        method,
        // As a flat list, Node.js sends exactly these; so the host and the length have to be among them.
        headers: framed(headers, host, body).flat(),
        signal: AbortSignal.any([signal, ending.signal]),
      };
      const servername = isIP(hostname) === 0 ? hostname : '';
      // Only the call that makes an event may be without TLS, such as one on this machine.
      const outgoing = url.startsWith('http:')
        ? httpRequest(url, { ...options, agent: this.#plainAgent })
        : httpsRequest(url, { ...options, rejectUnauthorized: true, agent: this.#agent, servername });
      const failed = (error: unknown) => {
        cancel();
        reject(ending.signal.aborted ? ending.signal.reason : error);
      };
      outgoing.on('error', failed).on('response', (incoming) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        incoming.on('error', failed).on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > BODY_BYTES_MAX) incoming.destroy(new WireError('TOO_LARGE', 'The answer is too large.'));
          else chunks.push(chunk);
        });
        incoming.on('end', () => {
          cancel();
          const { statusCode: status = 0, statusMessage: phrase = '' } = incoming;
          resolve({ status, phrase, headers: pairsOf(incoming.rawHeaders), body: Buffer.concat(chunks) });
        });
      });
      outgoing.end(body);
    });
  }
}

function framed(headers: readonly Header[], host: string, body: string | Uint8Array | undefined): Header[] {
  const has = (name: string) => headers.some(([each]) => each === name);
  return [
    ...(has('host') ? [] : [['host', host] as const]),
    ...headers,
    ...(body === undefined || has('content-length') || has('transfer-encoding')
      ? []
      : [['content-length', String(Buffer.byteLength(body))] as const]),
  ];
}

/** Node.js gives the headers as a flat list. */
export function pairsOf(rawHeaders: readonly string[]): Header[] {
  const pairs: Header[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    pairs.push([(rawHeaders[at] ?? '').toLowerCase(), rawHeaders[at + 1] ?? '']);
  }
  return pairs;
}

/** A message as the report shows it. */
export function messageOf(startLine: string, headers: readonly Header[], body: Uint8Array): Message {
  return { startLine, headers, body: Buffer.from(body).toString('utf8') };
}

function requestMessage(url: string, { method, headers, body = '' }: WireRequest): Message {
  return messageOf(`${method} ${url}`, headers, Buffer.from(body));
}

function wireErrorOf(cause: unknown, url: string): WireError {
  if (cause instanceof WireError) return cause;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
  const why = cause instanceof Error ? cause.message : String(cause);
  return new WireError(code, `${new URL(url).origin}: ${why}`, { cause });
}
