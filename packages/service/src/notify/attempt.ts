import {
  cutText,
  FINANCIAL_ID_HEADER,
  fitText,
  INTERACTION_ID_HEADER,
  isJsonObject,
  parseStrictJson,
  retryAfterMs,
  SET_MEDIA_TYPE,
} from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import { defined } from '../base/defined.ts';
import type { Log } from '../base/log.ts';
import type { Attempt, NextStep, Outcome } from '../model/attempt.ts';
import type { HealthTurn } from '../model/attempt-health.ts';
import type { ClaimedNotification } from '../model/notification.ts';
import type { CallbackClient, Exchange } from '../net/callback-client.ts';
import type { AttemptRecord, RecordResult } from '../store/delivery.ts';
import { afterFailure, policyFor, probeDelayMs, type RetryPolicy, type UnresponsiveSettings } from './retry-policy.ts';

// Of what a TPP returns in place of the echo, enough to see what it was.
const INTERACTION_ID_CHARACTERS_MAX = 64;
// The same limits as for the errors that a TPP reports in a poll.
const ERR_CHARACTERS_MAX = 40;
const DESCRIPTION_CHARACTERS_MAX = 256;

/** Content and context of one POST. */
export interface PreparedAttempt {
  readonly clientId: string;
  readonly callbackUrl: string;
  readonly set: string;
  /** Fresh for this exchange. */
  readonly interactionId: string;
  readonly financialId: string | undefined;
  readonly abort: AbortSignal;
}

/** POSTs a SET to the callback URL, exactly as registered (rules, section 4). */
export async function deliver(prepared: PreparedAttempt, client: CallbackClient, clock: Clock): Promise<Attempt> {
  const { clientId, callbackUrl, set, interactionId, financialId, abort } = prepared;
  const headers = {
    'content-type': SET_MEDIA_TYPE,
    [INTERACTION_ID_HEADER]: interactionId,
    ...defined({ [FINANCIAL_ID_HEADER]: financialId }),
  };
  const startedAtMs = clock.nowMs();
  const beganMs = clock.monotonicMs();
  const exchange = await client.post({ clientId, url: callbackUrl, headers, body: set }, abort);
  const durationMs = clock.monotonicMs() - beganMs;
  return { startedAtMs, durationMs, interactionId, callbackUrl, outcome: outcomeOf(exchange, interactionId, clock) };
}

function outcomeOf(exchange: Exchange, interactionId: string, clock: Clock): Outcome {
  if (exchange.kind === 'unreachable') return exchange;
  const { status, header } = exchange;
  if (status === 202) {
    const returned = header(INTERACTION_ID_HEADER);
    if (returned === interactionId) return { kind: 'acknowledged', status, interactionIdEchoed: true };
    const interactionIdReturned = returned?.slice(0, INTERACTION_ID_CHARACTERS_MAX);
    return {
      kind: 'acknowledged',
      status,
      interactionIdEchoed: false,
      ...defined({ interactionIdReturned }),
    };
  }
  const askedMs = status === 429 || status === 503 ? retryAfterMs(header('retry-after'), clock.nowMs()) : undefined;
  return { kind: 'refused', status, ...defined({ retryAfterMs: askedMs }), ...setErrorOf(exchange) };
}

/** The error in the body of a 400 (RFC 8935 section 2.3); empty for any other body. */
function setErrorOf({ errorBody }: Exchange & { kind: 'answered' }): {
  readonly err?: string;
  readonly description?: string;
} {
  const body = errorBody === undefined ? undefined : jsonOf(errorBody);
  if (!isJsonObject(body)) return {};
  const { err, description } = body;
  return {
    ...(typeof err === 'string' && { err: cutText(fitText(err), ERR_CHARACTERS_MAX) }),
    ...(typeof description === 'string' && { description: cutText(fitText(description), DESCRIPTION_CHARACTERS_MAX) }),
  };
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return parseStrictJson(bytes, { acceptsUnfitTexts: true });
  } catch {
    return undefined;
  }
}

/** Context of the decision about what follows an attempt. */
export interface NextStepContext {
  readonly policy: RetryPolicy;
  readonly unresponsive: UnresponsiveSettings;
  /** Random, at least 0 and below 1. */
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

/** Logs an attempt and its result in one line, without the SET. */
export function logAttempt(log: Log, { claimed, attempt, next }: AttemptRecord, result: RecordResult, nowMs: number) {
  const line = {
    jti: claimed.jti,
    clientId: claimed.clientId,
    attempt: claimed.attempts + 1,
    ...(claimed.probe !== undefined && { probe: claimed.probe + 1 }),
    interactionId: attempt.interactionId,
    ...defined({ trace: claimed.traceContext?.traceparent }),
    durationMs: Math.round(attempt.durationMs),
    ...attempt.outcome,
    next: result === 'overtaken' ? result : next.kind,
    ...(next.kind === 'retry' && { retryInMs: next.atMs - nowMs }),
    ...(next.kind === 'cease' && { probeInMs: next.probeAtMs - nowMs }),
  };
  if (result === 'became-unresponsive') log.error(line, 'callback URL is unresponsive: attempts cease');
  else if (result === 'recovered') log.warn(line, 'callback URL is responsive again: awaiting notifications are sent');
  else if (next.kind === 'cease') log.warn(line, ceasedMeanwhile(claimed));
  else if (next.kind === 'retry') log.warn(line, 'attempt failed');
  else if (attempt.outcome.kind === 'acknowledged' && !attempt.outcome.interactionIdEchoed) {
    log.warn(line, 'acknowledged, but the TPP did not echo x-fapi-interaction-id');
  } else log.info(line, 'acknowledged');
}

/** Logs that a callback URL began to fail, or does so no longer. */
export function logTurn(log: Log, turn: HealthTurn): void {
  const { clientId } = turn;
  if (turn.to === 'failing') log.warn({ clientId, ...turn.failure }, 'callback URL is failing');
  else log.info({ clientId, failedForMs: turn.atMs - turn.failingSinceMs }, 'callback URL is healthy again');
}

/** The log entry of a failure that did not make the callback URL unresponsive, because it was so already. */
function ceasedMeanwhile({ probe }: ClaimedNotification): string {
  if (probe !== undefined) return 'probe of an unresponsive callback URL failed';
  return 'attempt failed, after its callback URL became unresponsive or recovered';
}
