import { POLL_BODY_BYTES_MAX } from '@tidings/protocol';
import { type Static, Type } from 'typebox';
import { MESSAGE_KINDS } from '../model/alert.ts';
import { CALLBACK_PORTS_ALLOWED } from './derived.ts';
import { DIRECTORY_SECTION } from './directory.ts';
import { INTAKE_SECTION } from './intake.ts';
import { file, keyAges, port, secret, section, sectionOfDefaults, text, whole } from './setting.ts';
import { SIGNING_SECTION } from './signing.ts';

/**
 * The connection settings that both listeners share.
 *
 * @param perAddress default of `connectionsPerAddressMax`
 * @param exception sentence about connections that are not counted
 */
const connectionSettings = (perAddress: number, exception: string) => ({
  connectionsPerAddressMax: whole(
    perAddress,
    1,
    100_000,
    `Most concurrent connections from one remote address (an IPv6 /64 counts as one). A further connection replaces an idle one, or is closed. ${exception}`,
  ),
  firstRequestTimeoutMs: whole(
    5000,
    100,
    120_000,
    'Longest time from accepting a connection to the headers of its first request, including the TLS handshake',
  ),
  keepAliveTimeoutMs: whole(
    75_000,
    1000,
    3_600_000,
    'How long an idle connection is kept open between two requests; must be longer than the idle timeout of the gateway, proxy or load balancer in front',
  ),
});

/** Settings of the store: SQLite in a file, or PostgreSQL at a URL. */
const STORE_SECTION = section({
  file: Type.Optional(file('SQLite database, for a single instance; created if it does not exist. Give this or url')),
  url: Type.Optional(
    Type.String({
      pattern: '^postgres(ql)?://',
      maxLength: 2048,
      description:
        'PostgreSQL database, for any number of instances: postgres://user@host:port/database, without the password. Of several hosts after commas, the one that takes writes is used. A host such as %2Fvar%2Frun%2Fpostgresql is the folder of a Unix socket',
    }),
  ),
  ...secret('password', 'Password of the database user. Default: environment variable PGPASSWORD'),
  caFile: Type.Optional(
    file('Root certificates that the certificate of the database must chain to, PEM; makes TLS mandatory'),
  ),
  isClearTextAllowed: Type.Boolean({
    default: false,
    description:
      'Allows a remote database without "store.caFile"; set it only if the connection is protected by other means, such as a tunnel',
  }),
  connectionsMax: whole(10, 2, 200, 'Connections of this instance to the database, in addition to the one for LISTEN'),
  statementTimeoutMs: whole(10_000, 100, 600_000, 'Longest time a statement may take before it is cancelled'),
  isListening: Type.Boolean({
    default: true,
    description:
      'Use LISTEN/NOTIFY to learn of changes by other instances; set to false behind a transaction pooler, so that the store is polled instead',
  }),
  pollMs: whole(
    1000,
    50,
    60_000,
    'How often the store is polled for changes by other instances and for work that they left',
  ),
  isMigratedAtStart: Type.Boolean({
    default: false,
    description: 'Migrate the database to the schema of this version at start, as "tidings migrate" does',
  }),
});

/** Ranges of the retry settings that can be overridden for a TPP. */
export const RETRY_RANGES = {
  delayMs: { minimum: 10, maximum: 3_600_000 },
  delayMaxMs: { minimum: 10, maximum: 86_400_000 },
  retriesMax: { minimum: 0, maximum: 1000 },
  intervalMaxMs: { minimum: 1000, maximum: 2_592_000_000 },
} as const;

const retryRange = (name: keyof typeof RETRY_RANGES) =>
  [RETRY_RANGES[name].minimum, RETRY_RANGES[name].maximum] as const;

/** Settings of delivery and retention. */
const DELIVERY_SECTIONS = {
  delivery: sectionOfDefaults({
    caFile: Type.Optional(
      file('Root certificates that certificates of callback URLs must chain to, PEM. Default: those of Node.js'),
    ),
    timeoutMs: whole(
      10_000,
      50,
      120_000,
      'Deadline of one attempt as a whole: DNS lookup, connection, TLS, request and response',
    ),
    callbackAddressesAllowed: Type.Array(text('CIDR block, such as 10.1.0.0/16'), {
      default: [],
      maxItems: 100,
      description:
        'Non-public addresses that callback URLs and JWKS URLs of TPPs may resolve to, such as networks of the bank, or loopback in a sandbox',
    }),
    callbackPortsAllowed: Type.Array(text('Port, or range of ports such as 1024-65535'), {
      default: CALLBACK_PORTS_ALLOWED,
      minItems: 1,
      maxItems: 100,
      description:
        'Ports that callback URLs and JWKS URLs of TPPs may use; the default excludes ports of system services',
    }),
    dnsServers: Type.Array(text('IP address, with the port unless it is 53'), {
      default: [],
      maxItems: 10,
      description:
        'DNS servers that resolve the hosts of callback URLs and JWKS URLs of TPPs. Default: those of the system',
    }),
    dnsTimeoutMs: whole(2000, 50, 30_000, 'Longest time to wait for a DNS server'),
    proxyUrl: Type.Optional(
      Type.String({
        format: 'uri',
        pattern: '^https?://[^@]+$',
        description: 'HTTP proxy for deliveries to callback URLs (CONNECT). The proxy then resolves their hosts',
      }),
    ),
    connectionMaxMs: whole(
      300_000,
      1000,
      86_400_000,
      'Longest time a connection is reused; a new connection resolves the host again',
    ),
    responseBytesMax: whole(
      65_536,
      0,
      1_048_576,
      'Most bytes of a response that are read before the connection is closed',
    ),
    concurrencyMax: whole(1024, 1, 16_384, 'Concurrent attempts, of all TPPs'),
    concurrencyPerTppMax: whole(8, 1, 1024, 'Concurrent attempts to one TPP'),
    queuePerTppMax: whole(64, 1, 10_000, 'Claimed notifications of one TPP that wait for their attempt'),
    queueMax: whole(2048, 1, 100_000, 'Claimed notifications of all TPPs that wait for their attempt'),
    leaseMs: whole(
      60_000,
      1000,
      3_600_000,
      'How long a claimed notification belongs to the instance that claimed it; must exceed timeoutMs',
    ),
  }),
  retry: sectionOfDefaults({
    delayMs: whole(1000, ...retryRange('delayMs'), 'Delay before the first retry; doubles with each further retry'),
    delayMaxMs: whole(3_600_000, ...retryRange('delayMaxMs'), 'Longest delay between two attempts'),
    retriesMax: whole(
      30,
      ...retryRange('retriesMax'),
      'Retries after the first attempt before the callback URL counts as unresponsive',
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
      description: 'Random share of each delay, which spreads retries over time',
    }),
  }),
  breaker: sectionOfDefaults({
    attemptsMin: whole(
      10,
      1,
      1000,
      'Number of latest attempts to a callback URL that the breaker evaluates; with fewer attempts it does not open',
    ),
    failureShare: Type.Number({
      default: 0.5,
      exclusiveMinimum: 0,
      maximum: 1,
      description: 'Share of them that must have failed for the breaker to open',
    }),
    pauseMs: whole(
      1000,
      10,
      3_600_000,
      'First pause; after it one trial attempt is made, and each failed trial doubles the pause',
    ),
    pauseMaxMs: whole(60_000, 10, 86_400_000, 'Longest pause'),
  }),
  unresponsive: sectionOfDefaults({
    probeDelayMs: whole(
      60_000,
      100,
      86_400_000,
      'Delay before an unresponsive callback URL is probed; doubles with each failed probe',
    ),
    probeDelayMaxMs: whole(3_600_000, 100, 86_400_000, 'Longest delay between two probes'),
    rampPerSecond: whole(
      5,
      1,
      10_000,
      'Initial rate at which notifications are sent to a callback URL that has recovered',
    ),
    rampDoublingMs: whole(5000, 100, 3_600_000, 'Time in which that rate doubles'),
    rampMs: whole(60_000, 0, 3_600_000, 'Time after which the rate is no longer limited'),
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
      'How long events are kept; afterwards their ids may be published again',
    ),
    awaitingMs: Type.Optional(
      Type.Integer({
        minimum: 60_000,
        maximum: 315_360_000_000,
        description: 'Age at which an awaiting notification expires. Default: never',
      }),
    ),
    sweepMs: whole(60_000, 100, 86_400_000, 'How often expired data is deleted'),
  }),
};

/** Roles of callers of the operator API; see docs/operator-api.md. */
export const OPERATOR_ROLES = ['viewer', 'operator', 'administrator', 'publisher'] as const;
export type OperatorRole = (typeof OPERATOR_ROLES)[number];

const TOKEN = section({
  name: Type.String({
    minLength: 1,
    maxLength: 64,
    description: 'Name of the caller that uses the token, shown in log and audit',
  }),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the token, hexadecimal' }),
  // No default: any default would give some token more, or fewer, rights than intended.
  role: Type.Enum([...OPERATOR_ROLES], {
    description: 'Role of the caller: viewer, operator, administrator or publisher',
  }),
});

const mapped = (role: string) =>
  Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 256 }), {
      minItems: 1,
      maxItems: 100,
      description: `Values of the roles claim that map to ${role}`,
    }),
  );

const OIDC = section({
  issuer: Type.String({ format: 'uri', maxLength: 2048, description: 'Exact iss of its tokens' }),
  audience: text('aud of its tokens for this API'),
  jwksUrl: Type.String({
    format: 'uri',
    pattern: '^https://',
    maxLength: 2048,
    description: 'URL of its keys ("jwks_uri" of its discovery document)',
  }),
  rolesClaim: Type.String({
    default: 'roles',
    minLength: 1,
    maxLength: 256,
    description: 'Claim that holds the roles of the caller: a name, or a path such as realm_access.roles',
  }),
  nameClaim: Type.String({
    default: 'sub',
    minLength: 1,
    maxLength: 256,
    description: 'Claim that names the caller in log and audit, such as sub or preferred_username',
  }),
  roles: section({
    viewer: mapped('viewer'),
    operator: mapped('operator'),
    administrator: mapped('administrator'),
    publisher: mapped('publisher'),
  }),
  signIn: Type.Optional(
    section({
      clientId: text('client_id of the console at the provider'),
      ...secret('clientSecret', 'Secret of this client. Left out: a public client, with PKCE alone'),
      redirectUrl: Type.String({
        format: 'uri',
        maxLength: 2048,
        pattern: '^(https://|http://(localhost|127\\.0\\.0\\.1)[:/]).*/console/sign-in/callback$',
        description: 'Where the provider sends the browser back to, as registered there: …/console/sign-in/callback',
      }),
      scope: Type.String({
        default: 'openid',
        pattern: '(^| )openid( |$)',
        maxLength: 2048,
        description: 'Scopes asked for; the access token must be one for "operator.oidc.audience"',
      }),
      idTokenAlgorithm: Type.Enum(['RS256', 'PS256', 'ES256'], {
        default: 'RS256',
        description: 'Algorithm with which the provider signs ID tokens for this client',
      }),
    }),
  ),
  isAccessTokenTypeRequired: Type.Boolean({
    default: false,
    description:
      'Accept only tokens whose typ is at+jwt (RFC 9068), if the provider sets it. Otherwise typ may be JWT or missing',
  }),
  caFile: Type.Optional(
    file('Root certificates that the certificate of jwksUrl must chain to, PEM. Default: those of Node.js'),
  ),
  clockSkewSeconds: whole(10, 0, 300, 'Tolerance for exp, nbf and iat'),
  timeoutMs: whole(5000, 100, 60_000, 'Longest time a fetch of the keys may take'),
  ...keyAges('keysMaxAgeMs', 'keysHardMaxAgeMs'),
});

/** Revocation lists of a listener that requires client certificates. */
const CLIENT_CRL_FILE = Type.Optional(
  file(
    'Revocation lists, PEM, one for each authority in the chains of client certificates. A revoked certificate is refused in the TLS handshake; once a list is past its next update, so is every certificate',
  ),
);

/** The section `operator`: the operator listener, its callers and their roles. */
const OPERATOR_SECTION = section({
  host: Type.String({ default: '127.0.0.1', description: 'Address of the operator listener' }),
  port: port(8444),
  tls: Type.Optional(
    section({
      certificateFile: file('Certificate chain, PEM'),
      keyFile: file('Private key of the certificate, PEM'),
      clientCaFile: Type.Optional(
        file(
          'Root certificates of client certificates, PEM. If given, callers need a client certificate in addition to their token',
        ),
      ),
      clientCrlFile: CLIENT_CRL_FILE,
    }),
  ),
  isBehindProxy: Type.Boolean({
    default: false,
    description:
      'Allows a listener beyond loopback without "operator.tls"; set it only if every caller comes through a proxy that terminates TLS',
  }),
  tokens: Type.Array(TOKEN, {
    default: [],
    maxItems: 100,
    description: 'Accepted bearer tokens; give at least one, or "operator.oidc"',
  }),
  oidc: Type.Optional(OIDC),
  console: sectionOfDefaults({
    isServed: Type.Boolean({ default: true, description: 'Serve the web console at /console' }),
    ...secret(
      'sessionKey',
      'Key that encrypts the session cookies of the console: 32 bytes in base64, as "openssl rand -base64 32" prints. Give the same to all instances behind one address. Default: a random key of the process, so that its sessions end with it',
    ),
    sessionIdleMs: whole(
      1_800_000,
      60_000,
      86_400_000,
      'A session ends after this long without an action of the person',
    ),
    sessionMaxMs: whole(43_200_000, 60_000, 604_800_000, 'A session ends this long after its sign-in'),
  }),
  bodyBytesMax: whole(16_777_216, 1024, 104_857_600, 'Largest request body'),
  ...connectionSettings(200, 'Not applied if "operator.isBehindProxy" is true'),
  unauthenticatedPerMinutePerAddressMax: whole(
    600,
    1,
    1_000_000,
    'Invalid tokens from one remote address (an IPv6 /64 counts as one) per minute. Beyond that, only "operator.tokens" are accepted from it and other tokens are answered 429. Not applied if "operator.isBehindProxy" is true',
  ),
  redeliveredPerSecondMax: whole(500, 1, 1000, 'Highest rate at which a redelivery makes notifications due'),
});

/** Settings of the activity log behind the live stream, and of the statistics. */
const TELEMETRY_SECTIONS = {
  activity: sectionOfDefaults({
    isKept: Type.Boolean({
      default: true,
      description: 'Record activity for the live stream; if false, there is no stream',
    }),
    keptMs: whole(3_600_000, 60_000, 604_800_000, 'How far back the live stream can be resumed'),
    subscribersMax: whole(
      50,
      1,
      1000,
      'Concurrent readers of the live stream of this instance; further readers are answered 429',
    ),
  }),
  statistics: sectionOfDefaults({
    writeMs: whole(
      5000,
      100,
      60_000,
      'How often an instance writes its counts and latest attempts to the store; a crash loses at most this much',
    ),
    minutesKeptMs: whole(172_800_000, 3_600_000, 2_592_000_000, 'How long statistics per minute are kept'),
    hoursKeptMs: whole(34_560_000_000, 86_400_000, 315_360_000_000, 'How long statistics per hour are kept'),
  }),
};

/** The settings that all destinations of alerts have in common. */
const DESTINATION = {
  name: Type.String({
    pattern: '^[a-z0-9][a-z0-9-]{0,63}$',
    description: 'Name of the destination, shown in log and audit: lower case letters, digits and hyphens',
  }),
  kinds: Type.Array(Type.Enum([...MESSAGE_KINDS]), {
    default: [...MESSAGE_KINDS],
    minItems: 1,
    maxItems: 20,
    description: `Kinds of messages that it gets: ${MESSAGE_KINDS.join(', ')}`,
  }),
};

/** How a destination is reached over HTTPS. */
const DESTINATION_CONNECTION = {
  caFile: Type.Optional(
    file('Root certificates that the certificate of the destination must chain to, PEM. Default: those of Node.js'),
  ),
  proxyUrl: Type.Optional(
    Type.String({
      format: 'uri',
      pattern: '^https?://[^@]+$',
      description: 'HTTP proxy on the way to the destination (CONNECT)',
    }),
  ),
};

const MAIL_ADDRESS = '^[^\\s@<>,;:"]{1,64}@[A-Za-z0-9.-]{1,255}$';

/** Settings of alerts to people and systems. */
const NOTIFY_SECTION = sectionOfDefaults({
  webhooks: Type.Array(
    section({
      ...DESTINATION,
      url: Type.Optional(
        Type.String({
          format: 'uri',
          pattern: '^https://[^@]+$',
          maxLength: 2048,
          description: "URL that messages are posted to; it may be in the bank's own network. Give this or urlFile",
        }),
      ),
      urlFile: Type.Optional(file('The URL, if it is a secret itself')),
      ...secret(
        'secret',
        'Secret that signs messages (Standard Webhooks): whsec_ and 24 to 64 bytes in base64. A second line holds a second secret, for a change of secrets: both sign',
      ),
      ...DESTINATION_CONNECTION,
    }),
    { default: [], maxItems: 20, description: 'Systems that alerts are posted to as JSON, signed' },
  ),
  slack: Type.Array(
    section({
      ...DESTINATION,
      ...secret('url', 'URL of an incoming webhook of Slack, or of a system that accepts the same. It is a secret'),
      ...DESTINATION_CONNECTION,
    }),
    { default: [], maxItems: 20, description: 'Channels of Slack, or of a system that accepts the same messages' },
  ),
  email: Type.Array(
    section({
      ...DESTINATION,
      host: text('Name of the SMTP server; its certificate must contain it'),
      port: whole(587, 1, 65_535, 'Port of the SMTP server'),
      encryption: Type.Enum(['starttls', 'tls'], {
        default: 'starttls',
        description:
          'starttls: the connection is upgraded before anything is sent, or nothing is sent. tls: TLS from the start, usually at port 465',
      }),
      user: Type.Optional(text('User name at the SMTP server, with a password')),
      ...secret('password', 'Password of this user'),
      from: Type.String({ pattern: MAIL_ADDRESS, description: 'Address of the sender' }),
      to: Type.Array(Type.String({ pattern: MAIL_ADDRESS }), {
        minItems: 1,
        maxItems: 50,
        description: 'Addresses of the recipients',
      }),
      caFile: DESTINATION_CONNECTION.caFile,
    }),
    { default: [], maxItems: 20, description: 'Recipients of alerts by e-mail' },
  ),
  failingAfterMs: whole(
    300_000,
    0,
    86_400_000,
    'How long a callback URL must have been failing before that is an alert',
  ),
  expiryDays: whole(21, 1, 365, 'Days before the expiry of a certificate or signing key from which that is an alert'),
  backlogMax: whole(100_000, 1, 1_000_000_000, 'Number of awaiting notifications above which that is an alert'),
  storeShare: Type.Number({
    default: 0.8,
    exclusiveMinimum: 0,
    maximum: 1,
    description: 'Share of "publishing.awaitingMax" from which the store counts as nearly full',
  }),
  diskFreeBytesMin: whole(
    1_073_741_824,
    0,
    1_099_511_627_776,
    'Free space below which the disk of the SQLite store counts as nearly full. Choose more than "publishing.diskFreeBytesMin"',
  ),
  evaluateMs: whole(10_000, 100, 600_000, 'How often conditions are examined and messages sent'),
  messagesPerHourMax: whole(
    30,
    1,
    10_000,
    'Messages to one destination in an hour; what exceeds it waits, and is then sent together in one message',
  ),
  timeoutMs: whole(10_000, 100, 60_000, 'Longest time to send a message'),
  consoleUrl: Type.Optional(
    Type.String({
      format: 'uri',
      pattern: '^https?://[^?#@]+$',
      maxLength: 2048,
      description:
        'URL of the console as people reach it, for links in messages, such as https://tidings.bank.example/console',
    }),
  ),
  runbookUrl: Type.String({
    format: 'uri',
    default: 'https://github.com/tidings-events/tidings/blob/main/docs/guides/runbooks.md',
    pattern: '^https?://[^?#@]+$',
    maxLength: 2048,
    description: 'URL of the runbooks, for links in messages; set it to a copy of your own',
  }),
  keptMs: whole(2_592_000_000, 3_600_000, 31_536_000_000, 'How long alerts that are over are kept'),
});

const serverTls = {
  certificateFile: file('Certificate chain, PEM'),
  keyFile: file('Private key of the certificate, PEM'),
};

/**
 * Every setting of the service: name, type, default, range and one line of documentation, in one place. Paths of files are
 * relative to the configuration file. The file holds no secret, but may refer to it; operator tokens are hashes.
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
    description: 'Trust anchors accepted in signatures of TPPs',
  }),
  // Characters that a header can carry; any other would make every delivery fail.
  financialId: Type.Optional(
    Type.String({ maxLength: 2048, pattern: '^[!-~]+$', description: 'Sent to TPPs as x-fapi-financial-id' }),
  ),
  eventTypesUrl: Type.Optional(
    Type.String({
      format: 'uri',
      description: 'Page that lists the supported event types; error messages link to it',
    }),
  ),
  ownEventTypes: Type.Array(
    section({ urn: text('URN of the event type'), subscribeCode: text('Value that a TPP uses in EventTypes') }),
    {
      default: [],
      maxItems: 100,
      description: 'Event types that the ASPSP defines in its own namespace',
    },
  ),
  signing: SIGNING_SECTION,
  store: STORE_SECTION,
  publishing: sectionOfDefaults({
    requestsMax: whole(64, 1, 10_000, 'Concurrent publish requests; further ones are answered 429'),
    awaitingMax: whole(
      10_000_000,
      1,
      1_000_000_000,
      'Number of awaiting notifications from which publishing is answered 503',
    ),
    diskFreeBytesMin: whole(
      268_435_456,
      0,
      1_099_511_627_776,
      'Free space below which publishing is answered 503, on the disk of the SQLite store',
    ),
    inFlightBytesMax: whole(
      67_108_864,
      1024,
      10_737_418_240,
      'Total size of the bodies of concurrent publish requests, by their Content-Length; further requests are answered 429',
    ),
  }),
  api: section({
    host: Type.String({ default: '0.0.0.0', description: 'Address of the TPP-facing listener' }),
    port: port(8443),
    publicUrl: Type.Optional(
      Type.String({
        format: 'uri',
        // Paths are appended to it.
        pattern: '^https://[^?#]+$',
        description: 'URL at which TPPs reach the listener; used in Links.Self. Default: https://localhost:{port}',
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
      description: 'Path of our JWKS, after the prefix',
    }),
    tls: Type.Optional(
      section({
        ...serverTls,
        clientCaFile: file('Root certificates that transport certificates of TPPs must chain to, PEM'),
        clientCrlFile: CLIENT_CRL_FILE,
      }),
    ),
    gateway: Type.Optional(
      section({
        addresses: Type.Array(text('Address or CIDR block'), {
          minItems: 1,
          maxItems: 100,
          description: 'Addresses that the gateway connects from; its header is trusted only from these',
        }),
        certificateHeader: Type.String({
          default: 'client-cert',
          pattern: '^[A-Za-z0-9-]{1,64}$',
          description: 'Header in which the gateway forwards the client certificate',
        }),
        certificateFormat: Type.Enum(['rfc9440', 'pem-url-encoded', 'base64-der'], {
          default: 'rfc9440',
          description:
            'Format of that header: rfc9440 (:base64 DER:), pem-url-encoded (as nginx writes it) or base64-der',
        }),
      }),
    ),
    isUnencodedPayloadAccepted: Type.Boolean({
      default: false,
      description: 'Accept the b64: false form of x-jws-signature on v3.1 paths (resources v3.1.2 and v3.1.3)',
    }),
    requestsPerMinutePerTppMax: whole(
      600,
      1,
      1_000_000,
      'Requests of one TPP per minute; further ones are answered 429',
    ),
    registrationChangesPerHourPerTppMax: whole(
      60,
      1,
      1_000_000,
      'Registrations that one TPP creates, replaces or deletes per hour; further changes are answered 429',
    ),
    unauthenticatedPerMinutePerCertificateMax: whole(
      120,
      1,
      1_000_000,
      'Requests with one client certificate per minute that do not authenticate as a registered TPP; further ones are answered 429 before their token is verified',
    ),
    unauthenticatedPerMinutePerAddressMax: whole(
      1200,
      1,
      1_000_000,
      'The same limit per remote address (an IPv6 /64 counts as one), for certificates that have not authenticated as a TPP before. Not applied to "api.gateway.addresses"',
    ),
    bodyBytesMax: whole(
      65_536,
      4096,
      10_485_760,
      `Largest request body. For polls the limit is at least ${POLL_BODY_BYTES_MAX} bytes, to hold their acknowledgements and reports`,
    ),
    requestTimeoutMs: whole(10_000, 100, 120_000, 'Longest time to receive a request'),
    ...connectionSettings(1000, 'Connections from "api.gateway.addresses" are not counted'),
  }),
  accessTokens: section({
    issuer: Type.String({ format: 'uri', description: 'Issuer of the access tokens: the authorisation server' }),
    audience: text('aud that access tokens must carry'),
    // Every access token is verified with these keys: never fetch them over a connection that anyone could tamper with.
    jwksUrl: Type.Optional(
      Type.String({
        format: 'uri',
        pattern: '^https://',
        description: 'URL of the keys that verify JWT access tokens (RFC 9068)',
      }),
    ),
    introspectionUrl: Type.Optional(
      Type.String({
        format: 'uri',
        pattern: '^https://',
        description: 'Introspection endpoint (RFC 7662), for opaque access tokens',
      }),
    ),
    introspectionClientId: Type.Optional(
      text('client_id of this service at the introspection endpoint, with mutual TLS'),
    ),
    caFile: Type.Optional(
      file(
        'Root certificates that the certificate of the authorisation server must chain to, PEM. Default: those of Node.js',
      ),
    ),
    certificateFile: Type.Optional(file('Client certificate, if the authorisation server requires mutual TLS')),
    keyFile: Type.Optional(file('Private key of the client certificate')),
    clientCredentials: Type.Optional(
      section({
        claim: Type.String({
          minLength: 1,
          maxLength: 256,
          description:
            'Claim that marks tokens of the client credentials grant, if it is not a sub that equals client_id: a name, or a path such as act.sub. See docs/tokens-and-keys.md',
        }),
        value: Type.Optional(
          Type.String({
            minLength: 1,
            maxLength: 1024,
            description:
              'Exact value of the claim; {client_id} is replaced by the client_id, {client_id:lower} by the same in lower case',
          }),
        ),
        pattern: Type.Optional(
          Type.String({
            minLength: 1,
            maxLength: 1024,
            description:
              'Regular expression that the whole claim must match, with the same placeholders; give it instead of value',
          }),
        ),
      }),
    ),
    clockSkewSeconds: whole(10, 0, 300, 'Tolerance for exp, nbf and iat of tokens, and for iat of signatures'),
    timeoutMs: whole(5000, 100, 60_000, 'Longest time a fetch of the keys may take'),
    ...keyAges('keysMaxAgeMs', 'keysHardMaxAgeMs'),
  }),
  operator: OPERATOR_SECTION,
  intake: INTAKE_SECTION,
  realTime: sectionOfDefaults({
    isOffered: Type.Boolean({ default: true, description: 'Deliver to callback URLs' }),
  }),
  callbackUrls: sectionOfDefaults({
    isOffered: Type.Boolean({
      default: true,
      description: 'Offer the callback-urls resource, if "realTime.isOffered" is true',
    }),
  }),
  polling: sectionOfDefaults({
    isOffered: Type.Boolean({ default: true, description: 'Offer aggregated polling (POST /events)' }),
    maxEventsDefault: whole(100, 1, 1000, 'SETs in a response if the TPP gives no maxEvents'),
    maxEventsMax: whole(100, 1, 1000, 'Most SETs in a response, even if the TPP asks for more'),
    longPollMaxMs: whole(30_000, 0, 300_000, 'Longest time a long poll is held; 0 answers every poll at once'),
    longPollsMax: whole(10_000, 1, 100_000, 'Concurrent long polls; further polls are answered at once'),
    longPollsPerTppMax: whole(4, 1, 1000, 'Concurrent long polls of one TPP; further polls are answered at once'),
    pollsPerTppMax: whole(
      8,
      1,
      1000,
      'Concurrent polls of one TPP, each until the TPP has read the response; further ones are answered 429. Held long polls do not count',
    ),
    reofferMs: whole(60_000, 1000, 86_400_000, 'Delay before an offered but unacknowledged SET is offered again'),
    reofferAfterErrorMs: whole(
      300_000,
      0,
      86_400_000,
      'Delay before a SET that was reported as an error is offered again',
    ),
    isAcknowledgementExpected: Type.Boolean({
      default: true,
      description: 'If false, each SET is offered once and counts as acknowledged when it is offered',
    }),
    intervalSeconds: whole(60, 1, 86_400, 'Polling interval that the portal notes recommend'),
  }),
  tppKeys: sectionOfDefaults({
    caFile: Type.Optional(
      file('Root certificates that certificates of JWKS URLs must chain to, PEM. Default: those of Node.js'),
    ),
    ...keyAges('maxAgeMs', 'hardMaxAgeMs'),
    refetchMinMs: whole(
      30_000,
      100,
      3_600_000,
      'Shortest time between two fetches of the keys of one TPP after a failure or for an unknown kid',
    ),
    timeoutMs: whole(5000, 100, 60_000, 'Longest time a fetch of the keys may take'),
  }),
  directory: Type.Optional(DIRECTORY_SECTION),
  ...DELIVERY_SECTIONS,
  metrics: sectionOfDefaults({
    tppsMax: whole(100, 0, 10_000, 'TPPs with their own time series in the metrics; all others share one'),
  }),
  ...TELEMETRY_SECTIONS,
  notify: NOTIFY_SECTION,
  log: sectionOfDefaults({
    level: Type.Enum(['debug', 'info', 'warn', 'error', 'silent'], {
      default: 'info',
      description: 'Least severe level that is logged: debug, info, warn, error or silent',
    }),
  }),
  shutdown: sectionOfDefaults({
    graceMs: whole(
      10_000,
      0,
      300_000,
      'How long running attempts may take to finish at shutdown; then their notifications are released to other instances',
    ),
  }),
});

/** The settings of the file, with defaults filled in. */
export type Config = Static<typeof ConfigSchema>;
