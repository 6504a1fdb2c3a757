import {
  INTERACTION_ID_HEADER,
  JwsError,
  type JwsSigner,
  type KeySource,
  SIGNATURE_HEADER,
  SIGNATURE_TYPES,
  signDetached,
  verifyDetached,
} from '@tidings/protocol';
import { type TlsFetch, TlsFetchError } from '../net/tls-fetch.ts';
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
  /** What was sent. */
  readonly interactionId: string;
  /** Whether the bank sent it back as it must (rules, section 7); one that does not is used all the same. */
  readonly interactionIdEchoed: boolean;
}

/** One request to the bank's API. A body is sent as JSON and signed. */
export interface BankRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly body?: unknown;
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

/** What {@link createBankHttp} works with. */
export interface BankHttpOptions {
  readonly tlsFetch: TlsFetch;
  readonly tokens: AccessTokens;
  readonly signer: JwsSigner;
  readonly bank: BankIdentity;
  readonly clockSkewSeconds: number;
  onExchange?(exchange: BankExchange): void;
  now(): number;
  randomUuid(): string;
}

const TRUST_ANCHORS: readonly string[] = ['openbanking.org.uk'];
const UNAUTHORISED = 401;

/**
 * Makes what every call to the bank's API has in common: token, signature, interaction id; the error bodies; and once
 * more with a fresh token after a 401, which the bank gives before it does anything.
 */
export function createBankHttp(options: BankHttpOptions): BankHttp {
  const { tokens, tlsFetch, signer, now } = options;

  async function attempt(request: BankRequest): Promise<BankAnswer> {
    const { accessToken } = await tokens.current();
    const interactionId = options.randomUuid();
    const { method, url } = request;
    const { headers, body } = await prepare(request, accessToken, interactionId);
    const response = await reach(
      () => tlsFetch(url, { method, headers, ...(body !== undefined && { body }) }),
      interactionId,
    );
    const { status } = response;
    const interactionIdEchoed =
      response.headers.get(INTERACTION_ID_HEADER)?.toLowerCase() === interactionId.toLowerCase();
    options.onExchange?.({ method, status, interactionId, interactionIdEchoed });
    if (status === UNAUTHORISED) tokens.drop(accessToken);
    return {
      status,
      body: new Uint8Array(await response.arrayBuffer()),
      signature: response.headers.get(SIGNATURE_HEADER) ?? undefined,
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
    const signature = await signDetached(body, signer, now() / 1000);
    const signed = { 'content-type': 'application/json; charset=utf-8', [SIGNATURE_HEADER]: signature };
    return { headers: { ...headers, ...signed }, body };
  }

  return {
    send: async (request) => {
      const answer = await attempt(request);
      return acceptedOnly(answer.status === UNAUTHORISED ? await attempt(request) : answer);
    },
    verify: (answer) => verifyAnswer(answer, options),
  };
}

async function reach(call: () => Promise<Response>, interactionId: string): Promise<Response> {
  try {
    return await call();
  } catch (error) {
    throw error instanceof TlsFetchError ? bankErrorOf(error, interactionId) : error;
  }
}

function acceptedOnly(answer: BankAnswer): BankAnswer {
  const { status, body, interactionId } = answer;
  if (status >= 200 && status < 300) return answer;
  const context = { status, interactionId, details: readErrorBody(body) };
  if (status === UNAUTHORISED) throw new BankError('unauthorised', 'The bank did not take the access token.', context);
  throw new BankError('refused', `The bank refused with status ${status}.`, context);
}

async function verifyAnswer(answer: BankAnswer, { bank, now, clockSkewSeconds }: BankHttpOptions): Promise<void> {
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
      unencodedPayloadAccepted: false,
    });
  } catch (cause) {
    const why = cause instanceof JwsError ? cause.message : 'The keys to verify with could not be had.';
    throw new BankError('untrusted', `The signature of the answer was refused: ${why}`, {
      status,
      interactionId,
      cause,
    });
  }
}
