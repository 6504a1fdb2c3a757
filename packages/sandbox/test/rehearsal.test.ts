import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rehearseFailures } from '../src/sample-tpp/rehearsal.ts';

const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** A token with this `txn`, not signed: a rehearsal does not look. */
const tokenOf = (txn: unknown) => `${encode({ alg: 'PS256' })}.${encode({ txn })}.c2ln`;

function delivery(body: string, interactionId?: string): Request {
  const headers = {
    'content-type': 'application/jwt',
    ...(interactionId && { 'x-fapi-interaction-id': interactionId }),
  };
  return new Request('https://tpp.example/event-notifications', { method: 'POST', headers, body });
}

/** A receiver that accepts everything and remembers the bodies. */
function rehearsed() {
  const bodies: string[] = [];
  const receiver = rehearseFailures({
    handle: async (request: Request) => {
      bodies.push(await request.text());
      return new Response(null, { status: 202 });
    },
  });
  return { receiver, bodies };
}

test('a rehearsed notification fails with each status in turn, then reaches the receiver unchanged', async () => {
  const { receiver, bodies } = rehearsed();
  receiver.failFirst('txn-1', [500, 400]);
  const token = tokenOf('txn-1');
  const statuses: number[] = [];
  for (let count = 0; count < 4; count += 1) statuses.push((await receiver.handle(delivery(token))).status);
  assert.deepEqual(statuses, [500, 400, 202, 202]);
  assert.deepEqual(bodies, [token, token]);
  assert.deepEqual(receiver.answers, [
    { transactionId: 'txn-1', status: 500, rehearsed: true },
    { transactionId: 'txn-1', status: 400, rehearsed: true },
    { transactionId: 'txn-1', status: 202, rehearsed: false },
    { transactionId: 'txn-1', status: 202, rehearsed: false },
  ]);
});

test('a rehearsed failure echoes the interaction id or has a fresh one, as the standard requires of every response', async () => {
  const { receiver } = rehearsed();
  receiver.failFirst('txn-1', [503, 503]);
  const id = '93bac548-d2de-4546-b106-880a5018460d';
  const echoed = await receiver.handle(delivery(tokenOf('txn-1'), id));
  assert.equal(echoed.headers.get('x-fapi-interaction-id'), id);
  const without = await receiver.handle(delivery(tokenOf('txn-1')));
  assert.match(without.headers.get('x-fapi-interaction-id') ?? '', /^[0-9a-f-]{36}$/);
  assert.equal(await without.text(), '');
});

test('other notifications go straight to the receiver', async () => {
  const { receiver, bodies } = rehearsed();
  receiver.failFirst('txn-1', [500]);
  assert.equal((await receiver.handle(delivery(tokenOf('txn-2')))).status, 202);
  assert.equal(bodies.length, 1);
});

for (const [what, body] of [
  ['nothing', ''],
  ['no token', 'hello'],
  ['a payload that is not base64url', 'a.!.c'],
  ['a payload that is not JSON', `a.${encode('txn-1')}.c`],
  ['a payload that is null', `a.${encode('null')}.c`],
  ['a payload that is a list', `a.${encode('["txn-1"]')}.c`],
  ['a txn that is not a string', tokenOf(7)],
  ['no txn', tokenOf(undefined)],
] as const) {
  test(`a request that holds ${what} goes to the receiver`, async () => {
    const { receiver, bodies } = rehearsed();
    receiver.failFirst('txn-1', [500]);
    assert.equal((await receiver.handle(delivery(body))).status, 202);
    assert.deepEqual(bodies, [body]);
    assert.equal(receiver.answers[0]?.transactionId, '');
  });
}

test('a new plan replaces the rest of the old one, and an empty plan fails nothing', async () => {
  const { receiver } = rehearsed();
  receiver.failFirst('txn-1', [500, 500]);
  receiver.failFirst('txn-1', [503]);
  receiver.failFirst('txn-2', []);
  assert.equal((await receiver.handle(delivery(tokenOf('txn-1')))).status, 503);
  assert.equal((await receiver.handle(delivery(tokenOf('txn-1')))).status, 202);
  assert.equal((await receiver.handle(delivery(tokenOf('txn-2')))).status, 202);
});

test('the given list is not modified', async () => {
  const { receiver } = rehearsed();
  const statuses = [500];
  receiver.failFirst('txn-1', statuses);
  await receiver.handle(delivery(tokenOf('txn-1')));
  assert.deepEqual(statuses, [500]);
});

test('only the newest thousand responses are kept', async () => {
  const { receiver } = rehearsed();
  for (let count = 0; count < 1001; count += 1) await receiver.handle(delivery(tokenOf(`txn-${count}`)));
  assert.equal(receiver.answers.length, 1000);
  assert.equal(receiver.answers[0]?.transactionId, 'txn-1');
  assert.equal(receiver.answers.at(-1)?.transactionId, 'txn-1000');
});
