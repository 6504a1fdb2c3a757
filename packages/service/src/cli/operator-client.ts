import { parseStrictJson, retryAfterMs, StrictJsonError, shapeOf } from '@tidings/protocol';
import type { Static, TSchema } from 'typebox';
import { Agent, request } from 'undici';
import { systemClock } from '../base/clock.ts';
import { systemErrorCode } from '../base/start-up-error.ts';
import { Connector } from '../net/connector.ts';
import { CliError, EXIT_FAILED } from './cli-error.ts';
import { CHECK_ADDRESS, describeRefusal, type FlagNames, refusalError } from './refusal.ts';

/** The address of the operator API, and the credentials for it. */
export interface OperatorTarget {
  /** Scheme, host and port. */
  readonly url: string;
  readonly token: string;
  /** Trusted roots for its certificate, PEM; undefined: those of Node.js. */
  readonly ca: string | undefined;
  /** Client certificate and its key, PEM, if the service requires one. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** Longest time without a byte of the answer. Default: 30 s. */
  readonly answerTimeoutMs?: number;
}

/** An answer with status 2xx. */
export interface OperatorAnswer {
  readonly body: unknown;
  readonly entityTag: string | undefined;
}

/** An answer that matches a schema. */
export interface CheckedAnswer<T extends TSchema> {
  readonly value: Static<T>;
  readonly entityTag: string | undefined;
}

export interface OperatorCall {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** With its query, percent-encoded. */
  readonly path: string;
  readonly body?: object;
  /** Instead of `body`: bytes that are sent unchanged. */
  readonly sent?: { readonly type: string; readonly bytes: Uint8Array };
  readonly headers?: Readonly<Record<string, string>>;
  /** Aborts the call. */
  readonly signal?: AbortSignal;
  /** The flags that set parameters and fields of the call, by their names: an error names the flag. */
  readonly flagNames?: FlagNames;
}

/** An answer with any status. */
export interface OperatorReply {
  readonly status: number;
  /** Also undefined for a refusal whose body is not JSON. */
  readonly body: unknown;
  readonly entityTag: string | undefined;
  /** The problem details of a refusal, or undefined. */
  readonly detail: string | undefined;
  /** From `Retry-After`, rounded up. */
  readonly retryAfterSeconds: number | undefined;
}

/** Retrying may succeed: the service cannot be reached, is busy or is restarting. */
export class TemporaryError extends CliError {}

/** A refusal with a status of 5xx: the fault is not the caller's. */
export class ServerError extends CliError {
  readonly status: number;

  constructor(status: number, message: string) {
    super(EXIT_FAILED, message);
    this.status = status;
  }
}

const CONNECT_TIMEOUT_MS = 5000;
const ANSWER_TIMEOUT_MS = 30_000;
const ANSWER_BYTES_MAX = 67_108_864;
// The service answers only once it has copied its store, which may be large.
const DOWNLOAD_TIMEOUT_MS = 3_600_000;

/** A client of the operator API. It verifies TLS and limits the time and the size of answers. */
export class OperatorClient {
  readonly #target: OperatorTarget;
  readonly #connector: Connector;
  readonly #agent: Agent;

  /** @param isDownload allows for a long wait and an answer of any size, as {@link download} needs */
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

  /** Calls the service and returns its answer. @throws {CliError} for a refusal, with its reason and the remedy */
  async call(call: OperatorCall): Promise<OperatorAnswer> {
    const { status, body, entityTag, detail } = await this.ask(call);
    if (status >= 200 && status < 300) return { body, entityTag };
    throw this.refused(status, detail);
  }

  /** Like {@link OperatorClient.call}, but returns refusals too. @throws {CliError} if there is no valid answer */
  async ask(call: OperatorCall): Promise<OperatorReply> {
    const { status, bytes, entityTag, retryAfter } = await this.#exchange(call);
    const body = status < 300 ? this.#parse(bytes) : parseIfJson(bytes);
    const { url } = this.#target;
    const detail = status < 300 ? undefined : describeRefusal({ url, status, body }, call.flagNames);
    const askedMs = retryAfterMs(retryAfter, systemClock.nowMs());
    const retryAfterSeconds = askedMs === undefined ? undefined : Math.ceil(askedMs / 1000);
    return { status, body, entityTag, detail, retryAfterSeconds };
  }

  /**
   * Makes a call whose answer is a file.
   *
   * @param take receives the file piece by piece with its total length, if the service knows that; the next piece waits for it
   * @throws {CliError} if the call is refused or the file is cut short; whatever `take` throws
   */
  async download(
    call: OperatorCall,
    take: (piece: Uint8Array, bytesTotal: number | undefined) => Promise<void>,
  ): Promise<void> {
    const { statusCode: status, headers, body } = await this.#request(call);
    if (status !== 200) {
      const sent = parseIfJson(new Uint8Array(await body.arrayBuffer()));
      throw this.refused(status, describeRefusal({ url: this.#target.url, status, body: sent }, call.flagNames));
    }
    const length = oneOf(headers['content-length']);
    const bytesTotal = length === undefined ? undefined : Number(length);
    const pieces: AsyncIterator<Uint8Array> = body[Symbol.asyncIterator]();
    for (let bytes = 0; ; ) {
      const piece = await pieces.next().catch((error: unknown) => {
        throw new CliError(
          EXIT_FAILED,
          `The transfer ended after ${bytes}${bytesTotal === undefined ? '' : ` of ${bytesTotal}`} bytes (${codeOf(error)}); run the command again.`,
        );
      });
      if (piece.done === true) return;
      bytes += piece.value.length;
      await take(piece.value, bytesTotal);
    }
  }

  /** The error for an answer that was a refusal. */
  refused(status: number, detail: string | undefined): CliError {
    const refusal =
      detail === undefined ? this.#notOperatorApi(`it answered with status ${status}`) : refusalError(status, detail);
    return status >= 500 ? new ServerError(status, refusal.message) : refusal;
  }

  /** Makes a call whose answer must match a schema. @throws {CliError} */
  read<T extends TSchema>(call: OperatorCall, schema: T): Promise<CheckedAnswer<T>> {
    return this.reader(schema)(call);
  }

  /** Creates a function for calls whose answers must all match a schema, such as the pages of a list. */
  reader<T extends TSchema>(schema: T): (call: OperatorCall) => Promise<CheckedAnswer<T>> {
    const shape = shapeOf(schema);
    return async (call) => {
      const { body, entityTag } = await this.call(call);
      const shaped = shape(body);
      if (shaped.ok) return { value: shaped.value, entityTag };
      throw this.#notOperatorApi(`${shaped.fault.path || 'the answer'} ${shaped.fault.why}`);
    };
  }

  /**
   * Opens a stream of events, which continues until either side closes it.
   *
   * @param lastId id of the event after which to resume
   * @throws {CliError} a {@link TemporaryError} if a retry may succeed
   */
  async open(
    { path, flagNames }: Pick<OperatorCall, 'path' | 'flagNames'>,
    lastId: string | undefined,
    abort: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    const { url, token } = this.#target;
    const headers = { authorization: `Bearer ${token}`, ...(lastId !== undefined && { 'last-event-id': lastId }) };
    const response = await request(`${url}${path}`, { headers, signal: abort, dispatcher: this.#agent }).catch(
      (error) => {
        throw new TemporaryError(EXIT_FAILED, describeUnreachable(url, error));
      },
    );
    if (response.statusCode === 200) return temporary(url, response.body);
    const bytes = await response.body.arrayBuffer().catch((error: unknown) => {
      throw new TemporaryError(EXIT_FAILED, describeUnreachable(url, error));
    });
    const { statusCode: status } = response;
    const refused = this.refused(
      status,
      describeRefusal({ url, status, body: parseIfJson(new Uint8Array(bytes)) }, flagNames),
    );
    const isTemporary = status === 429 || status === 503;
    throw isTemporary ? new TemporaryError(EXIT_FAILED, refused.message) : refused;
  }

  close(): Promise<void> {
    this.#connector.close();
    return this.#agent.destroy();
  }

  async #exchange(call: OperatorCall) {
    const { statusCode: status, headers, body } = await this.#request(call);
    const bytes = await body.arrayBuffer().catch((error: unknown) => {
      throw new TemporaryError(EXIT_FAILED, describeUnreachable(this.#target.url, error));
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
      throw new TemporaryError(EXIT_FAILED, describeUnreachable(this.#target.url, error));
    }
  }

  #parse(bytes: Uint8Array): unknown {
    if (bytes.length === 0) return undefined;
    try {
      return parseStrictJson(bytes, { acceptsUnfitTexts: true });
    } catch (error) {
      if (error instanceof StrictJsonError) throw this.#notOperatorApi('the answer is not JSON');
      throw error;
    }
  }

  #notOperatorApi(why: string): CliError {
    const remedy = 'check --operator-url, and use the "tidings" command of the same version as the service';
    return new CliError(EXIT_FAILED, `${this.#target.url} is not the operator API (${why}); ${remedy}.`);
  }
}

/** The chunks of a stream, whose failure is temporary: it can be resumed. */
async function* temporary(url: string, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw new TemporaryError(EXIT_FAILED, describeUnreachable(url, error));
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

/** A gateway in front of the service may refuse with a body of its own. */
function parseIfJson(bytes: Uint8Array): unknown {
  try {
    return parseStrictJson(bytes, { acceptsUnfitTexts: true });
  } catch (error) {
    if (error instanceof StrictJsonError) return undefined;
    throw error;
  }
}

const codeOf = (error: unknown) => systemErrorCode(error) ?? 'unknown';

/** Describes why a service was not reached, and the remedy. @param url its configured address */
export function describeUnreachable(url: string, error: unknown): string {
  const code = systemErrorCode(error) ?? 'unknown';
  if (/CERT|SIGNATURE|ISSUER/.test(code) && !code.startsWith('ERR_SSL')) {
    const remedy = 'give its root with --ca-file or TIDINGS_CA_FILE, and use a host name that the certificate contains';
    return `The certificate of ${url} is not trusted (${code}); ${remedy}.`;
  }
  // With TLS 1.3 a server reports a missing client certificate only after the handshake, or closes the connection.
  if (url.startsWith('https') && /ALERT|UND_ERR_SOCKET|ECONNRESET/.test(code)) {
    const remedy = 'If it requires a client certificate, give one with --certificate-file and --key-file.';
    return `${url} closed the connection (${code}). ${remedy} ${CHECK_ADDRESS}`;
  }
  if (/SSL|EPROTO|HPE_|UND_ERR_SOCKET/.test(code)) {
    const [spoken, other] = url.startsWith('https') ? ['TLS', 'http://'] : ['plain HTTP', 'https://'];
    return `${url} does not speak ${spoken} (${code}); should the address begin with ${other}? ${CHECK_ADDRESS}`;
  }
  if (/ENOTFOUND|EAI_/.test(code)) return `The host name in ${url} cannot be resolved (${code}). ${CHECK_ADDRESS}`;
  if (/TIMEOUT|TIMEDOUT/.test(code)) {
    return `${url} did not answer in time (${code}): it is overloaded, or a firewall drops the packets. ${CHECK_ADDRESS}`;
  }
  return `The operator API at ${url} cannot be reached (${code}). Check that the service is running, and the address in --operator-url or TIDINGS_OPERATOR_URL.`;
}
