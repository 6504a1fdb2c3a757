import {
  INTERACTION_ID_HEADER,
  interactionIdOf,
  type KeySource,
  SET_MEDIA_TYPE,
  SET_TYPES_ACCEPTED,
  SetError,
  type SetExpectations,
  type VerifiedSet,
  verifySet,
} from '@tidings/protocol';
import { freshUuid, systemNowMs } from '../clock.ts';
import { readCapped } from '../net/read-capped.ts';
import { type EventNotification, eventNotificationOf } from './event-notification.ts';
import { createOnce } from './once.ts';
import { REFUSALS, type Refusal, RefusedNotification } from './refusals.ts';
import { createMemorySeenStore, type SeenStore } from './seen-store.ts';

/** What a receiver of event notifications is made of. */
export interface ReceiverOptions {
  /** `iss` claim: the URI of the ASPSP. */
  readonly issuer: string;
  /** `iss` of the JOSE header: the ASPSP's organisation id, or the subject DN of its eIDAS certificate. */
  readonly signer: string;
  /** `aud` claim: the TPP's own client_id. */
  readonly clientId: string;
  /** The ASPSP's signing keys: `remoteKeys` or `importSigningKeys`. */
  readonly keys: KeySource;
  /** DNS names accepted as `tan`. Default `['openbanking.org.uk']`. */
  readonly trustAnchors?: readonly string[];
  /** How far times in the token may lie in the future. Default 60. */
  readonly clockSkewSeconds?: number;
  /** Values of `typ` accepted beside none. Default `JOSE`, `JWT`, `secevent+jwt`. */
  readonly typesAccepted?: readonly string[];
  /** Longest body that is read. Default 131 072. */
  readonly bodyBytesMax?: number;
  /** Memory of what was handled. Default: in the process, 100 000 entries. */
  readonly seen?: SeenStore;
  /**
   * Takes one verified notification. The bank is answered after it has finished, and it waits some seconds only: store
   * the notification and return, and do the work (such as fetching the resource) afterwards. It gets no deadline here:
   * one that never finishes holds its request, and every copy of the same notification.
   */
  onNotification(notification: EventNotification): Promise<void> | void;
  /** For the TPP's own log; what it throws is ignored. */
  onRefused?(refusal: Refusal): void;
  /** Milliseconds since the epoch. Default: the machine's clock. */
  now?(): number;
  /** Default: `crypto.randomUUID`. */
  randomUuid?(): string;
}

/** The TPP's endpoint for event notifications. */
export interface Receiver {
  /** Answers one request to the callback URL. Never rejects. */
  handle(request: Request): Promise<Response>;
}

const TRUST_ANCHORS: readonly string[] = ['openbanking.org.uk'];
const CLOCK_SKEW_SECONDS = 60;
const BODY_BYTES_MAX = 131_072;

/**
 * Makes the receiver behind a callback URL (rules, section 4; RFC 8935 section 2). It takes a POST of
 * `application/jwt` whose whole body, exactly as sent, is the SET; verifies it; hands it once to `onNotification`; and
 * answers 202, or 400 with the body of RFC 8935 section 2.3, or 500 when the bank is to send it again. Every answer
 * carries `x-fapi-interaction-id`. A notification seen before (by `iss` and `jti`) is acknowledged without the handler.
 *
 * Does not look at the path of the request, nor at `x-fapi-financial-id`, nor at who the client is: the signature alone
 * says who speaks. Does not limit how slowly a body may come: that is the server's matter.
 */
export function createReceiver(options: ReceiverOptions): Receiver {
  const { bodyBytesMax = BODY_BYTES_MAX, seen = createMemorySeenStore(), randomUuid = freshUuid } = options;
  const once = createOnce(seen);

  async function receive(request: Request, interactionId: string): Promise<void> {
    checkRequest(request, bodyBytesMax);
    const set = await readSet(request, bodyBytesMax);
    const { claims } = await verify(set, options);
    const key = JSON.stringify([claims.iss, claims.jti]);
    await once(key, () => options.onNotification(eventNotificationOf(claims, set, interactionId)));
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

function checkRequest({ method, headers }: Request, bodyBytesMax: number): void {
  if (method !== 'POST') throw new RefusedNotification('method_not_allowed', `${method} is not POST.`);
  const mediaType = headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase();
  if (mediaType !== SET_MEDIA_TYPE) {
    throw new RefusedNotification('unsupported_media_type', `The Content-Type is not ${SET_MEDIA_TYPE}.`);
  }
  if (Number(headers.get('content-length') ?? 0) > bodyBytesMax) throw tooLarge(bodyBytesMax);
}

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
    throw new RefusedNotification('invalid_request', 'The body could not be read to its end.', { cause });
  }
}

async function verify(set: string, options: ReceiverOptions): Promise<VerifiedSet> {
  const expected: SetExpectations = {
    issuer: options.issuer,
    signer: options.signer,
    audience: options.clientId,
    keys: options.keys,
    trustAnchors: options.trustAnchors ?? TRUST_ANCHORS,
    clockSkewSeconds: options.clockSkewSeconds ?? CLOCK_SKEW_SECONDS,
    typesAccepted: options.typesAccepted ?? SET_TYPES_ACCEPTED,
    nowSeconds: (options.now ?? systemNowMs)() / 1000,
  };
  try {
    return await verifySet(set, expected);
  } catch (cause) {
    if (cause instanceof SetError) throw new RefusedNotification(cause.code, cause.message);
    throw new RefusedNotification('keys_unavailable', 'The keys to verify with could not be had.', { cause });
  }
}

function tooLarge(bodyBytesMax: number): RefusedNotification {
  return new RefusedNotification('content_too_large', `The body has over ${bodyBytesMax} bytes.`);
}

function refusalOf(error: unknown, interactionId: string): Refusal {
  // Anything else would be a bug of this package; the bank sends again, and the TPP's log shows it.
  const refused =
    error instanceof RefusedNotification
      ? error
      : new RefusedNotification('handler_failed', 'The receiver failed.', { cause: error });
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
  if (status !== 400) return new Response(null, { status, headers });
  headers.set('content-type', 'application/json');
  headers.set('content-language', 'en');
  return new Response(JSON.stringify({ err: code, description: message }), { status, headers });
}
