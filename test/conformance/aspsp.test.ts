import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ASPSP_CHECKS, type CheckResult } from '@tidings/conformance';
import { runOnGoodBank } from './good.ts';

// The whole list runs on both stores in `npm run conformance`, since the checks of retries wait for them. These wait for little.
const QUICK = [
  'Identity and access',
  'Versions',
  'Signatures of responses',
  ...['HTTP-01', 'HTTP-14', 'SUB-02', 'SUB-16', 'CB-01', 'ERR-09', 'SIG-01', 'SIG-10', 'ISO-03', 'SET-01'],
  ...['POLL-04', 'POLL-13', 'RT-01', 'RT-10', 'RT-33', 'RT-35'],
];

test('the checks of a bank have ids and titles of their own, and say where their rule is from', () => {
  const unique = (values: readonly string[]) => new Set(values).size === values.length;
  assert.ok(unique(ASPSP_CHECKS.map(({ id }) => id)));
  assert.ok(unique(ASPSP_CHECKS.map(({ title }) => title)));
  for (const { id, title, source } of ASPSP_CHECKS) {
    assert.match(id, /^[A-Z]+-\d\d$/);
    assert.match(title, /^[A-Za-z0-9].*\.$/, id);
    assert.match(
      source,
      /^(RFC \d+, sections? \d|[A-Z].* (Profile|resource) v[34]\.\d|Customer Experience Guidelines, )/,
      id,
    );
  }
});

test('the service passes a choice of the checks, over real TLS, tokens and deliveries', async () => {
  const { results } = await runOnGoodBank(QUICK);
  const outcomes = Object.fromEntries(results.map(({ id, outcome }) => [id, outcome]));
  const expected = Object.fromEntries(results.map(({ id }) => [id, { kind: 'passed' }]));
  const reason = 'No such scope is configured (clients[0].scopeWithoutEvents).';
  assert.deepEqual(outcomes, { ...expected, 'ACC-06': { kind: 'skipped', reason } });
  assertRecorded(results);
});

/** The report has what went over the wire, without the tokens. */
function assertRecorded(results: readonly CheckResult[]): void {
  const echoed = results.find(({ id }) => id === 'HTTP-01')?.exchanges ?? [];
  const [, authorization] = echoed.at(-1)?.request.headers.find(([name]) => name === 'authorization') ?? [];
  assert.equal(authorization, 'Bearer [redacted]');
  const delivery = results.find(({ id }) => id === 'RT-01')?.exchanges.find(({ role }) => role === 'server');
  assert.match(
    delivery?.request.startLine ?? '',
    /^POST https:\/\/localhost:\d+\/c-[0-9a-f-]+\/open-banking\/v4\.0\/event-notifications$/,
  );
  // Whatever looks like a JWT is a SET, a signature, or a part of either.
  for (const [text] of JSON.stringify(results).matchAll(/eyJ[\w-]+/g)) {
    assert.doesNotMatch(Buffer.from(text, 'base64url').toString(), /at\+jwt|client_credentials|"scope"/);
  }
  const queried = results.find(({ id }) => id === 'ACC-07')?.exchanges.at(-1)?.request.startLine;
  assert.match(queried ?? '', /access_token=\[redacted\]$/);
}
