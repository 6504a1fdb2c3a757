import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importSigningKeys, verifySet } from '@tidings/protocol';
import { look } from '../store/opened.ts';
import { ISSUER, subscriptionIn, urlOf } from '../support/bank-events.ts';
import { engineBench, SIGNER_ISS, SIGNER_JWK } from '../support/engine-bench.ts';
import { START_MS } from '../support/fake-clock.ts';

const A = urlOf('a');
const B = urlOf('b');

test('what is published is delivered at once, signed, as application/jwt', async (t) => {
  const bench = engineBench(t);
  await bench.register('a');
  const [jti = ''] = await bench.publish('a', 'e1');
  const [post, ...others] = bench.client.posts;
  assert.ok(post !== undefined && others.length === 0);
  assert.deepEqual([post.url, post.atMs], [A, START_MS]);
  assert.equal(post.headers['content-type'], 'application/jwt');
  const { claims } = await verifySet(post.body, {
    issuer: ISSUER,
    signer: SIGNER_ISS,
    audience: 'a',
    trustAnchors: ['openbanking.org.uk'],
    keys: await importSigningKeys({ keys: [SIGNER_JWK] }),
    nowSeconds: START_MS / 1000,
    clockSkewSeconds: 0,
  });
  assert.equal(claims.jti, jti);
  const record = await look(bench.store, jti);
  assert.equal(record.state, 'acknowledged');
  assert.deepEqual(
    record.attempts.map(({ outcome }) => outcome),
    [{ kind: 'acknowledged', status: 202, interactionIdEchoed: true }],
  );
});

test('x-fapi-financial-id is sent only where one is configured', async (t) => {
  const without = engineBench(t);
  await without.register('a');
  await without.publish('a', 'e1');
  assert.deepEqual(Object.keys(without.client.posts[0]?.headers ?? {}).toSorted(), [
    'content-type',
    'x-fapi-interaction-id',
  ]);
  const configured = engineBench(t, { financialId: 'bank-1' });
  await configured.register('a');
  await configured.publish('a', 'e1');
  assert.equal(configured.client.posts[0]?.headers['x-fapi-financial-id'], 'bank-1');
});

test('retries come when the policy says, each from the end of the attempt before', async (t) => {
  const bench = engineBench(t);
  await bench.register('a');
  bench.client.script(A, 500, { unreachable: 'timeout' }, 404, 202);
  const [jti = ''] = await bench.publish('a', 'e1');
  await bench.clock.advance(60_000);
  assert.deepEqual(
    bench.client.posts.map(({ atMs }) => atMs - START_MS),
    [0, 1000, 3000, 7000],
  );
  const record = await look(bench.store, jti);
  assert.equal(record.state, 'acknowledged');
  assert.deepEqual(
    record.attempts.map(({ outcome, callbackUrl }) => [outcome.kind, callbackUrl]),
    [
      ['refused', A],
      ['unreachable', A],
      ['refused', A],
      ['acknowledged', A],
    ],
  );
});

test('the same bytes go out on every retry, under a fresh interaction id each time', async (t) => {
  const bench = engineBench(t);
  await bench.register('a');
  bench.client.script(A, 500, 500, 500, 202);
  const [jti = ''] = await bench.publish('a', 'e1');
  await bench.clock.advance(60_000);
  const bodies = new Set(bench.client.posts.map(({ body }) => body));
  const ids = new Set(bench.client.posts.map(({ headers }) => headers['x-fapi-interaction-id']));
  assert.deepEqual([bench.client.posts.length, bodies.size, ids.size], [4, 1, 4]);
  const record = await look(bench.store, jti);
  assert.deepEqual([record.set], [...bodies]);
  assert.deepEqual(new Set(record.attempts.map(({ interactionId }) => interactionId)), ids);
  assert.equal(bench.quiet.calls('sign'), 1);
});

const STATUSES = [200, 201, 203, 204, 301, 302, 307, 308, 400, 401, 404, 429, 500, 503];

for (const status of STATUSES) {
  test(`${status} is no acknowledgement: it is tried again`, async (t) => {
    const bench = engineBench(t);
    await bench.register('a');
    bench.client.script(A, status, 202);
    const [jti = ''] = await bench.publish('a', 'e1');
    assert.equal((await look(bench.store, jti)).state, 'awaiting');
    await bench.clock.advance(1000);
    assert.equal((await look(bench.store, jti)).state, 'acknowledged');
  });
}

test('Retry-After counts on 429 and 503, and on nothing else', async (t) => {
  const bench = engineBench(t);
  const headers = { 'retry-after': '30' };
  for (const [clientId, status] of Object.entries({ t429: 429, t503: 503, t500: 500 })) {
    await bench.register(clientId);
    bench.client.script(urlOf(clientId), { status, headers }, 202);
    await bench.publish(clientId, `of-${clientId}`);
  }
  await bench.clock.advance(60_000);
  const retriedAfter = (clientId: string) => (bench.client.postsTo(urlOf(clientId))[1]?.atMs ?? 0) - START_MS;
  assert.deepEqual(['t429', 't503', 't500'].map(retriedAfter), [30_000, 30_000, 1000]);
});

for (const [header, expectedMs] of [
  ['Thu, 09 Oct 2025 08:53:40 GMT', 20_000],
  ['Thursday, 09-Oct-25 08:53:40 GMT', 20_000],
  ['Thu Oct  9 08:53:40 2025', 20_000],
  ['99999999999', 60_000],
] as const) {
  test(`after a 503 with Retry-After "${header}" the retry waits ${expectedMs} ms`, async (t) => {
    const bench = engineBench(t);
    await bench.register('a');
    bench.client.script(A, { status: 503, headers: { 'retry-after': header } }, 202);
    await bench.publish('a', 'e1');
    await bench.clock.advance(expectedMs - 1);
    assert.equal(bench.client.posts.length, 1);
    await bench.clock.advance(1);
    assert.equal(bench.client.posts.length, 2);
  });
}

test('a 202 without the interaction id is an acknowledgement, and the breach is logged and kept', async (t) => {
  const bench = engineBench(t);
  await bench.register('a');
  bench.client.script(A, { status: 202, headers: {} });
  const [jti = ''] = await bench.publish('a', 'e1');
  const record = await look(bench.store, jti);
  assert.equal(record.state, 'acknowledged');
  assert.deepEqual(record.attempts[0]?.outcome, { kind: 'acknowledged', status: 202, interactionIdEchoed: false });
  assert.ok(bench.log.some(({ level, msg }) => level === 40 && /did not echo/.test(String(msg))));
});

test('a callback URL that was replaced is delivered to at the new place when the engine is woken', async (t) => {
  const bench = engineBench(t);
  await bench.register('a');
  bench.client.script(A, 500);
  const [jti = ''] = await bench.publish('a', 'e1');
  await bench.clock.advance(100_000);
  const subscription = await subscriptionIn(bench.store, 'a');
  assert.ok(subscription?.unresponsiveSinceMs !== undefined);
  await bench.store.replaceRegistration({ ...subscription, callbackUrl: B }, bench.clock.nowMs());
  bench.engine.wake();
  await bench.quiet.settle();
  assert.equal(bench.client.postsTo(B).length, 1);
  assert.equal((await look(bench.store, jti)).state, 'acknowledged');
});

test('no log line holds a SET', async (t) => {
  const bench = engineBench(t);
  await bench.register('a');
  bench.client.script(A, 500, 202);
  await bench.publish('a', 'e1');
  await bench.clock.advance(60_000);
  const signature = bench.client.posts[0]?.body.split('.')[2] ?? '';
  assert.ok(signature.length > 300 && bench.log.length >= 2);
  assert.ok(!JSON.stringify(bench.log).includes(signature));
});
