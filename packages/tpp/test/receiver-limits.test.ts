import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBase64url, HEADER_IAT, HEADER_ISS, HEADER_TAN, signCompact } from '@tidings/protocol';
import { until } from '@tidings/testing';
import { createReceiver, type EventNotification, type Refusal, type Tolerance } from '@tidings/tpp';
import { BANK_ORG_ID, delivery, makeClaims, makeSet, NOW_MS, receiverOptions, testBank } from './support/sets.ts';

/** Handlers that end when the test says so. */
function held() {
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  return {
    started,
    end: (jti: string) => ends.get(jti)?.(),
    onNotification: ({ jti }: EventNotification) => {
      started.push(jti);
      return new Promise<void>((resolve) => ends.set(jti, resolve));
    },
  };
}

test('when the handler is behind, the bank gets 503 with Retry-After, and 202 only after the handler', async () => {
  const { started, end, onNotification } = held();
  const refusals: Refusal[] = [];
  const limits = { handlingMax: 2, waitingMax: 1, retryAfterSeconds: 7 };
  const onRefused = (refusal: Refusal) => void refusals.push(refusal);
  const receiver = createReceiver(await receiverOptions({ ...limits, onNotification, onRefused }));
  const answered: string[] = [];
  const post = async (jti: string) => {
    const response = await receiver.handle(delivery(await makeSet({ jti })));
    answered.push(`${jti} ${response.status}`);
    return response;
  };
  const first = post('1');
  await until(() => started.length === 1);
  const second = post('2');
  await until(() => started.length === 2);
  const all = [first, second, post('3'), post('4')];
  // Of the last two one waits and the other is refused, whichever was verified first.
  await until(() => refusals.length === 1);
  assert.equal(answered.length, 1);
  const refused = answered[0] === '3 503' ? '3' : '4';
  const waiting = refused === '3' ? '4' : '3';
  assert.deepEqual(answered, [`${refused} 503`]);
  const response = await all[Number(refused) - 1];
  assert.equal(response?.headers.get('retry-after'), '7');
  assert.equal(await response?.text(), '');
  assert.equal(refusals[0]?.code, 'handler_behind');
  assert.match(refusals[0].remedy, /handlingMax/);
  assert.deepEqual(started, ['1', '2']);

  end('1');
  await until(() => started.length === 3);
  assert.deepEqual([started[2], answered.includes('1 202')], [waiting, true]);
  end('2');
  end(waiting);
  await Promise.all(all);
  // What was refused is accepted when it comes again.
  const again = post(refused);
  await until(() => started.length === 4);
  end(refused);
  assert.equal((await again).status, 202);
});

test('strangers do not use up the limits, and a handler that fails makes room', async () => {
  let fails = true;
  const { onNotification, end, started } = held();
  const receiver = createReceiver(
    await receiverOptions({
      handlingMax: 1,
      waitingMax: 0,
      onNotification: (each) => {
        if (fails) throw new Error('database down');
        return onNotification(each);
      },
    }),
  );
  assert.equal((await receiver.handle(delivery(await makeSet()))).status, 500);
  fails = false;
  const running = receiver.handle(delivery(await makeSet()));
  await until(() => started.length === 1);
  assert.equal((await receiver.handle(delivery(await makeSet({ aud: 'x' })))).status, 400);
  assert.equal((await receiver.handle(delivery(await makeSet({ jti: 'other' })))).status, 503);
  end(started[0] ?? '');
  assert.equal((await running).status, 202);
});

test('limits that are none are refused by name', async () => {
  for (const name of ['handlingMax', 'waitingMax', 'retryAfterSeconds'] as const) {
    const options = await receiverOptions({ [name]: name === 'handlingMax' ? 0 : -1 });
    assert.throws(() => createReceiver(options), { name: 'RangeError', message: new RegExp(`^${name} must be`) });
  }
});

/** Signs a token with changes to the header, which a bank's own signer would never make. */
async function setWith(header: object, claims: object): Promise<string> {
  const { signer } = await testBank();
  const encode = (value: object) => encodeBase64url(new TextEncoder().encode(JSON.stringify(value)));
  const members = [HEADER_IAT, HEADER_ISS, HEADER_TAN];
  const own = { [HEADER_IAT]: NOW_MS / 1000, [HEADER_ISS]: BANK_ORG_ID, [HEADER_TAN]: 'openbanking.org.uk' };
  const whole = { alg: 'PS256', kid: 'bank-key-1', ...own, crit: members, ...header };
  const input = `${encode(whole)}.${encode({ ...makeClaims(), ...claims })}`;
  return `${input}.${encodeBase64url(await signer.sign(new TextEncoder().encode(input)))}`;
}

const TOLERATED: readonly { tolerance: Tolerance; header?: object; claims?: object }[] = [
  { tolerance: 'other-typ', header: { typ: 'at+jwt' } },
  { tolerance: 'other-typ', header: { typ: '' } },
  { tolerance: 'fractional-times', claims: { iat: NOW_MS / 1000 - 0.25 } },
  { tolerance: 'fractional-times', claims: { toe: NOW_MS / 1000 - 60.75 } },
];

for (const { tolerance, header = {}, claims = {} } of TOLERATED) {
  test(`${JSON.stringify({ ...header, ...claims })} is refused, and accepted where ${tolerance} is tolerated`, async () => {
    const taken: EventNotification[] = [];
    const status = async (tolerate: readonly Tolerance[]) => {
      const options = await receiverOptions({ tolerate, onNotification: (each) => void taken.push(each) });
      return (await createReceiver(options).handle(delivery(await setWith(header, claims)))).status;
    };
    const others: readonly Tolerance[] = tolerance === 'other-typ' ? ['fractional-times'] : ['other-typ'];
    assert.deepEqual([await status([]), await status(others), await status([tolerance])], [400, 400, 202]);
    const { iat, toe } = taken[0]?.claims ?? {};
    assert.ok(Number.isSafeInteger(iat) && Number.isSafeInteger(toe));
  });
}

const ALWAYS: readonly { header?: object; claims?: object }[] = [
  {},
  { header: { typ: 'JWT' } },
  { header: { [HEADER_IAT]: NOW_MS / 1000 - 0.5 } },
];

test('without any tolerance typ may be absent, and the header may have a fraction', async () => {
  for (const { header = {}, claims = {} } of ALWAYS) {
    const receiver = createReceiver(await receiverOptions());
    assert.equal((await receiver.handle(delivery(await setWith(header, claims)))).status, 202);
  }
});

test('nothing makes up for an algorithm, a signature, a crit, a type that is no text or a time that is none', async () => {
  const tolerate: readonly Tolerance[] = ['other-typ', 'fractional-times'];
  const receiver = createReceiver(await receiverOptions({ tolerate }));
  const bad = await Promise.all([
    setWith({ alg: 'RS256' }, {}),
    setWith({ alg: 'none' }, {}),
    setWith({ crit: [HEADER_IAT] }, {}),
    setWith({ typ: 7 }, {}),
    setWith({}, { iat: '1763700000' }),
    setWith({}, { iat: -1.5 }),
    setWith({}, { toe: 1e300 }),
    setWith({}, { iat: NOW_MS / 1000 + 61.5 }),
    setWith({ typ: 'at+jwt' }, {}).then((set) => `${set.slice(0, -4)}AAAA`),
  ]);
  for (const set of bad) assert.equal((await receiver.handle(delivery(set))).status, 400);
  const { signer } = await testBank();
  const fractional = new TextEncoder().encode(JSON.stringify({ ...makeClaims(), aud: 'x', iat: 1.5 }));
  const set = await signCompact(fractional, signer, NOW_MS / 1000);
  assert.equal((await receiver.handle(delivery(set))).status, 400);
  const wrong = await receiverOptions({ tolerate: ['rs256'] as unknown as Tolerance[] });
  assert.throws(() => createReceiver(wrong), { name: 'TypeError', message: /there is no "rs256"; use other-typ or/ });
});
