import type { Log } from '../base/log.ts';
import type { Attempt, ClaimedNotification, NextStep, Store } from '../store/store.ts';
import { afterFailure, type RetryPolicy } from './retry-policy.ts';

/** Decides what follows an attempt and keeps both; one wide log line each. Never logs the SET. */
export async function record(
  claimed: ClaimedNotification,
  attempt: Attempt,
  context: { store: Store; policy: RetryPolicy; fraction: number; nowMs: number; log: Log },
): Promise<void> {
  const next = nextStep(claimed, attempt, context);
  const applied = await context.store.recordAttempt(claimed, attempt, next);
  const line = {
    jti: claimed.jti,
    clientId: claimed.clientId,
    attempt: claimed.attempts + 1,
    interactionId: attempt.interactionId,
    durationMs: Math.round(attempt.durationMs),
    ...attempt.outcome,
    next: applied ? next.kind : 'overtaken',
    ...(next.kind === 'retry' && { retryInMs: next.atMs - context.nowMs }),
  };
  if (next.kind === 'cease') context.log.error(line, 'callback URL is unresponsive: attempts cease');
  else if (next.kind === 'retry') context.log.warn(line, 'attempt failed');
  else if (attempt.outcome.kind === 'acknowledged' && !attempt.outcome.interactionIdEchoed) {
    context.log.warn(line, 'acknowledged, but the TPP did not echo x-fapi-interaction-id');
  } else context.log.info(line, 'acknowledged');
}

function nextStep(
  claimed: ClaimedNotification,
  attempt: Attempt,
  context: { policy: RetryPolicy; fraction: number; nowMs: number },
): NextStep {
  if (attempt.outcome.kind === 'acknowledged') return { kind: 'acknowledged' };
  return afterFailure(context.policy, {
    attempts: claimed.roundAttempts + 1,
    roundBeganAtMs: claimed.roundBeganAtMs ?? attempt.startedAtMs,
    nowMs: context.nowMs,
    retryAfterMs: attempt.outcome.kind === 'refused' ? attempt.outcome.retryAfterMs : undefined,
    fraction: context.fraction,
  });
}
