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
import { type SetVerification, verifiedClaims } from '../notification/set-verifier.ts';
import { REFUSALS, type Refusal, RefusedRequest } from './refusals.ts';

/** Options of a receiver of event notifications, besides what takes them. */
export interface ReceiverSettings extends SetVerification {
  /** Longest body that is read. Default 131 072. */
  readonly bodyBytesMax?: number;
  /** For the TPP's own log; what it throws is ignored. */
  onRefused?(refusal: Refusal): void;
  /** Default: `crypto.randomUUID`. */
  randomUuid?(): string;
}

/** Options of a receiver: settings, and `onNotification` with `seen`, or a `handler` that a poller shares. */
export type ReceiverOptions = ReceiverSettings & NotificationHandling;

/** The TPP's endpoint for event notifications. */
export interface Receiver {
  /** Answers one request to the callback URL. Never rejects. */
  handle(request: Request): Promise<Response>;
}

const BODY_BYTES_MAX = 131_072;

/**
 * Makes the receiver behind a callback URL (rules, section 4; RFC 8935 section 2). It takes a POST of
 * `application/jwt` whose whole body, exactly as sent, is the SET; verifies it; hands it once to `onNotification`; and
 * answers 202, or 400 with the body of RFC 8935 section 2.3, or 500 when the bank is to send it again. Every answer
 * carries `x-fapi-interaction-id`. A request whose body was read before is 500 at once: a body parser in front would keep
 * every notification from being verified. A notification seen before (by `iss` and `jti`) is acknowledged without the handler.
 *
 * Does not look at the path of the request, nor at `x-fapi-financial-id`, nor at who the client is: the signature alone
 * says who speaks. Does not limit how slowly a body may come: that is the server's matter.
 *
 * @throws {TypeError} when neither or both of `handler` and `onNotification` are given
 */
export function createReceiver(options: ReceiverOptions): Receiver {
  const { bodyBytesMax = BODY_BYTES_MAX, randomUuid = freshUuid } = options;
  const handler = handlerOf(options);

  async function receive(request: Request, interactionId: string): Promise<void> {
    checkRequest(request, bodyBytesMax);
    const set = await readSet(request, bodyBytesMax);
    const claims = await verifiedClaims(set, options);
    await handler.handle(eventNotificationOf(claims, set, interactionId));
  }

  return {
    handle: async (request) => {
      const interactionId = interactionIdOf(request.headers.get(INTERACTION_ID_HEADER), randomUuid);
      try {
        await receive(request, interactionId);
        return new Response(null, { status: 202, headers: { [INTERACTION_ID_HEADER]: interactionId } });
      } catch (error) {
        const refusal = refusalOf(error, interactionId);
        report(refusal, options);
        return answer(refusal);
      }
    },
  };
}

function checkRequest(request: Request, bodyBytesMax: number): void {
  const { method, headers } = request;
  const fault = messageFault({
    // Several are joined by the Fetch API; no host has a comma in it.
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
  'The body had been read before the receiver got the request; mount it in front of any body parser.';

// Bytes that are not UTF-8, or a byte order mark, become characters that no token may have: they are refused as such.
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
    throw new RefusedRequest('invalid_request', 'The body could not be read to its end.', { cause });
  }
}

function tooLarge(bodyBytesMax: number): RefusedRequest {
  return new RefusedRequest('content_too_large', `The body has over ${bodyBytesMax} bytes.`);
}

function refusalOf(error: unknown, interactionId: string): Refusal {
  // Anything else would be a bug of this package; the bank sends again, and the TPP's log shows it.
  const refused =
    error instanceof RefusedRequest || error instanceof NotificationError
      ? error
      : new RefusedRequest('handler_failed', 'The receiver failed.', { cause: error });
  const { code, message, cause } = refused;
  return { code, status: REFUSALS[code], message, interactionId, ...(cause !== undefined && { cause }) };
}

function report(refusal: Refusal, options: ReceiverOptions): void {
  try {
    options.onRefused?.(refusal);
  } catch {
    // A log that fails is no reason to leave the bank without its answer.
  }
}

function answer({ code, status, message, interactionId }: Refusal): Response {
  const headers = new Headers({ [INTERACTION_ID_HEADER]: interactionId });
  if (code === 'method_not_allowed') headers.set('allow', 'POST');
  if (code === 'unsupported_content_coding') headers.set('accept-encoding', 'identity');
  if (status !== 400) return new Response(null, { status, headers });
  headers.set('content-type', 'application/json');
  headers.set('content-language', 'en');
  return new Response(JSON.stringify({ err: code, description: message }), { status, headers });
}
