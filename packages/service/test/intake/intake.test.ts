import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '@tidings/testing';
import { createLog } from '../../src/base/log.ts';
import { type IntakeOptions, startIntake } from '../../src/intake/intake.ts';
import type { DeadRecord, IntakeRecord, IntakeSource, RecordTaker } from '../../src/intake/source.ts';
import type { BankEvent } from '../../src/model/event.ts';
import { fieldProblem } from '../../src/operator/request.ts';
import type { PublishResult } from '../../src/store/delivery.ts';
import { StoreError } from '../../src/store/store.ts';
import type { Occurrence } from '../../src/telemetry/observer.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** A source that is given batches by the test. */
class TestSource implements IntakeSource {
  readonly committed: IntakeRecord[] = [];
  readonly dead: DeadRecord[] = [];
  runs = 0;
  taker: RecordTaker | undefined;
  #fail: ((error: Error) => void) | undefined;

  async run(taker: RecordTaker, signal: AbortSignal): Promise<void> {
    this.runs += 1;
    const ended = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => ended.resolve());
    this.#fail = ended.reject;
    this.taker = taker;
    taker.onReading();
    await ended.promise;
  }

  async read(...values: string[]): Promise<void> {
    const records = values.map(recordOf);
    this.dead.push(...((await this.taker?.take(records)) ?? []));
    this.committed.push(...records);
    this.taker?.onCommitted();
  }

  fail(message: string): void {
    this.#fail?.(new Error(message));
  }

  async lag(): Promise<number> {
    return 3;
  }
}

function recordOf(value: string, at: number): IntakeRecord {
  const place = { topic: 'consents', partition: 0, offset: BigInt(at), timestampMs: 0 };
  return { ...place, key: undefined, value: new TextEncoder().encode(value), headers: [] };
}

type Stored = (events: readonly BankEvent[]) => PublishResult;

const stored: Stored = (events) => ({
  kind: 'published',
  claimed: [],
  outcomes: events.map(({ id }) => {
    return { kind: 'notification', eventId: id, jti: `jti-${id}`, repeated: id.startsWith('again') };
  }),
});

/** An intake of records that are the ids of their events; those that begin with `bad` can never be accepted. */
function intakeOf(changes: Partial<IntakeOptions> = {}) {
  const source = new TestSource();
  const clock = new FakeClock();
  const published: string[][] = [];
  const occurrences: Occurrence[] = [];
  const store = { publish: stored };
  const intake = startIntake({
    ...{ source, clock, about: { source: 'kafka', topic: 'consents', group: 'tidings' } },
    read: ({ value }) => {
      const id = new TextDecoder().decode(value);
      if (id.startsWith('bad')) throw fieldProblem('id', 'is bad');
      return id.startsWith('other') ? undefined : ({ id } as BankEvent);
    },
    publish: async (events) => {
      published.push(events.map(({ id }) => id));
      return store.publish(events);
    },
    closedBecause: async () => undefined,
    log: createLog('silent'),
    observer: { record: (occurrence) => void occurrences.push(occurrence) },
    ...changes,
  });
  return { intake, source, clock, published, occurrences, store };
}

test('records are published in one transaction, and counted by what became of them', async () => {
  const { intake, source, published, occurrences, clock } = intakeOf();
  assert.equal(intake.status().state, 'reading');
  await source.read('e-1', 'other', 'bad', 'again-1', 'e-2');
  assert.deepEqual(published, [['e-1', 'again-1', 'e-2']]);
  assert.deepEqual(
    source.dead.map(({ record, why, field }) => [record.offset, why, field]),
    [[2n, 'id is bad.', 'id']],
  );
  assert.deepEqual(
    occurrences.map((each) => each.kind === 'taken' && each.counts),
    [
      { published: 2, repeated: 1, passedOver: 1, dead: 0 },
      { published: 0, repeated: 0, passedOver: 0, dead: 1 },
    ],
  );
  assert.equal(intake.status().takenAtMs, clock.nowMs());
  await intake.stop();
});

test('an id that has other content, or an event that the store can never hold, takes nothing else with it', async () => {
  const { intake, source, store } = intakeOf();
  store.publish = (events) => {
    if (events.some(({ id }) => id === 'unstorable')) throw new StoreError('too large', { isLasting: true });
    const eventIds = events.map(({ id }) => id).filter((id) => id === 'taken');
    return eventIds.length > 0 ? { kind: 'conflict', eventIds } : stored(events);
  };
  await source.read('e-1', 'taken', 'unstorable', 'e-2');
  assert.deepEqual(
    source.dead.map(({ record, why }) => [record.offset, why]),
    [
      [1n, 'Other content was published under the same id (taken). Give each event its own id.'],
      [2n, 'The store cannot hold this event.'],
    ],
  );
  await intake.stop();
});

test('a store that is away is waited for, with nothing committed, and told of in the status', async () => {
  const { intake, source, store, clock } = intakeOf();
  let isAway = true;
  store.publish = (events) => {
    if (isAway) throw new StoreError('connection refused');
    return stored(events);
  };
  const read = source.read('e-1');
  await until(() => intake.status().state === 'waiting');
  assert.match(intake.status().because ?? '', /connection refused/);
  assert.equal(source.committed.length, 0);
  isAway = false;
  await clock.advance(30_000);
  await read;
  assert.equal(source.committed.length, 1);
  assert.deepEqual([intake.status().state, intake.status().because], ['reading', undefined]);
  await intake.stop();
});

test('nothing is published while publishing is closed', async () => {
  let why: string | undefined = 'the disk is full';
  const { intake, source, published, clock } = intakeOf({ closedBecause: async () => why });
  const read = source.read('e-1');
  await until(() => intake.status().state === 'waiting');
  assert.equal(intake.status().because, 'publishing is closed: the disk is full');
  assert.deepEqual(published, []);
  why = undefined;
  await clock.advance(1000);
  await read;
  assert.deepEqual(published, [['e-1']]);
  await intake.stop();
});

test('a source that fails is run again, later each time, until the intake is stopped', async () => {
  const { intake, source, clock } = intakeOf();
  source.fail('the broker is away');
  await until(() => intake.status().state === 'disconnected');
  assert.equal(intake.status().because, 'the broker is away');
  assert.equal(source.runs, 1);
  await clock.advance(500);
  await until(() => source.runs === 2);
  await source.read('e-1');
  assert.equal(intake.status().state, 'reading');
  await clock.advance(5000);
  await until(() => intake.status().lag === 3);
  await intake.stop();
  assert.equal(source.runs, 2);
});

test('a source that connects and fails before it commits is still disconnected, run again later each time, and counts nothing as dead', async () => {
  const { intake, source, clock, occurrences } = intakeOf();
  for (const [run, waitMs] of [500, 1000, 2000, 4000].entries()) {
    await source.taker?.take([recordOf('bad', 0)]);
    source.fail(`the dead-letter topic is missing, run ${run}`);
    await until(() => intake.status().because === `the dead-letter topic is missing, run ${run}`);
    await clock.advance(waitMs - 1);
    assert.equal(source.runs, run + 1);
    await clock.advance(1);
    await until(() => source.runs === run + 2);
    assert.equal(intake.status().state, 'disconnected');
  }
  const dead = () => occurrences.reduce((sum, each) => sum + (each.kind === 'taken' ? each.counts.dead : 0), 0);
  assert.equal(dead(), 0);
  await source.read('bad');
  assert.equal(dead(), 1);
  assert.equal(intake.status().state, 'reading');
  await intake.stop();
});

test('a source that has nothing to commit counts as connected again after the longest wait', async () => {
  const { intake, source, clock } = intakeOf();
  source.fail('the broker is away');
  await until(() => intake.status().state === 'disconnected');
  await clock.advance(500);
  await until(() => source.runs === 2);
  await clock.advance(29_999);
  assert.equal(intake.status().state, 'disconnected');
  await clock.advance(1);
  assert.equal(intake.status().state, 'reading');
  await intake.stop();
});

test('an intake that is stopped waits for what is under way, and gives up what waits for the store', async () => {
  const { intake, source, store } = intakeOf();
  store.publish = () => {
    throw new StoreError('connection refused');
  };
  const read = source.read('e-1');
  await until(() => intake.status().state === 'waiting');
  await Promise.all([intake.stop(), assert.rejects(read)]);
  assert.equal(source.committed.length, 0);
});
