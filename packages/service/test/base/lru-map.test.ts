import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LruMap } from '../../src/base/lru-map.ts';

test('beyond its size the entry that was not used for the longest time gives way', () => {
  const map = new LruMap<string, { readonly at: number }>(2);
  map.set('a', { at: 1 });
  map.set('b', { at: 2 });
  assert.deepEqual(map.get('a'), { at: 1 }, 'which is a use');
  map.set('c', { at: 3 });
  assert.deepEqual([map.get('a')?.at, map.get('b')?.at, map.get('c')?.at], [1, undefined, 3]);
});

test('replacing an entry takes no room, and is a use', () => {
  const map = new LruMap<string, { readonly at: number }>(2);
  for (const [key, at] of [
    ['a', 1],
    ['b', 2],
    ['a', 3],
    ['c', 4],
  ] as const)
    map.set(key, { at });
  assert.deepEqual([map.get('a')?.at, map.get('b')?.at, map.get('c')?.at], [3, undefined, 4]);
});
