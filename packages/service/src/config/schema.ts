import { type Static, type TSchema, Type } from 'typebox';

/** A section of settings; an unknown key in it is an error. */
function section<T extends Record<string, TSchema>>(properties: T) {
  return Type.Object(properties, { additionalProperties: false });
}

/** A section whose settings all have defaults, so that it can be left out. */
function sectionOfDefaults<T extends Record<string, TSchema>>(properties: T) {
  return Type.Object(properties, { additionalProperties: false, default: {} });
}

/** A whole number with its default and range; the unit is the last word of the setting's name. */
function whole(byDefault: number, minimum: number, maximum: number, description: string) {
  return Type.Integer({ default: byDefault, minimum, maximum, description });
}

const text = (description: string) => Type.String({ minLength: 1, maxLength: 2048, description });
const file = (description: string) =>
  Type.String({ minLength: 1, description: `${description} (path, from the folder of this file)` });
const port = (byDefault: number) => whole(byDefault, 0, 65_535, 'Port to listen on; 0 takes any free one');

const serverTls = {
  certificateFile: file('Certificate chain in PEM'),
  keyFile: file('Private key of the certificate in PEM'),
};

/**
 * Every setting of the service: name, type, default, range and one line of doc, in one place. Files are given as paths
 * relative to the configuration file. Secrets are never in it: keys are files, operator tokens are hashes.
 */
export const ConfigSchema = section({
  issuer: Type.String({ format: 'uri', maxLength: 2048, description: 'URI of the ASPSP: the iss claim of every SET' }),
  organisationId: text('Organisation id of the ASPSP at the trust anchor: iss in the header of every signature'),
  trustAnchor: Type.String({
    default: 'openbanking.org.uk',
    minLength: 1,
    description: 'DNS name of the trust anchor that vouches for our keys (tan)',
  }),
  trustAnchorsAccepted: Type.Array(Type.String({ minLength: 1 }), {
    default: ['openbanking.org.uk'],
    minItems: 1,
    maxItems: 20,
    description: 'Trust anchors that are accepted in signatures of TPPs',
  }),
  // What a header can carry: with anything else every delivery would fail.
  financialId: Type.Optional(
    Type.String({ maxLength: 2048, pattern: '^[!-~]+$', description: 'Sent to TPPs as x-fapi-financial-id' }),
  ),
  eventTypesUrl: Type.Optional(
    Type.String({
      format: 'uri',
      description: 'Page that lists the supported event types; error messages point to it',
    }),
  ),
  ownEventTypes: Type.Array(
    section({ urn: text('URN of the event type'), subscribeCode: text('What a TPP writes into EventTypes') }),
    {
      default: [],
      maxItems: 100,
      description: 'Event types that the ASPSP defines under its own namespace',
    },
  ),
  signing: section({
    kid: text('Key id under which the trust anchor publishes our signing key'),
    keyFile: file('Private signing key, RSA of at least 2048 bits, PKCS #8 PEM'),
  }),
  store: section({ file: file('SQLite database; made if it does not exist') }),
  api: section({
    host: Type.String({ default: '0.0.0.0', description: 'Address of the TPP-facing listener' }),
    port: port(8443),
    publicUrl: Type.Optional(
      Type.String({
        format: 'uri',
        // Paths are put behind it.
        pattern: '^https://[^?#]+$',
        description: 'URL under which TPPs reach the listener; makes Links.Self. Default: https://localhost:{port}',
      }),
    ),
    prefix: Type.String({
      default: '',
      pattern: '^(/[A-Za-z0-9._~-]+)*$',
      description: 'Path in front of /open-banking/v4.0',
    }),
    tls: section({ ...serverTls, clientCaFile: file('Roots that TPP transport certificates must lead to, PEM') }),
    bodyBytesMax: whole(65_536, 1024, 10_485_760, 'Largest request body'),
    requestTimeoutMs: whole(10_000, 100, 120_000, 'Longest time a request may take to arrive'),
  }),
  accessTokens: section({
    issuer: Type.String({ format: 'uri', description: 'Issuer of the access tokens: the authorisation server' }),
    audience: text('aud that access tokens must carry'),
    // The keys that every access token is checked with: never over a connection that anybody could speak on.
    jwksUrl: Type.String({
      format: 'uri',
      pattern: '^https://',
      description: 'Where the authorisation server publishes its keys',
    }),
    caFile: Type.Optional(file('Roots that its certificate must lead to, PEM. Default: those of Node.js')),
    certificateFile: Type.Optional(file('Client certificate, where it demands mutual TLS')),
    keyFile: Type.Optional(file('Private key of the client certificate')),
    clockSkewSeconds: whole(10, 0, 300, 'Tolerance for exp, nbf and iat of tokens, and for iat of signatures'),
    timeoutMs: whole(5000, 100, 60_000, 'Longest time a fetch of the keys may take'),
  }),
  operator: section({
    host: Type.String({ default: '127.0.0.1', description: 'Address of the operator listener' }),
    port: port(8444),
    tls: Type.Optional(section(serverTls)),
    tokens: Type.Array(
      section({
        name: Type.String({ minLength: 1, maxLength: 64, description: 'Who uses the token; stands in the log' }),
        sha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the token, hexadecimal' }),
      }),
      { minItems: 1, maxItems: 100, description: 'Bearer tokens that are accepted' },
    ),
    bodyBytesMax: whole(16_777_216, 1024, 104_857_600, 'Largest request body'),
  }),
  delivery: sectionOfDefaults({
    caFile: Type.Optional(
      file('Roots that certificates of callback URLs must lead to, PEM. Default: those of Node.js'),
    ),
    timeoutMs: whole(
      10_000,
      50,
      120_000,
      'Deadline over one whole attempt: look-up, connection, TLS, request and answer',
    ),
    responseBytesMax: whole(65_536, 0, 1_048_576, 'How much of an answer is read before the connection is cut'),
    concurrencyMax: whole(64, 1, 4096, 'Attempts under way at once'),
    concurrencyPerTppMax: whole(8, 1, 1024, 'Attempts under way at once to one TPP'),
    leaseMs: whole(
      60_000,
      1000,
      3_600_000,
      'How long a claimed notification is left to its dispatcher; must exceed timeoutMs',
    ),
  }),
  retry: sectionOfDefaults({
    delayMs: whole(1000, 10, 3_600_000, 'Wait before the first retry; doubles with each further one'),
    delayMaxMs: whole(3_600_000, 10, 86_400_000, 'Longest wait between two attempts'),
    retriesMax: whole(30, 0, 1000, 'Retries after the first attempt before the callback URL is unresponsive'),
    intervalMaxMs: whole(86_400_000, 1000, 2_592_000_000, 'Longest time from the first attempt to the last retry'),
    jitter: Type.Number({
      default: 0.2,
      minimum: 0,
      maximum: 1,
      description: 'Part of each wait that is random, so that retries spread',
    }),
  }),
  log: sectionOfDefaults({
    level: Type.Enum(['debug', 'info', 'warn', 'error', 'silent'], {
      default: 'info',
      description: 'debug, info, warn, error or silent',
    }),
  }),
  shutdown: sectionOfDefaults({
    graceMs: whole(
      10_000,
      0,
      300_000,
      'How long attempts under way may take to finish at shutdown; then they are handed back',
    ),
  }),
});

/** The settings as they stand in the file, defaults filled in. */
export type Config = Static<typeof ConfigSchema>;
