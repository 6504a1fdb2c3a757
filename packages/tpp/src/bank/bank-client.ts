import type { JwsSigner } from '@tidings/protocol';
import { freshUuid, systemNowMs } from '../clock.ts';
import { createTlsFetch, type TlsTransport } from '../net/tls-fetch.ts';
import { type AccessToken, createAccessTokens } from './access-tokens.ts';
import { type BankExchange, type BankIdentity, createBankHttp, isV31 } from './bank-http.ts';
import { retriesOf } from './bank-retries.ts';
import { type CallbackUrls, createCallbackUrls } from './callback-urls.ts';
import { type ClientAuthentication, clientAuthOf } from './client-authentication.ts';
import { createEventPolling, type EventPolling } from './event-polling.ts';
import { createEventSubscriptions, type EventSubscriptions } from './event-subscriptions.ts';
import { createFetchResource, type FetchedResource, type ResourceTarget } from './resources.ts';

/** The TPP's transport certificate, to which the token is bound. PEM texts, not paths. */
export interface ClientTransport extends TlsTransport {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** Options of a bank client. */
export interface BankClientOptions {
  readonly clientId: string;
  /** Issuer identifier of the authorisation server; https. */
  readonly issuer: string;
  /** Token endpoint; https. When given, discovery is skipped. */
  readonly tokenEndpoint?: string;
  /** Base URL of the API, with version v3.1 or v4.0, such as `https://rs.bank.example/open-banking/v4.0`; https. */
  readonly baseUrl: string;
  /** Scopes of the token, separated by spaces. Default `accounts`. */
  readonly scope?: string;
  readonly transport: ClientTransport;
  /** How the client identifies itself to the authorisation server. Default `tls_client_auth`. */
  readonly clientAuthentication?: ClientAuthentication;
  /** Signer of requests: `createSigner` with the TPP's `{org-id}/{software-statement-id}`. */
  readonly signer: JwsSigner;
  readonly bank: BankIdentity;
  /** Origins that resources may be fetched from, such as `https://rs.bank.example`. Default: none. */
  readonly resourceOrigins?: readonly string[];
  /**
   * Versions of the resource API that the TPP supports, such as `['4.0', '3.1']`. For a notification, the resource is fetched by
   * the link of the highest of them. Default: the last link with an allowed origin, whatever its version.
   */
  readonly resourceVersions?: readonly string[];
  /** Deadline for one whole exchange. Default 10 000. */
  readonly requestTimeoutMs?: number;
  /** Maximum body of a response. Default 1 048 576 (1 MiB). */
  readonly responseBytesMax?: number;
  /**
   * How often an idempotent call (`get`, `replace`, `delete`, `fetchResource`) is retried after a lost connection, 429, 502, 503
   * or 504. `create` and polls are not. Default 2.
   */
  readonly retriesMax?: number;
  /** First delay before a retry; doubles. At least the bank's `Retry-After`. Default 500. */
  readonly retryDelayMsMin?: number;
  /** Longest delay. A bank that asks for more gets no retry: the call fails, with `retryAfterMs`. Default 10 000. */
  readonly retryDelayMsMax?: number;
  /** How far `iat` of a response signature may be in the future. Default 60. */
  readonly clockSkewSeconds?: number;
  /**
   * Signs with `b64: false`, as resources of v3.1.2 and v3.1.3 do, and accepts such responses (rules, section 5). Only
   * on v3.1, at a bank that requires it. Default false.
   */
  readonly unencodedPayload?: boolean;
  /** Optional observer of every exchange, for the TPP's own log. Must not throw. */
  onExchange?(exchange: BankExchange): void;
  /** Milliseconds since the epoch. Default: the machine's clock. */
  now?(): number;
  /** Default: `crypto.randomUUID`. */
  randomUuid?(): string;
  /** Random number in [0, 1), for the jitter of the delays. Default: the system's. */
  random?(): number;
  /** Resolves after the delay, or when the signal is aborted. Default: a system timer. */
  wait?(delayMs: number, signal: AbortSignal): Promise<void>;
}

/** Keys and certificates that replace those of a client; those left out are unchanged. */
export type BankCredentials = Partial<Pick<BankClientOptions, 'transport' | 'clientAuthentication' | 'signer'>>;

/** A TPP's client of one bank. Every call rejects with `BankError`. */
export interface BankClient {
  /** The access token for calls, requested when none is cached. */
  token(): Promise<AccessToken>;
  readonly eventSubscriptions: EventSubscriptions;
  readonly callbackUrls: CallbackUrls;
  /** Aggregated polling, one poll per call. `createPoller` polls continuously. */
  readonly events: EventPolling;
  /** Fetches the resource of a notification or of one of its links. */
  fetchResource(target: ResourceTarget): Promise<FetchedResource>;
  /**
   * Replaces certificate and keys while the client works. New connections use the new certificate, and tokens are requested
   * anew, because they are bound to it; calls in progress finish on their connections. Register the new certificate and
   * publish the new keys at the bank first. The signing keys of the bank are renewed by `remoteKeys`.
   *
   * @throws {TypeError} for invalid PEM texts; then nothing has changed
   */
  renew(credentials: BankCredentials): void;
  /** Closes all connections; calls in progress and later calls reject as unreachable. */
  close(): void;
}

const CLOCK_SKEW_SECONDS = 60;

/**
 * Creates a TPP's client of one ASPSP: client credentials grant, registrations, polling and resources, all over mutual
 * TLS (rules, sections 1, 2, 6 and 8). Does not connect before the first call. Never follows redirects.
 *
 * @throws {TypeError} when a URL is not https, an origin, a PEM text or a version is invalid, or
 *   `unencodedPayload` is set on a version other than v3.1
 */
export function createBankClient(options: BankClientOptions): BankClient {
  const { clientId, tokenEndpoint, scope = 'accounts', now = systemNowMs, randomUuid = freshUuid } = options;
  const issuer = checkHttps('issuer', options.issuer);
  if (tokenEndpoint !== undefined) checkHttps('tokenEndpoint', tokenEndpoint);
  const baseUrl = checkHttps('baseUrl', options.baseUrl).replace(/\/+$/, '');
  const { transport, requestTimeoutMs, responseBytesMax, unencodedPayload = false } = options;
  if (unencodedPayload && !isV31(baseUrl)) throw new TypeError('unencodedPayload is allowed on v3.1 only');
  let clientAuth = clientAuthOf(options.clientAuthentication);
  let { signer } = options;
  const tlsFetch = createTlsFetch({ transport, requestTimeoutMs, responseBytesMax });
  const tokens = createAccessTokens({
    clientId,
    issuer,
    tokenEndpoint,
    scope,
    clientAuth: () => clientAuth(),
    tlsFetch,
    now,
  });
  const http = createBankHttp({
    tlsFetch,
    tokens,
    signer: () => signer,
    retries: retriesOf(options),
    bank: options.bank,
    clockSkewSeconds: options.clockSkewSeconds ?? CLOCK_SKEW_SECONDS,
    unencodedPayload,
    onExchange: (exchange) => options.onExchange?.(exchange),
    now,
    randomUuid,
  });
  return {
    token: () => tokens.current(),
    eventSubscriptions: createEventSubscriptions(http, baseUrl),
    callbackUrls: createCallbackUrls(http, baseUrl),
    events: createEventPolling(http, baseUrl),
    fetchResource: createFetchResource(http, options.resourceOrigins ?? [], options.resourceVersions),
    renew: (credentials) => {
      const renewedAuth =
        credentials.clientAuthentication === undefined ? clientAuth : clientAuthOf(credentials.clientAuthentication);
      if (credentials.transport !== undefined) {
        tlsFetch.renew(credentials.transport);
        tokens.reset();
      }
      clientAuth = renewedAuth;
      signer = credentials.signer ?? signer;
    },
    close: () => tlsFetch.close(),
  };
}

function checkHttps(option: string, text: string): string {
  if (URL.canParse(text) && new URL(text).protocol === 'https:') return text;
  throw new TypeError(`${option} must be an https URL`);
}
