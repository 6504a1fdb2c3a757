import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDatabaseClock } from '../../src/store/postgres/clock.ts';
import { FakeClock, START_MS } from '../support/fake-clock.ts';

const HALF_A_MINUTE_MS = 30_000;

/** A machine and a database, each with its own idea of the time; everything takes as long as it is told. */
class World {
  /** True time, which both clocks run by. */
  readonly local = new FakeClock(() => new Promise((resolve) => setImmediate(resolve)));
  databaseAheadMs = 0;
  toDatabaseMs = 0;
  fromDatabaseMs = 0;
  isAway = false;
  asked = 0;

  get databaseMs(): number {
    return this.local.nowMs() + this.databaseAheadMs;
  }

  ask = async (): Promise<number> => {
    this.asked += 1;
    if (this.isAway) throw new Error('away');
    this.local.pass(this.toDatabaseMs);
    const told = this.databaseMs;
    this.local.pass(this.fromDatabaseMs);
    return told;
  };
}

test('the time is that of the database, whatever the clock of the machine says', async () => {
  for (const databaseAheadMs of [0, 5 * 3_600_000, -7 * 86_400_000]) {
    const world = new World();
    world.databaseAheadMs = databaseAheadMs;
    const { local } = world;
    const clock = await createDatabaseClock({
      ask: world.ask,
      local: {
        nowMs: () => assert.fail('what time the machine thinks it is does not matter'),
        monotonicMs: () => local.monotonicMs(),
        after: (delayMs, callback) => local.after(delayMs, callback),
      },
    });
    assert.equal(clock.nowMs(), START_MS + databaseAheadMs);
    await world.local.advance(1234);
    assert.equal(clock.nowMs(), START_MS + databaseAheadMs + 1234);
    clock.stop();
  }
});

test('it is right to within half of a round trip, and to within the shortest of several', async () => {
  const world = new World();
  world.databaseAheadMs = 1_000_000;
  Object.assign(world, { toDatabaseMs: 40, fromDatabaseMs: 0 });
  const clock = await createDatabaseClock(world);
  assert.ok(Math.abs(clock.nowMs() - world.databaseMs) <= 20);
  Object.assign(world, { toDatabaseMs: 1, fromDatabaseMs: 1 });
  await world.local.advance(HALF_A_MINUTE_MS + 2);
  assert.ok(Math.abs(clock.nowMs() - world.databaseMs) <= 1, 'a closer measurement replaces a vaguer one');
  Object.assign(world, { toDatabaseMs: 0, fromDatabaseMs: 900 });
  await world.local.advance(HALF_A_MINUTE_MS + 900);
  assert.ok(Math.abs(clock.nowMs() - world.databaseMs) <= 1, 'a vaguer one does not replace a closer one');
  clock.stop();
});

test('it is made from the closest of three measurements', async () => {
  for (const closest of [1, 2, 3]) {
    const world = new World();
    const clock = await createDatabaseClock({
      local: world.local,
      ask: () => {
        world.toDatabaseMs = world.asked + 1 === closest ? 1 : 40;
        return world.ask();
      },
    });
    assert.ok(Math.abs(clock.nowMs() - world.databaseMs) <= 1, `measurement ${closest}`);
    clock.stop();
  }
});

test('it never runs backwards by a correction: it stands still until the time has come', async () => {
  const world = new World();
  world.databaseAheadMs = 500;
  const clock = await createDatabaseClock(world);
  const before = clock.nowMs();
  world.databaseAheadMs = 100;
  await world.local.advance(HALF_A_MINUTE_MS);
  const after = clock.nowMs();
  assert.ok(after >= before);
  assert.equal(after, world.databaseMs);
  // Read while it is ahead.
  const stuck = after;
  world.databaseAheadMs = -300;
  await world.local.advance(HALF_A_MINUTE_MS);
  let last = stuck;
  for (let step = 0; step < 500; step += 1) {
    await world.local.advance(1);
    assert.ok(clock.nowMs() >= last);
    last = clock.nowMs();
  }
  assert.equal(last, world.databaseMs);
  clock.stop();
});

test('a correction backwards of a moment is waited out', async () => {
  const world = new World();
  world.databaseAheadMs = 200;
  const clock = await createDatabaseClock(world);
  await world.local.advance(HALF_A_MINUTE_MS - 1);
  const before = clock.nowMs();
  world.databaseAheadMs = 0;
  await world.local.advance(1);
  assert.equal(clock.nowMs(), before, 'it is 199 ms ahead, and stands');
  await world.local.advance(150);
  assert.equal(clock.nowMs(), before);
  await world.local.advance(100);
  assert.equal(clock.nowMs(), world.databaseMs);
  clock.stop();
});

test('when the clock of the database is set, it follows at the next measurement, also backwards by hours', async () => {
  const world = new World();
  const clock = await createDatabaseClock(world);
  for (const jumpMs of [3_600_000, -7_200_000]) {
    clock.nowMs();
    world.databaseAheadMs += jumpMs;
    await world.local.advance(HALF_A_MINUTE_MS);
    assert.equal(clock.nowMs(), world.databaseMs);
  }
  clock.stop();
});

test('it goes on while the database is away, and measures again when it is back', async () => {
  const world = new World();
  world.databaseAheadMs = 60_000;
  const clock = await createDatabaseClock(world);
  world.isAway = true;
  await world.local.advance(10 * HALF_A_MINUTE_MS);
  assert.equal(clock.nowMs(), world.databaseMs);
  world.isAway = false;
  world.databaseAheadMs = 61_000;
  await world.local.advance(HALF_A_MINUTE_MS);
  assert.equal(clock.nowMs(), world.databaseMs);
  clock.stop();
});

test('a database that cannot be asked at first makes no clock; a clock that was stopped asks no more', async () => {
  const world = new World();
  world.isAway = true;
  await assert.rejects(createDatabaseClock(world), /away/);
  world.isAway = false;
  const clock = await createDatabaseClock(world);
  const { asked } = world;
  clock.stop();
  await world.local.advance(10 * HALF_A_MINUTE_MS);
  assert.equal(world.asked, asked);
  assert.equal(clock.nowMs(), world.databaseMs, 'the time goes on');
  assert.equal(world.local.timers, 0);
});

test('timers run by the local clock: a jump of the database neither hurries nor delays them', async () => {
  const world = new World();
  const clock = await createDatabaseClock(world);
  let fired = 0;
  clock.after(1000, () => {
    fired += 1;
  });
  world.databaseAheadMs = 86_400_000;
  await world.local.advance(999);
  assert.equal(fired, 0);
  await world.local.advance(1);
  assert.equal(fired, 1);
  clock.stop();
});
