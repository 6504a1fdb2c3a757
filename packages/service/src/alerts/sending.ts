import { createHash } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { AlertStore, ClaimedAlertMessage } from '../store/alerts.ts';
import type { SendResult } from './channel.ts';
import type { Destination } from './destinations.ts';
import { type Links, messageOf } from './message.ts';

/** Dependencies of sending. */
export interface SendingOptions {
  readonly store: Pick<AlertStore, 'claimAlertMessages' | 'recordAlertSending'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  readonly links: Links;
  readonly messagesPerHourMax: number;
  readonly timeoutMs: number;
  /** Optional observer of sendings. */
  readonly onSending?: ((destination: string, outcome: SendResult['kind']) => void) | undefined;
}

const HOUR_MS = 3_600_000;
/** More messages than this that are due at once are sent together. */
const SEPARATE_MAX = 5;
const CLAIMED_MAX = 1000;
const RETRY_MS = 30_000;
const RETRY_MAX_MS = 3_600_000;
// A message is given up when it has not been accepted for so long.
const GIVE_UP_MS = 86_400_000;

/**
 * Sends what is due for a destination: few messages each by itself, many together. What is not accepted is attempted again,
 * after 30 seconds, then with a delay that doubles up to an hour, for a day. A message is claimed before it is sent, so that of
 * several instances one sends it. After a crash between sending and recording it is sent again, with the same id.
 */
export async function sendDue(destination: Destination, options: SendingOptions): Promise<void> {
  const { store, clock, messagesPerHourMax, timeoutMs } = options;
  const nowMs = clock.nowMs();
  const { messages, sendingsLeft } = await store.claimAlertMessages({
    destination: destination.name,
    nowMs,
    leaseUntilMs: nowMs + leaseMs(timeoutMs),
    limit: CLAIMED_MAX,
    countedFromMs: nowMs - HOUR_MS,
    sendingsMax: messagesPerHourMax,
  });
  const isFew = messages.length <= Math.min(SEPARATE_MAX, sendingsLeft);
  const sendings = isFew ? messages.map((message) => [message]) : [messages];
  for (const sending of sendings) if (sending.length > 0) await send(destination, sending, options);
}

/** Longer than all sendings of a claim take. */
function leaseMs(timeoutMs: number): number {
  return timeoutMs * (SEPARATE_MAX + 1) + RETRY_MS;
}

async function send(
  destination: Destination,
  claimed: readonly ClaimedAlertMessage[],
  options: SendingOptions,
): Promise<void> {
  const { store, clock, log, links, onSending } = options;
  const sendingId = sendingIdOf(claimed);
  const result = await destination.channel.send(
    sendingId,
    claimed.map(({ alert, kind }) => messageOf(alert, kind, links)),
  );
  const nowMs = clock.nowMs();
  const facts = {
    destination: destination.name,
    sendingId,
    alerts: claimed.map(({ alert }) => alert.key).slice(0, 20),
  };
  onSending?.(destination.name, result.kind);
  if (result.kind === 'sent') {
    log.info(facts, 'alert sent');
    const outcome = { kind: 'sent', sendingId, atMs: nowMs } as const;
    return await store.recordAlertSending({ destination: destination.name, messages: keysOf(claimed), outcome });
  }
  const { error } = result;
  const byDue = Map.groupBy(claimed, (each) => nextAttemptAtMs(each, nowMs));
  for (const [dueAtMs, group] of byDue) {
    const outcome = { kind: 'failed', error, dueAtMs } as const;
    await store.recordAlertSending({ destination: destination.name, messages: keysOf(group), outcome });
  }
  const isGivenUp = [...byDue.keys()].every((dueAtMs) => dueAtMs === undefined);
  if (isGivenUp) log.error({ ...facts, why: error }, 'alert could not be sent for a day, and is given up');
  else log.warn({ ...facts, why: error }, 'alert could not be sent; it is tried again');
}

function keysOf(claimed: readonly ClaimedAlertMessage[]) {
  return claimed.map(({ alert, kind }) => ({ alertId: alert.id, kind }));
}

/** @returns undefined: it is given up */
function nextAttemptAtMs({ alert, kind, attempts }: ClaimedAlertMessage, nowMs: number): number | undefined {
  const createdAtMs = kind === 'recovered' ? (alert.clearedAtMs ?? alert.raisedAtMs) : alert.raisedAtMs;
  if (nowMs - createdAtMs >= GIVE_UP_MS) return undefined;
  return nowMs + Math.min(RETRY_MS * 2 ** Math.min(attempts, 10), RETRY_MAX_MS);
}

/** The same for the same messages. */
function sendingIdOf(claimed: readonly ClaimedAlertMessage[]): string {
  const [only] = claimed;
  if (claimed.length === 1 && only !== undefined) return `alert-${only.alert.id}-${only.kind}`;
  const hash = createHash('sha256').update(JSON.stringify(claimed.map(({ alert, kind }) => [alert.id, kind])));
  return `alerts-${hash.digest('hex').slice(0, 32)}`;
}
