import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createSigner, EventTypeCatalogue, signSet } from '@tidings/protocol';
import { makeSigningKey } from '@tidings/testing';
import { pino } from 'pino';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { verifyEvidence } from '../../src/cli/evidence/verify.ts';
import { OperatorTokens } from '../../src/operator/access.ts';
import { buildOperatorApi } from '../../src/operator/server.ts';
import { ERASED_MAX, sha256Of } from '../../src/store/erasure.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { acknowledge, claim, claimOne, numbered, publish, register } from '../store/opened.ts';
import { jtiOf } from '../support/bank-events.ts';
import { CONNECTIONS } from '../support/connections.ts';
import { FakeClock, START_MS } from '../support/fake-clock.ts';

// SHA-256 of "token".
const TOKENS = [
  { name: 'alice', sha256: '3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0', role: 'administrator' },
] as const;
const key = makeSigningKey('kid-1');
const RESOURCE = 'payment-of-e1';

/** An operator API on a store of its own, with two TPPs. */
async function opened(t: TestContext, clock: Clock = new FakeClock()) {
  const store = openSqliteStore({ file: ':memory:' });
  const lines: string[] = [];
  const app = buildOperatorApi({
    ...{ store, clock, catalogue: new EventTypeCatalogue([]), tokens: new OperatorTokens(TOKENS) },
    log: pino({ level: 'info' }, { write: (line: string) => lines.push(line) }),
    ...{ tls: undefined, bodyBytesMax: 100_000, ...CONNECTIONS, publish: () => assert.fail('nothing is published') },
  });
  t.after(async () => {
    await app.close();
    await store.close();
  });
  await store.useSigningKey(key.jwk, START_MS);
  await register(store, ['a', 'b']);
  const headers = { authorization: 'Bearer token' };
  const post = async (url: string, payload: object) => {
    const { statusCode, body } = await app.inject({ method: 'POST', url, headers, payload });
    return { status: statusCode, body };
  };
  const erase = async (payload: object) => {
    const { status, body } = await post('/operator/v1/erasures', payload);
    return { status, answer: JSON.parse(body) };
  };
  const get = (url: string) => app.inject({ method: 'GET', url, headers });
  return { store, lines, post, erase, get };
}

/** A notification that was signed, sent and acknowledged. @returns its SET */
async function deliver(store: ReturnType<typeof openSqliteStore>, eventId: string): Promise<string> {
  await publish(store, 'a', [eventId]);
  const claimed = await claimOne(store);
  const signer = await createSigner({ kid: 'kid-1', iss: 'org-bank', tan: 'openbanking.org.uk' }, key.keyPem);
  const set = await signSet({ ...claimed.claims, iat: START_MS / 1000 }, signer, START_MS / 1000);
  await store.keepSets([{ jti: claimed.jti, set }]);
  await acknowledge(store, claimed, 200);
  return set;
}

test('evidence of what was erased proves that the SET which the TPP kept is the one that was sent', async (t) => {
  const clock = new FakeClock();
  const { store, erase, get } = await opened(t, clock);
  const set = await deliver(store, 'e1');
  const other = await deliver(store, 'e2');
  await clock.advance(1000);
  const { status, answer } = await erase({ resourceId: RESOURCE });
  assert.deepEqual([status, answer], [200, { count: 1, expired: 0, awaiting: 0, isDryRun: false }]);
  assert.equal((await get(`/operator/v1/notifications/${jtiOf('e1')}`)).statusCode, 410);
  const { body } = await get(`/operator/v1/notifications/${jtiOf('e1')}/evidence`);
  assert.ok(!body.includes(RESOURCE) && !body.includes(set));
  const failuresWith = async (copy: string) => {
    const checks = await verifyEvidence(body, JSON.stringify({ keys: [key.jwk] }), clock.nowMs(), copy);
    return checks.filter(({ outcome }) => outcome !== 'passed').map(({ check }) => check);
  };
  assert.deepEqual(await failuresWith(set), []);
  assert.deepEqual(await failuresWith(other), ['hash', 'identity']);
});

test('an erasure names the resource by its digest in audit and log, and does nothing when it is repeated', async (t) => {
  const { store, lines, erase } = await opened(t);
  await deliver(store, 'e1');
  const asked = { clientId: 'a', resourceId: RESOURCE };
  assert.equal((await erase({ ...asked, isDryRun: true })).answer.count, 1);
  assert.equal((await erase({ ...asked, clientId: 'b' })).answer.count, 0);
  assert.equal((await erase(asked)).answer.count, 1);
  assert.equal((await erase(asked)).answer.count, 0);
  const entries = await store.auditEntries(undefined, 10, { action: 'erase' });
  const detail = { clientId: 'a', resourceSha256: sha256Of(RESOURCE), count: 1 };
  assert.deepEqual(
    entries.map((entry) => [entry.actor, entry.subject, entry.detail]),
    [['alice', 'a', detail]],
  );
  assert.ok(lines.length > 0 && !lines.join().includes(RESOURCE));
  assert.equal((await erase({})).status, 400);
});

test('an erasure is refused while something is undelivered, unless that is to expire', async (t) => {
  const { store, erase } = await opened(t);
  await deliver(store, 'e1');
  await publish(store, 'a', ['e2', 'e3']);
  const [underWay] = await claim(store, { limit: 1 });
  const refused = await erase({ clientId: 'a' });
  assert.deepEqual([refused.status, refused.answer.title], [409, 'Conflict']);
  assert.equal((await erase({ resourceId: RESOURCE })).answer.count, 1, 'what was delivered is not in the way of it');
  const expected = { count: 1, expired: 1, awaiting: 1, isDryRun: false };
  assert.deepEqual((await erase({ clientId: 'a', undelivered: 'expire' })).answer, expected);
  assert.equal((await store.notification(underWay?.jti ?? ''))?.state, 'awaiting');
});

test('an erasure of more than a transaction holds goes on from part to part', async (t) => {
  // It pauses between two transactions.
  const { store, erase } = await opened(t, systemClock);
  const eventIds = numbered('many', ERASED_MAX + 5);
  await publish(store, 'b', eventIds);
  for (const claimed of await claim(store)) await acknowledge(store, claimed);
  assert.equal((await erase({ clientId: 'b' })).answer.count, eventIds.length);
  const counts = (await store.auditEntries(undefined, 10, { action: 'erase' })).map(({ detail }) => detail['count']);
  assert.deepEqual(counts, [5, ERASED_MAX]);
});

test('an export has each line that there is of a TPP or a resource, and says that it is complete', async (t) => {
  const { store, post, erase } = await opened(t);
  await deliver(store, 'e1');
  await deliver(store, 'e2');
  await publish(store, 'b', ['e3']);
  await erase({ resourceId: RESOURCE });
  const linesOf = async (payload: object) => {
    const { status, body } = await post('/operator/v1/data-exports', payload);
    assert.equal(status, 200);
    return body
      .trimEnd()
      .split('\n')
      .map((line): { kind: string; [name: string]: unknown } => JSON.parse(line));
  };
  const ofTpp = await linesOf({ clientId: 'a' });
  assert.deepEqual(
    ofTpp.map(({ kind }) => kind),
    // The audit names the export itself; the erasure was of a resource, whose digest names no TPP.
    ['export', 'tpp', 'registration', 'notification', 'erased', 'audit', 'end'],
  );
  assert.deepEqual([ofTpp[3]?.['jti'], ofTpp[4]?.['jti']], [jtiOf('e2'), jtiOf('e1')]);
  assert.deepEqual(ofTpp.at(-1)?.['lines'], { tpp: 1, registration: 1, notification: 1, erased: 1, audit: 1 });
  const ofResource = await linesOf({ resourceId: 'payment-of-e3' });
  assert.deepEqual(
    ofResource.map(({ kind, jti }) => [kind, jti]),
    [
      ['export', undefined],
      ['notification', jtiOf('e3')],
      ['end', undefined],
    ],
  );
});
