import { POLL_BODY_BYTES_MAX } from '@tidings/protocol';
import { type Static, Type } from 'typebox';
import { DELIVERY_SECTIONS } from './schema-delivery.ts';
import { CLIENT_CRL_FILE, OPERATOR_SECTION } from './schema-operator.ts';
import { STORE_SECTION } from './schema-store.ts';
import { WATCH_SECTIONS } from './schema-watch.ts';
import { connectionSettings, file, keyAges, port, section, sectionOfDefaults, text, whole } from './settings.ts';

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
    keyFile: file('Private signing key, RSA of 2048 to 8192 bits, PKCS #8 PEM'),
    next: Type.Optional(
      section({
        kid: text('Key id of the key that is to sign next: it is announced in the JWKS, and signs once it is told to'),
        keyFile: file('Private key, as above'),
      }),
    ),
    announcedMs: whole(
      86_400_000,
      0,
      31_536_000_000,
      'How long the next key must have been in the JWKS before it may sign, so that TPPs that cache it know it',
    ),
    formerKeysKeptMs: whole(
      7_776_000_000,
      0,
      315_360_000_000,
      'How long a former key stays in the JWKS after it was last used, besides while something signed with it is awaiting',
    ),
  }),
  store: STORE_SECTION,
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
      section({
        ...serverTls,
        clientCaFile: file('Roots that TPP transport certificates must lead to, PEM'),
        clientCrlFile: CLIENT_CRL_FILE,
      }),
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
    registrationChangesPerHourPerTppMax: whole(
      60,
      1,
      1_000_000,
      'Registrations that one TPP creates, replaces or deletes in an hour; more are answered 429',
    ),
    unauthenticatedPerMinutePerCertificateMax: whole(
      120,
      1,
      1_000_000,
      'Requests of one client certificate a minute that come to no registered TPP; more are answered 429 without a look at their token',
    ),
    unauthenticatedPerMinutePerAddressMax: whole(
      1200,
      1,
      1_000_000,
      'The same of one remote address (an IPv6 /64 is one), by certificates that came to no TPP before; not of "api.gateway.addresses"',
    ),
    bodyBytesMax: whole(
      65_536,
      4096,
      10_485_760,
      `Largest request body; those of polls may have ${POLL_BODY_BYTES_MAX} bytes at least, for their acknowledgements and reports`,
    ),
    requestTimeoutMs: whole(10_000, 100, 120_000, 'Longest time a request may take to arrive'),
    ...connectionSettings(1000, 'connections from "api.gateway.addresses" are not counted'),
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
    clientCredentials: Type.Optional(
      section({
        claim: Type.String({
          minLength: 1,
          maxLength: 256,
          description:
            'How the authorisation server marks tokens of the client credentials grant, where it is not by a sub that equals client_id: the claim, or a path such as act.sub; see docs/tokens-and-keys.md',
        }),
        value: Type.Optional(
          Type.String({
            minLength: 1,
            maxLength: 1024,
            description:
              'What the claim is, exactly; {client_id} stands for the client_id, {client_id:lower} for it in lower case',
          }),
        ),
        pattern: Type.Optional(
          Type.String({
            minLength: 1,
            maxLength: 1024,
            description:
              'Instead of value: a regular expression that the whole claim must match, with the same placeholders',
          }),
        ),
      }),
    ),
    clockSkewSeconds: whole(10, 0, 300, 'Tolerance for exp, nbf and iat of tokens, and for iat of signatures'),
    timeoutMs: whole(5000, 100, 60_000, 'Longest time a fetch of the keys may take'),
    ...keyAges('keysMaxAgeMs', 'keysHardMaxAgeMs'),
  }),
  operator: OPERATOR_SECTION,
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
    pollsPerTppMax: whole(
      8,
      1,
      1000,
      'Polls of one TPP answered at once, until the TPP has read the answers; more are answered 429. Held long polls do not count',
    ),
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
    ...keyAges('maxAgeMs', 'hardMaxAgeMs'),
    refetchMinMs: whole(
      30_000,
      100,
      3_600_000,
      'Shortest time between two fetches of the keys of one TPP that fail, or are for a kid that is not known',
    ),
    timeoutMs: whole(5000, 100, 60_000, 'Longest time a fetch may take'),
  }),
  directory: Type.Optional(
    section({
      issuer: text('iss of software statement assertions, such as OpenBanking Ltd'),
      jwksFile: file('JWKS of the directory, which signs software statement assertions'),
    }),
  ),
  ...DELIVERY_SECTIONS,
  metrics: sectionOfDefaults({
    tppsMax: whole(100, 0, 10_000, 'TPPs that have series of their own in the metrics; the others share one'),
  }),
  ...WATCH_SECTIONS,
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
