import assert from 'node:assert/strict';
import { after, afterEach, beforeEach, describe, test } from 'node:test';
import { startBank } from '../support/tpp-bank.ts';
import { makeParty } from '../support/tpp-party.ts';
import { type Receiver, startReceiver } from '../support/tpp-receiver.ts';
import { until } from '../support/tpp-until.ts';
import { cliOf, operatorCalls, printed } from './calling.ts';

// How callback URLs fare, as the operator sees it, and bringing them back.

const LONG_MS = 86_400_000;
const bank = await startBank({
  clients: ['tpp-a', 'tpp-b'],
  settings: { unresponsive: { probeDelayMs: LONG_MS, probeDelayMaxMs: LONG_MS } },
});
const call = operatorCalls(bank);
const cli = cliOf(bank);
const tpp = await makeParty(bank, 'tpp-a');
const polling = await makeParty(bank, 'tpp-b');
after(async () => {
  tpp.close();
  polling.close();
  await bank.stop();
});

const TPP = '/operator/v1/tpps/tpp-a';
let receiver: Receiver;
let callbackUrl: string;
beforeEach(async () => {
  receiver = await startReceiver(bank);
  callbackUrl = `${receiver.origin}/v4.0/event-notifications`;
  await tpp.create('v4.0', 'event-subscriptions', { Version: '4.0', CallbackUrl: callbackUrl });
});
afterEach(async () => {
  await tpp.clear();
  await receiver.close();
});

const target = async () => (await call('GET', TPP)).body.target;
const bringBack = (how: string, path = TPP) => call('POST', `${path}/callback-url/bring-back`, { how });

/** Publishes to a receiver that refuses, until its callback URL is past the limit. @returns the jti */
async function makeUnresponsive(): Promise<string> {
  receiver.status = 500;
  const jti = await bank.publish('tpp-a');
  assert.ok(jti !== undefined);
  await until(async () => (await target()).state === 'unresponsive', 'it is unresponsive');
  return jti;
}

const isAcknowledged = async (jti: string) => (await bank.notification(jti))['state'] === 'acknowledged';

describe('how a callback URL fares', () => {
  test('is shown with the TPP and in the list: responsive, or unresponsive since when and probed next when', async () => {
    assert.deepEqual(await target(), { callbackUrl, state: 'responsive' });
    const beganMs = Date.now();
    await makeUnresponsive();
    const { unresponsiveSince, nextProbeAt, ...rest } = await target();
    assert.deepEqual(rest, { callbackUrl, state: 'unresponsive', failedProbes: 0 });
    assert.ok(Date.parse(unresponsiveSince) >= beganMs - 1000 && Date.parse(unresponsiveSince) <= Date.now());
    assert.ok(Date.parse(nextProbeAt) > Date.now() + LONG_MS / 2);
    const { tpps } = (await call('GET', '/operator/v1/tpps')).body;
    assert.deepEqual(
      tpps.map((each: { target?: { state: string } }) => each.target?.state),
      ['unresponsive', undefined],
    );
  });

  test('is counted in the status, with what is awaiting', async () => {
    const before = (await call('GET', '/operator/v1/status')).body;
    assert.deepEqual([before.unresponsive, before.publishing], [0, 'open']);
    const jti = await makeUnresponsive();
    const { awaiting, unresponsive, oldestAwaitingAt } = (await call('GET', '/operator/v1/status')).body;
    assert.deepEqual([awaiting, unresponsive], [before.awaiting + 1, 1]);
    assert.equal(oldestAwaitingAt, (await bank.notification(jti))['publishedAt']);
    assert.match(printed(await cli('status')), /unresponsive callback URLs +1\n/);
  });

  test('does not change the entity tag of a TPP', async () => {
    const { headers } = await call('GET', TPP);
    await makeUnresponsive();
    assert.equal((await call('GET', TPP)).headers.get('etag'), headers.get('etag'));
  });

  test('is not shown for a TPP that only polls, or is suspended', async () => {
    assert.equal((await call('GET', '/operator/v1/tpps/tpp-b')).body.target, undefined);
    assert.equal((await call('POST', `${TPP}/suspend`)).body.target, undefined);
    assert.equal((await call('POST', `${TPP}/resume`)).body.target.callbackUrl, callbackUrl);
  });
});

describe('bringing a callback URL back', () => {
  test('as responsive pushes what is awaiting, and is kept in the audit', async () => {
    const jti = await makeUnresponsive();
    receiver.status = 202;
    const { status, body } = await bringBack('responsive');
    assert.deepEqual([status, body.target.state], [200, 'responsive']);
    assert.ok(Date.parse(body.target.backSince) > 0);
    await until(() => isAcknowledged(jti), 'it is pushed');
    const [{ actor, action, subject }] = (await call('GET', '/operator/v1/audit?limit=1')).body.entries;
    assert.deepEqual([actor, action, subject], ['tests', 'callback-url-responsive', 'tpp-a']);
  });

  test('by a probe that is acknowledged makes it responsive', async () => {
    const jti = await makeUnresponsive();
    receiver.status = 202;
    assert.equal((await bringBack('probe-now')).status, 200);
    await until(() => isAcknowledged(jti), 'the probe is sent');
    assert.equal((await target()).state, 'responsive');
  });

  test('by a probe that fails leaves it unresponsive, with one failed probe more', async () => {
    const jti = await makeUnresponsive();
    await bringBack('probe-now');
    await until(async () => (await target()).failedProbes === 1, 'the probe has failed');
    const { state, nextProbeAt } = await target();
    assert.equal(state, 'unresponsive');
    assert.ok(Date.parse(nextProbeAt) > Date.now() + LONG_MS / 2);
    assert.equal(await isAcknowledged(jti), false);
  });

  test('that is responsive, or that there is none of, answers 409; an unknown TPP 404; another way 400', async () => {
    assert.equal((await bringBack('responsive')).status, 409);
    assert.equal((await bringBack('probe-now', '/operator/v1/tpps/tpp-b')).status, 409);
    assert.equal((await bringBack('responsive', '/operator/v1/tpps/unknown')).status, 404);
    const refused = await bringBack('at-once');
    assert.deepEqual([refused.status, refused.body.field], [400, 'how']);
  });

  test('is done by tidings tpps bring-back, and seen by tidings tpps show', async () => {
    const jti = await makeUnresponsive();
    const shown = printed(await cli('tpps', 'show', 'tpp-a'));
    assert.match(shown, /which is +unresponsive\nunresponsive since +\S+Z\nfailed probes +0\nnext probe +\S+Z\n/);
    assert.match(printed(await cli('tpps', 'list')), /^tpp-a .* unresponsive$/m);
    receiver.status = 202;
    assert.match(
      printed(await cli('tpps', 'bring-back', 'tpp-a', '--probe')),
      /^The callback URL of tpp-a is probed now/,
    );
    await until(() => isAcknowledged(jti), 'the probe is sent');
    const again = await cli('tpps', 'bring-back', 'tpp-a');
    assert.equal(again.code, 1);
    assert.match(again.stderr, /no callback URL that is unresponsive/);
  });
});
