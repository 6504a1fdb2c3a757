import { randomUUID } from 'node:crypto';
import { systemClock } from '@tidings/service';
import type { ShownNotification } from '../bank/operator-client.ts';
import { pause } from '../clock.ts';
import { type Change, eventOf, type Resource } from '../resource-server/ledger.ts';
import { CLIENT_ID, type Sandbox } from '../sandbox.ts';
import { expect } from './steps.ts';

const DELIVERY_TIMEOUT_MS = 30_000;
const POLL_MS = 25;

/** Changes a resource of a TPP at the bank. */
export function makeChange({ ledger }: Pick<Sandbox, 'ledger'>, change: Change, clientId = CLIENT_ID): Resource {
  const opened = ledger.open(change, clientId, systemClock.nowMs());
  return ledger.change(opened, change, systemClock.nowMs());
}

interface ChangeToPublish {
  readonly change: Change;
  /** Default: one that is made now, of the TPP with this `clientId`. */
  readonly resource?: Resource;
  /** Default: the sample TPP. */
  readonly clientId?: string;
  readonly transactionId?: string;
}

/** Publishes the event of a change to the Notification Service, which must create a notification. @returns its `jti` too */
export async function notifyOfChange(sandbox: Pick<Sandbox, 'ledger' | 'bank' | 'addresses'>, wanted: ChangeToPublish) {
  const { event, outcome } = await publishChange(sandbox, wanted);
  expect(outcome.jti !== undefined, `the event created no notification: ${outcome.reason}`);
  return { event, outcome, jti: outcome.jti };
}

/** Publishes the event of a change to the Notification Service. @returns the event and its outcome */
export async function publishChange(
  sandbox: Pick<Sandbox, 'ledger' | 'bank' | 'addresses'>,
  { change, clientId, resource = makeChange(sandbox, change, clientId), transactionId = randomUUID() }: ChangeToPublish,
) {
  const event = eventOf(change, resource, sandbox.addresses.resourceServer, transactionId);
  return { event, outcome: await sandbox.bank.publish(event) };
}

/** Waits until a notification is acknowledged. */
export async function untilAcknowledged(sandbox: Sandbox, jti: string): Promise<ShownNotification> {
  const giveUpMs = systemClock.monotonicMs() + DELIVERY_TIMEOUT_MS;
  while (systemClock.monotonicMs() < giveUpMs) {
    const shown = await sandbox.bank.notification(jti);
    if (shown.state === 'acknowledged') return shown;
    await pause(POLL_MS);
  }
  throw new Error(`notification ${jti} was not acknowledged within ${DELIVERY_TIMEOUT_MS} ms`);
}
