import type { Attempt, NotificationRecord } from '../store/store.ts';

/** Writes a notification with its attempts as the operator reads it; times are ISO 8601 in UTC. */
export function writeNotification(notification: NotificationRecord): object {
  const { jti, eventId, clientId, state, claims, set, attempts } = notification;
  return {
    jti,
    eventId,
    clientId,
    state,
    publishedAt: isoTime(notification.publishedAtMs),
    ...(notification.acknowledgedAtMs !== undefined && { acknowledgedAt: isoTime(notification.acknowledgedAtMs) }),
    ...(notification.nextAttemptAtMs !== undefined && { nextAttemptAt: isoTime(notification.nextAttemptAtMs) }),
    claims,
    ...(set !== undefined && { set }),
    attempts: attempts.map(writeAttempt),
  };
}

function writeAttempt(attempt: Attempt): object {
  const { kind, ...details } = attempt.outcome;
  return {
    startedAt: isoTime(attempt.startedAtMs),
    durationMs: attempt.durationMs,
    interactionId: attempt.interactionId,
    callbackUrl: attempt.callbackUrl,
    outcome: kind,
    ...details,
  };
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
