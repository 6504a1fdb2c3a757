import type { Outcome } from '../base/outcome.ts';
import type { RetryOverrides } from '../store/store.ts';

/** The Event Notification Retry Policy (rules, section 4). */
export interface RetryPolicy {
  /** Wait before the first retry; doubles with each further one. */
  readonly delayMs: number;
  readonly delayMaxMs: number;
  /** Retries after the first attempt. */
  readonly retriesMax: number;
  /** From the first attempt to the last retry. */
  readonly intervalMaxMs: number;
  /** Part of a wait that is random: 0 none, 1 all of it. */
  readonly jitter: number;
}

/** Where a notification stands after an attempt that failed. */
export interface FailedAttempt {
  readonly outcome: Outcome;
  /** Attempts of this round, the one that failed included; at least 1. */
  readonly attempts: number;
  readonly roundBeganAtMs: number;
  readonly nowMs: number;
  /** Random, from 0 up to but without 1. */
  readonly fraction: number;
}

/** What the policy says after a failure. */
export type AfterFailure = { readonly kind: 'retry'; readonly atMs: number } | { readonly kind: 'cease' };

/** The policy that holds for one TPP. */
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
