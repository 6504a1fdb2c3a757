import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { type AddressAttempt, raceAddresses } from '../src/address-race.ts';

const TIMEOUT_MS = 6000;

/** A race in the hands of the test: its time, and what each address does. */
function raceOf(addresses: readonly string[], begin?: (address: string, attempt: AddressAttempt<string>) => void) {
  const timers = new Map<object, { readonly atMs: number; readonly run: () => void }>();
  const begun: string[] = [];
  const ended: string[] = [];
  const told: unknown[] = [];
  const attempts = new Map<string, AddressAttempt<string>>();
  let nowMs = 1000;
  const cancel = raceAddresses<string, string>({
    addresses,
    timeoutMs: TIMEOUT_MS,
    begin: (address, attempt) => {
      begun.push(address);
      attempts.set(address, attempt);
      begin?.(address, attempt);
      return () => ended.push(address);
    },
    connected: (connection) => told.push(connection),
    failed: (errors) => told.push(errors),
    after: (delayMs, run) => {
      const timer = {};
      timers.set(timer, { atMs: nowMs + delayMs, run });
      return () => timers.delete(timer);
    },
    monotonicMs: () => nowMs,
  });
  const advance = (ms: number) => {
    const untilMs = nowMs + ms;
    for (;;) {
      const due = [...timers].filter(([, { atMs }]) => atMs <= untilMs).sort(([, a], [, b]) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      timers.delete(due[0]);
      nowMs = due[1].atMs;
      due[1].run();
    }
    nowMs = untilMs;
  };
  return { begun, ended, told, advance, cancel, timers, at: (address: string) => attempts.get(address) };
}

test('a single address that connects is the only attempt, and leaves no timer', () => {
  const race = raceOf(['a', 'b']);
  race.advance(249);
  race.at('a')?.connected('A');
  race.advance(TIMEOUT_MS);
  assert.deepEqual([race.begun, race.told, race.ended, race.timers.size], [['a'], ['A'], [], 0]);
});

test('when an address fails the next is tried at once', () => {
  const race = raceOf(['a', 'b', 'c'], (address, attempt) => address !== 'c' && attempt.failed(address));
  assert.deepEqual(race.begun, ['a', 'b', 'c']);
  race.at('c')?.connected('C');
  assert.deepEqual([race.told, race.ended], [['C'], []]);
});

test('after 250 ms of silence the next address is tried too, and the first to connect wins', () => {
  const race = raceOf(['a', 'b']);
  race.advance(250);
  race.at('b')?.failed('ENETUNREACH');
  race.advance(350);
  assert.deepEqual([race.begun, race.told], [['a', 'b'], []]);
  race.at('a')?.connected('A');
  assert.deepEqual([race.told, race.ended], [['A'], []]);
});

test('an address that accepted the connection gets its share of the remaining time before the next is tried', () => {
  const race = raceOf(['a', 'b', 'c']);
  race.at('a')?.reached();
  race.advance(1999);
  assert.deepEqual(race.begun, ['a']);
  race.advance(1);
  race.at('b')?.reached();
  race.advance(1999);
  assert.deepEqual(race.begun, ['a', 'b']);
  race.advance(1);
  race.at('c')?.reached();
  race.at('c')?.connected('C');
  assert.deepEqual([race.begun, race.told, race.ended], [['a', 'b', 'c'], ['C'], ['a', 'b']]);
});

test('an earlier address that is reached late does not delay the next', () => {
  const race = raceOf(['a', 'b', 'c']);
  race.advance(250);
  race.at('a')?.reached();
  race.advance(250);
  assert.deepEqual(race.begun, ['a', 'b', 'c']);
});

test('it fails when all have failed, with the error of each', () => {
  const race = raceOf(['a', 'b']);
  race.advance(250);
  race.at('b')?.failed(2);
  assert.deepEqual(race.told, []);
  race.at('a')?.failed(1);
  assert.deepEqual([race.told, race.timers.size], [[[2, 1]], 0]);
});

test('cancelling the race cancels its attempts, and no callback follows', () => {
  const race = raceOf(['a', 'b', 'c']);
  race.advance(250);
  race.cancel();
  race.at('a')?.connected('A');
  race.at('b')?.failed(1);
  race.advance(TIMEOUT_MS);
  assert.deepEqual([race.begun, race.ended, race.told, race.timers.size], [['a', 'b'], ['a', 'b'], [], 0]);
});

test('a second outcome of an address is ignored', () => {
  const race = raceOf(['a', 'b']);
  race.at('a')?.failed(1);
  race.at('a')?.failed(1);
  race.at('a')?.connected('A');
  assert.deepEqual([race.begun, race.told], [['a', 'b'], []]);
  race.at('b')?.connected('B');
  race.at('b')?.connected('B');
  assert.deepEqual(race.told, ['B']);
});

/** What an address does: takes the connection, and connects or fails, each after a while or never. */
const scripts = fc.array(
  fc.record({
    reachedMs: fc.option(fc.integer({ min: 0, max: 4000 }), { nil: undefined }),
    endsMs: fc.option(fc.integer({ min: 0, max: 2000 }), { nil: undefined }),
    connects: fc.boolean(),
  }),
  { minLength: 1, maxLength: 6 },
);

test('whatever the others do, an address that would connect in its share wins, or loses to one that connected before', async () => {
  await fc.assert(
    fc.property(scripts, fc.nat(5), (script, place) => {
      const good = place % script.length;
      const addresses = script.map((_, at) => String(at));
      const events: { readonly atMs: number; readonly run: () => void }[] = [];
      let nowMs = 0;
      const race = raceOf(addresses, (address, attempt) => {
        const plan = Number(address) === good ? { reachedMs: 0, endsMs: 500, connects: true } : script[Number(address)];
        if (plan?.reachedMs === undefined) return;
        events.push({ atMs: nowMs + plan.reachedMs, run: () => attempt.reached() });
        if (plan.endsMs === undefined) return;
        const run = () => (plan.connects ? attempt.connected(address) : attempt.failed(address));
        events.push({ atMs: nowMs + plan.reachedMs + plan.endsMs, run });
      });
      for (; nowMs < TIMEOUT_MS; nowMs += 10) {
        for (const event of events.filter(({ atMs }) => atMs <= nowMs)) {
          events.splice(events.indexOf(event), 1);
          event.run();
        }
        race.advance(10);
      }
      assert.equal(race.told.length, 1, `nothing came of it within ${TIMEOUT_MS} ms`);
      assert.equal(typeof race.told[0], 'string');
    }),
    { numRuns: 300 },
  );
});
