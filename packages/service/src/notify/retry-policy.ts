import type { Outcome } from '../model/attempt.ts';
import type { Target } from '../model/notification.ts';
import type { RetryOverrides } from '../model/tpp.ts';

/** The Event Notification Retry Policy (rules, section 4). */
export interface RetryPolicy {
  /** Wait before the first retry; doubled for each further one. */
  readonly delayMs: number;
  readonly delayMaxMs: number;
  /** Retries after the first attempt. */
  readonly retriesMax: number;
  /** From the first attempt to the last retry. */
  readonly intervalMaxMs: number;
  /** Random share of a wait, from 0 (none) to 1 (all of it). */
  readonly jitter: number;
}

/** A failed attempt, with its place in the round. */
export interface FailedAttempt {
  readonly outcome: Outcome;
  /** Attempts of this round, including the failed one; at least 1. */
  readonly attempts: number;
  readonly roundBeganAtMs: number;
  readonly nowMs: number;
  /** Random, at least 0 and below 1. */
  readonly fraction: number;
}

/** The decision of the policy after a failure. */
export type AfterFailure = { readonly kind: 'retry'; readonly atMs: number } | { readonly kind: 'cease' };

/** The effective policy for one TPP. */
export function policyFor(policy: RetryPolicy, overrides: RetryOverrides | undefined): RetryPolicy {
  return overrides === undefined ? policy : { ...policy, ...overrides };
}

/**
 * Decides what follows a failed attempt: exponential backoff with jitter, until the number of retries or the time
 * interval is used up. `Retry-After` lengthens a wait, within `delayMaxMs`; it never shortens one. 410 Gone ends the
 * attempts at once.
 */
export function afterFailure(policy: RetryPolicy, failed: FailedAttempt): AfterFailure {
  const { outcome } = failed;
  const isGone = outcome.kind === 'refused' && outcome.status === 410;
  if (isGone || failed.attempts > policy.retriesMax) return { kind: 'cease' };
  const backoffMs = Math.min(policy.delayMs * 2 ** (failed.attempts - 1), policy.delayMaxMs);
  const jitteredMs = backoffMs * (1 - policy.jitter * failed.fraction);
  const askedMs = (outcome.kind === 'refused' ? outcome.retryAfterMs : undefined) ?? 0;
  const waitMs = Math.min(Math.max(jitteredMs, askedMs), policy.delayMaxMs);
  const atMs = failed.nowMs + Math.ceil(waitMs);
  return atMs > failed.roundBeganAtMs + policy.intervalMaxMs ? { kind: 'cease' } : { kind: 'retry', atMs };
}

/** How an unresponsive callback URL is probed, and how fast its backlog is sent once it has recovered. */
export interface UnresponsiveSettings {
  /** Wait before the first probe; doubles with each that fails. */
  readonly probeDelayMs: number;
  readonly probeDelayMaxMs: number;
  /** Notifications per second at first, after it recovered. */
  readonly rampPerSecond: number;
  /** Time in which that rate doubles. */
  readonly rampDoublingMs: number;
  /** Time after which the rate is no longer limited. */
  readonly rampMs: number;
}

/** The wait before the next probe. @param probes how many have failed so far */
export function probeDelayMs(settings: UnresponsiveSettings, probes: number): number {
  return Math.min(settings.probeDelayMs * 2 ** probes, settings.probeDelayMaxMs);
}

/** True while the rate to a callback URL that recovered is limited, so that it is not overwhelmed by its backlog. */
export function isRampingUp(target: Target, settings: UnresponsiveSettings, nowMs: number): boolean {
  // A clock that was set back must not limit a TPP for longer.
  const elapsedMs = target.recoveredAtMs === undefined ? -1 : nowMs - target.recoveredAtMs;
  return elapsedMs >= 0 && elapsedMs < settings.rampMs;
}

/**
 * How many more may be claimed for a target that is ramping up: the rate begins at `rampPerSecond` and doubles every
 * `rampDoublingMs`; this is its integral since the target recovered, less what was claimed since.
 */
export function rampCapacity(target: Target, settings: UnresponsiveSettings, nowMs: number): number {
  const doublings = (nowMs - (target.recoveredAtMs ?? nowMs)) / settings.rampDoublingMs;
  const perMs = settings.rampPerSecond / 1000;
  const allowed = 1 + (perMs * settings.rampDoublingMs * (2 ** doublings - 1)) / Math.LN2;
  return Math.max(Math.floor(allowed) - target.claimedSinceRecovery, 0);
}
