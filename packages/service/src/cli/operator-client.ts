import { isJsonObject, parseStrictJson, retryAfterMs, StrictJsonError, shapeOf } from '@tidings/protocol';
import type { Static, TSchema } from 'typebox';
import { Agent, request } from 'undici';
import { systemClock } from '../base/clock.ts';
import { systemErrorCode } from '../base/start-up-error.ts';
import { Connector } from '../net/connector.ts';
import { CliError, EXIT_FAILED } from './cli-error.ts';

/** Where the operator API is, and what lets us in. */
export interface OperatorTarget {
  /** Scheme, host and port. */
  readonly url: string;
  readonly token: string;
  /** Roots that its certificate must lead to, PEM; undefined: those of Node.js. */
  readonly ca: string | undefined;
  /** Client certificate and its key, PEM, where one is demanded. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** Longest time between two signs of life of an answer. Default: 30 s. */
  readonly answerTimeoutMs?: number;
}

/** A call that was answered with 2xx. */
export interface OperatorAnswer {
  readonly body: unknown;
  readonly entityTag: string | undefined;
}

/** An answer that fits a schema. */
export interface CheckedAnswer<T extends TSchema> {
  readonly value: Static<T>;
  readonly entityTag: string | undefined;
}

export interface OperatorCall {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** With its query, everything in it encoded. */
  readonly path: string;
  readonly body?: object;
  /** In place of `body`: bytes that are sent as they are. */
  readonly sent?: { readonly type: string; readonly bytes: Uint8Array };
  readonly headers?: Readonly<Record<string, string>>;
  /** Breaks the call off. */
  readonly signal?: AbortSignal;
}

/** A call that was answered, with whatever status. */
export interface OperatorReply {
  readonly status: number;
  /** Undefined too where something else than JSON stands in a refusal. */
  readonly body: unknown;
  readonly entityTag: string | undefined;
  /** The problem details of a refusal; undefined where it has none. */
  readonly detail: string | undefined;
  /** From `Retry-After`, rounded up. */
  readonly retryAfterSeconds: number | undefined;
}

/** It may be otherwise in a moment: the service cannot be reached, is busy or restarts. */
export class TemporaryError extends CliError {}

const CONNECT_TIMEOUT_MS = 5000;
const ANSWER_TIMEOUT_MS = 30_000;
const ANSWER_BYTES_MAX = 67_108_864;
// A large store takes its time to copy, and nothing is said until that is done.
const DOWNLOAD_TIMEOUT_MS = 3_600_000;

/** A client of the operator API of a running service: TLS verified, time and size of answers bounded. */
export class OperatorClient {
  readonly #target: OperatorTarget;
  readonly #connector: Connector;
  readonly #agent: Agent;

  /** @param isDownload it waits long for an answer, and takes one of any size: for {@link download} */
  constructor(target: OperatorTarget, isDownload = false) {
    this.#target = target;
    const { answerTimeoutMs = ANSWER_TIMEOUT_MS } = target;
    const { ca, cert, key } = target;
    const guard = undefined;
    this.#connector = new Connector({
      tls: { ca, cert, key },
      guard,
      timeoutMs: CONNECT_TIMEOUT_MS,
      clock: systemClock,
    });
    this.#agent = new Agent({
      connect: this.#connector.connect,
      headersTimeout: isDownload ? DOWNLOAD_TIMEOUT_MS : answerTimeoutMs,
      bodyTimeout: answerTimeoutMs,
      maxResponseSize: isDownload ? -1 : ANSWER_BYTES_MAX,
      allowH2: false,
    });
  }

  /** @throws {CliError} that says why not, and what to do */
  async call(call: OperatorCall): Promise<OperatorAnswer> {
    const { status, body, entityTag, detail } = await this.ask(call);
    if (status >= 200 && status < 300) return { body, entityTag };
    throw this.refused(status, detail);
  }

  /** As {@link OperatorClient.call}, but what is refused is an answer. @throws {CliError} when there is none, or a strange one */
  async ask(call: OperatorCall): Promise<OperatorReply> {
    const { status, bytes, entityTag, retryAfter } = await this.#exchange(call);
    const body = status < 300 ? this.#parse(bytes) : parseIfJson(bytes);
    const detail = status < 300 ? undefined : sayRefused(this.#target.url, status, bytes);
    const askedMs = retryAfterMs(retryAfter, systemClock.nowMs());
    const retryAfterSeconds = askedMs === undefined ? undefined : Math.ceil(askedMs / 1000);
    return { status, body, entityTag, detail, retryAfterSeconds };
  }

  /**
   * A call whose answer is a file.
   *
   * @param take is given the file piece by piece, and how long all of it is; the next piece waits for it
   * @throws {CliError} when it is refused, or ends early; whatever `take` throws
   */
  async download(call: OperatorCall, take: (piece: Uint8Array, bytesTotal: number) => Promise<void>): Promise<void> {
    const { statusCode: status, headers, body } = await this.#request(call);
    if (status !== 200) {
      const said = sayRefused(this.#target.url, status, new Uint8Array(await body.arrayBuffer()));
      throw this.refused(status, said);
    }
    const bytesTotal = Number(headers['content-length']);
    if (!Number.isSafeInteger(bytesTotal)) throw this.#strange('it does not say how long the file is');
    const pieces: AsyncIterator<Uint8Array> = body[Symbol.asyncIterator]();
    for (let bytes = 0; ; ) {
      const piece = await pieces.next().catch((error: unknown) => {
        throw new CliError(EXIT_FAILED, `The file ended after ${bytes} of ${bytesTotal} bytes (${codeOf(error)}).`);
      });
      if (piece.done === true) return;
      bytes += piece.value.length;
      await take(piece.value, bytesTotal);
    }
  }

  /** The error to throw when an answer was a refusal. */
  refused(status: number, detail: string | undefined): CliError {
    return detail === undefined ? this.#strange(`it answered ${status}`) : new CliError(EXIT_FAILED, detail);
  }

  /** A call whose answer is checked. @throws {CliError} */
  read<T extends TSchema>(call: OperatorCall, schema: T): Promise<CheckedAnswer<T>> {
    return this.reader(schema)(call);
  }

  /** Calls whose answers are all checked alike, as those for the pages of a list. */
  reader<T extends TSchema>(schema: T): (call: OperatorCall) => Promise<CheckedAnswer<T>> {
    const shape = shapeOf(schema);
    return async (call) => {
      const { body, entityTag } = await this.call(call);
      const shaped = shape(body);
      if (shaped.ok) return { value: shaped.value, entityTag };
      throw this.#strange(`${shaped.fault.path || 'the answer'} ${shaped.fault.why}`);
    };
  }

  /**
   * Opens a stream of events, which goes on until either side ends it.
   *
   * @param lastId id of the event to go on after
   * @throws {CliError} a {@link TemporaryError} where it is worth another try
   */
  async open(path: string, lastId: string | undefined, abort: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const { url, token } = this.#target;
    const headers = { authorization: `Bearer ${token}`, ...(lastId !== undefined && { 'last-event-id': lastId }) };
    const response = await request(`${url}${path}`, { headers, signal: abort, dispatcher: this.#agent }).catch(
      (error) => {
        throw new TemporaryError(EXIT_FAILED, sayUnreachable(url, error));
      },
    );
    if (response.statusCode === 200) return temporary(url, response.body);
    const bytes = await response.body.arrayBuffer().catch((error: unknown) => {
      throw new TemporaryError(EXIT_FAILED, sayUnreachable(url, error));
    });
    const said = sayRefused(url, response.statusCode, new Uint8Array(bytes));
    const refused = this.refused(response.statusCode, said);
    const isTemporary = response.statusCode === 429 || response.statusCode === 503;
    throw isTemporary ? new TemporaryError(EXIT_FAILED, refused.message) : refused;
  }

  close(): Promise<void> {
    this.#connector.close();
    return this.#agent.destroy();
  }

  async #exchange(call: OperatorCall) {
    const { statusCode: status, headers, body } = await this.#request(call);
    const bytes = await body.arrayBuffer().catch((error: unknown) => {
      throw new CliError(EXIT_FAILED, sayUnreachable(this.#target.url, error));
    });
    const { etag, 'retry-after': retryAfter } = headers;
    return { status, bytes: new Uint8Array(bytes), entityTag: oneOf(etag), retryAfter: oneOf(retryAfter) };
  }

  async #request({ method, path, body, sent = jsonOf(body), headers, signal }: OperatorCall) {
    try {
      return await request(`${this.#target.url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${this.#target.token}`,
          accept: 'application/json, application/problem+json',
          ...(sent !== undefined && { 'content-type': sent.type }),
          ...headers,
        },
        ...(sent !== undefined && { body: sent.bytes }),
        ...(signal !== undefined && { signal }),
        dispatcher: this.#agent,
      });
    } catch (error) {
      throw new CliError(EXIT_FAILED, sayUnreachable(this.#target.url, error));
    }
  }

  #parse(bytes: Uint8Array): unknown {
    if (bytes.length === 0) return undefined;
    try {
      return parseStrictJson(bytes, { acceptsUnfitTexts: true });
    } catch (error) {
      if (error instanceof StrictJsonError) throw this.#strange('what it answers is no JSON');
      throw error;
    }
  }

  #strange(why: string): CliError {
    const remedy = 'check --operator-url, and use the "tidings" of the same version as the service';
    return new CliError(EXIT_FAILED, `What is at ${this.#target.url} is not the operator API (${why}); ${remedy}.`);
  }
}

/** A transfer that breaks may be resumed from where it broke. */
async function* temporary(url: string, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw new TemporaryError(EXIT_FAILED, sayUnreachable(url, error));
  }
}

function jsonOf(body: object | undefined): OperatorCall['sent'] {
  return body === undefined
    ? undefined
    : { type: 'application/json', bytes: new TextEncoder().encode(JSON.stringify(body)) };
}

function oneOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined;
}

/** A gateway in front of the service may refuse in words of its own. */
function parseIfJson(bytes: Uint8Array): unknown {
  try {
    return parseStrictJson(bytes, { acceptsUnfitTexts: true });
  } catch (error) {
    if (error instanceof StrictJsonError) return undefined;
    throw error;
  }
}

const codeOf = (error: unknown) => systemErrorCode(error) ?? 'unknown';

const ELSEWHERE = 'Point elsewhere with --operator-url or TIDINGS_OPERATOR_URL.';

/** Why a service was not reached, and what to do about it. @param url where it should be */
export function sayUnreachable(url: string, error: unknown): string {
  const code = systemErrorCode(error) ?? 'unknown';
  if (/CERT|SIGNATURE|ISSUER/.test(code) && !code.startsWith('ERR_SSL')) {
    const remedy = 'give the roots it leads to with --ca-file or TIDINGS_CA_FILE, and use a host name that it has';
    return `The certificate of ${url} is not trusted (${code}); ${remedy}.`;
  }
  // With TLS 1.3 a server that misses a client certificate says so only after the handshake, or just hangs up.
  if (url.startsWith('https') && /ALERT|UND_ERR_SOCKET|ECONNRESET/.test(code)) {
    const remedy = 'give the one that it knows with --certificate-file and --key-file';
    return `${url} hung up (${code}): does it demand a client certificate? Then ${remedy}. ${ELSEWHERE}`;
  }
  if (/SSL|EPROTO|HPE_|UND_ERR_SOCKET/.test(code)) {
    return `${url} does not speak ${url.startsWith('https') ? 'TLS: is it http://' : 'HTTP: is it https://'}? (${code}) ${ELSEWHERE}`;
  }
  if (/ENOTFOUND|EAI_/.test(code)) return `The host of ${url} cannot be looked up (${code}). ${ELSEWHERE}`;
  if (/TIMEOUT|TIMEDOUT/.test(code)) {
    return `${url} did not answer in time (${code}): it is overloaded, or a firewall drops what is sent. ${ELSEWHERE}`;
  }
  return `The operator API at ${url} cannot be reached (${code}): is the service running? ${ELSEWHERE}`;
}

/** The answer of the operator API to a path that it does not have. */
const UNKNOWN_PATH = /^There is no \S+ \S+ in the operator API/;
const OF_PROXY: readonly number[] = [502, 503, 504];

/**
 * Why a service refused a call, and what to do where the service cannot know that.
 *
 * @param bytes the body of its answer
 * @returns undefined when that is no answer of the operator API
 */
function sayRefused(url: string, status: number, bytes: Uint8Array): string | undefined {
  const detail = detailOf(bytes);
  if (detail === undefined) {
    return OF_PROXY.includes(status)
      ? `What is in front of ${url} answers ${status}: the service behind it does not run, or is not reached. ${ELSEWHERE}`
      : undefined;
  }
  if (status === 401) return `${detail} Give one that ${url} knows with --token-file or TIDINGS_TOKEN_FILE.`;
  if (status === 403) return `${detail} A token that may is given with --token-file or TIDINGS_TOKEN_FILE.`;
  if (status === 404 && UNKNOWN_PATH.test(detail)) {
    const remedy = 'use the "tidings" of its version, or upgrade the service';
    return `The service at ${url} does not know this command, so it is older than this "tidings"; ${remedy}.`;
  }
  return detail;
}

/** RFC 9457 section 3.1.4. */
function detailOf(bytes: Uint8Array): string | undefined {
  const body = parseIfJson(bytes);
  return isJsonObject(body) && typeof body['detail'] === 'string' ? body['detail'] : undefined;
}
