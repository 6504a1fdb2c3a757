import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Erasure, ErasureResult } from '../../src/store/erasure.ts';
import { sha256Of } from '../../src/store/erasure.ts';
import type { SearchFilter } from '../../src/store/search.ts';
import type { Store } from '../../src/store/store.ts';
import { bankEvent, jtiOf, notifyAll } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import {
  acknowledge,
  attemptAt,
  claim,
  claimOne,
  LEASE_MS,
  look,
  numbered,
  type OpenFor,
  POLL,
  publish,
  register,
  retryAt,
} from './opened.ts';

const AUDIT = { atMs: START_MS + 500, actor: 'ops', action: 'erase', subject: 'a', detail: { why: 'asked for' } };

/** Erases what is settled of these events. */
function erase(store: Store, eventIds: readonly string[], changes: Partial<Erasure> = {}): Promise<ErasureResult> {
  return store.erase({ jtis: eventIds.map(jtiOf), expiresAwaiting: false, audit: AUDIT, ...changes });
}

async function found(store: Store, filter: SearchFilter): Promise<string[]> {
  const { notifications } = await store.search({ filter, after: undefined, limit: 100 });
  return notifications.map(({ jti }) => jti);
}

/** Erasure of what notifications said. */
export function describeErasure(open: OpenFor): void {
  describe('erasure', () => {
    test('takes what a notification said, and keeps the digest of its SET and what became of it', async (t) => {
      const { store, reopen } = await open(t);
      await register(store, ['a']);
      await publish(store, 'a', ['e1', 'e2']);
      const [first, second] = await claim(store);
      assert.ok(first !== undefined && second !== undefined);
      const set = 'header.payload.signature';
      await store.keepSets([{ jti: first.jti, set }]);
      const errors = [{ jti: first.jti, err: 'jws', description: 'their words' }];
      await store.poll({ ...POLL, clientId: 'a', errors });
      const refused = { kind: 'refused', status: 400, err: 'jwtIss', description: 'their words' } as const;
      await store.recordAttempts([{ claimed: first, attempt: attemptAt(first, refused), next: retryAt(1) }], START_MS);
      await acknowledge(store, await claimOne(store, 1), 2);
      const { claims } = await look(store, first.jti);

      assert.deepEqual(await erase(store, ['e1', 'unknown']), { erased: 1, expired: 0, awaiting: 0 });
      const reopened = await reopen();
      assert.equal(await reopened.notification(first.jti), undefined);
      const erased = await reopened.erasedNotification(first.jti);
      assert.ok(erased !== undefined);
      const { attempts, errors: reported, ...others } = erased;
      assert.deepEqual(others, {
        ...{ jti: first.jti, eventId: 'e1', clientId: 'a', state: 'acknowledged', acknowledgedBy: 'push' },
        ...{ publishedAtMs: START_MS, acknowledgedAtMs: START_MS + 2, settledAtMs: START_MS + 2 },
        ...{ erasedAtMs: AUDIT.atMs, issuer: claims.iss, set: { sha256: sha256Of(set), header: 'header' } },
      });
      assert.deepEqual(
        attempts.map(({ outcome }) => outcome),
        [
          { kind: 'refused', status: 400, err: 'jwtIss' },
          { kind: 'acknowledged', status: 202, interactionIdEchoed: true },
        ],
      );
      assert.deepEqual(
        reported.map(({ err, description }) => [err, description]),
        [['jws', '']],
      );
      assert.deepEqual(await found(reopened, {}), [second.jti]);
      assert.deepEqual(await found(reopened, { jti: first.jti }), []);
      assert.deepEqual(await found(reopened, { eventId: 'e1' }), []);
      assert.deepEqual(await found(reopened, { transactionId: claims.txn }), []);
      const [{ id: _, ...entry } = {}] = await reopened.auditEntries(undefined, 1);
      assert.deepEqual(entry, { ...AUDIT, detail: { why: 'asked for', count: 1 } });
    });

    test('is done once: a repetition finds nothing, and neither does what comes late', async (t) => {
      const { store } = await open(t);
      await register(store, ['a']);
      await publish(store, 'a', ['e1']);
      const claimed = await claimOne(store);
      await acknowledge(store, claimed);
      await erase(store, ['e1']);
      assert.deepEqual(await erase(store, ['e1']), { erased: 0, expired: 0, awaiting: 0 });
      assert.equal((await store.auditEntries(undefined, 10)).length, 1);
      assert.equal(await acknowledge(store, claimed, 5), 'overtaken');
      const { acknowledged } = await store.poll({ ...POLL, clientId: 'a', acknowledged: [jtiOf('e1')] });
      assert.deepEqual(acknowledged, []);
      const redelivery = { filter: { clientId: 'a' }, after: undefined, limit: 10, isDryRun: false, audit: AUDIT };
      assert.equal((await store.redeliver({ ...redelivery, firstDueAtMs: START_MS, spacingMs: 0 })).count, 0);
      const again = await store.publish([bankEvent('a', 'e1')], notifyAll, START_MS);
      assert.ok(again.kind === 'published' && again.outcomes[0]?.repeated, 'its event is still recognised');
      assert.equal((await store.erasedNotification(jtiOf('e1')))?.acknowledgedAtMs, START_MS);
    });

    test('leaves what is awaiting, or expires it first, but never what is under way', async (t) => {
      const { store } = await open(t);
      await register(store, ['a']);
      await publish(store, 'a', ['under-way']);
      await claimOne(store);
      await publish(store, 'a', ['e1', 'e2']);
      assert.deepEqual(await erase(store, ['under-way', 'e1', 'e2']), { erased: 0, expired: 0, awaiting: 3 });
      assert.deepEqual(await store.auditEntries(undefined, 1), []);
      const expiring = { expiresAwaiting: true };
      const result = await erase(store, ['under-way', 'e1', 'e2'], expiring);
      assert.deepEqual(result, { erased: 2, expired: 2, awaiting: 1 });
      assert.equal((await look(store, jtiOf('under-way'))).state, 'awaiting');
      const erased = await store.erasedNotification(jtiOf('e1'));
      assert.deepEqual([erased?.state, erased?.set, erased?.settledAtMs], ['expired', undefined, AUDIT.atMs]);
      assert.equal((await store.counts()).awaiting, 1);
      const due = await claim(store, { afterMs: LEASE_MS });
      assert.deepEqual(
        due.map(({ jti }) => jti),
        [jtiOf('under-way')],
      );
      const [{ detail } = { detail: {} }] = await store.auditEntries(undefined, 1);
      assert.deepEqual(detail, { why: 'asked for', count: 2, expired: 2 });
    });

    test('is listed by TPP, and forgotten when retention would have dropped the notification', async (t) => {
      const { store } = await open(t);
      await register(store, ['a', 'b']);
      await publish(store, 'a', numbered('a', 3));
      await publish(store, 'b', ['b0']);
      for (const each of await claim(store)) await acknowledge(store, each, each.jti === jtiOf('a2') ? 9 : 1);
      await erase(store, [...numbered('a', 3), 'b0']);
      const page = await store.erasedNotifications('a', '', 2);
      const rest = await store.erasedNotifications('a', page[1]?.jti ?? '', 2);
      assert.deepEqual(
        [...page, ...rest].map(({ eventId }) => eventId),
        numbered('a', 3),
      );
      const before = { notificationsBeforeMs: START_MS + 9, eventsBeforeMs: START_MS + 1 };
      while ((await store.dropHistory({ ...before, limit: 2 })) > 0);
      assert.deepEqual(
        (await store.erasedNotifications('a', '', 5)).map(({ eventId }) => eventId),
        ['a2'],
      );
      const again = await store.publish([bankEvent('a', 'a0')], notifyAll, START_MS);
      assert.ok(again.kind === 'published' && !again.outcomes[0]?.repeated, 'its event went with age');
    });
  });
}
