import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batcher } from '../../src/notify/batcher.ts';
import { StoreError } from '../../src/store/store.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** A batcher whose writes are answered by hand. */
function batcher(lingerMs = 0) {
  const writes: { items: readonly string[]; answer: PromiseWithResolvers<readonly string[]> }[] = [];
  const clock = new FakeClock(async () => {
    for (let turns = 0; turns < 5; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  });
  const giveUp = new AbortController();
  const errors: StoreError[] = [];
  const subject = new Batcher<string, string>({
    write: (items) => {
      const answer = Promise.withResolvers<readonly string[]>();
      writes.push({ items, answer });
      return answer.promise;
    },
    clock,
    onStoreError: (error) => errors.push(error),
    giveUp: giveUp.signal,
    lingerMs,
  });
  return { subject, writes, clock, giveUp, errors };
}

const upper = (items: readonly string[]) => items.map((item) => item.toUpperCase());

test('the first is written at once; what comes meanwhile is one batch, and each gets its own result', async () => {
  const { subject, writes, clock } = batcher();
  const results = ['a', 'b', 'c'].map((item) => subject.run(item));
  assert.deepEqual(
    writes.map(({ items }) => items),
    [['a']],
  );
  writes[0]?.answer.resolve(['A']);
  await clock.advance(0);
  assert.deepEqual(
    writes.map(({ items }) => items),
    [['a'], ['b', 'c']],
  );
  writes[1]?.answer.resolve(upper(['b', 'c']));
  assert.deepEqual(await Promise.all(results), ['A', 'B', 'C']);
});

test('a batch is bounded', async () => {
  const { subject, writes, clock } = batcher();
  const results = Array.from({ length: 600 }, (_, at) => subject.run(String(at)));
  for (let at = 0; at < 4; at += 1) {
    await clock.advance(0);
    const write = writes[at];
    write?.answer.resolve(write.items);
  }
  assert.equal((await Promise.all(results)).length, 600);
  assert.deepEqual(
    writes.map(({ items }) => items.length),
    [1, 256, 256, 87],
  );
});

test('a batch that the store could not take is written again after a pause, until it is taken', async () => {
  const { subject, writes, clock, errors } = batcher();
  const result = subject.run('a');
  writes[0]?.answer.reject(new StoreError('away'));
  await clock.advance(499);
  assert.equal(writes.length, 1);
  await clock.advance(1);
  writes[1]?.answer.reject(new StoreError('still away'));
  await clock.advance(500);
  writes[2]?.answer.resolve(['A']);
  assert.equal(await result, 'A');
  assert.deepEqual(
    errors.map(({ message }) => message),
    ['away', 'still away'],
  );
  assert.equal(clock.timers, 0);
});

test('it is given up when it is told to, also in the middle of a pause', async () => {
  const { subject, writes, clock, giveUp } = batcher();
  const result = assert.rejects(subject.run('a'), StoreError);
  writes[0]?.answer.reject(new StoreError('away'));
  await clock.advance(100);
  giveUp.abort();
  await clock.advance(0);
  writes[1]?.answer.reject(new StoreError('away'));
  await result;
  assert.deepEqual([writes.length, clock.timers], [2, 0]);
});

test('an error that is not the store’s is passed on to all of its batch, and the next batch goes on', async () => {
  const { subject, writes, clock } = batcher();
  const first = assert.rejects(subject.run('a'), /a bug/);
  const second = subject.run('b');
  writes[0]?.answer.reject(new Error('a bug'));
  await first;
  await clock.advance(0);
  writes[1]?.answer.resolve(['B']);
  assert.equal(await second, 'B');
});

test('one that lingers waits for more, but not once the batch is full or it is given up', async () => {
  const { subject, writes, clock, giveUp } = batcher(20);
  const sizes = () => writes.map(({ items }) => items.length);
  void subject.run('a');
  await clock.advance(19);
  void subject.run('b');
  assert.deepEqual(sizes(), []);
  await clock.advance(1);
  assert.deepEqual(sizes(), [2]);
  writes[0]?.answer.resolve(['A', 'B']);
  await clock.advance(0);
  for (let at = 0; at < 255; at += 1) void subject.run(String(at));
  await clock.advance(0);
  assert.deepEqual(sizes(), [2]);
  void subject.run('the last');
  await clock.advance(0);
  assert.deepEqual(sizes(), [2, 256]);
  void subject.run('c');
  writes[1]?.answer.resolve(writes[1].items);
  await clock.advance(0);
  assert.deepEqual(sizes(), [2, 256]);
  giveUp.abort();
  await clock.advance(0);
  assert.deepEqual([sizes(), clock.timers], [[2, 256, 1], 0]);
});

test('one that lingers pauses as long as any other after an error of the store', async () => {
  const { subject, writes, clock } = batcher(20);
  const results = Array.from({ length: 256 }, (_, at) => subject.run(String(at)));
  await clock.advance(0);
  assert.equal(writes.length, 1);
  writes[0]?.answer.reject(new StoreError('away'));
  await clock.advance(0);
  for (let at = 0; at < 300; at += 1) void subject.run(String(at));
  await clock.advance(499);
  assert.equal(writes.length, 1);
  await clock.advance(1);
  writes[1]?.answer.resolve(writes[1].items);
  assert.equal((await Promise.all(results)).length, 256);
});
