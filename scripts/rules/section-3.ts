import { type Rule, rule } from './rule.ts';

const RULES = 'test/rules/event-notifications.test.ts';
const CLAIMS = 'packages/protocol/test/claims.test.ts';
const TYPES = 'packages/protocol/test/event-types.test.ts';
const SET = 'packages/protocol/test/set.test.ts';
const FLOW = 'test/flow/real-time-flow.test.ts';
const FAN_OUT = 'packages/service/test/notify/fan-out.test.ts';
const PUBLISH = 'test/operator/publish.test.ts';
const RECEIVER = 'packages/tpp/test/receiver.test.ts';

/** The claims of the token, and where each comes from. */
const CLAIM_RULES: readonly Rule[] = [
  rule(
    '3.claims',
    'A SET has iss, iat, jti, aud, sub, txn, toe and events, and nothing else.',
    [RULES, '[3 claims]'],
    [CLAIMS, 'need …'],
  ),
  rule('3.no-exp', 'It has no exp: a SET does not expire.', [
    CLAIMS,
    'are those of section 3 and no other: there is no exp',
  ]),
  rule('3.iss', 'iss is the URI of the ASPSP.', [RULES, '[3 claims]']),
  rule(
    '3.jti',
    'jti names the notification, in at most 128 characters.',
    [RULES, '[3 claims]'],
    [CLAIMS, 'have a … of at most 128 characters'],
  ),
  rule(
    '3.aud',
    'aud is the client_id of the TPP, of at most 128 characters.',
    [RULES, '[3 claims]'],
    ['test/operator/operator.test.ts', 'a client_id of over 128 characters answers 400'],
  ),
  rule('3.sub', 'sub is the URI of the affected resource.', [RULES, '[3 links]'], [RULES, '[3 claims]']),
  rule(
    '3.txn',
    'txn is the interaction id of the call that caused the change, of at most 128 characters; otherwise it is the jti.',
    [RULES, '[3 claims]'],
    [RULES, '[3 lengths]'],
  ),
  rule(
    '3.times',
    'iat and toe are whole seconds: JSON numbers without a fraction.',
    [RULES, '[3 claims]'],
    [CLAIMS, 'have iat and toe as whole seconds, whatever the milliseconds'],
  ),
  rule('3.toe', 'toe is when the event happened, according to the bank.', [RULES, '[3 claims]']),
  rule(
    '3.events',
    'events is an object with at least one member.',
    [CLAIMS, 'have no events of …'],
    [PUBLISH, '… answers 400 that names …, alone and in a batch'],
  ),
];

/** The event types, their contents and their subject. */
const EVENT_RULES: readonly Rule[] = [
  rule('3.types', 'There are five event types, each with its URN, four of them with a subscribe code.', [
    TYPES,
    'are those of the table, with their subscribe codes',
  ]),
  rule(
    '3.resource-update',
    'resource-update has a subject, and no reason.',
    [RULES, '[3 contents]'],
    [CLAIMS, 'carry the reason where the type has one, and never in a resource-update'],
  ),
  rule(
    '3.consent-authorization-revoked',
    'consent-authorization-revoked may have a reason; its subject is required if the token has no resource-update.',
    [RULES, '[3 contents]'],
    [CLAIMS, '… is refused without a subject, where nothing else carries it'],
    [CLAIMS, '… may be {} beside a resource-update, and may carry subject and reason'],
  ),
  rule(
    '3.linked-account-update',
    'account-access-consent-linked-account-update always has a subject, and may have a reason: UK.OBIE.AccountClosure or UK.OBIE.CASS.',
    [RULES, '[3 contents]'],
    [CLAIMS, '… needs its subject also beside a resource-update'],
    [PUBLISH, '… answers 400 that names …, alone and in a batch'],
  ),
  rule('3.consent-access-revoked', 'consent-access-revoked has the same form as consent-authorization-revoked.', [
    RULES,
    '[3 contents]',
  ]),
  rule(
    '3.vrp-linked-account-update',
    'domestic-vrp-consent-linked-account-update has the same form as that of accounts.',
    [RULES, '[3 contents]'],
    [TYPES, 'of linked accounts are about one resource type each'],
  ),
  rule(
    '3.vrp-to-all',
    'It has no code: it goes to registrations for all types, and to those that name its URN.',
    [RULES, '[3 vrp]'],
    [FAN_OUT, 'a type without a subscribe code goes to registrations for all types, or to one that names its URN'],
  ),
  rule(
    '3.subject',
    'subject identifies the resource by its id and its type, each of at most 128 characters.',
    [RULES, '[3 links]'],
    [RULES, '[3 lengths]'],
    [CLAIMS, 'is refused with …'],
  ),
  rule(
    '3.links',
    'rlk has at least one link, each with a version of at most 10 characters, and a URI.',
    [RULES, '[3 links]'],
    [RULES, '[3 lengths]'],
  ),
  rule(
    '3.all-versions',
    'It has links to all supported versions: the SET contains all links that the bank publishes.',
    [RULES, '[3 links]'],
    [
      'packages/sandbox/test/resource-server.test.ts',
      'an event names the resource under its newest version, with links to all, and its own id',
    ],
  ),
  rule(
    '3.linked-account',
    'For linked-account-update sub is the URI of the consent, and rty is account-access-consent.',
    [RULES, '[3 linked-account]'],
  ),
  rule(
    '3.ais-consent-revoked',
    'An AIS consent revoked at the bank causes consent-authorization-revoked alone.',
    [FLOW, 'an AIS consent revoked at the bank is announced by consent-authorization-revoked alone, with its subject'],
    [CLAIMS, 'of an AIS consent revoked at the bank are consent-authorization-revoked alone, with its subject'],
  ),
  rule(
    '3.funds-consent-revoked',
    'A revoked funds confirmation consent causes one token with two events, in which the revocation is {}.',
    [FLOW, 'a revoked funds confirmation consent is one token with two events, the revocation empty'],
    [RULES, '[3 contents]'],
  ),
  rule(
    '3.subject-moves',
    'If EventTypes excludes resource-update from such a token, the subject moves to the remaining event.',
    [RULES, '[3 subject-moves]'],
    [CLAIMS, 'have the subject moved where a filter removed the resource-update'],
  ),
  rule('3.nothing-left', 'A token without any remaining event is not sent.', [RULES, '[3 subject-moves]']),
  rule(
    '3.own-types',
    'The ASPSP may define its own event types, in its own namespace.',
    [RULES, '[3 contents]'],
    [TYPES, 'are refused …'],
  ),
];

/** What a receiver takes. */
const RECEIVER_RULES: readonly Rule[] = [
  rule('3.rty-either', 'A receiver accepts rty in the singular and in the plural.', [
    CLAIMS,
    'has rty in the singular or the plural: …',
  ]),
  rule(
    '3.link-version',
    'It infers nothing from the version of a link.',
    [CLAIMS, 'may have any rlk version: …'],
    [
      'packages/tpp/test/resources.test.ts',
      'for a notification the last allowed link is fetched, whatever its version',
    ],
  ),
  rule(
    '3.unknown-urns',
    'It accepts unknown event URNs.',
    [CLAIMS, 'an event whose URN is not known'],
    [RECEIVER, 'event types and links that the standard does not define reach the handler without harm'],
  ),
  rule('3.no-resource-update', 'It accepts tokens without resource-update, contrary to the official OpenAPI.', [
    SET,
    'is verified without a resource-update, which the official OpenAPI wrongly demands',
  ]),
  rule(
    '3.financial-id',
    'x-fapi-financial-id is sent if the ASPSP has one, and never required.',
    ['packages/service/test/notify/engine.test.ts', 'x-fapi-financial-id is sent only where one is configured'],
    [RECEIVER, 'x-fapi-financial-id is neither required nor rejected'],
  ),
];

/** How the token is signed. */
const SIGNING_RULES: readonly Rule[] = [
  rule(
    '3.compact-jws',
    'A notification is a JWS in compact form, signed with PS256; it is the whole body, as application/jwt.',
    [RULES, '[3 signed]'],
    ['test/rules/real-time.test.ts', '[4 request]'],
  ),
  rule(
    '3.jose-header',
    'Its JOSE header is that of section 5, without typ.',
    [RULES, '[3 signed]'],
    ['packages/protocol/test/jose-header.test.ts', 'in tokens and detached signatures: no typ, no cty, no b64'],
  ),
  rule(
    '3.typ-received',
    'A receiver accepts an absent typ, JOSE, JWT and secevent+jwt; the accepted values can be configured.',
    [SET, 'a receiver accepts typ absent, JOSE, JWT, secevent+jwt, configurable'],
  ),
  rule('3.samples', 'It refuses HS256, with which the samples of the documents are signed.', [
    'packages/protocol/test/jose-header.test.ts',
    'the verifier refuses any other `alg`',
  ]),
  rule(
    '3.same-token',
    'A notification keeps its jti and its claims in every retry and in both ways of delivery.',
    ['test/rules/real-time.test.ts', '[4 failures]'],
    ['test/polling/events.test.ts', '[6 same-bytes]'],
  ),
];

/** The event notification. */
export const SECTION_3: readonly Rule[] = [...CLAIM_RULES, ...EVENT_RULES, ...RECEIVER_RULES, ...SIGNING_RULES];
