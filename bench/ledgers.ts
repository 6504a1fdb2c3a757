import { constants, createPublicKey, verify } from 'node:crypto';
import type { Accepted } from './publisher.ts';
import type { ReceiverLedger } from './receiver.ts';
import type { Rig } from './rig.ts';
import { percentile } from './statistics.ts';

/** An accepted notification and when the receiver first answered it 202; undefined: never. */
export interface Delivery extends Accepted {
  readonly answeredMs: number | undefined;
}

/** The publisher's ledger against the receiver's. */
export interface Ledgers {
  readonly deliveries: readonly Delivery[];
  readonly accepted: number;
  /** Accepted, and never answered 202 by the receiver. */
  readonly lost: number;
  /** Answers of 202 beyond the first of each notification. */
  readonly duplicates: number;
  /** Notifications that came though their publishing was never answered. */
  readonly unknown: number;
  /** SETs of those that came whose PS256 signature was looked at, and those of them whose was wrong. */
  readonly signaturesVerified: number;
  readonly signaturesWrong: number;
}

/** Gets both ledgers and compares them. */
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

/** Milliseconds; from `sent`, when the request that published was begun, or from `answered`, when its answer had come. */
export interface Latency {
  readonly samples: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Publish → 202 of these deliveries, those that never arrived left out. */
export function latencyOf(deliveries: readonly Delivery[], from: 'sentMs' | 'acceptedMs' = 'sentMs'): Latency {
  const latenciesMs = deliveries.flatMap((one) => (one.answeredMs === undefined ? [] : [one.answeredMs - one[from]]));
  return {
    samples: latenciesMs.length,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    maxMs: percentile(latenciesMs, 1),
  };
}
