import { type Rule, rule } from './rule.ts';

const AUTHENTICATION = 'test/registrations/authentication.test.ts';
const API = 'test/api/authentication.test.ts';
const JWT = 'packages/service/test/trust/access-tokens-jwt.test.ts';
const INTROSPECTION = 'packages/service/test/trust/access-tokens-introspection.test.ts';
const CERTIFICATE = 'packages/service/test/trust/client-certificate.test.ts';
const STATEMENT = 'packages/service/test/trust/software-statement.test.ts';
const JWKS = 'packages/service/test/trust/jwks-cache.test.ts';
const OWN_KEYS = 'packages/service/test/trust/signing-keys.test.ts';
const IMPORT = 'test/registry/import.test.ts';
const SIGNING_KEYS = 'test/registrations/signing-keys.test.ts';
const TOKEN_REFUSED = 'a token is refused when …';

/** Who a TPP is, and whose keys count. */
export const SECTION_8: readonly Rule[] = [
  rule(
    '8.mutual-tls',
    'A TPP authenticates with a client certificate; without one there is no connection.',
    [AUTHENTICATION, '[8 mutual-tls]'],
    [API, 'a client certificate of another root ends in the handshake, whatever its subject'],
  ),
  rule(
    '8.token-bound',
    'Its token is bound to the certificate of the connection.',
    [AUTHENTICATION, '[8 token-bound]'],
    [API, 'a token … answers 401 without a body'],
  ),
  rule('8.token-thumbprint', 'The binding is the SHA-256 of the certificate in cnf.x5t#S256 alone.', [
    JWT,
    TOKEN_REFUSED,
  ]),
  rule('8.token-jwt', 'A token may be a JWT of RFC 9068.', [
    JWT,
    'a JWT access token of the authorisation server is good, with its client_id and scopes',
  ]),
  rule(
    '8.token-signature',
    'It is checked against the keys of the authorisation server.',
    [JWT, 'a token signed by another key under a known kid is refused'],
    [JWT, 'a new key of the authorisation server is found by its kid'],
  ),
  rule('8.token-claims', 'iss, aud and exp are checked.', [JWT, TOKEN_REFUSED]),
  rule(
    '8.token-opaque',
    'A token may be opaque, and introspected by RFC 7662.',
    [INTROSPECTION, 'an opaque token that the authorisation server says is active is good'],
    [INTROSPECTION, 'an opaque token is … when …'],
  ),
  rule(
    '8.gateway-header',
    'Behind a gateway the certificate comes in Client-Cert of RFC 9440, or in a header of the gateway.',
    [AUTHENTICATION, '[8 gateway-header]'],
    [CERTIFICATE, 'behind a gateway the certificate comes in its header: …'],
    [CERTIFICATE, 'the header may be one of the gateway, in any case'],
  ),
  rule(
    '8.gateway-addresses',
    'The header is trusted only from the configured addresses.',
    [AUTHENTICATION, '[8 gateway-header]'],
    [CERTIFICATE, 'a header from another address than the gateway is ignored'],
    [CERTIFICATE, 'without a gateway in the configuration every such header is ignored'],
  ),
  rule(
    '8.client-id',
    'client_id identifies the software statement, which gives organisation, software statement id and JWKS URL.',
    [IMPORT, 'registers the TPP with the ids and the endpoint of the statement'],
    [STATEMENT, 'a software statement of the directory gives ids and endpoints as they stand in it'],
  ),
  rule('8.endpoints-taken', 'The JWKS URLs are those of the assertion: its own, the revoked, and the organisation’s.', [
    STATEMENT,
    'a software statement of the directory gives ids and endpoints as they stand in it',
  ]),
  rule('8.endpoints-not-built', 'None of them is ever constructed.', [
    STATEMENT,
    'what a software statement may leave out stays out, and no endpoint is built',
  ]),
  rule(
    '8.jwks-use',
    'A JWKS also contains transport keys: only signing keys are used.',
    [JWKS, 'of a JWKS that holds transport keys too only the signing keys count'],
    ['packages/protocol/test/keys.test.ts', 'the signing key of a JWKS with signing and transport keys is found'],
  ),
  rule('8.kid-opaque', 'A kid is opaque: it is not parsed.', [
    JWKS,
    'a kid is opaque: whatever it looks like, it is looked up and never resolved',
  ]),
  rule(
    '8.keys-rotate',
    'The keys of the ASPSP rotate.',
    [
      SIGNING_KEYS,
      'keys rotate without a restart; the old one stays in the JWKS while it may be needed [8 keys-rotate]',
    ],
    [OWN_KEYS, 'a reload changes the key without a restart, and says so'],
  ),
  rule(
    '8.keys-kept',
    'A former public key stays published while a token that it signed may be delivered or verified.',
    [OWN_KEYS, 'an old public key stays resolvable as long as a token that it may have signed is awaiting'],
    [OWN_KEYS, 'old public keys stay resolvable for formerKeysKeptMs, the current one first'],
    [
      SIGNING_KEYS,
      'keys rotate without a restart; the old one stays in the JWKS while it may be needed [8 keys-rotate]',
    ],
  ),
];
