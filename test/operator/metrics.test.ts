import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '@tidings/testing';
import { OPERATOR_TOKEN, startBank } from '../support/bank.ts';
import { startReceiver } from '../support/receiver.ts';
import { makeTpp } from '../support/tpp.ts';
import { operatorCalls } from './calling.ts';

// What Prometheus and load balancers see of a service that works.

const bank = await startBank({ clients: ['tpp-a', 'tpp-b'], settings: { metrics: { tppsMax: 1 } } });
const call = operatorCalls(bank);
const tpp = await makeTpp(bank, 'tpp-a');
const polling = await makeTpp(bank, 'tpp-b');
const receiver = await startReceiver(bank);
after(async () => {
  tpp.close();
  polling.close();
  await receiver.close();
  await bank.stop();
});

const ask = (path: string, token?: string) =>
  fetch(`${bank.service.operatorUrl}${path}`, {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });

/** The samples of the exposition: name with labels, and value. */
async function samples(): Promise<ReadonlyMap<string, number>> {
  const text = await (await ask('/metrics', OPERATOR_TOKEN)).text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

/** A metric in an expression, with or without matchers. */
const USE =
  /\b(?<labelled>(?:tidings|nodejs|process)_\w+|up)\{(?<matchers>[^}]*)\}|\b(?<bare>(?:tidings|nodejs|process)_\w+)/g;

/** The labels of each metric; none where it has not happened yet. */
async function labelsOfMetrics(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const known = new Map<string, Set<string>>([['up', new Set()]]);
  for (const sample of (await samples()).keys()) {
    const [, name = '', labels = ''] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?$/.exec(sample) ?? [];
    const names = [...labels.matchAll(/(\w+)="/g)].map(([, label = '']) => label);
    known.set(name, new Set([...(known.get(name) ?? []), ...names]));
  }
  const text = await (await ask('/metrics', OPERATOR_TOKEN)).text();
  for (const [, name = ''] of text.matchAll(/^# TYPE (\S+)/gm)) if (!known.has(name)) known.set(name, new Set());
  return known;
}

describe('metrics', () => {
  test('count what was published, signed, attempted, acknowledged and reported', async () => {
    const callbackUrl = `${receiver.origin}/v4.0/event-notifications`;
    await tpp.create('v4.0', 'event-subscriptions', { Version: '4.0', CallbackUrl: callbackUrl });
    await polling.create('v4.0', 'event-subscriptions', { Version: '4.0' });
    const pushed = await bank.publish('tpp-a');
    const polled = await bank.publish('tpp-b');
    assert.ok(pushed !== undefined && polled !== undefined);
    await bank.publish('nobody');
    await until(async () => (await bank.notification(pushed))['state'] === 'acknowledged', 'it is pushed');
    await polling.poll({ returnImmediately: true, ack: [polled] });
    // What a TPP says twice, or of others' notifications, is not counted.
    const err = { err: 'jwtIss', description: 'd' };
    await polling.poll({ returnImmediately: true, ack: [polled, pushed] });
    await polling.poll({ returnImmediately: true, setErrs: { [polled]: err, other: err } });
    const found = await samples();
    const expected: Record<string, number> = {
      'tidings_events_published_total{outcome="notification"}': 2,
      'tidings_events_published_total{outcome="unknown-client"}': 1,
      'tidings_attempts_total{outcome="acknowledged",reason="202"}': 1,
      'tidings_notifications_acknowledged_total{by="push"}': 1,
      'tidings_notifications_acknowledged_total{by="poll"}': 1,
      tidings_reported_errors_total: 1,
      tidings_publish_to_acknowledge_seconds_count: 1,
      'tidings_publish_to_acknowledge_seconds_bucket{le="+Inf"}': 1,
      tidings_notifications_awaiting: 0,
      tidings_oldest_awaiting_age_seconds: 0,
      'tidings_tpps{state="healthy"}': 1,
      'tidings_tpps{state="unresponsive"}': 0,
      tidings_long_polls_waiting: 0,
      tidings_store_up: 1,
      'tidings_tpp_notifications_total{client_id="tpp-a"}': 1,
      'tidings_tpp_notifications_total{client_id="other"}': 1,
      'tidings_store_operation_seconds_count{operation="publish"}': 3,
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(found.get(name), value, name);
    assert.ok((found.get('tidings_signatures_total') ?? 0) >= 1);
    assert.ok((found.get('tidings_publish_to_acknowledge_seconds_sum') ?? 0) > 0);
  });

  test('name a TPP that fails, with its backlog', async () => {
    receiver.status = 500;
    await bank.publish('tpp-a');
    const named = async (name: string) =>
      [...(await samples())].find(([sample]) => sample.startsWith(`${name}{client_id="tpp-a",state="`))?.[1];
    await until(async () => ((await named('tidings_tpp_failures')) ?? 0) > 0, 'its failures are counted');
    assert.equal(await named('tidings_tpp_awaiting'), 1);
    assert.ok(((await named('tidings_tpp_failing_seconds')) ?? -1) >= 0);
    assert.ok((await samples()).has('tidings_tpp_oldest_awaiting_age_seconds{client_id="tpp-a"}'));
    assert.equal((await samples()).get('tidings_callback_url_turns_total{to="failing"}'), 1);
  });

  test('need a token, unlike what a load balancer asks for', async () => {
    assert.equal((await ask('/metrics')).status, 401);
    assert.deepEqual((await call('GET', '/livez')).body, { status: 'alive' });
    assert.deepEqual(await (await ask('/livez')).json(), { status: 'alive' });
    assert.deepEqual(await (await ask('/readyz')).json(), { status: 'ready', because: [] });
  });

  test('are asked for by alert rules that Prometheus can read', {
    skip: spawnSync('promtool', ['--version']).status !== 0 && 'there is no promtool here',
  }, () => {
    const rules = fileURLToPath(new URL('../../deploy/prometheus/tidings-alerts.yml', import.meta.url));
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'rules', rules], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /SUCCESS: \d+ rules found/);
  });

  test('hold all that the alert rules and the dashboard use, with the labels that they use', async () => {
    const known = await labelsOfMetrics();
    for (const file of ['prometheus/tidings-alerts.yml', 'grafana/tidings.json']) {
      const text = readFileSync(new URL(`../../deploy/${file}`, import.meta.url), 'utf8').replaceAll('\\"', '"');
      const uses = [...text.matchAll(USE)].map((use) => use.groups ?? {});
      assert.ok(uses.length > 10, file);
      for (const { labelled, matchers = '', bare } of uses) {
        const labels = known.get(labelled ?? bare ?? '');
        assert.ok(labels !== undefined, `${file} uses ${labelled ?? bare}, which there is not`);
        const used = [...matchers.matchAll(/(\w+)[=!]/g)].map(([, label = '']) => label);
        // "job" is Prometheus's own.
        const unknown = used.filter((label) => label !== 'job' && !labels.has(label));
        assert.deepEqual(unknown, [], `${file}: labels of ${labelled}`);
      }
    }
  });
});
