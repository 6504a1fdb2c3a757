import { createHash } from 'node:crypto';
import { HEADER_ISS, HEADER_TAN, JWS_CHARS_MAX } from '@tidings/protocol';
import { type Static, Type } from 'typebox';
import { defined } from '../base/defined.ts';
import type { Attempt } from '../model/attempt.ts';
import type { ErasedNotification } from '../model/erased.ts';
import type { NotificationRecord } from '../model/notification.ts';
import type { SigningKeyJwk } from '../model/signing-key.ts';
import type { Store } from '../store/store.ts';
import {
  AcknowledgedBy,
  headerOf,
  NotificationStates,
  ShownAttempt,
  ShownError,
  writeAttempt,
  writeError,
} from './notifications.ts';
import { Problem } from './problem.ts';
import { isoTime } from './request.ts';
import { ok, route } from './route.ts';

/** Name and version of the format; another version is another file to whoever reads it. */
const EVIDENCE_FORMAT = 'tidings-evidence';
const EVIDENCE_VERSION = 1;

const closed = { additionalProperties: false };
const evidenceTime = (description: string) => Type.String({ format: 'date-time', maxLength: 32, description });
const evidenceText = (description: string) => Type.String({ minLength: 1, maxLength: 2048, description });

/** Evidence about one notification, as one file. */
export const Evidence = Type.Object(
  {
    format: Type.Literal(EVIDENCE_FORMAT),
    version: Type.Literal(EVIDENCE_VERSION),
    exportedAt: evidenceTime('When this file was written'),
    jti: evidenceText('Of the SET'),
    eventId: evidenceText('id under which the bank published the event'),
    clientId: evidenceText('The TPP: aud of the SET'),
    issuer: evidenceText('URI of the ASPSP: iss of the SET'),
    organisationId: evidenceText('Who signed: iss in the header of the JWS'),
    trustAnchor: evidenceText('Who vouches for the key: tan in the header of the JWS'),
    state: NotificationStates,
    publishedAt: evidenceTime('When the event was published'),
    acknowledgedAt: Type.Optional(evidenceTime('When the TPP acknowledged it')),
    acknowledgedBy: Type.Optional(AcknowledgedBy),
    erasedAt: Type.Optional(evidenceTime('When the content of the notification was erased; the SET is absent then')),
    set: Type.Optional(
      Type.String({
        maxLength: JWS_CHARS_MAX,
        description: 'The SET as a compact JWS, exactly as sent; absent if it was erased',
      }),
    ),
    setSha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the SET, hexadecimal' }),
    attempts: Type.Array(ShownAttempt, {
      description: 'Every POST to a callback URL, in the order of their start',
    }),
    errors: Type.Array(ShownError, { description: 'What the TPP reported in polls (setErrs), in its order' }),
    signingKey: Type.Object(
      { kid: Type.String() },
      { description: 'The public key that verifies the SET, as our JWKS held it (JWK, RFC 7517)' },
    ),
  },
  closed,
);
export type Evidence = Static<typeof Evidence>;

/** GET /operator/v1/notifications/{jti}/evidence */
export const evidenceRoute = route({
  operationId: 'getEvidence',
  method: 'get',
  path: '/operator/v1/notifications/{jti}/evidence',
  role: 'viewer',
  tag: 'Notifications',
  summary: 'Export the evidence about one notification; 409 if it was never signed',
  description:
    'If the content of the notification was erased, the SET is absent: the evidence then has its SHA-256, which the copy of the TPP must match.',
  response: ok('The evidence, as a file', { Evidence }),
  refusals: [404, 409],
  handler:
    ({ store, clock }) =>
    async ({ request, params: { jti } }) => {
      const sent = await sentOf(store, jti);
      const key = (await store.signingKeys()).find(({ publicJwk }) => publicJwk.kid === sent.header.kid);
      if (key === undefined)
        throw new Error(`the store does not know the key ${sent.header.kid}, which it signed with`);
      request.log.info({ operator: request.operatorName, jti }, 'evidence exported');
      return writeEvidence(sent, key.publicJwk, clock.nowMs());
    },
});

interface SetHeader {
  readonly kid: string;
  readonly organisationId: string;
  readonly trustAnchor: string;
}

/** A notification whose SET was made, erased since or not. */
interface Sent {
  readonly notification: Omit<ErasedNotification, 'settledAtMs' | 'erasedAtMs' | 'state' | 'set'> &
    Pick<NotificationRecord, 'state'>;
  readonly header: SetHeader;
  readonly set: string | undefined;
  readonly setSha256: string;
  readonly erasedAtMs: number | undefined;
}

/** @throws {Problem} 404; 409 if it was never signed */
async function sentOf(store: Pick<Store, 'notification' | 'erasedNotification'>, jti: string): Promise<Sent> {
  const found = await store.notification(jti);
  if (found !== undefined) {
    const { set } = found;
    if (set === undefined) throw neverSigned();
    const notification = { ...found, issuer: found.claims.iss };
    const setSha256 = createHash('sha256').update(set).digest('hex');
    return { notification, header: signerOf(set), set, setSha256, erasedAtMs: undefined };
  }
  const erased = await store.erasedNotification(jti);
  if (erased === undefined) throw new Problem(404, 'There is no notification with this jti.');
  const { set, erasedAtMs } = erased;
  if (set === undefined) throw neverSigned();
  return { notification: erased, header: signerOf(set.header), set: undefined, setSha256: set.sha256, erasedAtMs };
}

function neverSigned(): Problem {
  return new Problem(409, 'This notification was never signed, so it was never sent to the TPP.');
}

/** Of a SET that this service signed itself. */
function signerOf(set: string): SetHeader {
  const header = headerOf(set);
  const member = (name: string) => String(header[name] ?? '');
  return { kid: member('kid'), organisationId: member(HEADER_ISS), trustAnchor: member(HEADER_TAN) };
}

function writeEvidence({ notification, header, ...sent }: Sent, publicJwk: SigningKeyJwk, nowMs: number): Evidence {
  const { jti, eventId, clientId, issuer, state, acknowledgedAtMs, acknowledgedBy } = notification;
  const { organisationId, trustAnchor } = header;
  return {
    ...{ format: EVIDENCE_FORMAT, version: EVIDENCE_VERSION, exportedAt: isoTime(nowMs) },
    ...{ jti, eventId, clientId, issuer, organisationId, trustAnchor, state },
    publishedAt: isoTime(notification.publishedAtMs),
    ...(acknowledgedAtMs !== undefined && { acknowledgedAt: isoTime(acknowledgedAtMs) }),
    ...(acknowledgedBy !== undefined && { acknowledgedBy }),
    ...(sent.erasedAtMs !== undefined && { erasedAt: isoTime(sent.erasedAtMs) }),
    ...defined({ set: sent.set }),
    setSha256: sent.setSha256,
    // They are stored in the order of recording, which differs if attempts overlapped.
    attempts: notification.attempts
      .toSorted((left, right) => left.startedAtMs - right.startedAtMs)
      .map(writeAttemptInFull),
    errors: notification.errors.map(writeError),
    signingKey: publicJwk,
  };
}

/** Writes the returned interaction id even if it equals the one that was sent, so that readers need no such rule. */
function writeAttemptInFull(attempt: Attempt): Evidence['attempts'][number] {
  const { outcome, interactionId } = attempt;
  const isEchoed = outcome.kind === 'acknowledged' && outcome.interactionIdEchoed;
  return { ...writeAttempt(attempt), ...(isEchoed && { interactionIdReturned: interactionId }) };
}
