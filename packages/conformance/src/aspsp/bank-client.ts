import { randomUUID } from 'node:crypto';
import { type ApiVersion, isJsonObject, retryAfterMs } from '@tidings/protocol';
import { type Clock, waitFor } from '../clock.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { AspspConfig, ClientConfig } from './config.ts';
import { described, expectStatus, fail, headerOf, objectOf } from './expect.ts';
import { type ForgingKey, forgeDetached, joseHeader } from './forge.ts';
import type { Header, WireAnswer, WireClient, WireScope } from './wire.ts';

/** A request to the bank; what is not said is as it should be. */
export interface BankRequest {
  /** Default: the newest version that the bank offers. */
  readonly version?: ApiVersion;
  /** An object is sent as JSON. */
  readonly body?: string | Uint8Array | object;
  /** Null: no token. Default: one of the client, for its scope. */
  readonly token?: string | null;
  /** Null: none; several: as many headers. Default: a good one for POST and PUT of registrations. */
  readonly signature?: string | readonly string[] | null;
  /** Members of the JOSE header that differ; undefined takes one out. */
  readonly jose?: Readonly<Record<string, unknown>>;
  /** Headers besides; they replace those of the same name, and null takes one out. */
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly timeoutMs?: number;
  /** Connections with another certificate, or none. */
  readonly http?: WireClient;
}

/** The two resources of registrations. */
export type RegistrationKind = 'event-subscriptions' | 'callback-urls';

/** The parts of one client that last for the whole run. */
export interface ClientSession {
  readonly config: ClientConfig;
  readonly key: ForgingKey;
  readonly http: WireClient;
  readonly tokens: AccessTokens;
}

/** The answer to a poll. */
export interface Polled {
  /** Compact JWS by `jti`. */
  readonly sets: ReadonlyMap<string, string>;
  readonly moreAvailable: boolean;
  readonly answer: WireAnswer;
}

const ID_OF: Readonly<Record<RegistrationKind, string>> = {
  'event-subscriptions': 'EventSubscriptionId',
  'callback-urls': 'CallbackUrlId',
};
const LIST_OF: Readonly<Record<RegistrationKind, string>> = {
  'event-subscriptions': 'EventSubscription',
  'callback-urls': 'CallbackUrl',
};
const RATE_LIMIT_WAIT_MAX_MS = 65_000;
const TOO_MANY = 429;

/** One client of the bank, within one check. */
export class BankClient {
  readonly clientId: string;
  readonly key: ForgingKey;
  readonly #session: ClientSession;
  readonly #bank: AspspConfig;
  readonly #clock: Clock;
  readonly #wire: WireScope;

  constructor(session: ClientSession, bank: AspspConfig, clock: Clock, wire: WireScope) {
    this.clientId = session.config.clientId;
    this.key = session.key;
    this.#session = session;
    this.#bank = bank;
    this.#clock = clock;
    this.#wire = wire;
  }

  /** Connections with the certificate of this client. */
  get http(): WireClient {
    return this.#session.http;
  }

  get nowSeconds(): number {
    return Math.floor(this.#clock.nowMs() / 1000);
  }

  token(scope = this.#session.config.scope): Promise<string> {
    return this.#session.tokens.token(scope, this.#wire);
  }

  /** A good detached signature, apart from the members of the JOSE header that are said to differ. */
  sign(body: string | Uint8Array, jose: Readonly<Record<string, unknown>> = {}): string {
    return forgeDetached(joseHeader(this.key, this.nowSeconds, jose), body, this.key.privateKey);
  }

  /** The URL of a path below the base URL of a version. */
  urlOf(path: string, version = newestVersion(this.#bank)): string {
    const base = this.#bank.bank.apiUrls[version];
    if (base === undefined) throw new Error(`bank.apiUrls has no URL for ${version}.`);
    return `${base}/${path}`;
  }

  /**
   * Sends a request. Waits once where the bank asks for patience with 429 and `Retry-After`.
   *
   * @throws {WireError} without an answer. @throws {Error} when the bank asks to wait for too long
   */
  async call(method: string, path: string, request: BankRequest = {}): Promise<WireAnswer> {
    const answer = await this.#send(method, path, request);
    if (answer.status !== TOO_MANY) return answer;
    const waitMs = retryAfterMs(headerOf(answer, 'retry-after') ?? null, this.#clock.nowMs()) ?? 1000;
    if (waitMs > RATE_LIMIT_WAIT_MAX_MS) {
      throw new Error(
        `The bank limits the requests of ${this.clientId}: 429, again in ${Math.ceil(waitMs / 1000)} s. ` +
          'Ask the bank to raise the limits for the clients of this run, registrations per hour included.',
      );
    }
    await waitFor(this.#clock, waitMs, this.#wire.signal);
    return await this.#send(method, path, request);
  }

  async #send(method: string, path: string, request: BankRequest): Promise<WireAnswer> {
    const body = bytesOf(request.body);
    const url = this.urlOf(path, request.version);
    const headers = await this.#headersOf(method, path, request, body);
    const timeoutMs = request.timeoutMs ?? this.#bank.timing.requestMs;
    return await (request.http ?? this.#session.http).send(url, { method, headers, body, timeoutMs }, this.#wire);
  }

  async #headersOf(
    method: string,
    path: string,
    request: BankRequest,
    body: string | Uint8Array | undefined,
  ): Promise<Header[]> {
    const token = request.token === undefined ? await this.token() : request.token;
    const hasBody = method === 'POST' || method === 'PUT';
    const isSigned = hasBody && path !== 'events';
    const own = isSigned ? this.sign(body ?? '', request.jose) : [];
    const signatures = [request.signature === undefined ? own : (request.signature ?? [])].flat();
    const replaced = request.headers ?? {};
    const usual: Header[] = [
      ['accept', 'application/json'],
      ['x-fapi-interaction-id', randomUUID()],
      ...(token === null ? [] : [['authorization', `Bearer ${token}`] as const]),
      ...(hasBody ? [['content-type', 'application/json'] as const] : []),
      ...signatures.map((each) => ['x-jws-signature', each] as const),
    ];
    const more = Object.entries(replaced).flatMap(([name, value]): Header[] => (value === null ? [] : [[name, value]]));
    return [...usual.filter(([name]) => !Object.hasOwn(replaced, name)), ...more];
  }

  /** Creates a registration. @throws {Failure} when it is not created. @returns its id */
  async create(kind: RegistrationKind, data: object, request: BankRequest = {}): Promise<string> {
    const answer = await this.call('POST', kind, { ...request, body: { Data: data } });
    expectStatus(answer, 201, `to POST /${kind} with a good body`);
    const { Data } = objectOf(answer, `as the answer to POST /${kind}`);
    const id = isJsonObject(Data) ? Data[ID_OF[kind]] : undefined;
    return typeof id === 'string' ? id : fail(`Data.${ID_OF[kind]} in the answer to POST /${kind}`, described(answer));
  }

  /** The registrations of this client. @throws {Failure} */
  async list(kind: RegistrationKind, version?: ApiVersion): Promise<Record<string, unknown>[]> {
    const answer = await this.call('GET', kind, version === undefined ? {} : { version });
    expectStatus(answer, 200, `to GET /${kind}`);
    const { Data } = objectOf(answer, `as the answer to GET /${kind}`);
    const list = isJsonObject(Data) ? (Data[LIST_OF[kind]] ?? []) : undefined;
    if (!Array.isArray(list))
      return fail(`a list Data.${LIST_OF[kind]} in the answer to GET /${kind}`, described(answer));
    return list.filter(isJsonObject);
  }

  /** Leaves the client without registrations. */
  async clear(): Promise<void> {
    const kinds: RegistrationKind[] = ['event-subscriptions'];
    if (this.#bank.features.callbackUrls) kinds.push('callback-urls');
    for (const kind of kinds) {
      for (const version of versionsOf(this.#bank).toReversed()) {
        for (const found of await this.list(kind, version)) {
          await this.call('DELETE', `${kind}/${String(found[ID_OF[kind]])}`, { version });
        }
      }
    }
  }

  /** Polls. @throws {Failure} when the answer is not that of a poll */
  async poll(body: object = {}, request: BankRequest = {}): Promise<Polled> {
    const answer = await this.call('POST', 'events', { ...request, body: { returnImmediately: true, ...body } });
    return polledOf(answer);
  }
}

/** Reads the answer to a poll. @throws {Failure} when it is none */
export function polledOf(answer: WireAnswer): Polled {
  expectStatus(answer, 200, 'to a poll');
  const { sets, moreAvailable } = objectOf(answer, 'as the answer to a poll');
  if (!isJsonObject(sets)) return fail('an object "sets" in the answer to a poll', described(answer));
  if (typeof moreAvailable !== 'boolean')
    return fail('a boolean "moreAvailable" in the answer to a poll', described(answer));
  const entries = Object.entries(sets).map(([jti, set]): [string, string] => [
    jti,
    typeof set === 'string' ? set : fail('each member of "sets" to be a text', described(answer)),
  ]);
  return { sets: new Map(entries), moreAvailable, answer };
}

/** The versions that the bank offers, oldest first. */
export function versionsOf({ bank }: Pick<AspspConfig, 'bank'>): ApiVersion[] {
  return (['v3.1', 'v4.0'] as const).filter((version) => bank.apiUrls[version] !== undefined);
}

/** The newest version that the bank offers. */
export function newestVersion(config: Pick<AspspConfig, 'bank'>): ApiVersion {
  return versionsOf(config).at(-1) ?? 'v4.0';
}

function bytesOf(body: BankRequest['body']): string | Uint8Array | undefined {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) return body;
  return JSON.stringify(body);
}
