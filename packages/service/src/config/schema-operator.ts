import { Type } from 'typebox';
import { connectionSettings, file, keyAges, port, section, text, whole } from './settings.ts';

/** Roles of callers of the operator API; see docs/operator-api.md. */
export const OPERATOR_ROLES = ['viewer', 'operator', 'administrator', 'publisher'] as const;
export type OperatorRole = (typeof OPERATOR_ROLES)[number];

const TOKEN = section({
  name: Type.String({
    minLength: 1,
    maxLength: 64,
    description: 'Who uses the token; stands in log and audit',
  }),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the token, hexadecimal' }),
  // Without a default: whichever it were, somebody's token would do more, or less, than was meant.
  role: Type.Enum([...OPERATOR_ROLES], {
    description: 'What it may do: viewer, operator, administrator or publisher',
  }),
});

const mapped = (role: string) =>
  Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 256 }), {
      minItems: 1,
      maxItems: 100,
      description: `Values of that claim that make the caller ${role}`,
    }),
  );

const OIDC = section({
  issuer: Type.String({ format: 'uri', maxLength: 2048, description: 'iss of its tokens, exactly' }),
  audience: text('aud that its tokens for this API carry'),
  jwksUrl: Type.String({
    format: 'uri',
    pattern: '^https://',
    maxLength: 2048,
    description: 'Where its keys are published ("jwks_uri" of its discovery document)',
  }),
  rolesClaim: Type.String({
    default: 'roles',
    minLength: 1,
    maxLength: 256,
    description: 'Claim with the roles of the caller: its name, or a path such as realm_access.roles',
  }),
  nameClaim: Type.String({
    default: 'sub',
    minLength: 1,
    maxLength: 256,
    description: 'Claim by which log and audit name the caller, such as sub or preferred_username',
  }),
  roles: section({
    viewer: mapped('a viewer'),
    operator: mapped('an operator'),
    administrator: mapped('an administrator'),
    publisher: mapped('a publisher'),
  }),
  isAccessTokenTypeRequired: Type.Boolean({
    default: false,
    description:
      'Take only tokens whose typ is at+jwt (RFC 9068), where the provider sets it; others may be JWT or have none',
  }),
  caFile: Type.Optional(file('Roots that the certificate of jwksUrl must lead to, PEM. Default: those of Node.js')),
  clockSkewSeconds: whole(10, 0, 300, 'Tolerance for exp, nbf and iat'),
  timeoutMs: whole(5000, 100, 60_000, 'Longest time a fetch of the keys may take'),
  ...keyAges('keysMaxAgeMs', 'keysHardMaxAgeMs'),
});

/** Of a listener that demands client certificates. */
export const CLIENT_CRL_FILE = Type.Optional(
  file(
    'Revocation lists, PEM, one of each authority in the chains of client certificates: a revoked certificate is refused in the handshake, and every one once a list is past its next update',
  ),
);

/** The section `operator` of the configuration: the operator listener, and who may do what there. */
export const OPERATOR_SECTION = section({
  host: Type.String({ default: '127.0.0.1', description: 'Address of the operator listener' }),
  port: port(8444),
  tls: Type.Optional(
    section({
      certificateFile: file('Certificate chain in PEM'),
      keyFile: file('Private key of the certificate in PEM'),
      clientCaFile: Type.Optional(
        file('Given: callers must have a client certificate that leads to these roots, PEM, beside their token'),
      ),
      clientCrlFile: CLIENT_CRL_FILE,
    }),
  ),
  isBehindProxy: Type.Boolean({
    default: false,
    description:
      'States that only a proxy which ends TLS reaches the listener, so that it may listen beyond loopback without "operator.tls"',
  }),
  tokens: Type.Array(TOKEN, {
    default: [],
    maxItems: 100,
    description: 'Bearer tokens that are accepted; at least one, or "operator.oidc"',
  }),
  oidc: Type.Optional(OIDC),
  bodyBytesMax: whole(16_777_216, 1024, 104_857_600, 'Largest request body'),
  ...connectionSettings(200, 'they are not counted where "operator.isBehindProxy" is true'),
  unauthenticatedPerMinutePerAddressMax: whole(
    600,
    1,
    1_000_000,
    'Tokens of one remote address (an IPv6 /64 is one) a minute that are neither of "operator.tokens" nor good for "operator.oidc"; beyond, none but "operator.tokens" is looked at, and others are answered 429; not where "operator.isBehindProxy" is true',
  ),
  redeliveredPerSecondMax: whole(500, 1, 1000, 'Most notifications that one redelivery makes due in a second'),
});
