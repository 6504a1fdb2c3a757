/**
 * Locks that a transaction holds until it ends. In memory of the server only: nothing is written for it, and it works
 * behind a transaction pooler.
 */
export interface Locks {
  /** TPPs whose registration, suspension and existence must not change meanwhile. */
  readonly unchanged?: Iterable<string>;
  /** The TPP whose registration, suspension or existence this changes. */
  readonly changing?: string;
  /** The TPP that polls: one poll at a time, so that no two are offered the same. */
  readonly polling?: string;
  /** This appends to the activity log: one at a time, so that ids are in the order of the commits. */
  readonly appending?: true;
}

// Names of advisory locks: the first number says what kind it is ("Tdng" and one more), the second which.
const REGISTRATIONS = 0x54_64_6e_68;
const POLLS = 0x54_64_6e_69;
const ACTIVITY = 0x54_64_6e_6b;
export const MIGRATING = 0x54_64_6e_6a;
// Bounds how many locks a batch holds. Two TPPs that share a lock wait for each other's registration changes, no more.
const BUCKETS = 64;

/** SQL that takes the locks, in a fixed order, before anything is read; empty where there are none. */
export function lockStatement(locks: Locks | undefined): string {
  const calls: string[] = [];
  if (locks?.changing !== undefined) {
    calls.push(`pg_advisory_xact_lock(${REGISTRATIONS}, ${bucketOf(locks.changing)})`);
  }
  const buckets = [...new Set([...(locks?.unchanged ?? [])].map(bucketOf))].sort((left, right) => left - right);
  for (const bucket of buckets) calls.push(`pg_advisory_xact_lock_shared(${REGISTRATIONS}, ${bucket})`);
  if (locks?.polling !== undefined) calls.push(`pg_advisory_xact_lock(${POLLS}, ${hashOf(locks.polling)})`);
  if (locks?.appending === true) calls.push(`pg_advisory_xact_lock(${ACTIVITY}, 0)`);
  return calls.length === 0 ? '' : ` SELECT ${calls.join(', ')};`;
}

function bucketOf(clientId: string): number {
  return (hashOf(clientId) >>> 0) % BUCKETS;
}

/** FNV-1a, 32 bits, signed as PostgreSQL wants it. */
function hashOf(clientId: string): number {
  let hash = 0x81_1c_9d_c5;
  for (let at = 0; at < clientId.length; at += 1) {
    hash = Math.imul(hash ^ clientId.charCodeAt(at), 0x01_00_01_93);
  }
  return hash | 0;
}
