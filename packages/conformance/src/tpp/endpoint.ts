import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import { FINANCIAL_ID_HEADER, INTERACTION_ID_HEADER, SET_MEDIA_TYPE } from '@tidings/protocol';
import { type Clock, waitFor } from '../clock.ts';
import type { Exchange, Message } from '../model.ts';

/** TLS options of a client of the callback URL, PEM. */
export interface EndpointTls {
  /** The authorities to trust; undefined: the public ones. */
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

type Header = readonly [name: string, value: string];

/** One request to the callback URL. Left out, it is the good one of a bank. */
export interface Delivery {
  readonly token: string;
  /** Tells it apart from the others of a check, in the report. */
  readonly label?: string | undefined;
  readonly method?: string;
  /** Headers instead of those of the standard, by name in lower case; undefined takes one out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Sends the body in chunks, without its length. */
  readonly isChunked?: boolean;
  /** Sends the body in so many parts, with a pause before each but the first. */
  readonly slowly?: { readonly parts: number; readonly pauseMs: number };
  /** Path instead of that of the callback URL. */
  readonly path?: string;
  /** For connections that stay open. Default: a connection of its own. */
  readonly agent?: Agent;
}

/** The response to a delivery. */
export interface Answered {
  readonly kind: 'answered';
  readonly status: number;
  readonly phrase: string;
  readonly headers: readonly Header[];
  readonly body: string;
  readonly interactionId: string | undefined;
  /** Whether the status came before the last part of the body was sent. */
  readonly isEarly: boolean;
  /** The port on this side, which tells connections apart. */
  readonly localPort: number | undefined;
}

/** How a delivery ended. `lost`: the connection stood, but no whole response came. */
export type Answer = Answered | { readonly kind: 'lost'; readonly why: string };

/** There was no connection to the callback URL. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
}

/** The part of a check's scope that the endpoint needs. */
export interface EndpointScope {
  record(exchange: Exchange): void;
  readonly signal: AbortSignal;
}

/** Surroundings of an {@link Endpoint}. */
export interface EndpointOptions {
  readonly url: string;
  readonly tls: EndpointTls;
  readonly financialId: string | undefined;
  /** Longest time for a response. */
  readonly answerMs: number;
  readonly clock: Clock;
  readonly randomUuid: () => string;
  readonly scope: EndpointScope;
}

const RESPONSE_CHARS_MAX = 65_536;

/** The callback URL of the TPP, as one check sees it. Redirects are never followed; every exchange is recorded. */
export class Endpoint {
  readonly #options: EndpointOptions;

  constructor(options: EndpointOptions) {
    this.#options = options;
  }

  get url(): URL {
    return new URL(this.#options.url);
  }

  /** The TLS options of a verified connection to the host of the callback URL. */
  get tls() {
    const { hostname, port } = this.url;
    const { ca, cert, key } = this.#options.tls;
    const host = hostname.replace(/^\[|\]$/g, '');
    return {
      host,
      port: port === '' ? 443 : Number(port),
      // An address is no name for SNI (RFC 6066 section 3).
      servername: isIP(host) === 0 ? host : '',
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    };
  }

  /** The same endpoint for a client without a certificate. */
  withoutClientCertificate(): Endpoint {
    const { ca } = this.#options.tls;
    return new Endpoint({ ...this.#options, tls: { ca, cert: undefined, key: undefined } });
  }

  /** Makes an agent whose connections stay open: one at a time. The caller destroys it. */
  keepAlive(): Agent {
    return new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: true });
  }

  /**
   * Sends one request, and reads its response.
   *
   * @throws {UnreachableError} when there was no connection
   */
  async deliver(delivery: Delivery): Promise<Answer> {
    const { clock, scope } = this.#options;
    const headers = this.#headersOf(delivery);
    const url = new URL(delivery.path ?? this.url.href, this.url);
    const startLine = `${delivery.method ?? 'POST'} ${url.href}`;
    const request = { startLine, headers, body: delivery.token };
    const label = delivery.label !== undefined && { label: delivery.label };
    const startedAtMs = clock.nowMs();
    const beganMs = clock.monotonicMs();
    const record = (rest: { readonly response: Message } | { readonly error: string }) =>
      scope.record({
        role: 'client',
        ...label,
        startedAtMs,
        durationMs: clock.monotonicMs() - beganMs,
        request,
        ...rest,
      });
    try {
      const answer = await this.#exchange(url, headers, delivery);
      record(answer.kind === 'lost' ? { error: answer.why } : { response: messageOf(answer) });
      return answer;
    } catch (error) {
      scope.signal.throwIfAborted();
      record({ error: messageOfError(error) });
      throw error;
    }
  }

  /** Records an exchange that went another way than {@link deliver}. */
  record(
    exchange: Omit<Exchange, 'role' | 'startedAtMs' | 'durationMs'>,
    began: { atMs: number; monotonicMs: number },
  ): void {
    const durationMs = this.#options.clock.monotonicMs() - began.monotonicMs;
    this.#options.scope.record({ role: 'client', startedAtMs: began.atMs, durationMs, ...exchange });
  }

  /** The time, for {@link record}. */
  begin(): { atMs: number; monotonicMs: number } {
    const { clock } = this.#options;
    return { atMs: clock.nowMs(), monotonicMs: clock.monotonicMs() };
  }

  #headersOf({ token, headers = {}, isChunked = false, method, agent }: Delivery): readonly Header[] {
    const { financialId, randomUuid } = this.#options;
    const all: Readonly<Record<string, string | undefined>> = {
      host: this.url.host,
      'content-type': SET_MEDIA_TYPE,
      accept: 'application/json',
      [INTERACTION_ID_HEADER]: randomUuid(),
      [FINANCIAL_ID_HEADER]: financialId,
      ...(isChunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(Buffer.byteLength(token)) }),
      connection: agent === undefined ? 'close' : 'keep-alive',
      ...headers,
    };
    return Object.entries(all).flatMap(([name, value]) =>
      value === undefined || (method === 'GET' && name.startsWith('content-')) ? [] : [[name, value] as const],
    );
  }

  #exchange(url: URL, headers: readonly Header[], delivery: Delivery): Promise<Answer> {
    const { answerMs, clock, scope } = this.#options;
    return new Promise((resolve, reject) => {
      let isConnected = false;
      let hasSentAll = false;
      const options: RequestOptions = {
        ...this.tls,
        path: `${url.pathname}${url.search}`,
        method: delivery.method ?? 'POST',
      };
      const outgoing = httpsRequest({
        ...options,
        rejectUnauthorized: true,
        headers: headers.flat(),
        agent: delivery.agent ?? false,
        signal: scope.signal,
      });
      const waiting = clock.after(answerMs, () => outgoing.destroy(new Error(`no answer within ${answerMs / 1000} s`)));
      const settle = (answer: Answer) => {
        waiting();
        resolve(answer);
      };
      const failed = (error: unknown) => {
        waiting();
        if (isConnected && !scope.signal.aborted) resolve({ kind: 'lost', why: messageOfError(error) });
        else
          reject(new UnreachableError(`${url.origin} cannot be reached: ${messageOfError(error)}`, { cause: error }));
      };
      outgoing.on('socket', (socket) => {
        if (outgoing.reusedSocket) isConnected = true;
        else socket.once('secureConnect', () => (isConnected = true));
      });
      outgoing.on('error', failed);
      outgoing.on('response', (incoming) => {
        const isEarly = !hasSentAll;
        const localPort = incoming.socket.localPort;
        let body = '';
        incoming.setEncoding('utf8').on('data', (chunk: string) => {
          if (body.length < RESPONSE_CHARS_MAX) body += chunk;
        });
        incoming.on('error', failed).on('end', () => {
          const { statusCode: status = 0, statusMessage: phrase = '' } = incoming;
          const interactionId = headers.find(([name]) => name === INTERACTION_ID_HEADER)?.[1];
          const answered = {
            status,
            phrase,
            headers: pairsOf(incoming.rawHeaders),
            body,
            interactionId,
            isEarly,
            localPort,
          };
          settle({ kind: 'answered', ...answered });
        });
      });
      sendBody(outgoing, delivery, clock, scope.signal).then(() => (hasSentAll = true), failed);
    });
  }
}

async function sendBody(
  outgoing: ReturnType<typeof httpsRequest>,
  { token, slowly, method }: Delivery,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  if (method === 'GET') {
    outgoing.end();
    return;
  }
  const parts = slowly === undefined ? [token] : partsOf(token, slowly.parts);
  const last = parts.pop() ?? '';
  for (const part of parts) {
    outgoing.write(part);
    await waitFor(clock, slowly?.pauseMs ?? 0, signal);
    if (outgoing.destroyed) return;
  }
  outgoing.end(last);
}

function partsOf(text: string, count: number): string[] {
  const length = Math.ceil(text.length / count);
  return Array.from({ length: count }, (_, at) => text.slice(at * length, (at + 1) * length));
}

function pairsOf(rawHeaders: readonly string[]): Header[] {
  const pairs: Header[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    pairs.push([(rawHeaders[at] ?? '').toLowerCase(), rawHeaders[at + 1] ?? '']);
  }
  return pairs;
}

function messageOf({ status, phrase, headers, body }: Answered): Message {
  return { startLine: `${status} ${phrase}`.trim(), headers, body };
}

/** An error of Node.js in words. */
export function messageOfError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Of several addresses, each has an error of its own.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOfError).join('; ');
  return error.message;
}

/** The value of a header; of several, the first. */
export function headerOf({ headers }: Pick<Answered, 'headers'>, name: string): string | undefined {
  return headers.find(([each]) => each === name)?.[1];
}

/** A response in words, for a report. */
export function described(answer: Answer): string {
  if (answer.kind === 'lost') return `no response (${answer.why})`;
  const text = answer.body.trim();
  const status = `${answer.status} ${answer.phrase}`.trim();
  return text === '' ? status : `${status} with the body ${text.length > 200 ? `${text.slice(0, 200)}…` : text}`;
}
