import { ATTEMPT_BEGINS_WITHIN_MS, LEASE_MS } from './service-config.ts';

/** What is known of two POSTs of one notification, of which the first was acknowledged. All times by the machine's wall clock. */
export interface Sending {
  /** When the attempt that was acknowledged began. */
  readonly acknowledgedBeganAtMs: number;
  /** When its record was in the store at the latest; Infinity: not known. */
  readonly recordedByMs: number;
  /** When the later attempt began; undefined: it was never recorded. */
  readonly beganAtMs: number | undefined;
  /** When the process that made the later attempt was spawned. */
  readonly spawnedAtMs: number;
}

/**
 * Whether a notification was certainly claimed after its acknowledgement had been recorded, which nothing excuses.
 *
 * That a POST came after another one proves nothing by itself. A process that was frozen, or got no CPU for longer than a
 * lease, may claim the notification again before it reads the 202 that waits in its socket, and record that 202 while the
 * second POST is under way; and the network may hand on a POST long after the process that sent it was killed. Either way
 * the record stands in the store in the end, although nobody could have known of it when the second POST began. So this
 * compares when things happened, with two facts about the service. An attempt begins within ATTEMPT_BEGINS_WITHIN_MS of its
 * claim, or not at all. And nobody claims what is leased: what was recorded while the lease of the acknowledged attempt
 * stood was not claimed by anybody else before that.
 */
export function isSentAfterRecorded(sending: Sending): boolean {
  const { acknowledgedBeganAtMs, recordedByMs, beganAtMs, spawnedAtMs } = sending;
  const claimedAfterMs = Math.max(spawnedAtMs, (beganAtMs ?? 0) - ATTEMPT_BEGINS_WITHIN_MS);
  if (claimedAfterMs > recordedByMs) return true;
  const leasedUntilMs = acknowledgedBeganAtMs + LEASE_MS - ATTEMPT_BEGINS_WITHIN_MS;
  return beganAtMs !== undefined && beganAtMs > recordedByMs && recordedByMs < leasedUntilMs;
}
