import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AuditEntry, StoredAuditEntry } from '../../src/model/audit.ts';
import { AUDIT_DROPPED_MAX, BY_SERVICE } from '../../src/model/audit.ts';
import type { Tpp } from '../../src/model/tpp.ts';
import type { Store } from '../../src/store/store.ts';
import { callbackUrlOf, deletionOf, subscriptionIn, subscriptionOf, tppOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import type { OpenFor } from './opened.ts';

const BY = { actor: 'alice', role: 'administrator', authenticatedBy: 'oidc', from: '10.1.2.3' } as const;

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

  describe('dropping entries of TPPs', () => describeDropping(open));

  test('every change of a TPP and of its registrations is audited with it, and told what was there before', async (t) => {
    const { store } = await open(t);
    const tpp = tppOf('a');
    const changed = { ...tpp, organisationId: 'other' };
    await store.putTpp(tpp, START_MS, audited('added'));
    await store.putTpp(changed, START_MS, audited('changed'));
    const subscription = subscriptionOf('a');
    await store.createRegistration(subscription, START_MS, audited('created'));
    await store.replaceRegistration({ ...subscription, version: '4.1' }, START_MS, audited('replaced'));
    await store.deleteRegistration(deletionOf(subscription), START_MS, audited('deleted'));
    const callbackUrl = callbackUrlOf('a');
    await store.createRegistration(callbackUrl, START_MS, audited('url-created'));
    await store.replaceRegistration({ ...callbackUrl, version: '4.1' }, START_MS, audited('url-replaced'));
    await store.deleteRegistration(deletionOf(callbackUrl), START_MS, audited('url-deleted'));
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
    await store.createRegistration(subscription, START_MS);
    const stranger = { ...subscription, clientId: 'b' };
    assert.equal(await store.createRegistration(subscription, START_MS, audited('x')), 'exists');
    assert.notEqual(await store.replaceRegistration(stranger, START_MS, audited('x')), 'changed');
    assert.notEqual(
      await store.deleteRegistration(deletionOf({ ...subscription, id: 'unknown' }), START_MS, audited('x')),
      'changed',
    );
    assert.notEqual(await store.deleteRegistration(deletionOf(callbackUrlOf('a')), START_MS, audited('x')), 'changed');
    assert.notEqual(await store.replaceRegistration(callbackUrlOf('b'), START_MS, audited('x')), 'changed');
    assert.equal(await store.removeTpp('nobody', START_MS, audited('x')), false);
    assert.deepEqual(await entriesOf(store), []);
  });

  test('a change that says of itself that it changes nothing is made, and not audited', async (t) => {
    const { store } = await open(t);
    const subscription = subscriptionOf('a');
    await store.putTpp(tppOf('a'), START_MS, () => undefined);
    await store.createRegistration(subscription, START_MS, () => undefined);
    assert.equal(await store.replaceRegistration(subscription, START_MS, () => undefined), 'changed');
    assert.equal((await subscriptionIn(store, 'a'))?.version, subscription.version);
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
      store.createRegistration(subscriptionOf('a'), START_MS, () => broken(undefined)),
      /no entry/,
    );
    assert.deepEqual(await store.tpp('a'), tppOf('a'));
    assert.equal(await subscriptionIn(store, 'a'), undefined);
    assert.deepEqual(await entriesOf(store), []);
  });
}

const DAY_MS = 86_400_000;
// By the clock of the database, which refuses to drop younger ones.
const OLD_MS = START_MS - 400 * DAY_MS;
const BY_TPP = { actor: 'tpp:a', authenticatedBy: 'access-token', from: '192.0.2.1' } as const;

/** An entry that a TPP caused. */
function entryOfTpp(subject: string, atMs: number): AuditEntry {
  return {
    ...BY_TPP,
    atMs,
    action: 'event-subscription-replaced',
    subject,
    detail: { text: 'ü' },
    after: { version: '4.0' },
  };
}

/** Audits a drop with what went. */
const dropped = (entries: readonly StoredAuditEntry[]) =>
  entryOf('audit-archived', { detail: { subjects: entries.map(({ subject }) => subject) } });

const subjectsIn = async (store: Store) =>
  (await store.auditEntries(undefined, 1000))
    .map(({ action, subject }) => (action === 'audit-archived' ? action : subject))
    .toReversed();

/** TPPs' own entries `t0` … at OLD_MS and after, and others of the same age. @returns ids by subject */
async function mixed(store: Store): Promise<(...subjects: string[]) => string[]> {
  const entries: AuditEntry[] = [
    entryOfTpp('t0', OLD_MS),
    entryOf('tpp-changed', { subject: 'operator', atMs: OLD_MS, authenticatedBy: 'token' }),
    entryOf('tpp-changed', { subject: 'oidc', atMs: OLD_MS }),
    { ...BY_SERVICE, atMs: OLD_MS, action: 'expire', subject: 'service', detail: {} },
    // Of a version that did not keep who it was.
    { actor: BY_TPP.actor, atMs: OLD_MS, action: 'x', subject: 'unknown', detail: {} },
    entryOfTpp('t1', OLD_MS + 1),
    entryOfTpp('t2', OLD_MS + 2),
    entryOfTpp('earlier', OLD_MS - 5),
  ];
  for (const entry of entries) await store.audit(entry);
  const ids = new Map((await store.auditEntries(undefined, 100)).map(({ subject, id }) => [subject, id]));
  return (...subjects) => subjects.map((subject) => ids.get(subject) ?? assert.fail(subject));
}

function describeDropping(open: OpenFor): void {
  test('shows those alone, made before a time, the oldest first, page by page', async (t) => {
    const { store } = await open(t);
    await mixed(store);
    const first = await store.archivableAudit(OLD_MS + 2, undefined, 2);
    const last = first.at(-1) ?? assert.fail('there is a page');
    const second = await store.archivableAudit(OLD_MS + 2, `${last.atMs}:${last.id}`, 2);
    const pages = [first, second].map((page) => page.map(({ subject }) => subject));
    assert.deepEqual(pages, [['earlier', 't0'], ['t1']]);
    const { id: _, ...shown } = first[1] ?? assert.fail('there are two');
    assert.deepEqual(shown, entryOfTpp('t0', OLD_MS));
  });

  test('takes exactly those that are named, and audits with it what went', async (t) => {
    const { store, reopen } = await open(t);
    const idsOf = await mixed(store);
    assert.equal(await store.dropAudit({ ids: idsOf('t1', 't0'), beforeMs: OLD_MS + 9, audit: dropped }), 2);
    const left = ['operator', 'oidc', 'service', 'unknown', 't2', 'earlier', 'audit-archived'];
    assert.deepEqual(await subjectsIn(store), left);
    const [entry] = await (await reopen()).auditEntries(undefined, 1);
    assert.deepEqual(entry?.detail, { subjects: ['t1', 't0'] }, 'in the order of the ids');
  });

  test('never takes what operators, the service or unknown ones did, nor what is younger', async (t) => {
    const { store } = await open(t);
    const idsOf = await mixed(store);
    const before = await subjectsIn(store);
    const kept = idsOf('operator', 'oidc', 'service', 'unknown', 't1', 't2');
    assert.equal(await store.dropAudit({ ids: kept, beforeMs: OLD_MS + 1, audit: dropped }), 0);
    assert.deepEqual(await subjectsIn(store), [...before, 'audit-archived']);
  });

  test('takes nothing when its entry cannot be written, such as when something else was archived', async (t) => {
    const { store } = await open(t);
    const idsOf = await mixed(store);
    const before = await subjectsIn(store);
    const seen: string[] = [];
    const audit = (entries: readonly StoredAuditEntry[]): AuditEntry => {
      seen.push(...entries.map(({ subject }) => subject));
      throw new Error('not what was archived');
    };
    await assert.rejects(
      store.dropAudit({ ids: idsOf('t0', 'operator', 't1'), beforeMs: OLD_MS + 9, audit }),
      /not what was archived/,
    );
    assert.deepEqual(seen, ['t0', 't1']);
    assert.deepEqual(await subjectsIn(store), before);
  });

  test('by two at once is done by one of them', async (t) => {
    const { store } = await open(t);
    const idsOf = await mixed(store);
    const ids = idsOf('t0', 't1');
    const drop = { ids, beforeMs: OLD_MS + 9, audit: dropped };
    const counts = await Promise.all([store.dropAudit(drop), store.dropAudit(drop)]);
    assert.deepEqual(counts.toSorted(), [0, 2]);
  });

  test('is refused by the database itself where it is younger than 30 days, whatever the clock of the service says', async (t) => {
    const { store } = await open(t);
    const nowMs = Date.now();
    const [young, old] = [nowMs - 30 * DAY_MS + 60_000, nowMs - 30 * DAY_MS - 60_000];
    await store.audit(entryOfTpp('young', young));
    await store.audit(entryOfTpp('old', old));
    const [{ id: ofOld } = { id: '' }, { id: ofYoung } = { id: '' }] = await store.auditEntries(undefined, 2);
    const drop = (ids: string[]) => store.dropAudit({ ids, beforeMs: nowMs + DAY_MS, audit: dropped });
    await assert.rejects(drop([ofOld, ofYoung]), /the audit is only added to/);
    assert.deepEqual(await subjectsIn(store), ['young', 'old']);
    assert.equal(await drop([ofOld]), 1);
    assert.deepEqual(await subjectsIn(store), ['young', 'audit-archived']);
  });

  test('goes in portions', async (t) => {
    const { store } = await open(t);
    const ids = Array.from({ length: AUDIT_DROPPED_MAX + 1 }, (_, at) => String(at + 1));
    await assert.rejects(
      async () => store.dropAudit({ ids, beforeMs: OLD_MS, audit: dropped }),
      /the audit is dropped in portions/,
    );
    assert.equal(await store.dropAudit({ ids: ids.slice(1), beforeMs: OLD_MS, audit: dropped }), 0);
  });
}
