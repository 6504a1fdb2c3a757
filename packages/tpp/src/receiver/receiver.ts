import {
  INTERACTION_ID_HEADER,
  interactionIdOf,
  isIdentityEncoding,
  messageFault,
  parseMediaType,
  SET_MEDIA_TYPE,
} from '@tidings/protocol';
import { freshUuid } from '../clock.ts';
import { readCapped } from '../net/read-capped.ts';
import { eventNotificationOf } from '../notification/event-notification.ts';
import { NotificationError } from '../notification/notification-error.ts';
import { handlerOf, type NotificationHandling } from '../notification/notification-handler.ts';
import { createProblemLog } from '../notification/problem-log.ts';
import { checkTolerances, type SetVerification, verifiedClaims } from '../notification/set-verifier.ts';
import { type AdmissionLimits, createAdmission } from './admission.ts';
import { REFUSAL_REMEDIES, REFUSALS, type Refusal, RefusedRequest } from './refusals.ts';

/** Options of a receiver that do not depend on the bank, except for the notification handler. */
export interface EndpointSettings extends AdmissionLimits {
  /** Maximum request body. Default 131 072 (128 KiB). */
  readonly bodyBytesMax?: number;
  /**
   * Observer of every refusal, for the TPP's own log. Its errors are ignored. Left out, a refusal is printed with its
   * remedy: once for each cause, and again after ten minutes at the earliest while the cause lasts. Tokens are never printed.
   */
  onRefused?(refusal: Refusal): void;
  /** Prints one line when there is no `onRefused`. Default: `console.warn`. */
  warn?(line: string): void;
  /** Milliseconds since the epoch. Default: the machine's clock. */
  now?(): number;
  /** Default: `crypto.randomUUID`. */
  randomUuid?(): string;
}

/** Options of a receiver for one bank, except for the notification handler. */
export interface ReceiverSettings extends SetVerification, EndpointSettings {
  now?(): number;
}

/** Options of a receiver: settings, and either `onNotification` with an optional `seen` or a shared `handler`. */
export type ReceiverOptions = ReceiverSettings & NotificationHandling;

/** The TPP's endpoint for event notifications. */
export interface Receiver {
  /** Handles one request to the callback URL. Never rejects. */
  handle(request: Request): Promise<Response>;
}

/** The bank that must have signed a token. `name` tells the banks of one endpoint apart. */
export interface ExpectedBank {
  readonly verification: SetVerification;
  readonly name?: string;
}

const BODY_BYTES_MAX = 131_072;

/**
 * Creates the receiver behind a callback URL (rules, section 4; RFC 8935 section 2). It accepts a POST of
 * `application/jwt` whose body is the SET, verifies it, and hands it to `onNotification` once. The response is 202 when
 * the handler has finished; 400 with the body of RFC 8935 section 2.3; 500 when the bank should retry; or 503 with
 * `Retry-After` when the handler is behind. A notification seen before (same `iss` and `jti`) is acknowledged without
 * calling the handler. Every response has `x-fapi-interaction-id`. A request whose body was already read gets 500,
 * because the exact bytes are needed for verification.
 *
 * Ignores the path of the request, `x-fapi-financial-id` and the identity of the client: only the signature identifies
 * the sender. Does not limit the time that a body may take: set the timeouts of the server. For several banks see
 * `createMultiBankReceiver`.
 *
 * @throws {TypeError} when both or neither of `handler` and `onNotification` are given, or `tolerate` has an unknown name
 * @throws {RangeError} when a limit is not a whole number, or too small
 */
export function createReceiver(options: ReceiverOptions): Receiver {
  checkTolerances(options.tolerate);
  const bank = { verification: options };
  return receiverOf(options, () => bank);
}

/**
 * Creates a receiver.
 *
 * @param bankOf finds the bank of a token that was not verified yet, by what the token and the request claim
 */
export function receiverOf(
  options: EndpointSettings & NotificationHandling,
  bankOf: (set: string, request: Request) => ExpectedBank,
): Receiver {
  const { bodyBytesMax = BODY_BYTES_MAX, randomUuid = freshUuid } = options;
  const handler = handlerOf(options);
  const admit = createAdmission(options);
  const report = reporterOf(options);

  async function receive(request: Request, interactionId: string, found: (bank: ExpectedBank) => void): Promise<void> {
    checkRequest(request, bodyBytesMax);
    const set = await readSet(request, bodyBytesMax);
    const bank = bankOf(set, request);
    found(bank);
    const claims = await verifiedClaims(set, bank.verification);
    // Only what the bank has signed counts towards the limits: strangers cannot use them up.
    await admit(() => handler.handle(eventNotificationOf(claims, set, interactionId)));
  }

  return {
    handle: async (request) => {
      const interactionId = interactionIdOf(request.headers.get(INTERACTION_ID_HEADER), randomUuid);
      let bank: ExpectedBank | undefined;
      try {
        await receive(request, interactionId, (found) => {
          bank = found;
        });
        return new Response(null, { status: 202, headers: { [INTERACTION_ID_HEADER]: interactionId } });
      } catch (error) {
        const refusal = refusalOf(error, interactionId, bank?.name);
        report(refusal);
        return answer(refusal);
      }
    },
  };
}

function checkRequest(request: Request, bodyBytesMax: number): void {
  const { method, headers } = request;
  const fault = messageFault({
    // The Fetch API joins repeated headers with a comma, which a host cannot contain.
    hosts: headers.get('host')?.split(', ') ?? [],
    transferCoding: headers.get('transfer-encoding'),
  });
  if (fault !== undefined) {
    throw new RefusedRequest(fault.status === 400 ? 'invalid_request' : 'unsupported_transfer_coding', fault.message);
  }
  if (method !== 'POST') throw new RefusedRequest('method_not_allowed', `${method} is not POST.`);
  if (parseMediaType(headers.get('content-type'))?.essence !== SET_MEDIA_TYPE) {
    throw new RefusedRequest('unsupported_media_type', `The Content-Type is not ${SET_MEDIA_TYPE}.`);
  }
  if (!isIdentityEncoding(headers.get('content-encoding'))) {
    throw new RefusedRequest('unsupported_content_coding', 'The Content-Encoding is not identity.');
  }
  if (Number(headers.get('content-length') ?? 0) > bodyBytesMax) throw tooLarge(bodyBytesMax);
  if (request.bodyUsed || request.body?.locked) throw new RefusedRequest('body_already_read', BODY_ALREADY_READ);
}

const BODY_ALREADY_READ =
  'The body had been read before the receiver got the request; mount the receiver in front of any body parser.';

// Invalid UTF-8 and a byte order mark become characters that a token cannot contain, so they are rejected later.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

async function readSet(request: Request, bodyBytesMax: number): Promise<string> {
  const bytes = request.body === null ? new Uint8Array() : await readBody(request.body, bodyBytesMax);
  if (bytes === undefined) throw tooLarge(bodyBytesMax);
  return decoder.decode(bytes);
}

async function readBody(body: AsyncIterable<Uint8Array>, bodyBytesMax: number): Promise<Uint8Array | undefined> {
  try {
    return await readCapped(body, bodyBytesMax);
  } catch (cause) {
    throw new RefusedRequest('invalid_request', 'The body could not be read completely.', { cause });
  }
}

function tooLarge(bodyBytesMax: number): RefusedRequest {
  return new RefusedRequest('content_too_large', `The body has over ${bodyBytesMax} bytes.`);
}

function refusalOf(error: unknown, interactionId: string, bank: string | undefined): Refusal {
  // Any other error is a bug of this package: the bank retries, and the TPP's log shows it.
  const refused =
    error instanceof RefusedRequest || error instanceof NotificationError
      ? error
      : new RefusedRequest('handler_failed', 'The receiver failed.', { cause: error });
  const { code, message, cause } = refused;
  const remedy = REFUSAL_REMEDIES[code];
  const retryAfterSeconds = refused instanceof NotificationError ? refused.retryAfterSeconds : undefined;
  return {
    code,
    status: REFUSALS[code],
    message,
    remedy,
    interactionId,
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    ...(bank !== undefined && { bank }),
    ...(cause !== undefined && { cause }),
  };
}

function reporterOf(options: EndpointSettings): (refusal: Refusal) => void {
  const print = createProblemLog(options);
  return (refusal) => {
    try {
      if (options.onRefused !== undefined) options.onRefused(refusal);
      else print({ ...refusal, what: describe(refusal) });
    } catch {
      // The bank gets its response even if the TPP's log fails.
    }
  };
}

function describe({ status, bank }: Refusal): string {
  const from = bank === undefined ? '' : ` of ${bank}`;
  return `a request${from} to the callback URL was answered with status ${status}`;
}

function answer({ code, status, message, interactionId, retryAfterSeconds }: Refusal): Response {
  const headers = new Headers({ [INTERACTION_ID_HEADER]: interactionId });
  if (code === 'method_not_allowed') headers.set('allow', 'POST');
  if (code === 'unsupported_content_coding') headers.set('accept-encoding', 'identity');
  if (retryAfterSeconds !== undefined) headers.set('retry-after', String(retryAfterSeconds));
  if (status !== 400) return new Response(null, { status, headers });
  headers.set('content-type', 'application/json');
  headers.set('content-language', 'en');
  return new Response(JSON.stringify({ err: code, description: message }), { status, headers });
}
