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
import { code, markdownTable } from './markdown.ts';

/** Which events there are, and what to write to get them. */
export function eventTypeNotes({ ownEventTypes, eventTypesUrl }: Config): string {
  const own = new Set(ownEventTypes.map(({ urn }) => urn));
  const rows = new EventTypeCatalogue(ownEventTypes).all.map((type) => [
    type.subscribeCode === undefined ? 'none; see below' : code(type.subscribeCode),
    code(type.urn),
    own.has(type.urn) ? 'ours' : 'the standard',
    sayAliases(type),
  ]);
  return `## Event types

${markdownTable(['in `EventTypes`', 'in the event notification', 'defined by', 'also accepted'], rows)}

Left out, or empty, \`EventTypes\` means all of them; you read back what you sent. The type without a code goes to
registrations for all types, and to those that name its URN. An unknown type is refused.${
    eventTypesUrl === undefined ? '' : ` The list is also at ${eventTypesUrl}.`
  }`;
}

function sayAliases({ aliases, subscribeCode, urn }: EventTypeRule): string {
  const urnAlone = subscribeCode === undefined || subscribeCode === urn ? [] : ['the URN'];
  return [...urnAlone, ...aliases.map(code)].join(', ');
}

/** Who may register what, and where to. */
export function registrationNotes(config: Config): string {
  const { hasRealTime, hasCallbackUrls } = featuresOf(config);
  const callbackUrl = hasRealTime
    ? `- \`CallbackUrl\` is used exactly as you send it; we append nothing. It must start with \`https://\`, have at most 2,048
  characters, no query, fragment or user name, be written as URLs are normalised (host in lower case, no default port, no dot
  segments), and end with the API version and \`/event-notifications\`, as in
  \`https://tpp.example/open-banking/v4.0/event-notifications\`. Through v3.1 it may lack the version. Leave it out to poll.`
    : '- `CallbackUrl` is not expected: leave it out, and poll.';
  return `## Registrations

- One event subscription per client_id. A second POST is 409: change the one there is, or delete it.
${callbackUrl}
- A PUT carries \`EventSubscriptionId\`, equal to the one in the path. What is awaiting goes to the new URL.
- A DELETE withdraws what is awaiting.${
    hasCallbackUrls
      ? `
- A callback URL (\`callback-urls\`, one per client_id) gets resource-update only, in real time only. An event subscription
  supersedes it, and takes over what is awaiting for it; when that is deleted, the callback URL holds again.`
      : ''
  }`;
}

/** The meaning of a version. */
export function versionNotes(): string {
  return `## Versions

- \`Version\` is a minimum: you get events about resources of that version and of later ones. Major and minor count. At most
  ${SPECIFICATION_VERSION_MAX}.
- Below 3.1.2 (3.1, 3.1.0, 3.1.1) a registration gets resource-update only, whatever \`EventTypes\` says.
- A registration made through v4.0 cannot be read, changed or deleted through v3.1: GET is an empty list, PUT and DELETE are
  403, and a POST is 409. One made through v3.1 can be used through v4.0; a PUT through v4.0 lifts it to v4.0.
- Each event notification holds links to the resource in all versions that we serve.`;
}

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

/** The requests that must be signed, and how. */
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
