import assert from 'node:assert/strict';
import { after, afterEach, beforeEach, describe, test } from 'node:test';
import { until } from '@tidings/testing';
import { startBank } from '../support/bank.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { makeTpp } from '../support/tpp.ts';
import { cliOf, operatorCalls, printed } from './calling.ts';

// The health of callback URLs, as the operator sees it, and their recovery.

const LONG_MS = 86_400_000;
const bank = await startBank({
  clients: ['tpp-a', 'tpp-b'],
  settings: {
    // No ramp after a recovery: the tests of the engine have that.
    unresponsive: { probeDelayMs: LONG_MS, probeDelayMaxMs: LONG_MS, rampMs: 0 },
    breaker: { pauseMs: 100, pauseMaxMs: 100 },
  },
});
const call = operatorCalls(bank);
const cli = cliOf(bank);
const tpp = await makeTpp(bank, 'tpp-a');
const polling = await makeTpp(bank, 'tpp-b');
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
const recover = (how: string, path = TPP) => call('POST', `${path}/callback-url/recover`, { how });

/** Publishes to a receiver that refuses, until its callback URL is past the limit. @returns the jti */
async function makeUnresponsive(): Promise<string> {
  receiver.status = 500;
  const jti = await bank.publish('tpp-a');
  assert.ok(jti !== undefined);
  await until(async () => (await target()).state === 'unresponsive', 'it is unresponsive');
  return jti;
}

const isAcknowledged = async (jti: string) => (await bank.notification(jti))['state'] === 'acknowledged';

describe('the health of a callback URL', () => {
  test('is shown with the TPP and in the list: healthy, or unresponsive since when and probed next when', async () => {
    assert.deepEqual(await target(), { callbackUrl, state: 'healthy', failures: 0 });
    const beganMs = Date.now();
    await makeUnresponsive();
    const { unresponsiveSince, nextProbeAt, failures, failingSince, lastFailure, ...rest } = await target();
    assert.deepEqual(rest, { callbackUrl, state: 'unresponsive', failedProbes: 0 });
    assert.ok(failures > 0 && failingSince <= unresponsiveSince);
    assert.deepEqual([lastFailure.class, lastFailure.status], ['refused-5xx', 500]);
    assert.ok(Date.parse(unresponsiveSince) >= beganMs - 1000 && Date.parse(unresponsiveSince) <= Date.now());
    assert.ok(Date.parse(nextProbeAt) > Date.now() + LONG_MS / 2);
    const { tpps } = (await call('GET', '/operator/v1/tpps')).body;
    assert.deepEqual(
      tpps.map((each: { state: string; awaiting: number }) => [each.state, each.awaiting]),
      [
        ['unresponsive', 1],
        ['no-registration', 0],
      ],
    );
  });

  test('is counted in the status, with what is awaiting', async () => {
    const before = (await call('GET', '/operator/v1/status')).body;
    assert.deepEqual([before.tpps.unresponsive, before.needsAttention, before.publishing], [0, [], 'open']);
    const jti = await makeUnresponsive();
    const { awaiting, tpps, needsAttention, oldestAwaitingAt } = (await call('GET', '/operator/v1/status')).body;
    assert.deepEqual([awaiting, tpps.unresponsive], [before.awaiting + 1, 1]);
    const [{ clientId, state, oldestAwaitingAt: oldest }] = needsAttention;
    assert.deepEqual([clientId, state, oldest], ['tpp-a', 'unresponsive', oldestAwaitingAt]);
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

describe('recovering a callback URL', () => {
  test('as responsive pushes what is awaiting, and is kept in the audit', async () => {
    const jti = await makeUnresponsive();
    receiver.status = 202;
    const { status, body } = await recover('responsive');
    assert.deepEqual([status, body.target.state], [200, 'healthy']);
    assert.ok(Date.parse(body.target.recoveredAt) > 0);
    await until(() => isAcknowledged(jti), 'it is pushed');
    const [{ actor, action, subject }] = (await call('GET', '/operator/v1/audit?limit=1')).body.entries;
    assert.deepEqual([actor, action, subject], ['tests', 'callback-url-responsive', 'tpp-a']);
  });

  test('by a probe that is acknowledged makes it healthy', async () => {
    const jti = await makeUnresponsive();
    receiver.status = 202;
    assert.equal((await recover('probe-now')).status, 200);
    await until(() => isAcknowledged(jti), 'the probe is sent');
    assert.equal((await target()).state, 'healthy');
  });

  test('by a probe that fails leaves it unresponsive, with one failed probe more', async () => {
    const jti = await makeUnresponsive();
    await recover('probe-now');
    await until(async () => (await target()).failedProbes === 1, 'the probe has failed');
    const { state, nextProbeAt } = await target();
    assert.equal(state, 'unresponsive');
    assert.ok(Date.parse(nextProbeAt) > Date.now() + LONG_MS / 2);
    assert.equal(await isAcknowledged(jti), false);
  });

  test('that is not unresponsive, or that there is none of, answers 409; an unknown TPP 404; another way 400', async () => {
    assert.equal((await recover('responsive')).status, 409);
    assert.equal((await recover('probe-now', '/operator/v1/tpps/tpp-b')).status, 409);
    assert.equal((await recover('responsive', '/operator/v1/tpps/unknown')).status, 404);
    const refused = await recover('at-once');
    assert.deepEqual([refused.status, refused.body.field], [400, 'how']);
  });

  test('is done by tidings tpps recover, and seen by tidings tpps show', async () => {
    const jti = await makeUnresponsive();
    const shown = printed(await cli('tpps', 'show', 'tpp-a'));
    assert.match(
      shown,
      /callback URL state +unresponsive\nfailing since +.+\nconsecutive failures +3\nlast failure +500, /,
    );
    assert.match(shown, /unresponsive since +.+\nfailed probes +0\nnext probe +.+\n/);
    assert.match(printed(await cli('tpps', 'list')), /^tpp-a .* unresponsive +1$/m);
    const failed = await cli('tpps', 'recover', 'tpp-a', '--probe');
    assert.equal(failed.code, 1);
    assert.match(
      failed.stderr,
      /probe of tpp-a failed: 500\. Its callback URL stays unresponsive\. The next probe is due /,
    );
    receiver.status = 202;
    const probed = printed(await cli('tpps', 'recover', 'tpp-a', '--probe', '--wait', '60s'));
    assert.match(probed, /^The callback URL of tpp-a has acknowledged the probe/);
    assert.equal(await isAcknowledged(jti), true);
    const again = await cli('tpps', 'recover', 'tpp-a');
    assert.equal(again.code, 1);
    assert.match(again.stderr, /no unresponsive callback URL/);
  });

  test('by tidings tpps recover --probe says so when nothing is awaiting, and how long it waits is limited', async () => {
    const jti = await makeUnresponsive();
    await call('POST', '/operator/v1/withdrawals', { jtis: [jti] });
    const empty = await cli('tpps', 'recover', 'tpp-a', '--probe');
    assert.deepEqual([empty.code, /nothing to probe with/.test(empty.stderr)], [1, true]);
    const alone = await cli('tpps', 'recover', 'tpp-a', '--wait', '1s');
    assert.deepEqual([alone.code, /give it with --probe/.test(alone.stderr)], [2, true]);
  });

  test('is what a redelivery says to do first, over the API and on the command line', async () => {
    const jti = await makeUnresponsive();
    const held = [{ clientId: 'tpp-a', state: 'unresponsive' }];
    for (const filter of [{ jtis: [jti] }, { clientId: 'tpp-a' }, { publishedFrom: '2026-01-01T00:00:00Z' }]) {
      assert.deepEqual((await call('POST', '/operator/v1/redeliveries', filter)).body.heldBack, held);
    }
    const told = printed(await cli('redeliver', '--client', 'tpp-a', '--dry-run'));
    assert.match(
      told,
      /Nothing is sent to tpp-a before its callback URL recovers: tidings tpps recover tpp-a --probe\n/,
    );
    await call('POST', `${TPP}/suspend`);
    assert.match(printed(await cli('redeliver', '--client', 'tpp-a')), /resumed: tidings tpps resume tpp-a\n/);
    await call('POST', `${TPP}/resume`);
    receiver.status = 202;
    await recover('responsive');
    await until(() => isAcknowledged(jti), 'it is sent');
    assert.deepEqual((await call('POST', '/operator/v1/redeliveries', { clientId: 'tpp-a' })).body.heldBack, []);
  });
});

describe('a TPP that is down, with much awaiting', () => {
  const COUNT = 200;

  /** Publishes a few at a time, as the service takes no more. @returns the jtis */
  async function publishMany(): Promise<(string | undefined)[]> {
    const jtis: (string | undefined)[] = [];
    while (jtis.length < COUNT) {
      jtis.push(...(await Promise.all(Array.from({ length: 20 }, () => bank.publish('tpp-a')))));
    }
    return jtis;
  }

  test('is failing in all lists and in the status at once, and healthy when it answers again', async () => {
    await cli('tpps', 'change', 'tpp-a', '--retry', 'retriesMax=100,delayMs=500,delayMaxMs=500');
    receiver.status = 503;
    await publishMany();
    await until(async () => (await target()).state === 'failing', 'it is failing');
    const health = async () => (await call('GET', '/operator/v1/callback-urls/tpp-a')).body;
    await until(async () => (await health()).breaker.state !== 'closed', 'its breaker opens');
    const failing = JSON.parse(printed(await cli('tpps', 'list', '--failing', '--json'))).tpps;
    assert.deepEqual(
      failing.map((each: { clientId: string; state: string }) => [each.clientId, each.state]),
      [['tpp-a', 'failing']],
    );
    assert.ok(failing[0].awaiting >= COUNT && failing[0].target.failures > 0);
    assert.match(printed(await cli('tpps', 'list', '--failing')), /^tpp-a +failing +2\d\d /m);
    assert.match(printed(await cli('registrations', 'list', '--state', 'failing')), /^tpp-a .* failing /m);
    const status = printed(await cli('status'));
    assert.match(status, /failing callback URLs +1\n/);
    assert.match(status, /needs attention\n.*\ntpp-a +failing +2\d\d .*503/);
    assert.match(status, /next\n {2}tidings registrations show tpp-a\n/);
    const shown = printed(await cli('registrations', 'show', 'tpp-a'));
    assert.match(shown, /failing since .+\nconsecutive failures +\d+\nlast failure +503, /);
    assert.match(shown, /next attempt +/);
    for (const list of ['tpps', 'callback-urls']) {
      const { status: code, body } = await call('GET', `/operator/v1/${list}?needsAttention=true&after=a`);
      assert.deepEqual([code, body.field], [400, 'after']);
    }
    receiver.status = 202;
    await until(async () => (await target()).state === 'healthy', 'it is healthy');
    await until(async () => (await health()).awaiting === 0, 'all is delivered');
    const { failures, lastFailure, lastAcknowledgedAt } = await target();
    assert.deepEqual([failures, lastFailure.status], [0, 503]);
    assert.ok(Date.parse(lastAcknowledgedAt) >= Date.parse(lastFailure.at) - 10_000);
    assert.match(printed(await cli('tpps', 'list', '--failing')), /^No callback URL is failing or unresponsive/);
    await cli('tpps', 'change', 'tpp-a', '--retry', 'default');
  });

  test('is unresponsive once the retries of the oldest are used up, long before all have been tried', async () => {
    receiver.status = 503;
    const jtis = await publishMany();
    await until(async () => (await target()).state === 'unresponsive', 'its two retries are used up');
    const untried = await Promise.all(jtis.slice(COUNT / 2).map(async (jti) => bank.notification(jti ?? '')));
    assert.ok(untried.some(({ attempts }) => Array.isArray(attempts) && attempts.length === 0));
    await call('POST', '/operator/v1/withdrawals', { clientId: 'tpp-a' });
  });
});

describe('GET /operator/v1/callback-urls', () => {
  const URLS = '/operator/v1/callback-urls';

  test('tells of each how it fares, what is awaiting, how the breaker stands, and the last outcome', async () => {
    const jti = await makeUnresponsive();
    const health = async () => (await call('GET', `${URLS}/tpp-a`)).body;
    const told = async () => (await health()).lastOutcomes.filter((each: Outcome) => each.jti === jti).length;
    await until(async () => (await told()) === 3, 'what was recorded is reported a moment later');
    const body = await health();
    const { lastOutcomes, breaker, awaiting, isAtLeast, oldestAwaitingAt, clientId, ...rest } = body;
    assert.deepEqual([clientId, awaiting, isAtLeast, breaker], ['tpp-a', 1, false, { state: 'closed' }]);
    assert.equal(oldestAwaitingAt, (await bank.notification(jti))['publishedAt']);
    assert.deepEqual(rest, await target());
    const { attempts } = (await call('GET', `/operator/v1/notifications/${jti}`)).body;
    const newest = lastOutcomes.slice(0, 3).map(({ jti: of, instance, durationMs: _, ...attempt }: Outcome) => {
      assert.deepEqual([of, typeof instance], [jti, 'string']);
      return attempt;
    });
    const kept = attempts.map(({ durationMs: _, ...attempt }: Outcome) => attempt);
    assert.deepEqual(newest, kept.toReversed());
    const list = (await call('GET', URLS)).body;
    assert.deepEqual(list, { callbackUrls: [{ ...body, lastOutcomes: lastOutcomes.slice(0, 1) }] });
  });

  test('is filtered by state, and goes on after a page', async () => {
    const listed = async (query: string) =>
      (await call('GET', `${URLS}?${query}`)).body.callbackUrls.map(({ clientId }: { clientId: string }) => clientId);
    assert.deepEqual(await listed('state=healthy'), ['tpp-a']);
    assert.deepEqual(await listed('state=unresponsive'), []);
    await polling.create('v3.1', 'callback-urls', {
      Version: '3.1',
      Url: `${receiver.origin}/v3.1/event-notifications`,
    });
    const { next } = (await call('GET', `${URLS}?limit=1`)).body;
    assert.equal(next, 'tpp-a');
    assert.deepEqual(await listed(`after=${next}`), ['tpp-b']);
    await makeUnresponsive();
    assert.deepEqual(await listed('state=unresponsive'), ['tpp-a']);
    assert.deepEqual(await listed('state=healthy'), ['tpp-b']);
    await polling.clear();
    for (const query of ['state=gone', 'limit=501', 'after=a&after=b', 'other=1']) {
      assert.equal((await call('GET', `${URLS}?${query}`)).status, 400, query);
    }
  });

  test('has none of a TPP that is pushed to nowhere', async () => {
    assert.equal((await call('GET', `${URLS}/tpp-b`)).status, 404);
    await call('POST', `${TPP}/suspend`);
    await call('POST', `${TPP}/suspend`);
    assert.equal((await call('GET', `${URLS}/tpp-a`)).status, 404);
    await call('POST', `${TPP}/resume`);
    await call('POST', `${TPP}/resume`);
    assert.equal((await call('GET', `${URLS}/tpp-a`)).body.state, 'healthy');
  });
});

interface Outcome {
  readonly jti: string;
  readonly instance: string;
  readonly durationMs: number;
}

describe('GET /operator/v1/registrations', () => {
  const REGISTRATIONS = '/operator/v1/registrations';
  const listed = async (query: string): Promise<string[]> => {
    const { registrations } = (await call('GET', `${REGISTRATIONS}?${query}`)).body;
    return registrations.map(({ clientId, kind }: { clientId: string; kind: string }) => `${clientId} ${kind}`);
  };
  const subscription = 'tpp-a event-subscription';
  const ownUrl = 'tpp-a callback-url';
  const polled = 'tpp-b event-subscription';

  test('lists the registrations of all TPPs, by what they are and which events they get', async () => {
    const url = `${receiver.origin}/v3.1/event-notifications`;
    const callbackUrlId = await tpp.create('v3.1', 'callback-urls', { Version: '3.1', Url: url });
    const EventTypes = ['UK.OBIE.Consent-Authorization-Revoked'];
    await polling.create('v4.0', 'event-subscriptions', { Version: '4.0', EventTypes });
    const { registrations } = (await call('GET', REGISTRATIONS)).body;
    assert.deepEqual(registrations[1], {
      ...{ clientId: 'tpp-a', kind: 'callback-url', id: callbackUrlId, state: 'superseded' },
      ...{ callbackUrl: url, version: '3.1', apiVersion: 'v3.1' },
    });
    for (const [query, expected] of Object.entries({
      '': [subscription, ownUrl, polled],
      'apiVersion=v3.1': [ownUrl],
      'version=4.0': [subscription, polled],
      'state=healthy': [subscription],
      'state=polling-only': [polled],
      'eventType=UK.OBIE.Resource-Update': [subscription, ownUrl],
      'eventType=urn:uk:org:openbanking:events:consent-authorization-revoked': [subscription, polled],
      'state=superseded&version=4.0': [],
    })) {
      assert.deepEqual(await listed(query), expected, query);
    }
    const first = (await call('GET', `${REGISTRATIONS}?limit=1`)).body;
    assert.deepEqual([first.registrations.length, first.next], [2, 'tpp-a'], 'those of one TPP stay together');
    assert.deepEqual(await listed(`limit=1&after=${first.next}`), [polled]);
    await polling.clear();
  });

  test('refuses what it does not know', async () => {
    for (const [name, value] of [
      ...[['apiVersion', 'v2'] as const, ['state', 'gone'] as const, ['eventType', 'nothing'] as const],
      ...[['version', ''] as const, ['other', '1'] as const, ['limit', '0'] as const],
    ]) {
      const { status, body } = await call('GET', `${REGISTRATIONS}?${name}=${value}`);
      assert.deepEqual([status, body.field], [400, name]);
    }
  });

  test('is listed and shown by tidings registrations, with the last outcomes', async () => {
    const jti = await makeUnresponsive();
    assert.match(
      printed(await cli('registrations', 'list', '--state', 'unresponsive')),
      /^tpp-a +event-subscription /m,
    );
    assert.match(printed(await cli('registrations', 'list', '--state', 'polling-only')), /^No registration matches/);
    const shown = printed(await cli('registrations', 'show', 'tpp-a'));
    assert.match(shown, /callback URL state +unresponsive\n/);
    assert.match(shown, new RegExp(`refused +500 +\\d+ ms +${jti} `));
    const { health } = JSON.parse(printed(await cli('registrations', 'show', 'tpp-a', '--json')));
    assert.equal(health.awaiting, 1);
    assert.match(printed(await cli('registrations', 'show', 'tpp-b')), /pushed to +nothing is pushed/);
  });
});
