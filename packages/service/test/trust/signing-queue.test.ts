import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SigningQueue } from '../../src/trust/signing-queue.ts';

const DELIVERIES_AT_ONCE = 256;
const ANSWERS_AT_ONCE = 32;

/** A queue whose work a test ends by name; `begun` has the names in the order in which the work began. */
function bench() {
  const queue = new SigningQueue();
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const work = (name: string) => () => {
    begun.push(name);
    return new Promise<void>((resolve) => ends.set(name, resolve));
  };
  return {
    queue,
    begun,
    deliver: (name: string) => void queue.forDelivery(work(name)),
    answer: (clientId: string, name: string) => void queue.forAnswer(clientId, work(name)),
    end: async (name: string) => {
      ends.get(name)?.();
      await settled();
    },
  };
}

/** Everything that follows without waiting has happened. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

const range = (count: number) => Array.from({ length: count }, (_, at) => at);

test('of a burst of one TPP a bounded number is signed at once', async () => {
  const { answer, begun, end } = bench();
  for (const at of range(600)) answer('busy', `busy ${at}`);
  await settled();
  assert.equal(begun.length, ANSWERS_AT_ONCE);
  await end('busy 0');
  assert.equal(begun.length, ANSWERS_AT_ONCE + 1);
});

test('another TPP comes next, however much the first one has waiting', async () => {
  const { answer, begun, end } = bench();
  for (const at of range(600)) answer('busy', `busy ${at}`);
  for (const at of range(2)) answer('calm', `calm ${at}`);
  answer('third', 'third 0');
  await settled();
  for (const at of range(5)) await end(`busy ${at}`);
  assert.deepEqual(begun.slice(ANSWERS_AT_ONCE), ['busy 32', 'calm 0', 'third 0', 'busy 33', 'calm 1']);
});

test('a delivery begins at once, whatever is waiting to answer polls', async () => {
  const { answer, deliver, begun } = bench();
  for (const at of range(600)) answer('busy', `busy ${at}`);
  await settled();
  deliver('delivery');
  await settled();
  assert.equal(begun.at(-1), 'delivery');
  assert.equal(begun.length, ANSWERS_AT_ONCE + 1);
});

test('while deliveries wait, what ends makes place for them and not for answers', async () => {
  const { answer, deliver, begun, end } = bench();
  for (const at of range(DELIVERIES_AT_ONCE + 2)) deliver(`delivery ${at}`);
  for (const at of range(3)) answer('tpp', `answer ${at}`);
  await settled();
  assert.deepEqual(begun.slice(DELIVERIES_AT_ONCE), ['answer 0'], 'one answer, so that they never stand still');
  await end('delivery 0');
  assert.deepEqual(begun.slice(DELIVERIES_AT_ONCE + 1), ['delivery 256']);
  await end('answer 0');
  assert.deepEqual(begun.slice(DELIVERIES_AT_ONCE + 2), ['answer 1']);
  await end('delivery 1');
  assert.deepEqual(begun.slice(DELIVERIES_AT_ONCE + 3), ['delivery 257', 'answer 2']);
});

test('work that fails gives its place back, and its caller the failure', async () => {
  const queue = new SigningQueue();
  const failing = () => Promise.reject(new Error('the key is away'));
  for (const _ of range(ANSWERS_AT_ONCE)) await assert.rejects(queue.forAnswer('tpp', failing), /the key is away/);
  for (const _ of range(DELIVERIES_AT_ONCE)) await assert.rejects(queue.forDelivery(failing), /the key is away/);
  assert.equal(await queue.forAnswer('tpp', async () => 'answer'), 'answer');
  assert.equal(await queue.forDelivery(async () => 'delivery'), 'delivery');
});
