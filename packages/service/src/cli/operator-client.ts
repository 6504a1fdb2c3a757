import { isJsonObject, parseStrictJson, type Shaped, StrictJsonError } from '@tidings/protocol';
import { Agent, request } from 'undici';
import { systemErrorCode } from '../base/start-up-error.ts';
import { CliError, EXIT_FAILED } from './cli-error.ts';

/** Where the operator API is, and what lets us in. */
export interface OperatorTarget {
  /** Scheme, host and port. */
  readonly url: string;
  readonly token: string;
  /** Roots that its certificate must lead to, PEM; undefined: those of Node.js. */
  readonly ca: string | undefined;
}

/** A call that was answered with 2xx. */
export interface OperatorAnswer {
  readonly body: unknown;
  readonly entityTag: string | undefined;
}

export interface OperatorCall {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** With its query, everything in it encoded. */
  readonly path: string;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

const CONNECT_TIMEOUT_MS = 5000;
const ANSWER_TIMEOUT_MS = 30_000;
const ANSWER_BYTES_MAX = 67_108_864;
// A large store takes its time to copy, and nothing is said until that is done.
const DOWNLOAD_TIMEOUT_MS = 3_600_000;

/** A client of the operator API of a running service: TLS verified, time and size of answers bounded. */
export class OperatorClient {
  readonly #target: OperatorTarget;
  readonly #agent: Agent;

  /** @param isDownload it waits long for an answer, and takes one of any size: for {@link download} */
  constructor(target: OperatorTarget, isDownload = false) {
    this.#target = target;
    this.#agent = new Agent({
      connect: {
        ...(target.ca !== undefined && { ca: target.ca }),
        minVersion: 'TLSv1.2',
        timeout: CONNECT_TIMEOUT_MS,
      },
      headersTimeout: isDownload ? DOWNLOAD_TIMEOUT_MS : ANSWER_TIMEOUT_MS,
      bodyTimeout: ANSWER_TIMEOUT_MS,
      maxResponseSize: isDownload ? -1 : ANSWER_BYTES_MAX,
      allowH2: false,
    });
  }

  /** @throws {CliError} that says why not, and what to do */
  async call(call: OperatorCall): Promise<OperatorAnswer> {
    const { status, bytes, entityTag } = await this.#exchange(call);
    const body = this.#parse(bytes);
    if (status >= 200 && status < 300) return { body, entityTag };
    throw this.#refusal(status, body);
  }

  /**
   * A call whose answer is a file.
   *
   * @param take is given the file piece by piece, and how long all of it is; the next piece waits for it
   * @throws {CliError} when it is refused, or ends early; whatever `take` throws
   */
  async download(call: OperatorCall, take: (piece: Uint8Array, bytesTotal: number) => Promise<void>): Promise<void> {
    const { statusCode: status, headers, body } = await this.#request(call);
    if (status !== 200) throw this.#refusal(status, this.#parse(new Uint8Array(await body.arrayBuffer())));
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

  #refusal(status: number, body: unknown): CliError {
    const detail = isJsonObject(body) && typeof body['detail'] === 'string' ? body['detail'] : undefined;
    return detail === undefined ? this.#strange(`it answered ${status}`) : new CliError(EXIT_FAILED, detail);
  }

  /** A call whose answer is checked. @throws {CliError} */
  async read<T>(
    call: OperatorCall,
    shape: (value: unknown) => Shaped<T>,
  ): Promise<{ value: T; entityTag: string | undefined }> {
    const { body, entityTag } = await this.call(call);
    const shaped = shape(body);
    if (shaped.ok) return { value: shaped.value, entityTag };
    throw this.#strange(`${shaped.fault.path || 'the answer'} ${shaped.fault.why}`);
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  async #exchange(call: OperatorCall) {
    const { statusCode: status, headers, body } = await this.#request(call);
    const bytes = await body.arrayBuffer().catch((error: unknown) => {
      throw new CliError(EXIT_FAILED, sayUnreachable(this.#target.url, error));
    });
    const { etag } = headers;
    return { status, bytes: new Uint8Array(bytes), entityTag: typeof etag === 'string' ? etag : undefined };
  }

  async #request({ method, path, body, headers }: OperatorCall) {
    try {
      return await request(`${this.#target.url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${this.#target.token}`,
          accept: 'application/json, application/problem+json',
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        dispatcher: this.#agent,
      });
    } catch (error) {
      throw new CliError(EXIT_FAILED, sayUnreachable(this.#target.url, error));
    }
  }

  #parse(bytes: Uint8Array): unknown {
    if (bytes.length === 0) return undefined;
    try {
      return parseStrictJson(bytes);
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

const codeOf = (error: unknown) => systemErrorCode(error) ?? 'unknown';

function sayUnreachable(url: string, error: unknown): string {
  const code = codeOf(error);
  const elsewhere = 'Point elsewhere with --operator-url or TIDINGS_OPERATOR_URL.';
  if (/CERT|SIGNATURE|ISSUER/.test(code)) {
    const remedy = 'give the roots it leads to with --ca-file or TIDINGS_CA_FILE, and use a host name that it has';
    return `The certificate of ${url} is not trusted (${code}); ${remedy}.`;
  }
  if (/SSL|EPROTO|HPE_|UND_ERR_SOCKET/.test(code)) {
    return `${url} does not speak ${url.startsWith('https') ? 'TLS: is it http://' : 'HTTP: is it https://'}? (${code}) ${elsewhere}`;
  }
  if (/TIMEOUT/.test(code)) return `${url} did not answer in time (${code}). ${elsewhere}`;
  return `The operator API at ${url} cannot be reached (${code}): is the service running? ${elsewhere}`;
}
