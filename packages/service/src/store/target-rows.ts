import type { AttemptHealth, Failure } from '../model/attempt-health.ts';
import type { Target } from '../model/notification.ts';
import { jsonOrNull, optionalJson, optionalWhole, type Row, whole } from './rows.ts';

/** The health of a callback URL. */
export type TargetHealth = AttemptHealth &
  Pick<Target, 'unresponsiveSinceMs' | 'probeAtMs' | 'probes' | 'recoveredAtMs' | 'claimedSinceRecovery'>;

/** Columns of {@link healthOf}. */
export const HEALTH_COLUMNS = [
  'unresponsive_since_ms',
  'probe_at_ms',
  'probes',
  'recovered_at_ms',
  'claimed_since_recovery',
  'failing_since_ms',
  'failures',
  'last_failure',
  'acknowledged_at_ms',
] as const;

/** A row of `target`. */
export function healthOf(row: Row): TargetHealth {
  return {
    unresponsiveSinceMs: optionalWhole(row, 'unresponsive_since_ms'),
    probeAtMs: optionalWhole(row, 'probe_at_ms'),
    probes: whole(row, 'probes'),
    recoveredAtMs: optionalWhole(row, 'recovered_at_ms'),
    claimedSinceRecovery: whole(row, 'claimed_since_recovery'),
    ...attemptHealthOf(row),
  };
}

/** A row of `target` by the columns of its health. */
export function healthRowOf(health: TargetHealth) {
  return {
    unresponsive_since_ms: health.unresponsiveSinceMs ?? null,
    probe_at_ms: health.probeAtMs ?? null,
    probes: health.probes,
    recovered_at_ms: health.recoveredAtMs ?? null,
    claimed_since_recovery: health.claimedSinceRecovery,
    failing_since_ms: health.failingSinceMs ?? null,
    failures: health.failures,
    last_failure: jsonOrNull(health.lastFailure),
    acknowledged_at_ms: health.acknowledgedAtMs ?? null,
  } satisfies Record<(typeof HEALTH_COLUMNS)[number], unknown>;
}

/** The part of {@link healthOf} that attempts change. */
export function attemptHealthOf(row: Row): AttemptHealth {
  return {
    failingSinceMs: optionalWhole(row, 'failing_since_ms'),
    failures: whole(row, 'failures'),
    lastFailure: optionalJson<Failure>(row, 'last_failure'),
    acknowledgedAtMs: optionalWhole(row, 'acknowledged_at_ms'),
  };
}
