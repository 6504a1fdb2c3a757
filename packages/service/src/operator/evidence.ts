import { createHash } from 'node:crypto';
import { HEADER_ISS, HEADER_TAN, JWS_CHARS_MAX } from '@tidings/protocol';
import { type Static, Type } from 'typebox';
import type { NotificationRecord } from '../model/notification.ts';
import type { SigningKeyJwk } from '../model/signing-key.ts';
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
const time = (description: string) => Type.String({ format: 'date-time', maxLength: 32, description });
const text = (description: string) => Type.String({ minLength: 1, maxLength: 2048, description });

/** The bank's proof about one notification, as one file. */
export const Evidence = Type.Object(
  {
    format: Type.Literal(EVIDENCE_FORMAT),
    version: Type.Literal(EVIDENCE_VERSION),
    exportedAt: time('When this file was written'),
    jti: text('Of the SET'),
    eventId: text('id under which the bank published the event'),
    clientId: text('The TPP: aud of the SET'),
    issuer: text('URI of the ASPSP: iss of the SET'),
    organisationId: text('Who signed: iss in the header of the JWS'),
    trustAnchor: text('Who vouches for the key: tan in the header of the JWS'),
    state: NotificationStates,
    publishedAt: time('When the event was published'),
    acknowledgedAt: Type.Optional(time('When the TPP acknowledged it')),
    acknowledgedBy: Type.Optional(AcknowledgedBy),
    set: Type.String({ maxLength: JWS_CHARS_MAX, description: 'The SET, compact JWS: the very bytes that were sent' }),
    setSha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the SET, hexadecimal' }),
    attempts: Type.Array(ShownAttempt, {
      description: 'Every POST to a callback URL, in the order in which they began',
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

/** GET /operator/v1/notifications/{jti}/evidence. */
export const evidenceRoute = route({
  operationId: 'getEvidence',
  method: 'get',
  path: '/operator/v1/notifications/{jti}/evidence',
  role: 'viewer',
  tag: 'Notifications',
  summary: 'Everything that the bank can show about one notification; 409 when it was never signed',
  response: ok('The evidence, to be kept as a file', { Evidence }),
  refusals: [404, 409],
  handler:
    ({ store, clock }) =>
    async ({ request, params: { jti } }) => {
      const notification = await store.notification(jti);
      if (notification === undefined) throw new Problem(404, 'There is no notification with this jti.');
      if (notification.set === undefined) {
        throw new Problem(409, 'This notification was never signed: nothing of it has left the bank.');
      }
      const header = signerOf(notification.set);
      const key = (await store.signingKeys()).find(({ publicJwk }) => publicJwk.kid === header.kid);
      if (key === undefined) throw new Error(`the store does not know the key ${header.kid}, which it signed with`);
      request.log.info({ operator: request.operatorName, jti }, 'evidence exported');
      return writeEvidence({ ...notification, set: notification.set }, header, key.publicJwk, clock.nowMs());
    },
});

interface SetHeader {
  readonly kid: string;
  readonly organisationId: string;
  readonly trustAnchor: string;
}

/** Of a SET that this service signed itself. */
function signerOf(set: string): SetHeader {
  const header = headerOf(set);
  const member = (name: string) => String(header[name] ?? '');
  return { kid: member('kid'), organisationId: member(HEADER_ISS), trustAnchor: member(HEADER_TAN) };
}

function writeEvidence(
  notification: NotificationRecord & { readonly set: string },
  { organisationId, trustAnchor }: SetHeader,
  publicJwk: SigningKeyJwk,
  nowMs: number,
): Evidence {
  const { jti, eventId, clientId, state, claims, set, acknowledgedAtMs, acknowledgedBy } = notification;
  return {
    ...{ format: EVIDENCE_FORMAT, version: EVIDENCE_VERSION, exportedAt: isoTime(nowMs) },
    ...{ jti, eventId, clientId, issuer: claims.iss, organisationId, trustAnchor, state },
    publishedAt: isoTime(notification.publishedAtMs),
    ...(acknowledgedAtMs !== undefined && { acknowledgedAt: isoTime(acknowledgedAtMs) }),
    ...(acknowledgedBy !== undefined && { acknowledgedBy }),
    set,
    setSha256: createHash('sha256').update(set).digest('hex'),
    // Kept in the order in which they were recorded, which is another one where attempts overlapped.
    attempts: notification.attempts
      .toSorted((left, right) => left.startedAtMs - right.startedAtMs)
      .map(writeAttemptInFull),
    errors: notification.errors.map(writeError),
    signingKey: publicJwk,
  };
}

/** The returned value is written out where it equals the one that was sent, so that a reader need not know that. */
function writeAttemptInFull(attempt: NotificationRecord['attempts'][number]): Evidence['attempts'][number] {
  const { outcome, interactionId } = attempt;
  const isEchoed = outcome.kind === 'acknowledged' && outcome.interactionIdEchoed;
  return { ...writeAttempt(attempt), ...(isEchoed && { interactionIdReturned: interactionId }) };
}
