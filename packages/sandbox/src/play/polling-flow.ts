import { systemClock } from '@tidings/service';
import type { BankClient } from '@tidings/tpp';
import { pause } from '../clock.ts';
import type { Sandbox } from '../sandbox.ts';
import { notifyOfChange, untilAcknowledged } from './publishing.ts';
import { expect, type RunStep } from './steps.ts';

const REOFFER_TIMEOUT_MS = 10_000;
const POLL_MS = 100;
const SCOPE = 'accounts payments fundsconfirmations';

/** Runs aggregated polling, and a registration through v3.1; a failed step throws. */
export async function playPolling(step: RunStep, sandbox: Sandbox): Promise<void> {
  const client = await sandbox.tpp.connect(SCOPE);
  try {
    const { jti, set } = await step('poll', () => longPoll(sandbox, client));
    await step('ack', () => acknowledge(sandbox, client, jti, set));
    await step('err-redelivered', () => reportError(sandbox, client));
    await step('v3-registration', () => registerThroughV31(sandbox, client));
  } finally {
    client.close();
  }
}

/** The TPP removes its callback URL; a long poll is answered as soon as an event is published. */
async function longPoll(sandbox: Sandbox, client: BankClient) {
  await client.eventSubscriptions.ensure({ version: '4.0' });
  await collectAll(client);
  const waiting = client.events.poll({ returnImmediately: false });
  const { jti } = await notifyOfChange(sandbox, { change: 'payment-settled' });
  const publishedMs = systemClock.monotonicMs();
  const { sets, moreAvailable } = await waiting;
  const wokenMs = Math.round(systemClock.monotonicMs() - publishedMs);
  const set = sets.get(jti) ?? '';
  const claims = await sandbox.tpp.verify(set);
  expect(claims.jti === jti && !moreAvailable, 'the poll returned another notification');
  const message = `POST /events with returnImmediately false: answered ${wokenMs} ms after publication with one SET, which verifies`;
  return { jti, set, message, details: { jti, wokenMs, moreAvailable, claims } };
}

/** Acknowledges notifications that an earlier run left awaiting. */
async function collectAll(client: BankClient): Promise<void> {
  let ack: string[] = [];
  do {
    const { sets } = await client.events.poll({ returnImmediately: true, ack });
    ack = [...sets.keys()];
  } while (ack.length > 0);
}

async function acknowledge(sandbox: Sandbox, client: BankClient, jti: string, set: string) {
  const answer = await client.events.poll({ maxEvents: 0, ack: [jti], returnImmediately: true });
  const shown = await sandbox.bank.notification(jti);
  expect(
    shown.state === 'acknowledged' && shown.set === set,
    `the notification is ${shown.state}, or the stored SET differs`,
  );
  const message = 'POST /events with ack and maxEvents 0 → acknowledged, none left';
  return { message, details: { jti, state: shown.state, moreAvailable: answer.moreAvailable } };
}

/** The TPP reports an error for a notification, which therefore stays awaiting; the same SET is returned again. */
async function reportError(sandbox: Sandbox, client: BankClient) {
  const { jti } = await notifyOfChange(sandbox, { change: 'consent-revoked' });
  const first = await client.events.poll({ returnImmediately: true });
  const err = { jti, err: 'authentication_failed', description: 'The sandbox pretends that verification failed.' };
  const after = await client.events.poll({ maxEvents: 1, setErrs: [err], returnImmediately: true });
  expect(after.sets.size === 0, 'it was returned again immediately');
  const again = await untilReturned(client, jti);
  expect(again === first.sets.get(jti), 'another SET was returned');
  await client.events.poll({ maxEvents: 0, ack: [jti], returnImmediately: true });
  const { state } = await sandbox.bank.notification(jti);
  expect(state === 'acknowledged', `the notification is ${state}`);
  const message = 'POST /events with setErrs → stays awaiting, and the same SET is returned again';
  return { message, details: { jti, err: err.err, state } };
}

async function untilReturned(client: BankClient, jti: string): Promise<string> {
  const giveUpMs = systemClock.monotonicMs() + REOFFER_TIMEOUT_MS;
  while (systemClock.monotonicMs() < giveUpMs) {
    const { sets } = await client.events.poll({ returnImmediately: true });
    const set = sets.get(jti);
    if (set !== undefined) return set;
    await pause(POLL_MS);
  }
  throw new Error(`${jti} was not returned again within ${REOFFER_TIMEOUT_MS} ms`);
}

/** Registers through v3.1, is notified, and upgrades the registration to v4.0; it is then no longer visible through v3.1. */
async function registerThroughV31(sandbox: Sandbox, client: BankClient) {
  const old = await sandbox.tpp.connect(SCOPE, 'v3.1');
  try {
    const before = await client.eventSubscriptions.get();
    if (before !== undefined) await client.eventSubscriptions.delete(before.eventSubscriptionId);
    const { callbackUrl } = sandbox.tpp;
    const made = await old.eventSubscriptions.create({ callbackUrl, version: '3.1' });
    const { jti } = await notifyOfChange(sandbox, { change: 'payment-settled' });
    await untilAcknowledged(sandbox, jti);
    await client.eventSubscriptions.replace({ ...made, version: '4.0' });
    expect((await old.eventSubscriptions.get()) === undefined, 'a registration of v4.0 is visible through v3.1');
    const message = 'created through v3.1, notified, upgraded by a PUT through v4.0; no longer visible through v3.1';
    return { message, details: { jti, eventSubscriptionId: made.eventSubscriptionId } };
  } finally {
    old.close();
  }
}
