import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { until, unusedPort } from '@tidings/testing';
import { OPERATOR_TOKEN, startBank } from '../support/bank.ts';
import { startReceiver } from '../support/receiver.ts';
import { makeTpp } from '../support/tpp.ts';

// The alert rules for Prometheus, on what a real service told in an hour with one TPP that fails, one that is gone for good
// (410), and one that does not poll. The clock of the service is put forward between scrapes; promtool evaluates the rules.

const RULES = fileURLToPath(new URL('../../deploy/prometheus/tidings-alerts.yml', import.meta.url));
const MINUTES = 40;
/** The TPPs are down from this scrape on. */
const DOWN_AT = 2;
/** The one that fails is back from this scrape on. */
const BACK_AT = 36;
/** The time of the first scrape, as promtool sees it. */
const STARTED_AT_SECONDS = Date.now() / 1000;

const bank = await startBank({
  clients: ['tpp-failing', 'tpp-gone', 'tpp-late'],
  settings: {
    retry: { delayMs: 50, delayMaxMs: 50, retriesMax: 1000, intervalMaxMs: 2_592_000_000, jitter: 0 },
    breaker: { pauseMs: 50, pauseMaxMs: 50 },
    publishing: { awaitingMax: 4 },
    notify: {
      evaluateMs: 100,
      webhooks: [{ name: 'nobody', url: `https://127.0.0.1:${await unusedPort()}/`, secretFile: 'webhook-secret' }],
    },
  },
  files: { 'webhook-secret': `whsec_${Buffer.alloc(32).toString('base64')}` },
});
const [failing, gone] = [await startReceiver(bank), await startReceiver(bank)];
const parties = await Promise.all(['tpp-failing', 'tpp-gone', 'tpp-late'].map((clientId) => makeTpp(bank, clientId)));
after(async () => {
  for (const party of parties) party.close();
  await bank.stop();
  await Promise.all([failing.close(), gone.close()]);
});

/** Samples of one scrape that the rules use, by series with the labels of Prometheus itself. */
async function scrape(used: ReadonlySet<string>): Promise<ReadonlyMap<string, number>> {
  const headers = { authorization: `Bearer ${OPERATOR_TOKEN}` };
  const text = await (await fetch(`${bank.service.operatorUrl}/metrics`, { headers })).text();
  const found = new Map([['up{instance="one",job="tidings"}', 1]]);
  for (const line of text.split('\n').filter((each) => each !== '' && !each.startsWith('#'))) {
    const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
    if (!used.has(name)) continue;
    // promtool counts time from 0.
    const offset = name.endsWith('_timestamp_seconds') ? STARTED_AT_SECONDS : 0;
    const all = [...(labels === '' ? [] : [labels]), 'instance="one"', 'job="tidings"'].join(',');
    found.set(`${name}{${all}}`, Number(value) - offset);
  }
  return found;
}

/** Values of each series at each scrape, as promtool reads them; a series that ends is stale. */
function seriesOf(scrapes: readonly ReadonlyMap<string, number>[]) {
  const names = new Set(scrapes.flatMap((each) => [...each.keys()]));
  return [...names].map((series) => {
    const values = scrapes.map((each, at) => {
      const value = each.get(series);
      if (value !== undefined) return String(value);
      return at > 0 && scrapes[at - 1]?.has(series) === true ? 'stale' : '_';
    });
    return { series, values: values.join(' ') };
  });
}

/** Runs the service through the hour. @returns a scrape for each minute */
async function runThroughIt(): Promise<readonly ReadonlyMap<string, number>[]> {
  const used = new Set(readFileSync(RULES, 'utf8').match(/\b(?:tidings|nodejs|process)_\w+/g));
  const [first, second, third] = parties;
  const register = async (party: typeof first, callbackUrl?: string) =>
    party?.create('v4.0', 'event-subscriptions', { Version: '4.0', ...(callbackUrl && { CallbackUrl: callbackUrl }) });
  await register(first, `${failing.origin}/v4.0/event-notifications`);
  await register(second, `${gone.origin}/v4.0/event-notifications`);
  await register(third);
  const scrapes: ReadonlyMap<string, number>[] = [];
  for (let minute = 0; minute <= MINUTES; minute += 1) {
    if (minute === DOWN_AT) await goDown();
    if (minute === BACK_AT) await comeBack();
    scrapes.push(await scrape(used));
    bank.clock.aheadMs += 60_000;
  }
  return scrapes;
}

const stateOf = async (clientId: string) => (await bank.operate('GET', `/operator/v1/tpps/${clientId}`)).body['state'];

async function goDown(): Promise<void> {
  [failing.status, gone.status] = [503, 410];
  await bank.publishAll(['tpp-failing', 'tpp-gone', 'tpp-late', 'tpp-late']);
  await until(async () => (await stateOf('tpp-failing')) === 'failing', 'it is failing');
  await until(async () => (await stateOf('tpp-gone')) === 'unresponsive', 'it is unresponsive');
  await untilAlerts(['tpp-unresponsive tpp-gone open']);
}

/** Waits until the service itself has found these about TPPs. It looks by itself, ten times a second. */
async function untilAlerts(expected: readonly string[]): Promise<void> {
  await until(
    async () => {
      const { alerts } = (await bank.operate('GET', '/operator/v1/alerts')).body as {
        alerts: Record<string, string>[];
      };
      const found = alerts.map(({ kind, subject, state }) => `${kind} ${subject} ${state}`);
      return isDeepStrictEqual(found.filter((each) => /tpp-/.test(each)).toSorted(), expected);
    },
    `the alerts are ${expected.join(', ')}`,
  );
}

async function comeBack(): Promise<void> {
  failing.status = 202;
  // Its breaker may pause, and a claim may be under way.
  await until(async () => {
    await bank.operate('POST', '/operator/v1/redeliveries', { clientId: 'tpp-failing', only: 'awaiting' });
    return (await stateOf('tpp-failing')) === 'healthy';
  }, 'it is healthy again');
}

// Alerts about levels. Those about rates depend on how fast this machine is.
const LEVELS =
  'Tidings(?:CallbackUrl.*|DeliveryLate|Certificate.*|Signing.*|CannotSign|StoreNearlyFull|StoreDown|Down|AlertsNotSent)';

interface Firing {
  readonly alertname: string;
  readonly severity: string;
  readonly [label: string]: string;
}

/** Asks promtool which alerts fire at some minutes. @returns what it says is wrong; empty: nothing */
function promtool(series: ReturnType<typeof seriesOf>, expected: Readonly<Record<number, readonly Firing[]>>): string {
  const tests = {
    rule_files: [RULES],
    evaluation_interval: '1m',
    tests: [
      {
        interval: '1m',
        input_series: series,
        promql_expr_test: Object.entries(expected).map(([minute, alerts]) => ({
          expr: `ALERTS{alertstate="firing",alertname=~"${LEVELS}"}`,
          eval_time: `${minute}m`,
          exp_samples: alerts.map((labels) => ({
            labels: `ALERTS{${Object.entries({ alertstate: 'firing', ...labels })
              .map(([label, value]) => `${label}="${value}"`)
              .join(',')}}`,
            value: 1,
          })),
        })),
      },
    ],
  };
  // JSON is YAML.
  const file = join(bank.folder, 'alert-rules.json');
  writeFileSync(file, JSON.stringify(tests));
  const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', file], { encoding: 'utf8' });
  return status === 0 ? '' : `${stdout}${stderr}`;
}

describe('the alert rules for Prometheus, on the series of a real run', () => {
  const skip = spawnSync('promtool', ['--version']).status !== 0 && 'there is no promtool here';

  test('fire within minutes, name the TPP, and end', { skip }, async () => {
    const scrapes = await runThroughIt();
    const ticket = (alertname: string, labels: Readonly<Record<string, string>> = {}) => ({
      ...{ alertname, severity: 'ticket' },
      ...labels,
    });
    const page = (alertname: string, labels: Readonly<Record<string, string>> = {}) => ({
      ...ticket(alertname, labels),
      severity: 'page',
    });
    // The certificates of tests are valid for an hour.
    const settings = ['accessTokens.caFile', 'accessTokens.certificateFile', 'api.tls.certificateFile'];
    const certificates = [...settings, 'api.tls.clientCaFile', 'delivery.caFile'].map((setting) =>
      ticket('TidingsCertificateExpires', { instance: 'one', setting }),
    );
    const unresponsive = ticket('TidingsCallbackUrlUnresponsive', { client_id: 'tpp-gone' });
    const isFailing = ticket('TidingsCallbackUrlFailing', { client_id: 'tpp-failing' });
    const nearlyFull = page('TidingsStoreNearlyFull', { instance: 'one' });
    const notSent = ticket('TidingsAlertsNotSent', { destination: 'nobody' });
    const late = page('TidingsDeliveryLate', { client_id: 'tpp-late' });
    const found = promtool(seriesOf(scrapes), {
      0: [],
      4: [unresponsive],
      6: [unresponsive, ...certificates],
      8: [unresponsive, isFailing, nearlyFull, ...certificates],
      23: [unresponsive, isFailing, nearlyFull, late, notSent, ...certificates],
      38: [unresponsive, late, notSent, ...certificates],
    });
    assert.equal(found, '');
    await untilAlerts(['tpp-failing tpp-failing over', 'tpp-unresponsive tpp-gone open']);
  });

  test('fire for an instance that cannot sign, and for the certificate of a signing key', { skip }, () => {
    const minutes = 10;
    const constant = (value: number) => Array.from({ length: minutes }, () => value).join(' ');
    const series = [
      { series: 'tidings_can_sign{instance="one"}', values: constant(1) },
      { series: 'tidings_can_sign{instance="two"}', values: constant(0) },
      { series: 'tidings_signing_key_problem{instance="two"}', values: constant(1) },
      {
        series: 'tidings_certificate_expiry_timestamp_seconds{instance="one",setting="signing.certificateFile"}',
        values: constant(20 * 86_400),
      },
    ];
    const found = promtool(series, {
      9: [
        { alertname: 'TidingsCannotSign', severity: 'page', instance: 'two' },
        { alertname: 'TidingsSigningKeyProblem', severity: 'page', instance: 'two' },
        { alertname: 'TidingsSigningKeyExpires', severity: 'ticket', setting: 'signing.certificateFile' },
      ],
    });
    assert.equal(found, '');
  });

  test('name a runbook that there is, each of them', () => {
    const rules = readFileSync(RULES, 'utf8');
    const page = readFileSync(new URL('../../docs/guides/runbooks.md', import.meta.url), 'utf8');
    const names = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);
    const runbooks = [...rules.matchAll(/runbook: docs\/guides\/runbooks\.md#(\w+)/g)].map(([, anchor]) => anchor);
    assert.deepEqual(
      runbooks,
      names.map((name) => name.toLowerCase()),
    );
    for (const name of names) assert.ok(page.includes(`\n## ${name}\n`), name);
  });
});
