import { API_ERRORS, type ApiErrorCode, CODES_NEVER_SENT, REPORTS_PER_POLL_MAX } from '@tidings/protocol';
import { pollBodyBytesMax } from '../../config/body-limits.ts';
import type { Config } from '../../config/schema.ts';
import { wireCode } from '../../openapi/error-examples.ts';
import { code, markdownTable } from './words.ts';

/** How to be let in, and how often. */
export function securityNotes({ accessTokens, api, polling }: Config): string {
  const pollBodies = polling.isOffered
    ? ` (those of \`/events\` ${pollBodyBytesMax(api).toLocaleString('en')}, with ${REPORTS_PER_POLL_MAX.toLocaleString('en')} entries at most in each of \`ack\` and \`setErrs\`)`
    : '';
  return `## Access

- Mutual TLS 1.2 or later, and an access token of the client credentials grant from ${code(accessTokens.issuer)}, bound to the
  certificate of the connection (RFC 8705).
- Any one of the scopes \`accounts\`, \`payments\`, \`fundsconfirmations\`${polling.isOffered ? '; for polling through v3.1, `eventpolling` too' : ''}.
- At most ${api.requestsPerMinutePerTppMax.toLocaleString('en')} requests a minute per client_id; beyond, 429 with \`Retry-After\` in seconds.
- At most ${api.registrationChangesPerHourPerTppMax.toLocaleString('en')} registrations created, replaced or deleted an hour per client_id; beyond, the same.
- Bodies of at most ${api.bodyBytesMax.toLocaleString('en')} bytes${pollBodies}, \`application/json\`, with or without \`charset=utf-8\`.
- \`x-fapi-interaction-id\` is given back when it is a UUID, and is a fresh one otherwise. \`x-idempotency-key\` is not used.`;
}

/** What must be signed, and how. */
export function signingNotes({ trustAnchor, trustAnchorsAccepted, organisationId, api, accessTokens }: Config): string {
  const unencoded = api.isUnencodedPayloadAccepted
    ? 'Through v3.1 the form of v3.1.2 and v3.1.3 (`b64: false`) is accepted too; through v4.0 it is not.'
    : '`b64` must be absent; the form of v3.1.2 and v3.1.3 (`b64: false`) is not accepted.';
  return `## Signatures

POST and PUT of registrations carry \`x-jws-signature\`, a detached JWS over the exact bytes of the body; our answers to POST,
PUT and GET do, too. DELETE, \`/events\` and errors are not signed.

- \`alg\` PS256; \`kid\` of a signing key of yours (\`use\` \`sig\`, RSA of 2048 to 8192 bits with an exponent of at most 32 bits); \`crit\` exactly the three members below.
- \`http://openbanking.org.uk/iat\` in the past, with a tolerance of ${accessTokens.clockSkewSeconds} seconds; \`http://openbanking.org.uk/iss\`
  \`{organisation id}/{software statement id}\`; \`http://openbanking.org.uk/tan\` one of ${trustAnchorsAccepted.map(code).join(', ')}.
- ${unencoded}
- We sign with \`iss\` ${code(organisationId)} and \`tan\` ${code(trustAnchor)}. Our keys rotate: take them by \`kid\` from our JWKS, where
  former ones stay for as long as something that they signed may still reach you.`;
}

const MEANINGS: Readonly<Partial<Record<ApiErrorCode, string>>> = {
  ResourceInvalidFormat: 'the body is not JSON, or not of the schema',
  FieldMissing: 'a mandatory field is missing',
  FieldInvalid: 'a field is not valid',
  FieldUnexpected: 'a field is not expected',
  UnsupportedEventType: 'the event type is not supported',
  SignatureMissing: 'the signature is missing',
  SignatureMalformed: 'the signature cannot be parsed',
  SignatureMissingClaim: 'a member of the JOSE header is missing',
  SignatureInvalidClaim: 'a member of the JOSE header is wrong, or the `kid` is not known',
  SignatureInvalid: 'the signature does not verify',
  ResourceNotFound: 'there is no registration with this id',
  RulesResourceAlreadyExists: 'there is a registration already',
  UnexpectedError: 'something went wrong at our side; try again later',
};

/** Every error code that is sent, in both vocabularies. */
export function errorNotes(): string {
  const rows = Object.entries(API_ERRORS).flatMap(([name, { status }]) => {
    const error = name as ApiErrorCode;
    if (CODES_NEVER_SENT.includes(error)) return [];
    const [v40, v31] = [wireCode(error, 'v4.0'), wireCode(error, 'v3.1')];
    return v40 === undefined || v31 === undefined
      ? []
      : [[String(status), code(v40), code(v31), MEANINGS[error] ?? '']];
  });
  return `## Errors

${markdownTable(['status', 'v4.0', 'v3.1', 'meaning'], rows)}

Without a body: 401 (token), 403 (scope, another TPP's registration, a suspended TPP), 404 (unknown path), 405, 406, 413, 415
and 429. \`Path\` names the field or header.`;
}
