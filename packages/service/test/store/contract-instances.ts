import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { INSTANCES_KEPT_MS, type Instance } from '../../src/model/instance.ts';
import { START_MS } from '../support/fake-clock.ts';
import type { OpenFor } from './opened.ts';

const instanceOf = (id: string, startedAtMs: number, seenAtMs = startedAtMs): Instance => ({
  ...{ id, startedAtMs, seenAtMs, host: 'host-1', processId: 4711, version: '1.2.3', nodeVersion: '24.1.0' },
});

/** The instances of the service. */
export function describeInstances(open: OpenFor): void {
  describe('the instances', () => {
    test('are those that were seen and have not ended, the oldest first', async (t) => {
      const { store, reopen } = await open(t);
      assert.deepEqual(await store.instances(), []);
      await store.instanceSeen(instanceOf('b', START_MS + 1));
      await store.instanceSeen(instanceOf('a', START_MS));
      await store.instanceSeen(instanceOf('c', START_MS + 2));
      await store.instanceSeen(instanceOf('a', START_MS, START_MS + 10_000));
      await store.instanceEnded('c');
      await store.instanceEnded('unknown');
      const expected = [instanceOf('a', START_MS, START_MS + 10_000), instanceOf('b', START_MS + 1)];
      assert.deepEqual(await store.instances(), expected);
      assert.deepEqual(await (await reopen()).instances(), expected);
    });

    test('that are gone are forgotten when another one has been seen for a day', async (t) => {
      const { store } = await open(t);
      await store.instanceSeen(instanceOf('gone', START_MS));
      const ids = async () => (await store.instances()).map(({ id }) => id);
      await store.instanceSeen(instanceOf('next', START_MS + 1, START_MS + INSTANCES_KEPT_MS));
      assert.deepEqual(await ids(), ['gone', 'next']);
      await store.instanceSeen(instanceOf('next', START_MS + 1, START_MS + INSTANCES_KEPT_MS + 1));
      assert.deepEqual(await ids(), ['next']);
    });
  });
}
