import type { BankEvent } from '../model/event.ts';
import type { AttemptRecord, PublishResult, RecordResult } from './delivery.ts';

/** The TPPs that an event made a notification for. */
export function newlyNotified(events: readonly BankEvent[], result: PublishResult): ReadonlySet<string> {
  const clientIds = new Set<string>();
  if (result.kind === 'conflict') return clientIds;
  for (const [at, { clientId }] of events.entries()) {
    const outcome = result.outcomes[at];
    if (outcome?.kind === 'notification' && !outcome.repeated) clientIds.add(clientId);
  }
  return clientIds;
}

/** The TPPs whose callback URL turned unresponsive or recovered. */
export function turned(records: readonly AttemptRecord[], results: readonly RecordResult[]): ReadonlySet<string> {
  const isTurn = (result: RecordResult | undefined) => result === 'recovered' || result === 'became-unresponsive';
  return new Set(records.filter((_, at) => isTurn(results[at])).map(({ claimed }) => claimed.clientId));
}
