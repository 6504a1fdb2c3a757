import type { JwsSigner } from '@tidings/protocol';
import { freshUuid, systemNowMs } from '../clock.ts';
import { createTlsFetch, type TlsTransport } from '../net/tls-fetch.ts';
import { type AccessToken, createAccessTokens } from './access-tokens.ts';
import { type BankExchange, type BankIdentity, createBankHttp, isV31 } from './bank-http.ts';
import { type CallbackUrls, createCallbackUrls } from './callback-urls.ts';
import { createEventPolling, type EventPolling } from './event-polling.ts';
import { createEventSubscriptions, type EventSubscriptions } from './event-subscriptions.ts';
import { createFetchResource, type FetchedResource, type ResourceTarget } from './resources.ts';

/** The TPP's transport certificate, which the token is bound to. PEM texts, not paths. */
export interface ClientTransport extends TlsTransport {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** Options of a bank client. */
export interface BankClientOptions {
  readonly clientId: string;
  /** The authorisation server's issuer identifier, https. */
  readonly issuer: string;
  /** Given, nothing is discovered. https. */
  readonly tokenEndpoint?: string;
  /** Where the API is, with its version, v3.1 or v4.0: `https://rs.bank.example/open-banking/v4.0`. */
  readonly baseUrl: string;
  /** Scopes of the token, separated by spaces. Default `accounts`. */
  readonly scope?: string;
  readonly transport: ClientTransport;
  /** Signs requests: `createSigner` with the TPP's `{org-id}/{software-statement-id}`. */
  readonly signer: JwsSigner;
  readonly bank: BankIdentity;
  /** Origins that resources may be fetched from, such as `https://rs.bank.example`. Default: none. */
  readonly resourceOrigins?: readonly string[];
  /** For one whole exchange. Default 10 000. */
  readonly requestTimeoutMs?: number;
  /** Longest body of an answer. Default 1 048 576. */
  readonly responseBytesMax?: number;
  /** How far `iat` of an answer's signature may lie in the future. Default 60. */
  readonly clockSkewSeconds?: number;
  /**
   * Sign as resources of v3.1.2 and v3.1.3 are signed, with `b64: false` (rules, section 5), and accept answers that
   * are. On v3.1 only, at a bank that asks for it. Default false.
   */
  readonly unencodedPayload?: boolean;
  /** For the TPP's own log; it must not throw. */
  onExchange?(exchange: BankExchange): void;
  /** Milliseconds since the epoch. Default: the machine's clock. */
  now?(): number;
  /** Default: `crypto.randomUUID`. */
  randomUuid?(): string;
}

/** The TPP at one bank. Every call rejects with `BankError`. */
export interface BankClient {
  /** The token that calls are made with; asked for when none is at hand. */
  token(): Promise<AccessToken>;
  readonly eventSubscriptions: EventSubscriptions;
  readonly callbackUrls: CallbackUrls;
  /** Aggregated polling, one poll at a time; `createPoller` makes a loop of it. */
  readonly events: EventPolling;
  /** Reads the resource that a notification, or one of its links, is about. */
  fetchResource(target: ResourceTarget): Promise<FetchedResource>;
  /** Ends all connections; calls under way and later ones fail as unreachable. */
  close(): void;
}

const CLOCK_SKEW_SECONDS = 60;

/**
 * Makes the TPP's client of one ASPSP: client credentials grant, registrations, polling and resources, all over mutual
 * TLS (rules, sections 1, 2, 6 and 8). Connects to nothing before the first call. Redirects are never followed.
 *
 * @throws {TypeError} when a URL is not https, an origin is not one, the transport's PEM texts are bad, or
 *   `unencodedPayload` is asked for elsewhere than on v3.1
 */
export function createBankClient(options: BankClientOptions): BankClient {
  const { clientId, tokenEndpoint, scope = 'accounts', now = systemNowMs, randomUuid = freshUuid } = options;
  const issuer = checkHttps('issuer', options.issuer);
  if (tokenEndpoint !== undefined) checkHttps('tokenEndpoint', tokenEndpoint);
  const baseUrl = checkHttps('baseUrl', options.baseUrl).replace(/\/+$/, '');
  const { transport, requestTimeoutMs, responseBytesMax, unencodedPayload = false } = options;
  if (unencodedPayload && !isV31(baseUrl)) throw new TypeError('unencodedPayload is of v3.1 only');
  const tlsFetch = createTlsFetch({ transport, requestTimeoutMs, responseBytesMax });
  const tokens = createAccessTokens({ clientId, issuer, tokenEndpoint, scope, tlsFetch, now });
  const http = createBankHttp({
    tlsFetch,
    tokens,
    signer: options.signer,
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
    fetchResource: createFetchResource(http, options.resourceOrigins ?? []),
    close: () => tlsFetch.close(),
  };
}

function checkHttps(option: string, text: string): string {
  if (URL.canParse(text) && new URL(text).protocol === 'https:') return text;
  throw new TypeError(`${option} must be an https URL`);
}
