import { type Rule, rule } from './rule.ts';

const OPERATIONS = 'test/registrations/operations.test.ts';
const FIELDS = 'test/registrations/fields.test.ts';
const EFFECTS = 'test/registrations/effects.test.ts';
const MODES = 'test/registrations/modes.test.ts';
const VERSIONS = 'test/registrations/versions.test.ts';
const RULES = 'test/rules/registrations.test.ts';
const CALLBACK_URL = 'packages/protocol/test/callback-url.test.ts';
const EVENT_TYPES = 'packages/protocol/test/event-types.test.ts';
const OFFICIAL = 'test/openapi/official.test.ts';

/** The two resources, their operations, and the fields of their bodies. */
export const SECTION_2: readonly Rule[] = [
  rule('2.one-per-tpp', 'A client_id has at most one registration of each kind; another POST is 409.', [
    OPERATIONS,
    '[2 one-per-tpp]',
  ]),
  rule('2.one-per-tpp-at-once', 'This also applies to concurrent POSTs.', [OPERATIONS, '[2 one-per-tpp-at-once]']),
  rule('2.per-client', 'Each client_id has its own registrations, and sees no others.', [OPERATIONS, '[2 per-client]']),
  rule('2.per-environment', 'In each environment a client_id has its own registrations.', [
    RULES,
    '[2 per-environment]',
  ]),
  rule('2.create-201', 'POST creates a registration, and is answered 201.', [OPERATIONS, '[2 create-201]']),
  rule('2.get-list', 'GET is answered 200, with a list of at most one registration.', [OPERATIONS, '[2 get-list]']),
  rule('2.put-200', 'PUT to the id changes the registration, and is answered 200.', [OPERATIONS, '[2 put-200]']),
  rule('2.delete-204', 'DELETE of the id is answered 204, without a body.', [OPERATIONS, '[2 delete-204]']),
  rule('2.event-types-some', 'An event subscription gets all supported types, or those that it names.', [
    EFFECTS,
    '[2 event-types-some]',
  ]),
  rule('2.callback-url-resource-update', 'A callback-url gets resource-update and nothing else, in real time only.', [
    EFFECTS,
    '[2 callback-url-resource-update]',
  ]),
  rule('2.delivery-real-time', 'An event subscription with a CallbackUrl is delivered to in real time.', [
    EFFECTS,
    '[2 callback-url-not-appended]',
  ]),
  rule(
    '2.polling-in-either-case',
    'Polling serves event subscriptions with a CallbackUrl, and those without.',
    [EFFECTS, '[2 delivery-by-polling]'],
    [EFFECTS, '[2 polling-in-either-case]'],
  ),
  rule(
    '2.modes',
    'An ASPSP may offer real time alone, or polling alone.',
    [MODES, '[2 real-time-only]'],
    [MODES, '[2 polling-only]'],
  ),
  rule('2.post-put-signed', 'POST and PUT requests are signed.', [OPERATIONS, '[2 post-put-signed]']),
  rule('2.answers-signed', 'Responses to POST, PUT and GET are signed.', [OPERATIONS, '[2 answers-signed]']),
  rule('2.delete-unsigned', 'GET needs no signature; with DELETE neither side signs.', [
    OPERATIONS,
    '[2 delete-unsigned]',
  ]),
  rule('2.any-scope', 'A token with one of the scopes accounts, payments and fundsconfirmations is accepted.', [
    OPERATIONS,
    '[2 any-scope]',
  ]),
  rule('2.supersedes', 'While a TPP has an event subscription, its callback-url has no effect.', [
    EFFECTS,
    '[2 supersedes]',
  ]),
  rule('2.no-get-by-id', 'GET of a single id is 405, even at the URL in Links.Self.', [OPERATIONS, '[2 no-get-by-id]']),
  rule('2.base-paths', 'v3.1 and v4.0 are both served, under /open-banking behind the prefix.', [
    MODES,
    '[2 base-paths]',
  ]),
  rule(
    '2.bodies',
    'Bodies have the members of the official schemas, and the same ones are mandatory.',
    [OFFICIAL, 'has request and response bodies with the same members, of which the same are required'],
    [OPERATIONS, '[2 create-201]'],
    [OPERATIONS, '[2 get-list]'],
  ),
  rule('2.callback-url-optional', 'CallbackUrl is optional: without it a TPP only polls.', [
    FIELDS,
    '[2 callback-url-optional]',
  ]),
  rule(
    '2.callback-url-https',
    'A callback URL is an absolute https URL.',
    [FIELDS, '…: … is 400, naming the field [2 …]'],
    [CALLBACK_URL, 'a callback URL is refused on both versions'],
  ),
  rule(
    '2.callback-url-suffix',
    'A callback URL ends in a version of the API and /event-notifications.',
    [FIELDS, '[2 callback-url-suffix]'],
    [CALLBACK_URL, 'a callback URL that ends in the API version and /event-notifications'],
  ),
  rule('2.callback-url-not-appended', 'It is used exactly as registered: nothing is appended.', [
    EFFECTS,
    '[2 callback-url-not-appended]',
  ]),
  rule(
    '2.v3-suffix-without-version',
    'Without the version segment it is accepted on v3.1 and refused on v4.0.',
    [FIELDS, '[2 v3-suffix-without-version]'],
    [CALLBACK_URL, 'a callback URL that ends in /event-notifications without an API version'],
  ),
  rule('2.callback-url-name', 'The member is CallbackUrl in event subscriptions, Url in callback-urls; in lists too.', [
    FIELDS,
    '[2 callback-url-name]',
  ]),
  rule('2.version-mandatory', 'Version is mandatory.', [
    FIELDS,
    '…: a body without Version, or without Data, is 400 [7 field-missing]',
  ]),
  rule(
    '2.version-form',
    'Version has 1 to 10 characters, digits and dots.',
    [FIELDS, '[2 version-refused]'],
    ['packages/protocol/test/versions.test.ts', 'Data.Version is digits and dots, 1 to 10 characters'],
  ),
  rule('2.version-accepted', 'Every version from 2.2, which early pages mention, up to 4.0.1 is accepted.', [
    FIELDS,
    '[2 version-accepted]',
  ]),
  rule('2.version-refused', 'A version above those that the ASPSP supports is an invalid field, 400.', [
    FIELDS,
    '[2 version-refused]',
  ]),
  rule(
    '2.version-minimum',
    'Version is the minimum that a TPP understands: 3.1 gets events about resources of v3 and v4.',
    [EFFECTS, '[2 version-minimum]'],
    ['packages/protocol/test/versions.test.ts', 'Data.Version is a minimum'],
  ),
  rule(
    '2.version-below-3.1.2',
    'Below 3.1.2 a registration gets resource-update only, whatever its EventTypes.',
    [EFFECTS, '[2 version-below-3.1.2]'],
    [EVENT_TYPES, 'resource-update only for version …, whatever EventTypes says'],
  ),
  rule('2.event-types-names', 'EventTypes accepts the four codes of the standard.', [FIELDS, '[2 event-types-names]']),
  rule(
    '2.event-types-own',
    'It accepts the types that the ASPSP defines itself.',
    [FIELDS, '[2 event-types-names]'],
    [EVENT_TYPES, 'are found by URN and subscribe code, after those of the standard'],
  ),
  rule(
    '2.event-types-misspelt',
    'The misspelt code of early versions means the correctly spelt one.',
    [FIELDS, '[2 event-types-names]'],
    [EVENT_TYPES, 'are found by the misspelt code of 3.1.2 and 3.1.3'],
  ),
  rule(
    '2.event-types-urns',
    'The URN of an event means the same as its code.',
    [EFFECTS, 'EventTypes …: all of them [2 event-types-all]'],
    [EVENT_TYPES, 'the types it names, by code, alias or URN'],
  ),
  rule('2.event-types-all', 'Absent or empty EventTypes means every supported type.', [EFFECTS, '[2 event-types-all]']),
  rule('2.event-types-read-back', 'A TPP reads back what it sent; absent and empty are distinguished.', [
    FIELDS,
    '[2 event-types-read-back]',
  ]),
  rule('2.event-type-unknown', 'An unknown type is 400, with its position and the URL of the supported types.', [
    FIELDS,
    '[2 event-type-unknown]',
  ]),
  rule('2.id', 'Ids have 1 to 40 characters and are never reused.', [RULES, '[2 id]']),
  rule('2.put-id-required', 'The body of PUT must contain the EventSubscriptionId.', [FIELDS, '[2 put-id-required]']),
  rule('2.put-id-equals-path', 'It must equal the id in the path.', [FIELDS, '[2 put-id-equals-path]']),
  rule('2.links-self', 'Responses contain Links.Self, an absolute URL with the version that was called.', [
    VERSIONS,
    '[2 links-self]',
  ]),
  rule(
    '2.meta',
    'Responses contain Meta, an empty object.',
    [OPERATIONS, '[2 create-201]'],
    [OPERATIONS, '[2 get-list]'],
  ),
  rule('2.top-level-closed', 'Any member besides Data in a request is 400.', [OPERATIONS, '[2 top-level-closed]']),
];
