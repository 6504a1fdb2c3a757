import { Type } from 'typebox';
import { CALLBACK_PORTS_ALLOWED } from './ports.ts';
import { file, sectionOfDefaults, text, whole } from './settings.ts';

/** Ranges of the retry settings that a TPP can have of its own. */
export const RETRY_RANGES = {
  delayMs: { minimum: 10, maximum: 3_600_000 },
  delayMaxMs: { minimum: 10, maximum: 86_400_000 },
  retriesMax: { minimum: 0, maximum: 1000 },
  intervalMaxMs: { minimum: 1000, maximum: 2_592_000_000 },
} as const;

const retryRange = (name: keyof typeof RETRY_RANGES) =>
  [RETRY_RANGES[name].minimum, RETRY_RANGES[name].maximum] as const;

/** Settings of delivering, and of what is kept of it. */
export const DELIVERY_SECTIONS = {
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
        'Addresses that callback URLs and JWKS URLs of TPPs may lead to although they are not public: the bank’s own networks, a sandbox’s loopback',
    }),
    callbackPortsAllowed: Type.Array(text('Port, or range of ports such as 1024-65535'), {
      default: CALLBACK_PORTS_ALLOWED,
      minItems: 1,
      maxItems: 100,
      description: 'Ports that callback URLs and JWKS URLs of TPPs may have: none at which other services listen',
    }),
    dnsServers: Type.Array(text('IP address, with a port if it is not 53'), {
      default: [],
      maxItems: 10,
      description:
        'DNS servers that hosts of callback URLs and JWKS URLs of TPPs are looked up at. Default: those of the system',
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
      'Longest life of a connection that is used again; after that the host is looked up again',
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
    rampPerSecond: whole(
      5,
      1,
      10_000,
      'Notifications a second that are sent at first to a callback URL that has recovered',
    ),
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
      'How long events are kept; after that an id may be published again',
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
};
