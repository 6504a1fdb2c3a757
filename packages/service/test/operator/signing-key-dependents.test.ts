import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SigningKeyUses, StoredSigningKey } from '../../src/model/signing-key.ts';
import { dependentsOf, type KeyContext } from '../../src/operator/signing-key-view.ts';
import { UNDER_WAY_MS } from '../../src/trust/signing-keys.ts';
import { START_MS } from '../support/fake-clock.ts';

const DAY_MS = 86_400_000;
const RETIRED_MS = START_MS - 10 * DAY_MS;
const FORMER: StoredSigningKey = {
  ...{ publicJwk: { kid: 'k1' }, state: 'former', announcedAtMs: undefined, usedFromMs: START_MS - 20 * DAY_MS },
  ...{ retiredAtMs: RETIRED_MS, usedUntilMs: undefined, withdrawnAtMs: undefined },
};

type Found = Partial<SigningKeyUses> & Partial<Pick<KeyContext, 'oldestAwaitingAtMs'>>;

function dependents(found: Found, changes: Partial<StoredSigningKey> = {}, keptMs = 30 * DAY_MS) {
  const { oldestAwaitingAtMs, ...uses } = found;
  const context: KeyContext = {
    ...{ nowMs: START_MS, formerKeysKeptMs: 0, announcedMs: 0, notificationsKeptMs: keptMs },
    ...{ oldestAwaitingAtMs, uses: { byKid: new Map(), isAll: true, ...uses } },
  };
  return dependentsOf({ ...FORMER, ...changes }, context);
}

test('a former key may have signed more than was looked at, unless all of it was published after its last use', () => {
  const overMs = RETIRED_MS + UNDER_WAY_MS;
  assert.equal(dependents({ isAll: false, oldestAwaitingAtMs: overMs - 1 }).isAtLeast, true);
  assert.equal(dependents({ isAll: false, oldestAwaitingAtMs: overMs }).isAtLeast, false);
  assert.equal(dependents({ isAll: true, oldestAwaitingAtMs: overMs - 1 }).isAtLeast, false);
  const stillUsed = { usedUntilMs: START_MS };
  assert.equal(
    dependents({ isAll: false, oldestAwaitingAtMs: overMs }, stillUsed).isAtLeast,
    true,
    'it still signs somewhere',
  );
  const current = { state: 'current', retiredAtMs: undefined } as const;
  assert.equal(dependents({ isAll: false, oldestAwaitingAtMs: START_MS }, current).isAtLeast, true);
});

test('evidence may refer to a key for as long as what it may have signed is kept', () => {
  assert.equal(dependents({}).evidence, true);
  assert.equal(dependents({}, {}, 10 * DAY_MS).evidence, false);
  const use = { count: 1, oldestJti: 'j', oldestPublishedAtMs: START_MS - 15 * DAY_MS };
  assert.equal(dependents({ byKid: new Map([['k1', use]]) }, {}, 10 * DAY_MS).evidence, true, 'it is awaiting');
  const next = { state: 'next', usedFromMs: undefined, retiredAtMs: undefined } as const;
  assert.equal(dependents({}, next).evidence, false);
});
