import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { TppRegistry } from '../../src/operator/tpp-registry.ts';
import { entityTagOf } from '../../src/operator/tpp-schemas.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { JwksUnavailableError } from '../../src/trust/jwks-cache.ts';
import { tppOf } from '../support/bank-events.ts';
import { FakeClock, START_MS } from '../support/fake-clock.ts';

// Two registries on one store are what two instances have: neither knows what the other is about to do.

const by = {
  name: 'alice',
  audited: { actor: 'alice', role: 'administrator', authenticatedBy: 'token', from: '127.0.0.1' },
  log: { info: () => undefined },
} as const;
const ANYWAY = { ifMatch: undefined, mustBeNew: false };

async function twoInstances(t: TestContext) {
  const store = openSqliteStore({ file: ':memory:' });
  t.after(() => store.close());
  await store.putTpp(tppOf('a'), START_MS);
  const options = { store, clock: new FakeClock(), softwareStatements: undefined, onChanged: () => undefined };
  const found = await store.tpp('a');
  assert.ok(found !== undefined);
  return { store, found, one: new TppRegistry(options), other: new TppRegistry(options) };
}

test('of two instances that change what both have read, one learns that it is not so any more', async (t) => {
  const { store, found, one, other } = await twoInstances(t);
  const preconditions = { ifMatch: entityTagOf(found), mustBeNew: false };
  const results = await Promise.allSettled([
    one.put({ ...tppOf('a'), organisationId: 'org-1' }, preconditions, by),
    other.put({ ...tppOf('a'), organisationId: 'org-2' }, preconditions, by),
  ]);
  assert.deepEqual(results.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
  const refused = results.find((result) => result.status === 'rejected');
  assert.equal(refused?.reason.status, 412);
  const kept = results.find((result) => result.status === 'fulfilled');
  assert.equal((await store.tpp('a'))?.organisationId, kept?.value.organisationId);
  assert.equal((await store.auditEntries(undefined, 9)).length, 1);
});

test('of two instances that add the same TPP, one learns that it is there', async (t) => {
  const { one, other } = await twoInstances(t);
  const results = await Promise.allSettled(
    [one, other].map((registry) => registry.put(tppOf('b'), { ifMatch: undefined, mustBeNew: true }, by)),
  );
  assert.deepEqual(results.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
});

test('a TPP that one instance suspends while another changes it is both suspended and changed', async (t) => {
  const { store, one, other } = await twoInstances(t);
  await Promise.all([
    one.put({ ...tppOf('a'), organisationId: 'org-1' }, ANYWAY, by),
    other.setSuspended('a', true, by),
  ]);
  const { organisationId, isSuspended } = (await store.tpp('a')) ?? {};
  assert.deepEqual({ organisationId, isSuspended }, { organisationId: 'org-1', isSuspended: true });
  const [last, first] = await store.auditEntries(undefined, 9);
  assert.deepEqual(last?.before, first?.after, 'the audit tells one story');
});

test('of changes that come to one instance at once each is made to what the one before left', async (t) => {
  const { store, one } = await twoInstances(t);
  const organisations = Array.from({ length: 12 }, (_, at) => `org-${at}`);
  await Promise.all([
    ...organisations.map((organisationId) => one.put({ ...tppOf('a'), organisationId }, ANYWAY, by)),
    one.setSuspended('a', true, by),
  ]);
  assert.equal((await store.tpp('a'))?.isSuspended, true);
  const entries = (await store.auditEntries(undefined, 99)).toReversed();
  assert.equal(entries.length, organisations.length + 1);
  assert.deepEqual(
    entries.slice(1).map(({ before }) => before),
    entries.slice(0, -1).map(({ after }) => after),
  );
});

test('an import while the keys of the directory are unavailable is answered 503 and changes nothing', async (t) => {
  const { store } = await twoInstances(t);
  const softwareStatements = {
    verify: async () => {
      throw new JwksUnavailableError('the JWKS is unavailable: it was answered with status 503');
    },
  };
  const options = { store, clock: new FakeClock(), softwareStatements, onChanged: () => undefined };
  const importing = new TppRegistry(options).import({ softwareStatement: 'a.b.c', clientId: 'new' }, by);
  await assert.rejects(importing, { status: 503, message: /status 503; try again, or check "directory.jwksUrl"/ });
  assert.equal(await store.tpp('new'), undefined);
});
