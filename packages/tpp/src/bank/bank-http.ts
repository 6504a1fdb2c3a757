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
import { type TlsFetch, TlsFetchError, type TlsRequest } from '../net/tls-fetch.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { BankAnswer } from './bank-answer.ts';
import { BankError } from './bank-error.ts';
import { readErrorBody } from './error-body.ts';
import { bankErrorOf } from './transport-error.ts';

/** The ASPSP as a signer. */
export interface BankIdentity {
  /** `iss` of the JOSE header of its answers: its organisation id, or the subject DN of its eIDAS certificate. */
  readonly signer: string;
  /** Its signing keys. */
  readonly keys: KeySource;
  /** DNS names accepted as `tan`. Default `['openbanking.org.uk']`. */
  readonly trustAnchors?: readonly string[];
}

/** One HTTP exchange with the bank's API, for the TPP's own log. */
export interface BankExchange {
  readonly method: string;
  readonly status: number;
  /** The request that was sent. */
  readonly interactionId: string;
  /** Whether the bank sent it back as it must (rules, section 7); one that does not is used all the same. */
  readonly interactionIdEchoed: boolean;
}

/** One request to the bank's API. A body is sent as JSON, and signed unless `unsigned`. */
export interface BankRequest extends Pick<TlsRequest, 'requestTimeoutMs' | 'responseBytesMax' | 'signal'> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly body?: unknown;
  readonly unsigned?: boolean;
}

/** Talks to the bank's API. */
export interface BankHttp {
  /** Does not verify the answer. @throws {BankError} for everything but a 2xx */
  send(request: BankRequest): Promise<BankAnswer>;
  /**
   * Verifies `x-jws-signature` over the exact bytes of an answer (rules, section 5).
   *
   * @throws {BankError} untrusted
   */
  verify(answer: BankAnswer): Promise<void>;
}

/** Dependencies of {@link createBankHttp}. */
export interface BankHttpOptions {
  readonly tlsFetch: TlsFetch;
  readonly tokens: AccessTokens;
  readonly signer: JwsSigner;
  readonly bank: BankIdentity;
  readonly clockSkewSeconds: number;
  /** Sign in the `b64: false` form, and accept it in answers of v3.1. */
  readonly unencodedPayload: boolean;
  onExchange?(exchange: BankExchange): void;
  now(): number;
  randomUuid(): string;
}

const TRUST_ANCHORS: readonly string[] = ['openbanking.org.uk'];
const UNAUTHORISED = 401;
const V31 = /\/v3\.1(?:\.\d+)?(?:\/|$)/;

/** Whether a URL lies under v3.1 of the API, the only place for the `b64: false` form (rules, section 5). */
export function isV31(url: string): boolean {
  return V31.test(new URL(url).pathname);
}

/**
 * Makes what every call to the bank's API has in common: token, signature, interaction id; the error bodies; and once
 * more with a fresh token after a 401, which the bank gives before it does anything.
 */
export function createBankHttp(options: BankHttpOptions): BankHttp {
  const { tokens, tlsFetch, signer, now } = options;

  async function attempt(request: BankRequest): Promise<BankAnswer> {
    const { accessToken } = await unlessAborted(tokens.current(), request.signal);
    const interactionId = options.randomUuid();
    const { method, url, requestTimeoutMs, responseBytesMax, signal } = request;
    const prepared = await prepare(request, accessToken, interactionId);
    const response = await reach(
      () => tlsFetch(url, { method, ...prepared, requestTimeoutMs, responseBytesMax, signal }),
      interactionId,
    );
    const { status } = response;
    const interactionIdEchoed =
      response.headers.get(INTERACTION_ID_HEADER)?.toLowerCase() === interactionId.toLowerCase();
    options.onExchange?.({ method, status, interactionId, interactionIdEchoed });
    if (status === UNAUTHORISED) tokens.drop(accessToken);
    return {
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
    const signature = await signDetached(body, signer, now() / 1000, { unencodedPayload });
    return { headers: { ...withType, [SIGNATURE_HEADER]: signature }, body };
  }

  return {
    send: async (request) => {
      const answer = await attempt(request);
      return acceptedOnly(answer.status === UNAUTHORISED ? await attempt(request) : answer);
    },
    verify: (answer) => verifyAnswer(answer, options),
  };
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  let abort: () => void = () => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(new BankError('unreachable', 'The request was aborted.'));
  });
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  try {
    return await Promise.race([aborted, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

async function reach(call: () => Promise<Response>, interactionId: string): Promise<Response> {
  try {
    return await call();
  } catch (error) {
    throw error instanceof TlsFetchError ? bankErrorOf(error, interactionId) : error;
  }
}

function acceptedOnly(answer: BankAnswer): BankAnswer {
  const { status, body, interactionId, retryAfterMs } = answer;
  if (status >= 200 && status < 300) return answer;
  const context = { status, interactionId, details: readErrorBody(body), retryAfterMs };
  if (status === UNAUTHORISED) throw new BankError('unauthorised', 'The bank did not take the access token.', context);
  throw new BankError('refused', `The bank refused with status ${status}.`, context);
}

async function verifyAnswer(answer: BankAnswer, options: BankHttpOptions): Promise<void> {
  const { bank, now, clockSkewSeconds } = options;
  const { status, interactionId, signature, body } = answer;
  if (signature === undefined) {
    throw new BankError('untrusted', `The answer has no ${SIGNATURE_HEADER}.`, { status, interactionId });
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
    const why = cause instanceof JwsError ? cause.message : 'The verification keys could not be fetched.';
    throw new BankError('untrusted', `The signature of the answer was refused: ${why}`, {
      status,
      interactionId,
      cause,
    });
  }
}
