import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RESOURCE_UPDATE } from '@tidings/protocol';
import type { ActivityEntry, ActivityToStore } from '../../src/model/activity.ts';
import { StoreError } from '../../src/store/store.ts';
import { ActivityLog, entriesOf } from '../../src/telemetry/activity-log.ts';
import { jtiOf } from '../support/bank-events.ts';
import { FakeClock, START_MS } from '../support/fake-clock.ts';
import { attempted, polled, published } from '../support/occurrences.ts';
import { Quiet } from '../support/quiet.ts';

const ACKNOWLEDGED = { kind: 'acknowledged', status: 202, interactionIdEchoed: true } as const;
const TIMEOUT = { kind: 'unreachable', errorClass: 'timeout', detail: 'https://secret.example/' } as const;

/** A log on a store that can be taken away. */
function logOf() {
  const quiet = new Quiet();
  const clock = new FakeClock(() => quiet.settle());
  const rows: ActivityToStore[] = [];
  const warned: object[] = [];
  const state = { isAway: false };
  const store = quiet.watch({
    appendActivity: async (activity: ActivityToStore) => {
      if (state.isAway) throw new StoreError('away');
      rows.push(activity);
    },
  });
  const log = new ActivityLog({ store, clock, instance: 'one', log: { warn: (facts: object) => warned.push(facts) } });
  const entries = () => rows.flatMap((row) => row.entries);
  return { log, clock, rows, entries, warned, state, quiet };
}

const accept = (log: ActivityLog, ids: readonly string[]) =>
  log.record(published(ids.map((id) => ({ clientId: 'a', id }))));
const kindsOf = (entries: readonly ActivityEntry[]) => entries.map(({ kind }) => kind);

test('what happens within a quarter of a second is one row, and nothing runs while nothing happens', async () => {
  const { log, clock, rows } = logOf();
  assert.equal(clock.timers, 0);
  accept(log, ['e1', 'e2']);
  await clock.advance(200);
  log.record(attempted('a', 'e1', ACKNOWLEDGED));
  assert.equal(rows.length, 0);
  await clock.advance(50);
  assert.deepEqual(
    rows.map(({ atMs, instance, entries }) => [atMs, instance, kindsOf(entries)]),
    [[START_MS + 250, 'one', ['accepted', 'accepted', 'attempted', 'acknowledged']]],
  );
  assert.equal(clock.timers, 0);
});

test('entries say what happened, and nothing of payloads, URLs, details or what a TPP wrote', () => {
  const atMs = START_MS + 84;
  const common = { atMs, clientId: 'a', jti: jtiOf('e1') };
  assert.deepEqual(entriesOf(published([{ clientId: 'a', id: 'e1' }], atMs)), [
    { ...common, kind: 'accepted', eventId: 'e1', eventTypes: [RESOURCE_UPDATE] },
  ]);
  assert.deepEqual(entriesOf(attempted('a', 'e1', ACKNOWLEDGED, { atMs })), [
    { ...common, kind: 'attempted', attempt: 2, outcome: 'acknowledged', status: 202, durationMs: 12 },
    { ...common, kind: 'acknowledged', by: 'push', afterMs: 84 },
  ]);
  assert.deepEqual(entriesOf(attempted('a', 'e1', TIMEOUT, { atMs, result: 'became-unresponsive' })), [
    { ...common, kind: 'attempted', attempt: 2, outcome: 'unreachable-timeout', errorClass: 'timeout', durationMs: 12 },
    { atMs, kind: 'unresponsive', clientId: 'a' },
  ]);
  assert.deepEqual(
    entriesOf(
      polled('a', {
        acknowledged: ['e1'],
        errors: [
          ['e1', 'jwtIss'],
          ['e1', 'ring me: 555'],
        ],
        atMs,
      }),
    ),
    [
      { ...common, kind: 'acknowledged', by: 'poll', afterMs: 84 },
      { ...common, kind: 'reported-error', err: 'jwtIss' },
      { ...common, kind: 'reported-error' },
    ],
  );
});

test('an acknowledgement that came too late to count, and events that make nothing new, are not told as such', () => {
  const late = entriesOf(attempted('a', 'e1', ACKNOWLEDGED, { result: 'overtaken' }));
  assert.deepEqual(kindsOf(late), ['attempted']);
  const back = entriesOf(attempted('a', 'e1', ACKNOWLEDGED, { result: 'recovered' }));
  assert.deepEqual(kindsOf(back), ['attempted', 'acknowledged', 'recovered']);
  const made = [
    { clientId: 'a', id: 'e1', repeated: true },
    { clientId: 'a', id: 'e2', none: 'type-filtered' as const },
  ];
  assert.deepEqual(entriesOf(published(made)), []);
  const conflict = { kind: 'conflict', eventIds: ['e1'] } as const;
  assert.deepEqual(entriesOf({ kind: 'published', atMs: START_MS, events: [], result: conflict, durationMs: 1 }), []);
});

test('what operators do is reported with a count, unless that is zero', () => {
  const atMs = START_MS;
  assert.deepEqual(entriesOf({ kind: 'recovered', atMs, clientId: 'a' }), [
    { kind: 'recovered', atMs, clientId: 'a', by: 'operator' },
  ]);
  for (const kind of ['redelivered', 'withdrawn', 'expired'] as const) {
    assert.deepEqual(entriesOf({ kind, atMs, count: 3 }), [{ kind, atMs, count: 3 }]);
    assert.deepEqual(entriesOf({ kind, atMs, count: 0 }), []);
  }
});

test('a store that was away gets what was held, in its order, and the log says so once', async () => {
  const { log, clock, entries, state, warned } = logOf();
  state.isAway = true;
  for (const id of ['e1', 'e2', 'e3']) {
    accept(log, [id]);
    await clock.advance(1000);
  }
  assert.deepEqual([entries().length, warned.length], [0, 1]);
  state.isAway = false;
  await clock.advance(1000);
  assert.deepEqual(
    entries().map((entry) => entry.kind === 'accepted' && entry.eventId),
    ['e1', 'e2', 'e3'],
  );
});

test('no more is held than some; the oldest give way, and their number takes their place', async () => {
  const { log, clock, rows, entries, state } = logOf();
  state.isAway = true;
  const total = 50_000;
  for (let at = 0; at < total; at += 1000) {
    accept(
      log,
      Array.from({ length: 1000 }, (_, one) => `e${at + one}`),
    );
    await clock.advance(300);
  }
  state.isAway = false;
  await clock.advance(2000);
  const [gap, ...kept] = entries();
  assert.ok(gap?.kind === 'missed' && gap.count > 0);
  assert.equal(gap.count + kept.length, total, 'what is not there is counted');
  assert.ok(kept.length <= 20_000 && kept.length >= 5_000, `${kept.length} were held`);
  const last = kept.at(-1);
  assert.equal(last?.kind === 'accepted' && last.eventId, `e${total - 1}`, 'the newest are there');
  assert.ok(rows.every((row) => row.entries.length <= 2001));
});

test('stopping appends what is left, once, and takes no more', async () => {
  const { log, clock, entries, quiet } = logOf();
  accept(log, ['e1']);
  await Promise.all([log.stop(), log.stop()]);
  accept(log, ['e2']);
  await clock.advance(10_000);
  assert.equal(entries().length, 1);
  assert.equal(quiet.calls('appendActivity'), 1);
  assert.equal(clock.timers, 0);
});
