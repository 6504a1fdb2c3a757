import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { Deadline, makeSigningKey, until } from '@tidings/testing';
import { startBank } from '../support/bank.ts';
import { mapSome } from '../support/map-some.ts';
import { makeTpp, type Tpp } from '../support/tpp.ts';

// Connections that wait, each over mutual TLS of its own.

const POLLS_OF_EACH = 10;
const PARTIES_AT_ONCE = 10;
// To make two thousand connections takes a busy machine minutes, in which the first polls wait. What is bounded is the
// time from the first event to the last answer: far from the moment at which the polls would be answered anyway.
const PATIENCE_MS = 300_000;
const WITHIN_MS = PATIENCE_MS / 5;
const HANDSHAKE_PATIENCE_MS = 120_000;
const OWN_TIMERS_MAX = 5;

/**
 * Asserts that ten long polls of each of so many TPPs wait at once, with one timer each, and that each is answered by one of the
 * events that are published then.
 */
export async function checkHeldPolls(t: TestContext, tpps: number): Promise<void> {
  const all = tpps * POLLS_OF_EACH;
  const clients = Array.from({ length: tpps }, (_, at) => `tpp-${at}`);
  // One certificate and one signing key for all: what is shown is how many can wait, not who they are.
  const bank = await startBank({
    clients,
    certificateOf: () => 'everybody',
    settings: {
      log: { level: 'warn' },
      polling: { longPollsPerTppMax: POLLS_OF_EACH, pollsPerTppMax: POLLS_OF_EACH, longPollMaxMs: PATIENCE_MS },
      api: {
        connectionsPerAddressMax: all + PARTIES_AT_ONCE * tpps,
        firstRequestTimeoutMs: HANDSHAKE_PATIENCE_MS,
        requestTimeoutMs: HANDSHAKE_PATIENCE_MS,
      },
    },
  });
  const parties: Tpp[] = [];
  t.after(async () => {
    for (const party of parties) party.close();
    await bank.stop();
  });

  const untilHeld = (polls: number) =>
    until(() => bank.service.longPollsHeld() === polls, `${polls} long polls are held`, new Deadline(PATIENCE_MS));

  const signing = makeSigningKey('everybody');
  await mapSome(clients, async (clientId) => {
    const party = await makeTpp(bank, clientId, { signing });
    await party.create('v4.0', 'event-subscriptions', { Version: '4.0' });
    parties.push(party);
  });
  const timers = bank.clock.timers();
  const polls: ReturnType<Tpp['poll']>[] = [];
  for (const [at, party] of parties.entries()) {
    for (let poll = 0; poll < POLLS_OF_EACH; poll += 1) {
      polls.push(party.poll({ returnImmediately: false, maxEvents: 1 }, { timeoutMs: PATIENCE_MS }));
    }
    // Thousands of handshakes at once on a busy machine would outlast the service's patience with each.
    if (at % PARTIES_AT_ONCE === 0) await untilHeld(polls.length);
  }
  await untilHeld(all);
  assert.ok(Math.abs(bank.clock.timers() - timers - all) <= OWN_TIMERS_MAX, 'one timer each, its limit');

  const startedAtMs = performance.now();
  const jtis: (string | undefined)[] = [];
  for (let round = 0; round < POLLS_OF_EACH; round += 1) jtis.push(...(await bank.publishAll(clients)));
  const answers = await Promise.all(polls);
  const tookMs = performance.now() - startedAtMs;
  t.diagnostic(`${all} long polls were answered within ${Math.round(tookMs)} ms of the first publish`);

  const given = answers.flatMap(({ sets }) => Object.keys(sets));
  assert.deepEqual(given.sort(), jtis.sort(), 'each event once, to one poll');
  assert.ok(tookMs < WITHIN_MS, `${tookMs} ms`);
  assert.equal(bank.service.longPollsHeld(), 0);
  // What the service has for itself, whatever waits: to write down what happened, and what it counted.
  assert.ok(bank.clock.timers() <= timers + OWN_TIMERS_MAX, 'no timer of a poll is left');
}
