import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenHttps } from '@tidings/testing';
import { createPoller, createReceiver, type EventNotification, remoteKeys } from '@tidings/tpp';
import { publish, startPolling } from './support/pollers.ts';
import { delivery, makeSet, NOW_MS, receiverOptions } from './support/sets.ts';

test('without onRefused a refusal is printed once for each cause, with reason and remedy and without secrets', async () => {
  const lines: string[] = [];
  let nowMs = NOW_MS;
  const queue = () => {
    throw Object.assign(new TypeError(`no queue at amqp://tpp:hunter2@mq,\npassword=hunter2 for ${set}`), {
      code: 'EQUEUE',
    });
  };
  const { onRefused: _, ...options } = await receiverOptions({ onNotification: queue, now: () => nowMs });
  const set = await makeSet();
  const receiver = createReceiver({ ...options, warn: (line) => lines.push(line) });
  for (let sent = 0; sent < 5; sent += 1) await receiver.handle(delivery(set));
  await receiver.handle(delivery('nonsense'));
  await receiver.handle(delivery(await makeSet({ aud: 'tpp-client-2' })));
  assert.equal(lines.length, 3, lines.join('\n'));
  const [failed = '', nonsense = '', audience = ''] = lines;
  assert.match(
    failed,
    /answered with status 500 \(handler_failed\).*TypeError \(EQUEUE\): no queue .*problem-log\.test\.ts:\d+/,
  );
  assert.match(failed, /Repair onNotification/);
  assert.doesNotMatch(failed, new RegExp(`hunter2|\n|${set.slice(0, 20)}|${set.slice(-20)}`));
  assert.match(nonsense, /three segments/);
  assert.match(audience, /aud is not the client_id.*Check that clientId/);
  nowMs += 600_000;
  await receiver.handle(delivery(set));
  assert.match(lines[3] ?? '', /handler_failed.*happened 4 more times/);
});

test('without onRefused the keys of a private authority are told apart, with the option that trusts it', async (t) => {
  const lines: string[] = [];
  const { onRefused: _, ...options } = await receiverOptions();
  const { origin } = await listenHttps(t, (_incoming, outgoing) => outgoing.end());
  const keys = remoteKeys({ url: `${origin}/jwks?secret=hunter2`, cooldownMs: 0 });
  const receiver = createReceiver({ ...options, keys, warn: (line) => lines.push(line) });
  const set = await makeSet();
  for (let sent = 0; sent < 3; sent += 1) assert.equal((await receiver.handle(delivery(set))).status, 500);
  assert.equal(lines.length, 1);
  assert.match(
    lines[0] ?? '',
    /keys_unavailable.*The JWKS https:\/\/127\.0\.0\.1:\d+\/jwks is unavailable.*transport\.caPem/,
  );
  assert.doesNotMatch(lines[0] ?? '', /hunter2/);
});

test('strangers cannot fill the log: it remembers fifty causes', async () => {
  const lines: string[] = [];
  const { onRefused: _, ...options } = await receiverOptions();
  const onNotification = ({ jti }: EventNotification) => {
    throw Object.assign(new Error('no'), { code: jti });
  };
  const receiver = createReceiver({ ...options, onNotification, warn: (line) => lines.push(line) });
  for (let at = 0; at < 60; at += 1) await receiver.handle(delivery(await makeSet({ jti: `jti-${at}` })));
  assert.equal(lines.length, 50);
});

test('without observers a poller prints what it does not acknowledge and what fails, but not that a loop was left', async (t) => {
  const lines: string[] = [];
  const { bank, options, time } = await startPolling(t);
  const { onRefused: _, onPollFailed: __, ...rest } = options;
  const poller = createPoller({ ...rest, warn: (line) => lines.push(line) });
  bank.events.publish('jti-0', await makeSet({ aud: 'tpp-client-2' }));
  await publish(bank, 'jti-1');
  for await (const { jti } of poller) {
    assert.equal(jti, 'jti-1');
    break;
  }
  assert.equal(lines.length, 1, lines.join('\n'));
  assert.match(lines[0] ?? '', /of a poll was not acknowledged \(invalid_audience\).*Check that clientId/);
  bank.instead = ({ path }, response) => {
    if (!path.endsWith('/events')) return false;
    response.writeHead(503).end();
    return true;
  };
  const running = poller.run();
  await time.begun(time.delays.length + 1);
  await poller.stop();
  await running;
  assert.match(lines[1] ?? '', /a poll failed, .* \(refused, 503\)\. POST https:\S+\/events: status 503/);
});
