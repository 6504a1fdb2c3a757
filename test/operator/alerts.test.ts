import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { temporaryFolder, until } from '@tidings/testing';
import { startBank } from '../support/bank.ts';
import { runCli } from '../support/cli.ts';
import { startReceiver } from '../support/receiver.ts';
import { makeTpp } from '../support/tpp.ts';
import { type Posted, startWebhooks } from '../support/webhooks.ts';
import { cliOf, operatorCalls, printed } from './calling.ts';

// From a TPP that is down to a message in the hands of somebody who can help, and back.

const SECRET = randomBytes(32);
const SECRET_TEXT = `whsec_${SECRET.toString('base64')}`;
const SLACK_PATH = '/services/T000/B000/a-secret-of-slack';

const folder = temporaryFolder();
const hooks = await startWebhooks();
const { origin, posted } = hooks;
const postedTo = hooks.at;
const file = (name: string, text: string) => {
  writeFileSync(join(folder.path, name), text, { mode: 0o600 });
  return join(folder.path, name);
};
const caFile = file('roots.pem', hooks.caPem);
const LONG_MS = 86_400_000;
const bank = await startBank({
  clients: ['tpp-a'],
  settings: {
    unresponsive: { probeDelayMs: LONG_MS, probeDelayMaxMs: LONG_MS },
    notify: {
      ...{ evaluateMs: 100, consoleUrl: 'https://ops.bank.example/console' },
      webhooks: [
        {
          ...{ name: 'on-call', url: `${origin}/on-call`, secretFile: file('secret', SECRET_TEXT), caFile },
          kinds: ['tpp-unresponsive', 'recovered'],
        },
      ],
      slack: [{ name: 'channel', urlFile: file('slack', origin + SLACK_PATH), caFile, kinds: ['tpp-unresponsive'] }],
    },
  },
});
const call = operatorCalls(bank);
const cli = cliOf(bank);
const tpp = await makeTpp(bank, 'tpp-a');
const receiver = await startReceiver(bank);
after(async () => {
  tpp.close();
  await bank.stop();
  await receiver.close();
  await hooks.close();
  folder.remove();
});

/** Verifies a message as its receiver does, by the specification of Standard Webhooks alone. @returns its payload */
function verified({ headers, body }: Posted) {
  const [id, timestamp] = [headers['webhook-id'], headers['webhook-timestamp']];
  const expected = createHmac('sha256', SECRET).update(`${id}.${timestamp}.${body}`).digest('base64');
  assert.equal(headers['webhook-signature'], `v1,${expected}`);
  return JSON.parse(body);
}

describe('alerts', () => {
  test('reach the destinations while a TPP is down, are listed, and are over when it is back', async () => {
    receiver.status = 503;
    const callbackUrl = `${receiver.origin}/v4.0/event-notifications`;
    await tpp.create('v4.0', 'event-subscriptions', { Version: '4.0', CallbackUrl: callbackUrl });
    await bank.publish('tpp-a');
    await until(() => postedTo('/on-call').length > 0 && postedTo(SLACK_PATH).length > 0, 'both got a message');
    const [first] = postedTo('/on-call');
    assert.ok(first !== undefined);
    const { type, data } = verified(first);
    assert.deepEqual([type, data.subject, data.state], ['tpp-unresponsive', 'tpp-a', 'open']);
    assert.match(data.why, /^3 attempts failed since .* UTC, and none was acknowledged; the last error: 503\.$/);
    assert.equal(data.facts.awaiting, 1);
    assert.equal(data.command, 'tidings tpps recover tpp-a --probe');
    assert.equal(data.consoleUrl, 'https://ops.bank.example/console/tpps/tpp-a');
    assert.match(data.runbookUrl, /runbooks\.md#tidingscallbackurlunresponsive$/);
    await until(async () => {
      const { alerts } = (await call('GET', '/operator/v1/alerts?state=open')).body;
      const ofTpp = alerts.find(({ subject }: { subject: string }) => subject === 'tpp-a');
      return ofTpp?.messages.every(({ sentAt }: { sentAt?: string }) => sentAt !== undefined) === true;
    }, 'both are recorded');
    const [{ title, nextCommand }] = (await call('GET', '/operator/v1/alerts?state=open')).body.alerts.filter(
      ({ kind }: { kind: string }) => kind === 'tpp-unresponsive',
    );
    assert.equal(title, 'tpp-a is unresponsive: attempts stopped, only probes are sent');
    assert.equal(nextCommand, data.command);
    const list = printed(await cli('alerts', 'list'));
    assert.match(list, /tpp-unresponsive +tpp-a +channel, on-call/);
    receiver.status = 202;
    await call('POST', '/operator/v1/tpps/tpp-a/callback-url/recover', { how: 'probe-now' });
    await until(() => postedTo('/on-call').length === 2, 'the message of the end has come');
    const [, last] = postedTo('/on-call');
    assert.ok(last !== undefined);
    assert.deepEqual([verified(last).type, verified(last).data.state], ['recovered', 'over']);
    assert.equal(postedTo(SLACK_PATH).length, 1, 'it does not want to know of recoveries');
    assert.doesNotMatch(printed(await cli('alerts', 'list')), /tpp-a/);
    assert.match(printed(await cli('alerts', 'list', '--all')), /over +tpp-unresponsive +tpp-a/);
    const { destinations } = JSON.parse(printed(await cli('alerts', 'list', '--json')));
    assert.deepEqual(
      destinations.map(({ name, type: way, unsent }: { name: string; type: string; unsent: number }) => [
        name,
        way,
        unsent,
      ]),
      [
        ['on-call', 'webhook', 0],
        ['channel', 'slack', 0],
      ],
    );
  });

  test('can be tried, which says what the destination answered', async () => {
    const before = posted.length;
    assert.equal(printed(await cli('alerts', 'test', 'on-call')), 'on-call accepted the test message.\n');
    const message = posted[before];
    assert.ok(message !== undefined);
    assert.equal(verified(message).type, 'test');
    hooks.status = 403;
    const refused = await cli('alerts', 'test', 'channel');
    hooks.status = 200;
    assert.deepEqual([refused.code, refused.stdout], [1, '']);
    assert.match(refused.stderr, /channel did not accept the test message: it answered with status 403\.\n$/);
    const unknown = await cli('alerts', 'test', 'nobody');
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /no destination nobody in the configuration; there are: on-call, channel\./);
  });

  test('show their secrets nowhere: not in the log, the configuration, the API or the metrics', async () => {
    const settings = { ...bank.config };
    const configFile = file('tidings.json', JSON.stringify(settings));
    const texts = await Promise.all([
      bank.log(),
      call('GET', '/operator/v1/configuration').then(({ body }) => JSON.stringify(body)),
      call('GET', '/operator/v1/alerts').then(({ body }) => JSON.stringify(body)),
      call('GET', '/operator/v1/audit').then(({ body }) => JSON.stringify(body)),
      runCli(['config', 'effective', '--config', configFile]).then(printed),
    ]);
    for (const text of texts) {
      assert.ok(text.length > 100, text);
      for (const secret of [SECRET_TEXT, SECRET_TEXT.slice(6), SLACK_PATH]) assert.ok(!text.includes(secret));
    }
    assert.match(texts[0], /"msg":"alert sent"/);
  });
});
