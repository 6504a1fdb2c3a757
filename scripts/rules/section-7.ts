import { type Rule, rule } from './rule.ts';

const ERRORS = 'test/registrations/errors.test.ts';
const FIELDS = 'test/registrations/fields.test.ts';
const MODES = 'test/registrations/modes.test.ts';
const OPERATIONS = 'test/registrations/operations.test.ts';
const VERSIONS = 'test/registrations/versions.test.ts';
const AUTHENTICATION = 'test/registrations/authentication.test.ts';
const BOUNDS = 'test/registrations/http-bounds.test.ts';
const HTTP = 'test/api/http.test.ts';
const TABLE = 'packages/protocol/test/errors.test.ts';
const EACH_ROW = '… is …, … on v4.0, … on v3.1';

/** Errors: what each one is answered with, in both vocabularies. */
export const SECTION_7: readonly Rule[] = [
  rule(
    '7.interaction-id',
    'Every response has an interaction id: that of the caller if it is a UUID, otherwise a new one.',
    [HTTP, "the … that answers … … has the caller's interaction id when it is a UUID"],
    [HTTP, 'two answers never have the same fresh interaction id'],
    [ERRORS, '[7 interaction-id]'],
  ),
  rule('7.interaction-id-always', 'So has the response to bytes that are not an HTTP request.', [
    BOUNDS,
    '[7 interaction-id-always]',
  ]),
  rule(
    '7.body-v40',
    'Errors of v4.0 have Errors, with codes of 4 characters, and may have Id.',
    [ERRORS, '[7 error-body]'],
    [TABLE, 'has codes of 4 characters on v4.0, and of the namespace UK.OBIE on v3.1'],
  ),
  rule(
    '7.body-v31',
    'Errors of v3.1 have Code and Message beside them, and codes of the namespace UK.OBIE.',
    [ERRORS, '[7 error-body]'],
    [TABLE, EACH_ROW],
  ),
  rule('7.body-not-parseable', 'An unparseable body is 400 U010, Resource.InvalidFormat.', [
    FIELDS,
    '[7 body-not-parseable]',
  ]),
  rule('7.body-not-of-schema', 'So is a body that does not match the schema.', [OPERATIONS, '[2 top-level-closed]']),
  rule(
    '7.field-missing',
    'A missing mandatory field is 400 U004, Field.Missing.',
    [FIELDS, '…: a body without Version, or without Data, is 400 [7 field-missing]'],
    [FIELDS, 'a callback-url without Url is 400 [7 field-missing]'],
  ),
  rule('7.field-invalid-version', 'An invalid Version is 400 U002, Field.Invalid.', [FIELDS, '[2 version-refused]']),
  rule('7.field-invalid-callback-url', 'So is an invalid callback URL.', [
    FIELDS,
    '…: … is 400, naming the field [2 …]',
  ]),
  rule('7.field-invalid-id', 'So is an id in the body that differs from the path.', [FIELDS, '[2 put-id-equals-path]']),
  rule('7.field-unexpected', 'A CallbackUrl at a bank that only polls is 400 U005, Field.Unexpected.', [
    MODES,
    '[7 field-unexpected]',
  ]),
  rule('7.event-type', 'An unsupported type is 400 U024, Unsupported.EventType.', [FIELDS, '[2 event-type-unknown]']),
  rule('7.header', 'An invalid header is 400 U006, a missing one 400 U007, Header.Invalid and .Missing.', [
    TABLE,
    EACH_ROW,
  ]),
  rule('7.signature-missing', 'A missing signature is 400 U019, Signature.Missing.', [ERRORS, '[7 signature-missing]']),
  rule('7.signature-malformed', 'An unparseable one is 400 U018, Signature.Malformed.', [
    ERRORS,
    '[7 signature-malformed]',
  ]),
  rule('7.signature-missing-claim', 'One whose header lacks a member is 400 U017, Signature.MissingClaim.', [
    ERRORS,
    '[7 signature-missing-claim]',
  ]),
  rule(
    '7.signature-invalid-claim',
    'One whose header has a wrong member, or an unknown kid, is 400 U016, Signature.InvalidClaim.',
    [ERRORS, '[7 signature-invalid-claim]'],
  ),
  rule('7.signature-invalid', 'One that does not verify is 400 U015, Signature.Invalid.', [
    ERRORS,
    '[7 signature-invalid]',
  ]),
  rule('7.signature-ignored', 'A signature where none is required is ignored.', [ERRORS, '[7 signature-ignored]']),
  rule('7.id-unknown-400', 'An unknown id is 400 U011, Resource.NotFound, and not 404.', [
    OPERATIONS,
    '[7 id-unknown-400]',
  ]),
  rule('7.id-of-another-tpp', 'The id of another TPP is 403.', [OPERATIONS, '[2 id-of-another-tpp]']),
  rule(
    '7.newer-version',
    'A registration of a newer version is 403.',
    [VERSIONS, '[2 v4-not-changed-through-v3]'],
    [VERSIONS, '[2 v4-not-deleted-through-v3]'],
  ),
  rule('7.scope-missing-403', 'A missing scope is 403.', [AUTHENTICATION, '[7 scope-missing-403]']),
  rule(
    '7.no-body-without-code',
    'If no code is defined, as for 403, there is no body.',
    [TABLE, 'is left out where the standard defines no code, since a body without Errors is invalid'],
    [OPERATIONS, '[2 id-of-another-tpp]'],
  ),
  rule('7.exists', 'A second registration is 409 U029, Rules.ResourceAlreadyExists.', [OPERATIONS, '[2 one-per-tpp]']),
  rule('7.token-invalid-401', 'A missing or invalid token is 401 without a body.', [
    AUTHENTICATION,
    '[7 token-invalid-401]',
  ]),
  rule('7.token-expired-401', 'An expired token is 401; no version defines a body for it.', [
    AUTHENTICATION,
    '[7 token-expired-401]',
  ]),
  rule('7.404', 'An unknown path is 404.', [ERRORS, '[7 404]']),
  rule('7.405-allow', 'Another method is 405, with Allow.', [ERRORS, '[7 405-allow]']),
  rule('7.406', 'An Accept that excludes JSON is 406.', [ERRORS, '[7 406]']),
  rule('7.415', 'A Content-Type that is not JSON is 415.', [ERRORS, '[7 415]']),
  rule('7.429-retry-after', 'Too many requests are 429, with Retry-After.', [ERRORS, '[7 429-retry-after]']),
  rule(
    '7.unexpected-500',
    'Anything else is 500 U000, UnexpectedError.',
    [BOUNDS, 'an authorisation server that is down is 500, without internals [7 unexpected-500]'],
    [BOUNDS, '[7 unexpected-500-keys]'],
  ),
  rule(
    '7.path-field',
    'Path names the field as a JSON path.',
    [FIELDS, '…: … is 400, naming the field [2 …]'],
    [FIELDS, '[2 event-type-unknown]'],
  ),
  rule('7.path-header', 'Path names the header.', [ERRORS, '[7 error-body]']),
  rule('7.no-internals', 'Messages reveal no internals of the service.', [
    BOUNDS,
    'an authorisation server that is down is 500, without internals [7 unexpected-500]',
  ]),
];
