import { isIP } from 'node:net';
import type { BaseOptions } from '@platformatic/kafka';
import type { KafkaSourceSettings } from '@tidings/service';

/** The name that the brokers log, and that quotas can be set for. */
const CLIENT_ID = 'tidings';

/**
 * How every client connects. Certificates are verified whatever the environment says. A request that fails is repeated a few times;
 * then whoever runs the source starts anew.
 */
export function connectionOptions(settings: KafkaSourceSettings): BaseOptions {
  const { brokers, tls, sasl } = settings;
  return {
    clientId: CLIENT_ID,
    bootstrapBrokers: [...brokers],
    ...(tls !== undefined && {
      tls: { ...tls, rejectUnauthorized: true },
      // SNI, which names no addresses (RFC 6066 section 3).
      tlsServerName: !brokers.some((broker) => isIP(hostOf(broker)) !== 0),
    }),
    ...(sasl !== undefined && { sasl: { mechanism: sasl.mechanism, username: sasl.user, password: sasl.password } }),
    autocreateTopics: false,
    retries: 3,
    retryDelay: 300,
  };
}

/** The host of `host:port`, without the brackets of an IPv6 address. */
function hostOf(broker: string): string {
  return broker.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
}

/** An error whose message has the causes in it, which the library nests: `Cannot connect to any broker: connect ECONNREFUSED`. */
export function toldOf(error: unknown): Error {
  const reasons = new Set(reasonsIn(error));
  return new Error(reasons.size === 0 ? 'the brokers do not answer' : [...reasons].join(': '), { cause: error });
}

// How often the library tried, which explains nothing; its cause does.
const COUNTED = /^\w+ failed \d+ times(\.|$)/;
// Beyond this the causes of causes explain nothing.
const DEPTH_MAX = 6;

function reasonsIn(error: unknown, depth = 0): string[] {
  if (!(error instanceof Error) || depth > DEPTH_MAX) return [];
  const [first] = error instanceof AggregateError ? error.errors : [];
  const message = error.message.replace(/\.$/, '');
  return [
    ...(message === '' || COUNTED.test(message) ? [] : [message]),
    ...reasonsIn(first, depth + 1),
    ...reasonsIn(error.cause, depth + 1),
  ];
}
