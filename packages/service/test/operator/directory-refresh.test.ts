import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { importSigningKeys } from '@tidings/protocol';
import { jwtOf, makeSigningKey, startRecordingServer, testPki } from '@tidings/testing';
import { startDirectoryRefresh } from '../../src/operator/directory-refresh.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { createSoftwareStatementVerifier } from '../../src/trust/software-statement.ts';
import { createTppKeys } from '../../src/trust/tpp-keys.ts';
import { tppOf } from '../support/bank-events.ts';
import { loopbackGuard } from '../support/loopback-guard.ts';
import { heldClock, NOW_MS, until } from '../support/trust-clock.ts';

// The directory signs statements of TPPs, and publishes their keys; a server of the test plays it.

const directoryKey = makeSigningKey('directory');
const [one, other] = [makeSigningKey('one').jwk, makeSigningKey('other').jwk];
const ISSUER = 'OpenBanking Ltd';
const AGES = { maxAgeMs: 600_000, hardMaxAgeMs: 3_600_000, refetchMinMs: 30_000, timeoutMs: 5000 };
const REFRESH_MS = 3_600_000;

async function world(t: TestContext, settings: { isRevokedSuspended?: boolean } = {}) {
  const clock = heldClock();
  const store = openSqliteStore({ file: ':memory:' });
  const { caPem: ca } = await testPki();
  const state = { claims: {}, status: 200, jwks: { keys: [one] } };
  const server = await startRecordingServer(t);
  const { organisationId, softwareStatementId } = tppOf('a');
  const jwksUrl = `${server.origin}/jwks`;
  server.answer.body = ({ request }) => {
    if (request.url === '/jwks') return JSON.stringify(state.jwks);
    const claims = { iss: ISSUER, iat: clock.nowMs() / 1000, org_id: organisationId, software_id: softwareStatementId };
    const roles = { software_roles: ['AISP', 'PISP'], software_jwks_endpoint: jwksUrl };
    return jwtOf(directoryKey, { ...claims, ...roles, ...state.claims }, { typ: 'JWT' });
  };
  const keys = await importSigningKeys({ keys: [directoryKey.jwk] });
  const softwareStatements = createSoftwareStatementVerifier({ issuer: ISSUER, keys, clockSkewSeconds: 0, clock });
  const tppKeys = createTppKeys({ ca, guard: loopbackGuard, ...AGES, clock });
  const statementUrl = `${server.origin}/{organisationId}/{softwareStatementId}`;
  const refresh = startDirectoryRefresh({
    directory: { issuer: ISSUER, ...AGES, refreshMs: REFRESH_MS, statementUrl, isRevokedSuspended: true, ...settings },
    ...{ tls: { ca }, softwareStatements, store, tppKeys, clock, random: { fraction: () => 0 } },
    onTppChanged: () => undefined,
    log: { info: () => undefined, warn: () => undefined },
  });
  t.after(async () => {
    await refresh.close();
    await tppKeys.close();
    await store.close();
  });
  const tpp = { ...tppOf('a'), jwks: undefined, jwksUrl, scopes: ['accounts', 'payments', 'eventpolling'] };
  await store.putTpp(tpp, NOW_MS);
  const actions = async () => (await store.auditEntries(undefined, 99)).map(({ action }) => action).reverse();
  const outcome = () => refresh.checkOf('a')?.outcome;
  /** A round, after keys and statements may have changed. */
  const again = async () => {
    clock.advance(AGES.maxAgeMs);
    await refresh.refresh();
  };
  return { clock, store, server, state, refresh, actions, outcome, again, tpp, statementUrl };
}

test('TPPs are looked up on a schedule, and what has not changed is not changed', async (t) => {
  const { clock, store, server, refresh, actions, outcome, tpp } = await world(t);
  clock.advance(REFRESH_MS - 1);
  assert.equal(server.seen.length, 0);
  clock.advance(1);
  await until(() => outcome() !== undefined);
  assert.equal(outcome(), 'unchanged');
  await refresh.refresh();
  assert.deepEqual((await store.tpp('a'))?.scopes, tpp.scopes);
  // The keys that were found first are the ones that later ones are compared with.
  assert.deepEqual(await actions(), ['tpp-keys-changed']);
});

test('a role that was taken away takes its scope with it, endpoints follow, and both are audited as the service’s doing', async (t) => {
  const { store, server, state, actions, outcome, again, tpp } = await world(t);
  const moved = `${server.origin}/jwks?moved`;
  state.claims = { software_roles: ['AISP'], software_jwks_revoked_endpoint: moved };
  await again();
  assert.equal(outcome(), 'changed');
  const after = await store.tpp('a');
  assert.deepEqual(
    [after?.scopes, after?.jwksUrl, after?.revokedJwksUrl],
    [['accounts', 'eventpolling'], tpp.jwksUrl, moved],
  );
  const [entry] = await store.auditEntries(undefined, 1, { action: 'tpp-refreshed' });
  assert.deepEqual([entry?.actor, entry?.detail['changed']], ['tidings', ['revokedJwksUrl', 'scopes']]);
  state.claims = { software_roles: ['AISP', 'PISP'], software_jwks_revoked_endpoint: moved };
  await again();
  assert.deepEqual(
    (await store.tpp('a'))?.scopes,
    ['accounts', 'eventpolling'],
    'a bank gives scopes, not a directory',
  );
  assert.equal((await actions()).filter((action) => action === 'tpp-refreshed').length, 1);
});

test('keys that appear or disappear behind the JWKS URL are audited, once', async (t) => {
  const { store, state, again } = await world(t);
  await again();
  state.jwks = { keys: [one, other] };
  for (const _ of [1, 2]) await again();
  const [last, first, ...more] = await store.auditEntries(undefined, 9, { action: 'tpp-keys-changed', subject: 'a' });
  assert.deepEqual(more, []);
  assert.deepEqual([first?.before, first?.after], [undefined, { kids: ['one'], revokedKids: [] }]);
  assert.deepEqual([last?.before, last?.after], [first?.after, { kids: ['one', 'other'], revokedKids: [] }]);
});

for (const [what, claims, why] of [
  ['whose organisation is not active', { org_status: 'Revoked' }, /organisation is not active/],
  ['that has no role any more', { software_roles: [] }, /no role any more/],
] as const) {
  test(`a TPP ${what} is suspended, and operators learn why`, async (t) => {
    const { clock, store, state, refresh, actions, outcome, again } = await world(t);
    state.claims = claims;
    await again();
    const noticedAtMs = clock.nowMs();
    await again();
    assert.equal(outcome(), 'revoked');
    assert.equal((await store.tpp('a'))?.isSuspended, true);
    assert.equal((await actions()).filter((action) => action === 'tpp-suspended').length, 1);
    const [entry] = await store.auditEntries(undefined, 1, { action: 'tpp-suspended' });
    assert.match(String(entry?.detail['why']), why);
    const [revoked] = refresh.revoked();
    assert.deepEqual([revoked?.clientId, revoked?.sinceMs], ['a', noticedAtMs]);
    assert.match(revoked?.why ?? '', why);
    state.claims = {};
    await again();
    assert.deepEqual([refresh.revoked(), (await store.tpp('a'))?.isSuspended], [[], true]);
  });
}

test('where the bank suspends TPPs itself, a revoked one is only told of', async (t) => {
  const { store, state, refresh, again } = await world(t, { isRevokedSuspended: false });
  state.claims = { org_status: 'Withdrawn' };
  await again();
  assert.deepEqual([refresh.revoked().length, (await store.tpp('a'))?.isSuspended ?? false], [1, false]);
});

test('what the directory does not say, or says of another, or somebody else signed, changes nothing', async (t) => {
  const { store, server, state, refresh, outcome, again, tpp } = await world(t);
  const forged = { ...directoryKey, ...makeSigningKey('forged'), kid: directoryKey.kid };
  const { body } = server.answer;
  for (const [change, why] of [
    [() => Object.assign(state, { claims: { software_id: 'another' } }), /is about .*\/another/],
    [() => Object.assign(state, { claims: { org_id: 'another', org_status: 'Revoked' } }), /is about another\//],
    [() => Object.assign(server.answer, { body: () => jwtOf(forged, { org_status: 'Revoked' }, { typ: 'JWT' }) }), /./],
    [() => Object.assign(server.answer, { body: 'nothing' }), /not a JWT/],
    [() => Object.assign(server.answer, { body, status: 404 }), /answered 404/],
  ] as const) {
    change();
    await again();
    assert.equal(outcome(), 'failed');
    assert.match(refresh.checkOf('a')?.reason ?? '', why);
    const { scopes, isSuspended = false } = (await store.tpp('a')) ?? {};
    assert.deepEqual([scopes, isSuspended], [tpp.scopes, false]);
  }
});
