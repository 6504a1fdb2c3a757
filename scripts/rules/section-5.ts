import { type Rule, rule } from './rule.ts';

const HEADER = 'packages/protocol/test/jose-header.test.ts';
const UNENCODED = 'packages/protocol/test/jose-header-b64.test.ts';
const JWS = 'packages/protocol/test/jws.test.ts';
const KEYS = 'packages/protocol/test/keys.test.ts';
const SET = 'packages/protocol/test/set.test.ts';
const CLAIMS = 'packages/protocol/test/claims.test.ts';
const TPP_KEYS = 'packages/service/test/trust/tpp-keys.test.ts';
const CLIENT = 'packages/tpp/test/event-subscriptions.test.ts';
const RECEIVER = 'packages/tpp/test/receiver.test.ts';
const POLLER = 'packages/tpp/test/poller.test.ts';
const POLLER_REPORTS = 'packages/tpp/test/poller-reports.test.ts';
const API = 'test/api/event-subscriptions.test.ts';
const SIGNATURES = 'test/api/signatures.test.ts';
const BAD_SIGNATURES = 'a POST with a signature … answers 400 …, and nothing is created';
const SIGNING_KEYS = 'test/registrations/signing-keys.test.ts';
const OPERATIONS = 'test/registrations/operations.test.ts';
const ERRORS = 'test/registrations/errors.test.ts';
const RULES = 'test/rules/fetched.test.ts';

/** Detached signatures of requests and answers, and the signature of event notifications. */
export const SECTION_5: readonly Rule[] = [
  rule(
    '5.members',
    'Our signatures have exactly the members that the standard lists, with alg PS256.',
    [HEADER, 'in tokens and detached signatures: no typ, no cty, no b64'],
    [API, 'the JOSE header of an answer has the members of the standard and no more'],
  ),
  rule('5.ps256', 'PS256 is RSASSA-PSS with SHA-256 and a salt of 32 bytes.', [
    JWS,
    'the signature is RSASSA-PSS with SHA-256 and a salt of 32 bytes, as another implementation sees it',
  ]),
  rule('5.members-missing', 'A header that lacks a mandatory member is refused.', [
    HEADER,
    'the verifier refuses a header that lacks a member',
  ]),
  rule(
    '5.kid-resolvable',
    'kid identifies a public key: ours in our JWKS, that of a TPP in its own.',
    [API, 'the JWKS holds the public half of the signing key alone, and verifies the answers'],
    [TPP_KEYS, 'the keys of a TPP come from its own JWKS URL, one cache per URL'],
  ),
  rule('5.iat', 'iat is a JSON number and in the past; a small clock skew is allowed.', [
    HEADER,
    'http://openbanking.org.uk/iat is a JSON number, in the past',
  ]),
  rule('5.iat-fraction', 'A fraction in iat is accepted.', [HEADER, 'a fraction is accepted']),
  rule('5.iat-whole', 'We never send a fraction.', [HEADER, 'a fraction is never emitted']),
  rule(
    '5.iss-tpp',
    'A TPP signs as organisation and software statement; the organisation alone is not enough.',
    [HEADER, "the verifier refuses an `iss` that is not that TPP's"],
    [SIGNATURES, BAD_SIGNATURES],
  ),
  rule('5.iss-aspsp', 'The ASPSP signs as its organisation.', [
    API,
    'the JOSE header of an answer has the members of the standard and no more',
  ]),
  rule(
    '5.iss-subject-dn',
    'With an eIDAS certificate iss is the subject, compared as parsed RDNs and not as text.',
    [HEADER, 'a subject DN is compared as parsed RDNs'],
    ['packages/protocol/test/distinguished-name.test.ts', 'two distinguished names name the same subject'],
    ['packages/protocol/test/distinguished-name.test.ts', 'two distinguished names name different subjects'],
  ),
  rule('5.tan', 'tan is the DNS name of an accepted trust anchor.', [
    HEADER,
    'http://openbanking.org.uk/tan is a trust anchor on the allow-list',
  ]),
  rule('5.tan-directory', 'The name of the Directory is openbanking.org.uk.', [
    API,
    'the JOSE header of an answer has the members of the standard and no more',
  ]),
  rule('5.tan-not-fetched', 'Nothing is ever fetched from the address in tan.', [RULES, '[5 tan-not-fetched]']),
  rule(
    '5.crit',
    'crit holds the three URIs and nothing else, in any order.',
    [HEADER, 'the three URIs are accepted in any order'],
    [HEADER, 'the verifier refuses `crit` absent, not an array, with duplicates, with anything missing or more'],
  ),
  rule('5.typ-cty', 'typ may be JOSE; cty may be json or application/json.', [
    HEADER,
    'optional `typ` is JOSE, optional `cty` is json or application/json',
  ]),
  rule(
    '5.b64-old',
    'Early versions require b64 false, listed in crit.',
    [UNENCODED, '`b64` where the operator enables it'],
    [HEADER, 'for v3.1.2 and v3.1.3: b64 false, and the fourth member of crit'],
  ),
  rule('5.b64-new', 'From v3.1.4 on b64 must be absent.', [UNENCODED, '`b64` where it is not enabled must be absent']),
  rule('5.input-old', 'With b64 false the raw bytes of the body are signed, not their base64url.', [
    UNENCODED,
    'a signature over the encoded body is not one over the raw body, nor the reverse',
  ]),
  rule(
    '5.input-new',
    'Without it the base64url of the body is signed.',
    [JWS, 'the signature is RSASSA-PSS with SHA-256 and a salt of 32 bytes, as another implementation sees it'],
    [JWS, 'a detached signature is a compact one whose middle segment is empty'],
  ),
  rule('5.b64-never-tokens', 'b64 false never applies to event notifications.', [
    UNENCODED,
    'it never applies to tokens',
  ]),
  rule(
    '5.b64-when-enabled',
    'b64 false is accepted on v3.1 only, and only if the operator enables it.',
    [SIGNING_KEYS, '[5 b64-when-enabled]'],
    [SIGNING_KEYS, '[5 b64-off]'],
  ),
  rule(
    '5.detached',
    'A detached signature has three segments, with an empty one in the middle.',
    [JWS, 'the verifier refuses what has not three segments'],
    [JWS, 'a detached signature whose middle segment is not empty, even when it is the body'],
  ),
  rule(
    '5.exact-bytes',
    'The body is verified as received, byte by byte, never as re-serialised JSON.',
    [SIGNATURES, 'the signature is over the bytes that were sent, whatever JSON they spell'],
    [JWS, 'a body that is … is refused'],
  ),
  rule('5.dots', 'A body may contain dots.', [JWS, 'a body of … verifies, encoded and raw']),
  rule(
    '5.refuses-alg',
    'The verifier refuses every alg but PS256.',
    [HEADER, 'the verifier refuses any other `alg`'],
    [SIGNATURES, BAD_SIGNATURES],
  ),
  rule(
    '5.refuses-members',
    'It refuses every header member that is not listed, especially those that contain or reference keys.',
    [HEADER, 'the verifier refuses any header member not listed (`jwk`, `jku`, `x5u`, `x5c`, `x5t` …)'],
    [SIGNATURES, BAD_SIGNATURES],
  ),
  rule('5.no-fetch', 'No URL in a header is ever fetched.', [RULES, '[5 no-fetch]']),
  rule(
    '5.refuses-crit',
    'It refuses a crit that is absent, not an array, or has duplicate, too few or too many members.',
    [HEADER, 'the verifier refuses `crit` absent, not an array, with duplicates, with anything missing or more'],
  ),
  rule('5.refuses-duplicates-header', 'It refuses a header with a duplicate member, in any spelling.', [
    HEADER,
    'the verifier refuses duplicate JSON members in the header',
  ]),
  rule(
    '5.refuses-duplicates-payload',
    'A payload (token or body) with a duplicate member is refused too.',
    [CLAIMS, 'with a duplicate JSON member, at any depth and however spelt'],
    ['test/registrations/fields.test.ts', '[7 body-not-parseable]'],
  ),
  rule(
    '5.refuses-bom',
    'A byte order mark is refused, in header and payload.',
    [HEADER, 'the verifier refuses a BOM'],
    [CLAIMS, 'with a BOM'],
    [SET, 'invalid_request: duplicate JSON members, a BOM, or claims that are not of the standard'],
  ),
  rule('5.refuses-base64url', 'Base64url that is padded or not canonical is refused.', [
    JWS,
    'the verifier refuses non-canonical or padded base64url',
  ]),
  rule(
    '5.refuses-kid',
    'A kid is looked up only in the key set of the authenticated TPP.',
    [JWS, "the verifier refuses a `kid` that is not in the authenticated TPP's own key set"],
    [TPP_KEYS, 'a kid of another TPP is unknown, and asking for it asks only the own JWKS URL'],
    [SIGNATURES, BAD_SIGNATURES],
  ),
  rule(
    '5.refuses-iss',
    'An iss other than that of the authenticated TPP is refused.',
    [HEADER, "the verifier refuses an `iss` that is not that TPP's"],
    [ERRORS, '[7 signature-invalid-claim]'],
  ),
  rule('5.refuses-short-keys', 'Keys under 2048 bits are refused.', [
    KEYS,
    'the verifier refuses keys under 2048 bits',
  ]),
  rule('5.refuses-use', 'Keys for any other use than signing are refused.', [
    KEYS,
    'the verifier refuses keys with `use` other than `sig`',
  ]),
  rule('5.refuses-salts', 'PSS with a salt length other than 32 bytes is refused.', [
    JWS,
    'the verifier refuses PSS salts other than 32 bytes',
  ]),
  rule(
    '5.refuses-two-headers',
    'Two signature headers are refused.',
    [ERRORS, '[7 signature-malformed]'],
    [JWS, 'two signature headers, which arrive joined'],
  ),
  rule('5.refuses-oversize', 'Input that is too large is refused.', [JWS, 'the verifier refuses oversize input']),
  rule(
    '5.verified-by-aspsp',
    'The ASPSP verifies what it receives.',
    [SIGNATURES, BAD_SIGNATURES],
    [SIGNATURES, 'PUT asks for the signature as POST does'],
  ),
  rule(
    '5.verified-by-tpp',
    'The TPP verifies responses, and event notifications that are pushed or polled.',
    [CLIENT, 'a response that was altered, or signed by another party, is untrusted'],
    [CLIENT, 'a response without a signature is untrusted, although the call took effect'],
    [RECEIVER, '… is refused with … and the body of RFC 8935'],
    [POLLER_REPORTS, 'invalid SETs are reported with the codes of RFC 8935 and stay awaiting'],
  ),
  rule(
    '5.failure-400',
    'A missing or invalid signature is 400.',
    [ERRORS, '[7 signature-missing]'],
    [ERRORS, '[7 signature-invalid]'],
  ),
  rule(
    '5.not-signed',
    'DELETE is not signed, nor is anything of /events.',
    [OPERATIONS, '[2 delete-unsigned]'],
    ['test/polling/events.test.ts', '[6 answer-shape]'],
    [POLLER, 'a poll has token, interaction id and JSON headers, requests a long poll, and is not signed'],
  ),
];
