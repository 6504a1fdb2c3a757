import type { Log } from '../base/log.ts';
import type { Attempt, NextStep } from '../model/attempt.ts';
import type { ClaimedNotification } from '../model/notification.ts';
import type { AttemptRecord, RecordResult } from '../store/delivery.ts';
import { afterFailure, policyFor, probeDelayMs, type RetryPolicy, type UnresponsiveSettings } from './retry-policy.ts';

/** Context of the decision about what follows an attempt. */
export interface NextStepContext {
  readonly policy: RetryPolicy;
  readonly unresponsive: UnresponsiveSettings;
  /** Random, from 0 up to but without 1. */
  readonly fraction: number;
  readonly nowMs: number;
}

/** Decides what follows an attempt; pure. */
export function nextStep(claimed: ClaimedNotification, attempt: Attempt, context: NextStepContext): NextStep {
  const { unresponsive, nowMs } = context;
  if (attempt.outcome.kind === 'acknowledged') return { kind: 'acknowledged' };
  if (claimed.probe !== undefined) {
    return { kind: 'cease', probeAtMs: nowMs + probeDelayMs(unresponsive, claimed.probe + 1) };
  }
  const after = afterFailure(policyFor(context.policy, claimed.retry), {
    outcome: attempt.outcome,
    attempts: claimed.roundAttempts + 1,
    roundBeganAtMs: claimed.roundBeganAtMs ?? attempt.startedAtMs,
    nowMs,
    fraction: context.fraction,
  });
  return after.kind === 'retry' ? after : { kind: 'cease', probeAtMs: nowMs + probeDelayMs(unresponsive, 0) };
}

/** One wide log line for an attempt and what became of it. Never holds the SET. */
export function logAttempt(log: Log, { claimed, attempt, next }: AttemptRecord, result: RecordResult, nowMs: number) {
  const line = {
    jti: claimed.jti,
    clientId: claimed.clientId,
    attempt: claimed.attempts + 1,
    ...(claimed.probe !== undefined && { probe: claimed.probe + 1 }),
    interactionId: attempt.interactionId,
    ...(claimed.traceContext !== undefined && { trace: claimed.traceContext.traceparent }),
    durationMs: Math.round(attempt.durationMs),
    ...attempt.outcome,
    next: result === 'overtaken' ? result : next.kind,
    ...(next.kind === 'retry' && { retryInMs: next.atMs - nowMs }),
    ...(next.kind === 'cease' && { probeInMs: next.probeAtMs - nowMs }),
  };
  if (result === 'became-unresponsive') log.error(line, 'callback URL is unresponsive: attempts cease');
  else if (result === 'recovered') log.warn(line, 'callback URL is responsive again: what is awaiting is sent');
  else if (next.kind === 'cease') log.warn(line, ceasedMeanwhile(claimed));
  else if (next.kind === 'retry') log.warn(line, 'attempt failed');
  else if (attempt.outcome.kind === 'acknowledged' && !attempt.outcome.interactionIdEchoed) {
    log.warn(line, 'acknowledged, but the TPP did not echo x-fapi-interaction-id');
  } else log.info(line, 'acknowledged');
}

/** The log entry of a failure that did not make the callback URL unresponsive, because it was so already. */
function ceasedMeanwhile({ probe }: ClaimedNotification): string {
  if (probe !== undefined) return 'probe of an unresponsive callback URL failed';
  return 'attempt failed, after its callback URL became unresponsive or recovered';
}
