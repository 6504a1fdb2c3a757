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

/** What the settings of the retry policy may be that a TPP can have of its own. */
export const RETRY_RANGES = {
  delayMs: { minimum: 10, maximum: 3_600_000 },
  delayMaxMs: { minimum: 10, maximum: 86_400_000 },
  retriesMax: { minimum: 0, maximum: 1000 },
  intervalMaxMs: { minimum: 1000, maximum: 2_592_000_000 },
} as const;

const retryRange = (name: keyof typeof RETRY_RANGES) =>
  [RETRY_RANGES[name].minimum, RETRY_RANGES[name].maximum] as const;

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
    formerKeysKeptMs: whole(
      7_776_000_000,
      0,
      315_360_000_000,
      'How long a former key stays in the JWKS after it was last used, besides while something signed with it is awaiting',
    ),
  }),
  store: section({
    file: Type.Optional(file('SQLite database, for one instance; made if it does not exist. Give this or url')),
    url: Type.Optional(
      Type.String({
        pattern: '^postgres(ql)?://',
        maxLength: 2048,
        description:
          'PostgreSQL database, for any number of instances: postgres://user@host:port/database, no password in it',
      }),
    ),
    passwordFile: Type.Optional(file('Password of the database user. Default: the variable PGPASSWORD')),
    caFile: Type.Optional(file('Roots that the certificate of the database must lead to, PEM; makes TLS mandatory')),
    connectionsMax: whole(10, 2, 200, 'Connections of this instance to the database'),
    statementTimeoutMs: whole(10_000, 100, 600_000, 'Longest time that a statement may take before it is given up'),
    isListening: Type.Boolean({
      default: true,
      description:
        'Learn of what other instances did through LISTEN/NOTIFY; false behind a transaction pooler, then by looking',
    }),
    lookMs: whole(1000, 50, 60_000, 'How often the store is looked at for what other instances left or changed'),
    isMigratedAtStart: Type.Boolean({
      default: false,
      description: 'Bring the database to the schema of this version at start, as "tidings migrate" does',
    }),
  }),
  publishing: sectionOfDefaults({
    requestsMax: whole(64, 1, 10_000, 'Publish requests worked on at once; beyond, they are answered 429'),
    awaitingMax: whole(
      10_000_000,
      1,
      1_000_000_000,
      'Awaiting notifications at which publishing is answered 503 until there are fewer',
    ),
    diskFreeBytesMin: whole(
      268_435_456,
      0,
      1_099_511_627_776,
      'Free disk at which publishing is answered 503; of the disk that the SQLite store is on',
    ),
    inFlightBytesMax: whole(
      67_108_864,
      1024,
      10_737_418_240,
      'Bodies of publish requests held at once, by their Content-Length; beyond, requests are answered 429',
    ),
  }),
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
    jwksPath: Type.String({
      default: '/.well-known/jwks.json',
      maxLength: 200,
      pattern: '^(?!/open-banking/)(/[A-Za-z0-9._~-]+)+$',
      description: 'Path of our own JWKS, after the prefix',
    }),
    tls: Type.Optional(
      section({ ...serverTls, clientCaFile: file('Roots that TPP transport certificates must lead to, PEM') }),
    ),
    gateway: Type.Optional(
      section({
        addresses: Type.Array(text('Address or CIDR block'), {
          minItems: 1,
          maxItems: 100,
          description: 'Where the gateway connects from; its header is believed from nowhere else',
        }),
        certificateHeader: Type.String({
          default: 'client-cert',
          pattern: '^[A-Za-z0-9-]{1,64}$',
          description: 'Header in which the gateway passes the client certificate on',
        }),
        certificateFormat: Type.Enum(['rfc9440', 'pem-url-encoded', 'base64-der'], {
          default: 'rfc9440',
          description: 'How it is written: rfc9440 (:base64 DER:), pem-url-encoded (as nginx does) or base64-der',
        }),
      }),
    ),
    isUnencodedPayloadAccepted: Type.Boolean({
      default: false,
      description: 'Accept the b64: false form of x-jws-signature on v3.1 paths (resources v3.1.2 and v3.1.3)',
    }),
    requestsPerMinutePerTppMax: whole(600, 1, 1_000_000, 'Requests of one TPP a minute; more are answered 429'),
    bodyBytesMax: whole(65_536, 1024, 10_485_760, 'Largest request body'),
    requestTimeoutMs: whole(10_000, 100, 120_000, 'Longest time a request may take to arrive'),
  }),
  accessTokens: section({
    issuer: Type.String({ format: 'uri', description: 'Issuer of the access tokens: the authorisation server' }),
    audience: text('aud that access tokens must carry'),
    // What every access token is checked with: never over a connection that anybody could speak on.
    jwksUrl: Type.Optional(
      Type.String({
        format: 'uri',
        pattern: '^https://',
        description: 'JWT access tokens (RFC 9068): where the keys are published',
      }),
    ),
    introspectionUrl: Type.Optional(
      Type.String({
        format: 'uri',
        pattern: '^https://',
        description: 'Opaque access tokens: the introspection endpoint (RFC 7662)',
      }),
    ),
    introspectionClientId: Type.Optional(text('client_id that this service introspects with, over mutual TLS')),
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
    redeliveredPerSecondMax: whole(500, 1, 1000, 'Most notifications that one redelivery makes due in a second'),
  }),
  realTime: sectionOfDefaults({
    isOffered: Type.Boolean({ default: true, description: 'Deliver to callback URLs' }),
  }),
  callbackUrls: sectionOfDefaults({
    isOffered: Type.Boolean({
      default: true,
      description: 'Offer the callback-urls resource, where real time is offered',
    }),
  }),
  polling: sectionOfDefaults({
    isOffered: Type.Boolean({ default: true, description: 'Offer aggregated polling (POST /events)' }),
    maxEventsDefault: whole(100, 1, 1000, 'SETs in an answer where the TPP names no maxEvents'),
    maxEventsMax: whole(100, 1, 1000, 'Most SETs in an answer, whatever the TPP names'),
    longPollMaxMs: whole(30_000, 0, 300_000, 'Longest time a long poll is held; 0 answers every poll at once'),
    longPollsMax: whole(10_000, 1, 100_000, 'Long polls held at once; beyond, polls are answered at once'),
    longPollsPerTppMax: whole(4, 1, 1000, 'Long polls of one TPP held at once; beyond, they are answered at once'),
    reofferMs: whole(60_000, 1000, 86_400_000, 'Wait before an offered but unacknowledged SET is offered again'),
    reofferAfterErrorMs: whole(
      300_000,
      0,
      86_400_000,
      'Wait before a SET that was reported as an error is offered again',
    ),
    isAcknowledgementExpected: Type.Boolean({
      default: true,
      description: 'False: each SET is offered once, and being offered acknowledges it',
    }),
    intervalSeconds: whole(60, 1, 86_400, 'Polling interval that the developer portal recommends'),
  }),
  tppKeys: sectionOfDefaults({
    caFile: Type.Optional(file('Roots that JWKS URLs of TPPs must lead to, PEM. Default: those of Node.js')),
    maxAgeMs: whole(600_000, 1000, 86_400_000, 'Age at which the keys of a TPP are fetched anew, in the background'),
    refetchMinMs: whole(30_000, 100, 3_600_000, 'Shortest time between two fetches of the keys of one TPP'),
    timeoutMs: whole(5000, 100, 60_000, 'Longest time a fetch may take'),
  }),
  directory: Type.Optional(
    section({
      issuer: text('iss of software statement assertions, such as OpenBanking Ltd'),
      jwksFile: file('JWKS of the directory, which signs software statement assertions'),
    }),
  ),
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
    callbackAddressesAllowed: Type.Array(text('CIDR block, such as 10.1.0.0/16'), {
      default: [],
      maxItems: 100,
      description:
        'Addresses that callback URLs may lead to although they are not public: the bank’s own networks, a sandbox’s loopback',
    }),
    dnsServers: Type.Array(text('IP address, with a port if it is not 53'), {
      default: [],
      maxItems: 10,
      description: 'DNS servers that hosts of callback URLs are looked up at. Default: those of the system',
    }),
    dnsTimeoutMs: whole(2000, 50, 30_000, 'Longest time that a DNS server is waited for'),
    proxyUrl: Type.Optional(
      Type.String({
        format: 'uri',
        pattern: '^https?://[^@]+$',
        description: 'HTTP proxy that callback URLs are reached through (CONNECT); it looks their hosts up then',
      }),
    ),
    connectionMaxMs: whole(
      300_000,
      1000,
      86_400_000,
      'Longest life of a connection that is used again; the host is looked up anew after it',
    ),
    responseBytesMax: whole(65_536, 0, 1_048_576, 'How much of an answer is read before the connection is cut'),
    concurrencyMax: whole(1024, 1, 16_384, 'Attempts under way at once'),
    concurrencyPerTppMax: whole(8, 1, 1024, 'Attempts under way at once to one TPP'),
    queuePerTppMax: whole(64, 1, 10_000, 'Notifications of one TPP that are claimed and wait for their attempt'),
    queueMax: whole(2048, 1, 100_000, 'Notifications that are claimed and wait for their attempt, of all TPPs'),
    leaseMs: whole(
      60_000,
      1000,
      3_600_000,
      'How long a claimed notification is left to its dispatcher; must exceed timeoutMs',
    ),
  }),
  retry: sectionOfDefaults({
    delayMs: whole(1000, ...retryRange('delayMs'), 'Wait before the first retry; doubles with each further one'),
    delayMaxMs: whole(3_600_000, ...retryRange('delayMaxMs'), 'Longest wait between two attempts'),
    retriesMax: whole(
      30,
      ...retryRange('retriesMax'),
      'Retries after the first attempt before the callback URL is unresponsive',
    ),
    intervalMaxMs: whole(
      86_400_000,
      ...retryRange('intervalMaxMs'),
      'Longest time from the first attempt to the last retry',
    ),
    jitter: Type.Number({
      default: 0.2,
      minimum: 0,
      maximum: 1,
      description: 'Part of each wait that is random, so that retries spread',
    }),
  }),
  breaker: sectionOfDefaults({
    attemptsMin: whole(
      10,
      1,
      1000,
      'Attempts to one callback URL that are looked at; it opens on none before that many',
    ),
    failureShare: Type.Number({
      default: 0.5,
      exclusiveMinimum: 0,
      maximum: 1,
      description: 'Part of them that must have failed for attempts to pause',
    }),
    pauseMs: whole(
      1000,
      10,
      3_600_000,
      'First pause; then one attempt is tried, and each that fails doubles the pause',
    ),
    pauseMaxMs: whole(60_000, 10, 86_400_000, 'Longest pause'),
  }),
  unresponsive: sectionOfDefaults({
    probeDelayMs: whole(
      60_000,
      100,
      86_400_000,
      'Wait before an unresponsive callback URL is probed; doubles with each probe',
    ),
    probeDelayMaxMs: whole(3_600_000, 100, 86_400_000, 'Longest wait between two probes'),
    rampPerSecond: whole(5, 1, 10_000, 'Notifications a second that one which came back is sent at first'),
    rampDoublingMs: whole(5000, 100, 3_600_000, 'Time in which that rate doubles'),
    rampMs: whole(60_000, 0, 3_600_000, 'Time after which there is no such limit any more'),
  }),
  retention: sectionOfDefaults({
    notificationsMs: whole(
      7_776_000_000,
      60_000,
      315_360_000_000,
      'How long acknowledged, withdrawn and expired notifications are kept, with their attempts',
    ),
    eventsMs: whole(
      7_776_000_000,
      60_000,
      315_360_000_000,
      'How long events are kept; an id may be published anew after that',
    ),
    awaitingMs: Type.Optional(
      Type.Integer({
        minimum: 60_000,
        maximum: 315_360_000_000,
        description: 'Age at which an awaiting notification expires. Default: never',
      }),
    ),
    sweepMs: whole(60_000, 100, 86_400_000, 'How often history is looked at for what is to be dropped'),
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
