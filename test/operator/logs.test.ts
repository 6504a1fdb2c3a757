import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { until } from '@tidings/testing';
import { OPERATOR_TOKEN, startBank } from '../support/bank.ts';
import { startReceiver } from '../support/receiver.ts';
import { makeTpp } from '../support/tpp.ts';

// What the log of a full run holds, at its most talkative level.

const bank = await startBank({ clients: ['tpp-a', 'tpp-b'] });
const tpp = await makeTpp(bank, 'tpp-a');
const polling = await makeTpp(bank, 'tpp-b');
const receiver = await startReceiver(bank);
after(async () => {
  tpp.close();
  polling.close();
  await receiver.close();
  await bank.stop();
});

const settled = (jti: string) => async () => (await bank.notification(jti))['state'] === 'acknowledged';

test('a full run is logged in a wide line for each publish and each attempt, and no secret, token or SET is in any', async () => {
  const callbackUrl = `${receiver.origin}/v4.0/event-notifications`;
  await tpp.create('v4.0', 'event-subscriptions', { Version: '4.0', CallbackUrl: callbackUrl });
  await polling.create('v4.0', 'event-subscriptions', { Version: '4.0' });
  const [pushed = '', polled = ''] = await bank.publishAll(['tpp-a', 'tpp-b']);
  await until(settled(pushed), 'it is pushed');
  const { sets } = await polling.poll({ returnImmediately: true });
  await polling.poll({ returnImmediately: true, maxEvents: 0, ack: [polled] });
  // Refused calls are where secrets slip in.
  await polling.poll({ returnImmediately: true }, { token: null }).catch(() => undefined);
  await bank.operate('PUT', '/operator/v1/tpps/tpp-a', { organisationId: 'o', secret: 'never-in-the-log-1' });
  await fetch(`${bank.service.operatorUrl}/operator/v1/tpps`, {
    headers: { authorization: 'Bearer never-in-the-log-2' },
  });
  const { header: _, ...notification } = await bank.notification(pushed);
  await until(() => bank.log().includes(`"jti":"${pushed}"`), 'the attempt is logged');
  const log = bank.log();
  const lines = log
    .trim()
    .split('\n')
    .map((line): Record<string, unknown> => JSON.parse(line));
  const published = lines.filter(({ msg }) => msg === 'published');
  assert.deepEqual(
    published.map(({ operator, events }) => [operator, events]),
    [['tests', 2]],
  );
  const attempts = lines.filter(({ jti, msg }) => jti === pushed && msg === 'acknowledged');
  assert.deepEqual(
    attempts.map(({ clientId, attempt, kind, status }) => [clientId, attempt, kind, status]),
    [['tpp-a', 1, 'acknowledged', 202]],
  );
  const secrets = {
    'the operator token': OPERATOR_TOKEN,
    'an access token': await tpp.token(),
    'an access token of the one that polls': await polling.token(),
    'a SET that was pushed': String(notification['set']),
    'a SET that was polled': sets[polled] ?? assert.fail('it was offered'),
    'a body that was refused': 'never-in-the-log-1',
    'a token that was refused': 'never-in-the-log-2',
    'the signing key': readFileSync(bank.signingKeyFile, 'utf8').split('\n')[1] ?? '',
  };
  for (const [what, secret] of Object.entries(secrets)) {
    assert.ok(secret.length > 10, `there is ${what}`);
    // A part of it is as bad as all of it.
    for (const part of [secret, ...secret.split('.')].filter(({ length }) => length > 16)) {
      assert.ok(!log.includes(part), `the log holds ${what}`);
    }
  }
});
