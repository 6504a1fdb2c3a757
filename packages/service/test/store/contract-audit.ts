import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AuditEntry, CallbackUrlToStore, Store, Tpp } from '../../src/store/store.ts';
import { subscriptionOf, tppOf, urlOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import type { OpenFor } from './opened.ts';

const BY = { actor: 'alice', role: 'administrator', authenticatedBy: 'oidc', from: '10.1.2.3' } as const;

function callbackUrlOf(clientId: string): CallbackUrlToStore {
  return { callbackUrlId: `url-${clientId}`, clientId, apiVersion: 'v4.0', url: urlOf(clientId), version: '4.0' };
}

function entryOf(action: string, changed: Partial<AuditEntry> = {}): AuditEntry {
  return { ...BY, atMs: START_MS, action, subject: 'a', detail: {}, ...changed };
}

/** An audit that keeps what it is told was there before. */
const audited = (action: string) => (before: object | undefined) =>
  entryOf(action, { detail: { before: before ?? null } });

async function entriesOf(store: Store): Promise<unknown[][]> {
  const entries = await store.auditEntries(undefined, 100);
  return entries.toReversed().map(({ action, detail }) => [action, detail['before']]);
}

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/** Who changed what: in full, in the transaction of the change, and found again. */
export function describeAudit(open: OpenFor): void {
  describe('an entry of the audit', () => {
    test('is read back with who, how, from where, what it was and what it became', async (t) => {
      const { store, reopen } = await open(t);
      const full = entryOf('tpp-changed', { before: { scopes: ['a'] }, after: { scopes: [], text: 'ü "\u0007"' } });
      const least = { atMs: START_MS, actor: 'ops', action: 'redeliver', subject: 'a', detail: {} };
      for (const entry of [full, least]) await store.audit(entry);
      const found = await (await reopen()).auditEntries(undefined, 10);
      assert.deepEqual(
        found.map(({ id: _, ...entry }) => entry),
        [least, full],
      );
    });

    test('that cannot be made keeps the change from being made, and its error is passed on', async (t) => {
      const { store } = await open(t);
      await store.putTpp(tppOf('a'), START_MS);
      const why = new Error('changed meanwhile');
      const throwing = () => {
        throw why;
      };
      const changed = { ...tppOf('a'), isSuspended: true };
      await Promise.all([
        assert.rejects(store.putTpp(changed, START_MS, throwing), why),
        store.putTpp(tppOf('b'), START_MS, audited('tpp-added')),
      ]);
      assert.equal((await store.tpp('a'))?.isSuspended ?? false, false);
      assert.deepEqual(await entriesOf(store), [['tpp-added', null]]);
    });

    test('is found by all that is asked for', async (t) => {
      const { store } = await open(t);
      for (const [at, actor] of ['alice', 'bob', 'alice', 'bob'].entries()) {
        const [action, subject] = [at < 2 ? 'x' : 'y', `s${at}`];
        await store.audit(entryOf(action, { actor, subject, atMs: START_MS + at }));
      }
      const found = async (...asked: Parameters<Store['auditEntries']>) =>
        (await store.auditEntries(...asked)).map(({ subject }) => subject);
      assert.deepEqual(await found(undefined, 9, { actor: 'alice' }), ['s2', 's0']);
      assert.deepEqual(await found(undefined, 9, { action: 'x' }), ['s1', 's0']);
      assert.deepEqual(await found(undefined, 9, { actor: 'bob', action: 'y' }), ['s3']);
      assert.deepEqual(await found(undefined, 9, { subject: 's1' }), ['s1']);
      assert.deepEqual(await found(undefined, 9, { subject: "s1' OR '1'='1" }), []);
      assert.deepEqual(await found(undefined, 9, { fromMs: START_MS + 1, beforeMs: START_MS + 3 }), ['s2', 's1']);
      const [{ id } = { id: '' }] = await store.auditEntries(undefined, 1, { actor: 'alice' });
      assert.deepEqual(await found(id, 9, { actor: 'alice' }), ['s0']);
      assert.deepEqual(await found(undefined, 1, { fromMs: START_MS }), ['s3']);
    });
  });

  test('every change of a TPP and of its registrations is audited with it, and told what was there before', async (t) => {
    const { store } = await open(t);
    const tpp = tppOf('a');
    const changed = { ...tpp, organisationId: 'other' };
    await store.putTpp(tpp, START_MS, audited('added'));
    await store.putTpp(changed, START_MS, audited('changed'));
    const subscription = subscriptionOf('a');
    const { eventSubscriptionId: id, apiVersion } = subscription;
    await store.createSubscription(subscription, START_MS, audited('created'));
    await store.replaceSubscription({ ...subscription, version: '4.1' }, START_MS, audited('replaced'));
    await store.deleteSubscription('a', id, apiVersion, START_MS, audited('deleted'));
    const callbackUrl = callbackUrlOf('a');
    await store.createCallbackUrl(callbackUrl, START_MS, audited('url-created'));
    await store.replaceCallbackUrl({ ...callbackUrl, version: '4.1' }, START_MS, audited('url-replaced'));
    await store.deleteCallbackUrl(
      'a',
      callbackUrl.callbackUrlId,
      callbackUrl.apiVersion,
      START_MS,
      audited('url-deleted'),
    );
    await store.removeTpp('a', START_MS, audited('removed'));
    assert.deepEqual(await entriesOf(store), [
      ['added', null],
      ['changed', plain(tpp)],
      ['created', null],
      ['replaced', plain(subscription)],
      ['deleted', plain({ ...subscription, version: '4.1' })],
      ['url-created', null],
      ['url-replaced', plain(callbackUrl)],
      ['url-deleted', plain({ ...callbackUrl, version: '4.1' })],
      ['removed', plain(changed)],
    ]);
  });

  test('what changes nothing is not audited', async (t) => {
    const { store } = await open(t);
    await store.putTpp(tppOf('a'), START_MS);
    const subscription = subscriptionOf('a');
    await store.createSubscription(subscription, START_MS);
    const stranger = { ...subscription, clientId: 'b' };
    assert.equal(await store.createSubscription(subscription, START_MS, audited('x')), 'exists');
    assert.notEqual(await store.replaceSubscription(stranger, START_MS, audited('x')), 'changed');
    assert.notEqual(await store.deleteSubscription('a', 'unknown', 'v4.0', START_MS, audited('x')), 'changed');
    assert.notEqual(await store.deleteCallbackUrl('a', 'unknown', 'v4.0', START_MS, audited('x')), 'changed');
    assert.notEqual(await store.replaceCallbackUrl(callbackUrlOf('b'), START_MS, audited('x')), 'changed');
    assert.equal(await store.removeTpp('nobody', START_MS, audited('x')), false);
    assert.deepEqual(await entriesOf(store), []);
  });

  test('a change that says of itself that it changes nothing is made, and not audited', async (t) => {
    const { store } = await open(t);
    const subscription = subscriptionOf('a');
    await store.putTpp(tppOf('a'), START_MS, () => undefined);
    await store.createSubscription(subscription, START_MS, () => undefined);
    assert.equal(await store.replaceSubscription(subscription, START_MS, () => undefined), 'changed');
    assert.equal((await store.subscriptionOf('a'))?.version, subscription.version);
    assert.deepEqual(await entriesOf(store), []);
  });

  test('a change whose entry cannot be written is not made', async (t) => {
    const { store } = await open(t);
    await store.putTpp(tppOf('a'), START_MS);
    const broken = (_before: Tpp | undefined): AuditEntry => {
      throw new Error('no entry');
    };
    await assert.rejects(store.putTpp({ ...tppOf('a'), organisationId: 'other' }, START_MS, broken), /no entry/);
    await assert.rejects(store.removeTpp('a', START_MS, broken), /no entry/);
    await assert.rejects(
      store.createSubscription(subscriptionOf('a'), START_MS, () => broken(undefined)),
      /no entry/,
    );
    assert.deepEqual(await store.tpp('a'), tppOf('a'));
    assert.equal(await store.subscriptionOf('a'), undefined);
    assert.deepEqual(await entriesOf(store), []);
  });
}
