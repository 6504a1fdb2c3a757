import {
  INTERACTION_ID_HEADER,
  JwsError,
  type JwsSigner,
  type KeySource,
  retryAfterMs,
  SIGNATURE_HEADER,
  SIGNATURE_TYPES,
  signDetached,
  verifyDetached,
} from '@tidings/protocol';
import { keysFailure } from '../net/remote-keys.ts';
import { type TlsFetch, TlsFetchError, type TlsRequest } from '../net/tls-fetch.ts';
import { unlessAborted } from '../unless-aborted.ts';
import type { AccessTokens } from './access-tokens.ts';
import { type BankAnswer, readErrorBody } from './bank-answer.ts';
import { BankError, bankErrorOf, describeCall, describeDetails } from './bank-error.ts';
import { type BankRetries, withRetries } from './bank-retries.ts';

/** Identity of the ASPSP as a signer. */
export interface BankIdentity {
  /** `iss` in the JOSE header of responses: the organisation id, or the subject DN of the eIDAS certificate. */
  readonly signer: string;
  /** Signing keys of the ASPSP. */
  readonly keys: KeySource;
  /** DNS names accepted as `tan`. Default `['openbanking.org.uk']`. */
  readonly trustAnchors?: readonly string[];
}

/** One HTTP exchange with the bank's API, for the TPP's own log. */
export interface BankExchange {
  readonly method: string;
  readonly status: number;
  /** The `x-fapi-interaction-id` that was sent. */
  readonly interactionId: string;
  /** Whether the bank returned the id, as it must (rules, section 7). The response is used in either case. */
  readonly interactionIdEchoed: boolean;
}

/** One request to the bank's API. A body is sent as JSON and signed unless `unsigned` is true. */
export interface BankRequest extends Pick<TlsRequest, 'requestTimeoutMs' | 'responseBytesMax' | 'signal'> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly body?: unknown;
  readonly unsigned?: boolean;
  /** For a POST that has the same effect when it is sent twice. It is not retried, except on a connection that was closed. */
  readonly isRepeatable?: boolean;
  /** Whether these codes of a refusal, of a repeated request, show that an earlier one had its effect. */
  isDoneBy?(codes: readonly string[]): boolean;
}

/** HTTP client of the bank's API. */
export interface BankHttp {
  /** Sends a request and does not verify the response. @throws {BankError} unless the status is 2xx */
  send(request: BankRequest): Promise<BankAnswer>;
  /**
   * Verifies `x-jws-signature` over the exact bytes of a response (rules, section 5).
   *
   * @throws {BankError} untrusted
   */
  verify(answer: BankAnswer): Promise<void>;
}

/** Dependencies of {@link createBankHttp}. */
export interface BankHttpOptions {
  readonly tlsFetch: TlsFetch;
  readonly tokens: AccessTokens;
  /** Read for every request. */
  signer(): JwsSigner;
  readonly retries: BankRetries;
  readonly bank: BankIdentity;
  readonly clockSkewSeconds: number;
  /** Whether requests are signed with `b64: false` and such responses are accepted on v3.1. */
  readonly unencodedPayload: boolean;
  onExchange?(exchange: BankExchange): void;
  now(): number;
  randomUuid(): string;
}

const TRUST_ANCHORS: readonly string[] = ['openbanking.org.uk'];
const UNAUTHORISED = 401;
// The usual reasons for statuses that the standard lets the bank send without a body (rules, section 7).
const WITHOUT_DETAILS: Readonly<Record<number, string>> = {
  401:
    'A token that was just issued is rejected when it is not bound to the transport certificate of this client, ' +
    'or when its audience or issuer is not what the bank expects.',
  403:
    'Usual reasons: the token lacks a scope, there is no event subscription to poll for, ' +
    'the registration is of a newer version of the API, or it is not yours.',
  404: 'The bank does not know this path: check baseUrl, with the version at its end.',
};
const V31 = /\/v3\.1(?:\.\d+)?(?:\/|$)/;

/** Whether a URL is below v3.1 of the API, where alone `b64: false` is allowed (rules, section 5). */
export function isV31(url: string): boolean {
  return V31.test(new URL(url).pathname);
}

/**
 * Creates the HTTP client that all calls share: it adds token, signature and interaction id, and parses error bodies.
 * After a 401 it retries once with a fresh token, which is safe because a 401 precedes any processing. Other failures are
 * retried for idempotent methods only; see `withRetries`.
 */
export function createBankHttp(options: BankHttpOptions): BankHttp {
  const { tokens, tlsFetch, now } = options;

  async function attempt(request: BankRequest): Promise<BankAnswer> {
    const { method, url, requestTimeoutMs, responseBytesMax, signal, isRepeatable } = request;
    const token = tokens.current();
    const { accessToken } = await (signal === undefined ? token : unlessAborted(token, signal, aborted));
    const interactionId = options.randomUuid();
    const prepared = await prepare(request, accessToken, interactionId);
    const response = await reach(
      () => tlsFetch(url, { method, ...prepared, requestTimeoutMs, responseBytesMax, signal, isRepeatable }),
      describeCall(method, url),
      interactionId,
    );
    const { status } = response;
    const interactionIdEchoed =
      response.headers.get(INTERACTION_ID_HEADER)?.toLowerCase() === interactionId.toLowerCase();
    options.onExchange?.({ method, status, interactionId, interactionIdEchoed });
    if (status === UNAUTHORISED) tokens.drop(accessToken);
    return {
      method,
      url,
      status,
      body: new Uint8Array(await response.arrayBuffer()),
      signature: response.headers.get(SIGNATURE_HEADER) ?? undefined,
      retryAfterMs: retryAfterMs(response.headers.get('retry-after'), now()),
      interactionId,
    };
  }

  async function prepare(
    request: BankRequest,
    accessToken: string,
    interactionId: string,
  ): Promise<{ headers: Record<string, string>; body?: Uint8Array }> {
    const headers = {
      accept: 'application/json',
      authorization: `Bearer ${accessToken}`,
      [INTERACTION_ID_HEADER]: interactionId,
    };
    if (request.body === undefined) return { headers };
    const body = new TextEncoder().encode(JSON.stringify(request.body));
    const withType = { ...headers, 'content-type': 'application/json; charset=utf-8' };
    if (request.unsigned) return { headers: withType, body };
    const { unencodedPayload } = options;
    const signature = await signDetached(body, options.signer(), now() / 1000, { unencodedPayload });
    return { headers: { ...withType, [SIGNATURE_HEADER]: signature }, body };
  }

  return {
    send: (request) =>
      withRetries(request, options.retries, async (number) => {
        const first = await attempt(request);
        const answer = first.status === UNAUTHORISED ? await attempt(request) : first;
        const codes = () => readErrorBody(answer.body).map(({ code }) => code);
        return number > 1 && request.isDoneBy?.(codes()) ? answer : acceptedOnly(answer);
      }),
    verify: (answer) => verifyAnswer(answer, options),
  };
}

const aborted = () => new BankError('unreachable', 'The request was aborted.');

async function reach(send: () => Promise<Response>, call: string, interactionId: string): Promise<Response> {
  try {
    return await send();
  } catch (error) {
    throw error instanceof TlsFetchError ? bankErrorOf(error, call, interactionId) : error;
  }
}

/** @throws {BankError} unless the status is 2xx */
function acceptedOnly(answer: BankAnswer): BankAnswer {
  const { method, url, status, body, interactionId, retryAfterMs } = answer;
  if (status >= 200 && status < 300) return answer;
  const details = readErrorBody(body);
  const context = { status, interactionId, details, retryAfterMs };
  const call = describeCall(method, url);
  const why = describeDetails(details) || (WITHOUT_DETAILS[status] ?? 'The bank gives no reason.');
  if (status !== UNAUTHORISED) throw new BankError('refused', `${call}: status ${status}. ${why}`, context);
  throw new BankError('unauthorised', `${call}: the bank rejected the access token (401). ${why}`, context);
}

async function verifyAnswer(answer: BankAnswer, options: BankHttpOptions): Promise<void> {
  const { bank, now, clockSkewSeconds } = options;
  const { method, url, status, interactionId, signature, body } = answer;
  const call = describeCall(method, url);
  if (signature === undefined) {
    throw new BankError('untrusted', `${call}: the response has no ${SIGNATURE_HEADER}.`, { status, interactionId });
  }
  try {
    await verifyDetached(signature, body, {
      iss: bank.signer,
      keys: bank.keys,
      trustAnchors: bank.trustAnchors ?? TRUST_ANCHORS,
      nowSeconds: now() / 1000,
      clockSkewSeconds,
      typesAccepted: SIGNATURE_TYPES,
      unencodedPayloadAccepted: options.unencodedPayload && isV31(answer.url),
    });
  } catch (cause) {
    const why =
      cause instanceof JwsError
        ? `the signature of the response is invalid. ${cause.message}`
        : `the signature of the response could not be verified. ${keysFailure(cause)}`;
    throw new BankError('untrusted', `${call}: ${why}`, {
      status,
      interactionId,
      cause,
    });
  }
}
