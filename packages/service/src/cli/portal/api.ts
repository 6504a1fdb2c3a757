import {
  API_ERRORS,
  type ApiErrorCode,
  CODES_NEVER_SENT,
  EventTypeCatalogue,
  type EventTypeRule,
  REPORTS_PER_POLL_MAX,
  SPECIFICATION_VERSION_MAX,
} from '@tidings/protocol';
import { pollBodyBytesMax } from '../../config/derived.ts';
import type { Config } from '../../config/schema.ts';
import { featuresOf } from '../../openapi/features.ts';
import { wireCode } from '../../openapi/tpp-facing-components.ts';
import { code, formatTable } from './markdown.ts';

/** The section about event types, and how to subscribe to them. */
export function eventTypeNotes({ ownEventTypes, eventTypesUrl }: Config): string {
  const own = new Set(ownEventTypes.map(({ urn }) => urn));
  const rows = new EventTypeCatalogue(ownEventTypes).all.map((type) => [
    type.subscribeCode === undefined ? 'no code; see below' : code(type.subscribeCode),
    code(type.urn),
    own.has(type.urn) ? 'us' : 'the standard',
    formatAliases(type),
  ]);
  return `## Event types

${formatTable(['in `EventTypes`', 'in the event notification', 'defined by', 'also accepted'], rows)}

If \`EventTypes\` is absent or empty, you receive all of them; a GET returns the field as you sent it. An event type without a
code is sent to registrations for all types, and to those that contain its URN. An unknown event type is refused.${
    eventTypesUrl === undefined ? '' : ` This list is also published at ${eventTypesUrl}.`
  }`;
}

function formatAliases({ aliases, subscribeCode, urn }: EventTypeRule): string {
  const urnAlone = subscribeCode === undefined || subscribeCode === urn ? [] : ['the URN'];
  return [...urnAlone, ...aliases.map(code)].join(', ');
}

/** The section about registrations and their callback URLs. */
export function registrationNotes(config: Config): string {
  const { hasRealTime, hasCallbackUrls } = featuresOf(config);
  const callbackUrl = hasRealTime
    ? `- We use \`CallbackUrl\` exactly as you send it and append nothing. It must start with \`https://\`, have at most 2,048
  characters and no query, fragment or user name, be normalised (host in lower case, no default port, no dot segments), and
  end with the API version and \`/event-notifications\`, as in \`https://tpp.example/open-banking/v4.0/event-notifications\`.
  Through v3.1 it may omit the version. Omit \`CallbackUrl\` to poll.`
    : '- `CallbackUrl` is not expected: omit it, and poll.';
  return `## Registrations

- You can have one event subscription per client_id. A second POST is refused with 409: replace the existing one by PUT, or
  delete it.
${callbackUrl}
- The body of a PUT contains \`EventSubscriptionId\`, equal to the one in the path. Awaiting notifications are sent to the new URL.
- A DELETE withdraws all awaiting notifications.${
    hasCallbackUrls
      ? `
- A callback URL (\`callback-urls\`, one per client_id) receives only resource-update events, and only in real time. An event
  subscription supersedes it and takes over its awaiting notifications. When the event subscription is deleted, the callback
  URL is in effect again.`
      : ''
  }`;
}

/** The section about `Version` and API versions. */
export function versionNotes(): string {
  return `## Versions

- \`Version\` is a minimum: you receive events about resources of that version and later ones. For this comparison only its major and
  minor numbers count. The maximum is ${SPECIFICATION_VERSION_MAX}.
- With a \`Version\` below 3.1.2 (3.1, 3.1.0, 3.1.1) a registration receives only resource-update events, whatever its
  \`EventTypes\`.
- A registration created through v4.0 is not visible through v3.1: GET returns an empty list, PUT and DELETE return 403, and POST
  returns 409. A registration created through v3.1 can be used through v4.0; a PUT through v4.0 upgrades it to v4.0.
- Each event notification contains links to the resource in all versions that we serve.`;
}

/** The section about authentication, authorisation and request limits. */
export function securityNotes({ accessTokens, api, polling }: Config): string {
  const pollBodies = polling.isOffered
    ? `, or ${pollBodyBytesMax(api).toLocaleString('en')} bytes for \`/events\` (with at most ${REPORTS_PER_POLL_MAX.toLocaleString('en')} entries in each of \`ack\` and \`setErrs\`)`
    : '';
  return `## Access

- Use mutual TLS 1.2 or later, and an access token from ${code(accessTokens.issuer)} (client credentials grant) that is bound to
  the certificate of the connection (RFC 8705).
- The token needs one of the scopes \`accounts\`, \`payments\` or \`fundsconfirmations\`${polling.isOffered ? '; polling through v3.1 also accepts `eventpolling`' : ''}.
- Each client_id may send at most ${api.requestsPerMinutePerTppMax.toLocaleString('en')} requests per minute, and create, replace or delete at most ${api.registrationChangesPerHourPerTppMax.toLocaleString('en')} registrations
  per hour. Further requests are refused with 429 and \`Retry-After\` in seconds.
- A request body may have at most ${api.bodyBytesMax.toLocaleString('en')} bytes${pollBodies}. It must be \`application/json\`, with or without
  \`charset=utf-8\`.
- We return your \`x-fapi-interaction-id\` if it is a UUID, and otherwise a new one. \`x-idempotency-key\` is ignored.`;
}

/** The section about signatures of requests and responses. */
export function signingNotes({ trustAnchor, trustAnchorsAccepted, organisationId, api, accessTokens }: Config): string {
  const unencoded = api.isUnencodedPayloadAccepted
    ? 'Through v3.1 the form of v3.1.2 and v3.1.3 (`b64: false`) is also accepted; through v4.0 it is not.'
    : '`b64` must be absent; the form of v3.1.2 and v3.1.3 (`b64: false`) is not accepted.';
  return `## Signatures

POST and PUT requests for registrations must have the header \`x-jws-signature\`, a detached JWS over the exact bytes of the body.
So do our responses to POST, PUT and GET. DELETE, \`/events\` and error responses are not signed.

- \`alg\` is PS256. \`kid\` names one of your signing keys (\`use\` \`sig\`, RSA of 2048 to 8192 bits with an exponent of at most 32
  bits). \`crit\` lists exactly the three members below.
- \`http://openbanking.org.uk/iat\` is in the past, with a tolerance of ${accessTokens.clockSkewSeconds} seconds. \`http://openbanking.org.uk/iss\` is
  \`{organisation id}/{software statement id}\`. \`http://openbanking.org.uk/tan\` is one of ${trustAnchorsAccepted.map(code).join(', ')}.
- ${unencoded}
- We sign with \`iss\` ${code(organisationId)} and \`tan\` ${code(trustAnchor)}. We rotate our keys: select them by \`kid\` from our JWKS. It keeps
  former keys for as long as a notification that they signed may still reach you.`;
}

const MEANINGS: Readonly<Partial<Record<ApiErrorCode, string>>> = {
  ResourceInvalidFormat: 'the body is not JSON, or does not match the schema',
  FieldMissing: 'a mandatory field is missing',
  FieldInvalid: 'a field is invalid',
  FieldUnexpected: 'a field is not expected',
  UnsupportedEventType: 'the event type is not supported',
  SignatureMissing: 'the signature is missing',
  SignatureMalformed: 'the signature cannot be parsed',
  SignatureMissingClaim: 'a member of the JOSE header is missing',
  SignatureInvalidClaim: 'a member of the JOSE header is invalid, or the `kid` is unknown',
  SignatureInvalid: 'the signature does not verify',
  ResourceNotFound: 'no registration has this id',
  RulesResourceAlreadyExists: 'a registration already exists',
  UnexpectedError: 'an error on our side; try again later',
};

/** The section about error codes of both API versions. */
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

${formatTable(['status', 'v4.0', 'v3.1', 'meaning'], rows)}

\`Path\` names the field or header. These responses have no body: 401 (token), 403 (scope, registration of another TPP, suspended
TPP), 404 (unknown path), 405, 406, 413, 415 and 429.`;
}
