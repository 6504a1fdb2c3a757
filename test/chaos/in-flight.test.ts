import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countDuplicates, type Fault, type Limits } from './in-flight.ts';
import type { Arrival } from './ledger.ts';

const LIMITS = { perTppMax: 2, timeoutMs: 1500, delayMs: () => 0 };

function post(jti: string, arrivedMs: number, changes: Partial<Arrival> = {}): Arrival {
  return {
    ...{ jti, arrivedMs, clientId: 'tpp', instance: 'one', process: 'one.1', interactionId: `${jti} ${arrivedMs}` },
    ...{ endedMs: arrivedMs + 5, status: 202, passage: { disturbances: [] }, nextOnPassageMs: undefined },
    ...changes,
  };
}

function kill(fromMs: number, instance: string | undefined = 'one'): Fault {
  return { kind: 'kill', instance, fromMs, toMs: fromMs + 20 };
}

function count(arrivals: readonly Arrival[], faults: readonly Fault[], limits: Limits = LIMITS) {
  const { duplicates, inFlight, unexplained, exceeded } = countDuplicates(arrivals, faults, limits);
  return {
    duplicates: duplicates.length,
    inFlight,
    unexplained: unexplained.map((text) => text.slice(0, 1)),
    exceeded: exceeded.length,
  };
}

test('a duplicate of what was answered just before the kill is accounted for', () => {
  const arrivals = [post('a', 1000), post('a', 3000)];
  assert.deepEqual(count(arrivals, [kill(1100)]), { duplicates: 1, inFlight: 1, unexplained: [], exceeded: 0 });
});

test('a duplicate without a fault, long after one, before one, or of another instance is not', () => {
  const arrivals = [post('a', 1000), post('a', 3000)];
  const unexplained = ['a'];
  assert.deepEqual(count(arrivals, []).unexplained, unexplained);
  assert.deepEqual(count(arrivals, [kill(1900)]).unexplained, unexplained);
  assert.deepEqual(count(arrivals, [kill(3200)]).unexplained, unexplained);
  assert.deepEqual(count(arrivals, [kill(1100, 'two')]).unexplained, unexplained);
});

test('a fault of the database is one of every instance', () => {
  const arrivals = [post('a', 1000), post('a', 3000, { instance: 'two' })];
  const away: Fault = { kind: 'kill-database', instance: undefined, fromMs: 500, toMs: 2500 };
  assert.deepEqual(count(arrivals, [away]), { duplicates: 1, inFlight: 2, unexplained: [], exceeded: 0 });
});

test('one fault accounts for one duplicate of a notification, not for two', () => {
  const arrivals = [post('a', 1000), post('a', 2000), post('a', 3000)];
  assert.deepEqual(count(arrivals, [kill(1100)]).unexplained, ['a']);
  assert.deepEqual(count(arrivals, [kill(1100), kill(2100)]).unexplained, []);
});

test('more duplicates than an instance may have under way to a TPP are too many', () => {
  const arrivals = [...['a', 'b', 'c'].map((jti) => post(jti, 1000)), ...['a', 'b', 'c'].map((jti) => post(jti, 3000))];
  assert.deepEqual(count(arrivals, [kill(1100)]), { duplicates: 3, inFlight: 2, unexplained: [], exceeded: 1 });
});

test('what is sent again because the TPP failed, was slow, or its connection was cut is no duplicate', () => {
  const again = post('a', 3000);
  const none = { duplicates: 0, inFlight: 0, unexplained: [], exceeded: 0 };
  const cut = { disturbances: [{ fromMs: 1010, toMs: 1010 }] };
  for (const first of [
    post('a', 1000, { status: 500 }),
    post('a', 1000, { status: undefined }),
    post('a', 1000, { endedMs: 1800 }),
    post('a', 1000, { passage: cut }),
    post('a', 1000, { passage: { disturbances: [{ fromMs: 100, toMs: 900 }] } }),
  ]) {
    assert.deepEqual(count([first, again], []), none);
  }
  const wasRead = post('a', 1000, { passage: cut, nextOnPassageMs: 1008 });
  assert.deepEqual(count([wasRead, again], []).unexplained, ['a'], 'the next POST on the connection shows it was read');
});

test('what follows a duplicate that was not acknowledged is no further duplicate', () => {
  const arrivals = [post('a', 1000), post('a', 2000, { status: 500 }), post('a', 3000)];
  assert.deepEqual(count(arrivals, [kill(1100)]), { duplicates: 1, inFlight: 1, unexplained: [], exceeded: 0 });
});

test('what a bank sends again that got no CPU when the answer came is no duplicate', () => {
  const arrivals = [post('a', 1000), post('a', 3000)];
  const starvedFrom = (sinceMs: number): Limits => ({
    ...LIMITS,
    delayMs: (process, fromMs, toMs) => (process === 'one.1' && fromMs <= sinceMs && sinceMs <= toMs ? 700 : 0),
  });
  assert.deepEqual(count(arrivals, [], starvedFrom(1200)).unexplained, []);
  assert.deepEqual(count(arrivals, [], starvedFrom(2500)).unexplained, ['a'], 'by then it had read it');
});
