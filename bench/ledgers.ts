import { constants, createPublicKey, verify } from 'node:crypto';
import type { Accepted } from './publisher.ts';
import type { ReceiverLedger } from './receiver.ts';
import type { Rig } from './rig.ts';
import { percentile } from './statistics.ts';

/** An accepted notification, and when the receiver first responded 202; undefined when it never did. */
export interface Delivery extends Accepted {
  readonly answeredMs: number | undefined;
}

/** Comparison of the publisher's and the receiver's ledgers. */
export interface Ledgers {
  readonly deliveries: readonly Delivery[];
  readonly accepted: number;
  /** Notifications accepted by the service and never acknowledged by the receiver. */
  readonly lost: number;
  /** Responses of 202 beyond the first of each notification. */
  readonly duplicates: number;
  /** Notifications received although no response to their publishing was received. */
  readonly unknown: number;
  /** Received SETs whose PS256 signature was verified, and those with an invalid signature. */
  readonly signaturesVerified: number;
  readonly signaturesWrong: number;
}

/** Fetches both ledgers and compares them. */
export async function compareLedgers(rig: Rig): Promise<Ledgers> {
  const accepted = await rig.publisher.report();
  const { ledger, samples } = await rig.receiver.report();
  const deliveries = accepted.map((one) => ({ ...one, answeredMs: ledger.get(one.jti)?.answeredMs }));
  const lost = deliveries.filter(({ answeredMs }) => answeredMs === undefined).length;
  const key = createPublicKey({ key: { ...rig.bank.pki.bank.signing.publicJwk }, format: 'jwk' });
  return {
    deliveries,
    accepted: accepted.length,
    lost,
    duplicates: duplicatesIn(ledger),
    unknown: ledger.size - (accepted.length - lost),
    signaturesVerified: samples.length,
    signaturesWrong: samples.filter((set) => !isSignedWith(key, set)).length,
  };
}

function duplicatesIn(ledger: ReceiverLedger): number {
  let duplicates = 0;
  for (const { count } of ledger.values()) duplicates += count - 1;
  return duplicates;
}

function isSignedWith(key: ReturnType<typeof createPublicKey>, set: string): boolean {
  const end = set.lastIndexOf('.');
  const padding = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  return verify('sha256', Buffer.from(set.slice(0, end)), padding, Buffer.from(set.slice(end + 1), 'base64url'));
}

/** Milliseconds, from `sent` (start of the publishing request) or from `answered` (its response). */
export interface Latency {
  readonly samples: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Latency from publishing to the 202, without the deliveries that never arrived. */
export function latencyOf(deliveries: readonly Delivery[], from: 'sentMs' | 'acceptedMs' = 'sentMs'): Latency {
  const latenciesMs = deliveries.flatMap((one) => (one.answeredMs === undefined ? [] : [one.answeredMs - one[from]]));
  return {
    samples: latenciesMs.length,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    maxMs: percentile(latenciesMs, 1),
  };
}
