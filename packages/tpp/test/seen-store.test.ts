import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemorySeenStore } from '@tidings/tpp';
import fc from 'fast-check';

test('the store in memory keeps the newest keys up to its limit, like a plain list', () => {
  const key = fc.integer({ min: 0, max: 12 }).map(String);
  const step = fc.record({ add: fc.boolean(), key });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 60 }), (entriesMax, steps) => {
      const store = createMemorySeenStore({ entriesMax });
      let model: string[] = [];
      for (const { add, key: name } of steps) {
        if (add) {
          void store.add(name);
          if (!model.includes(name)) model = [...model, name].slice(-entriesMax);
        }
        assert.equal(store.has(name), model.includes(name));
      }
      for (let each = 0; each <= 12; each += 1) assert.equal(store.has(String(each)), model.includes(String(each)));
    }),
  );
});

test('a limit that is not a whole number of at least 1 is an error', () => {
  for (const entriesMax of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => createMemorySeenStore({ entriesMax }), RangeError);
  }
});
