import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runCli } from '../support/cli.ts';
import { servingStub } from '../support/stub-operator.ts';

// The tables of every command, with what a service answers at its longest.

const JTI = '190364f8-4f9c-420e-b4d1-76a6b5317fab';
const LONG = 'a-very-long-name-with-many-characters-'.repeat(4).slice(0, 128);
const URL_LONG = `https://tpp.example/${LONG}`;
const AT = '2026-11-29T20:41:07.123Z';
const MANY = 1_234_567;
const SENT = {
  ...{ startedAt: AT, durationMs: 123_456, outcome: 'unreachable', errorClass: 'forbidden-address' },
  ...{ interactionId: JTI, callbackUrl: URL_LONG },
};
const DEPENDENTS = { awaiting: MANY, isAtLeast: true, evidence: true };
const COUNTS = {
  ...{ accepted: MANY, repeated: MANY, withoutNotification: { 'no-registration': MANY } },
  ...{ attempts: { acknowledged: MANY, 'refused-4xx': MANY }, acknowledged: { push: MANY, poll: MANY } },
  ...{ reportedErrors: MANY, becameUnresponsive: MANY, recovered: MANY },
  latencyMs: { p50: MANY, p90: MANY, p99: MANY },
};
const TPP = {
  ...{ clientId: LONG, organisationId: LONG, softwareStatementId: LONG, isSuspended: false },
  ...{ state: 'unresponsive', awaiting: MANY, isAtLeast: true },
};
const TARGET = { callbackUrl: URL_LONG, state: 'unresponsive', unresponsiveSince: AT, failures: MANY };
const REFUSED = {
  ...SENT,
  outcome: 'refused',
  errorClass: undefined,
  status: 400,
  err: 'invalid_audience',
  description: LONG,
};
const NOTIFICATION = {
  ...{ jti: JTI, eventId: LONG, clientId: LONG, transactionId: LONG, state: 'acknowledged', publishedAt: AT },
};

/** What a service answers to the calls of the commands that print tables. */
const LONG_ANSWERS: Readonly<Record<string, unknown>> = {
  '/operator/v1/tpps': {
    tpps: [{ ...TPP, jwksUrl: URL_LONG, scopes: ['accounts', 'payments', 'fundsconfirmations'], target: TARGET }],
  },
  '/operator/v1/registrations': {
    registrations: [
      {
        ...{ clientId: LONG, kind: 'event-subscription', id: LONG, state: 'unresponsive', callbackUrl: URL_LONG },
        ...{ version: '4.0', eventTypes: [`urn:${LONG}`], apiVersion: 'v4.0', unresponsiveSince: AT },
      },
    ],
  },
  '/operator/v1/tpps/long': { ...TPP, jwksUrl: URL_LONG, target: TARGET },
  '/operator/v1/tpps/long/registrations': {},
  '/operator/v1/status': {
    ...{ awaiting: MANY, needsAttention: [], publishing: 'open' },
    tpps: { healthy: 1, failing: 0, unresponsive: 0, suspended: 0, 'polling-only': 0 },
  },
  '/operator/v1/instances': {
    instances: ['running', 'gone'].map((state, at) => ({
      ...{ id: `${at}`, host: LONG, processId: MANY + at, version: `0.1.${at}`, nodeVersion: '24.0.0' },
      ...{ startedAt: AT, seenAt: AT, state, isThis: at === 0 },
    })),
  },
  '/operator/v1/callback-urls/long': {
    ...{ clientId: LONG, ...TARGET, awaiting: MANY, isAtLeast: true },
    lastOutcomes: [{ ...SENT, jti: JTI, instance: JTI }],
  },
  '/operator/v1/signing-keys': {
    keys: [
      {
        ...{ kid: LONG, thumbprint: LONG, algorithm: 'PS256', state: 'withdrawn', since: AT, isPublished: true },
        ...{ publishedUntil: AT, dependents: DEPENDENTS },
      },
    ],
    thisInstance: { signsWith: 'bank-2026', holds: ['bank-2026'] },
  },
  '/operator/v1/notifications': {
    notifications: [
      {
        ...{ ...NOTIFICATION, resourceId: LONG, eventTypes: [`urn:${LONG}`], acknowledgedBy: 'push' },
        ...{ attempts: MANY, lastOutcome: 'unreachable', lastErrorClass: 'forbidden-address' },
      },
    ],
  },
  [`/operator/v1/notifications/${JTI}`]: {
    ...{ ...NOTIFICATION, claims: {} },
    attempts: [SENT, REFUSED],
    errors: [{ reportedAt: AT, err: LONG, description: LONG }],
  },
  '/operator/v1/statistics': {
    ...{ resolution: 'hour', from: AT, before: AT, totals: COUNTS, buckets: [{ beganAt: AT, ...COUNTS }] },
  },
  '/operator/v1/audit': {
    entries: [
      {
        ...{
          id: '1234567',
          at: AT,
          actor: LONG,
          role: 'administrator',
          from: '2001:db8:1234:5678:9abc:def0:1234:5678',
        },
        ...{ action: 'signing-key-announced', subject: LONG, detail: { changed: [LONG] } },
      },
    ],
  },
};

/** Commands that print tables, with what a table shows whole only if it is wide. */
const TABLES: readonly (readonly [readonly string[], string])[] = [
  [['tpps', 'list'], LONG],
  [['registrations', 'list'], URL_LONG],
  [['registrations', 'show', 'long'], `${JTI}  ${JTI}`],
  [['keys', 'list'], LONG],
  [['notifications', 'find'], LONG],
  [['notifications', 'show', JTI], URL_LONG],
  [['statistics'], 'UNRESPONSIVE'],
  [['audit'], LONG],
];

describe('a table', () => {
  const answer = (path: string) => ({ status: 200, body: LONG_ANSWERS[path] });
  /** The lines from the header of each table on; facts and texts before are not cut. */
  const tableLines = (stdout: string) => {
    const lines = stdout.trimEnd().split('\n');
    return lines.slice(lines.findIndex((line) => /^[A-Z]{2,}[A-Z ]*(?: {2}|$)/.test(line)));
  };

  test('of every command fits 80 columns, and is whole with --wide or where nothing tells the width', async () => {
    await servingStub(answer, async (connection) => {
      for (const [args, whole] of TABLES) {
        const about = `tidings ${args.join(' ')}`;
        const narrow = await runCli(args, { ...connection, COLUMNS: '80' });
        assert.equal(narrow.code, 0, narrow.stderr);
        const lines = tableLines(narrow.stdout);
        assert.ok(lines.length >= 3, about);
        for (const line of lines) assert.ok([...line].length <= 80, `${about}: ${line}`);
        assert.match(narrow.stdout, /--wide shows all columns and whole values/, about);
        const wide = await runCli([...args, '--wide'], { ...connection, COLUMNS: '80' });
        const piped = await runCli(args, connection);
        for (const { stdout } of [wide, piped]) {
          assert.ok(stdout.includes(whole), `${about}: ${stdout}`);
          assert.doesNotMatch(stdout, /…|--wide/);
        }
      }
    });
  });

  test('of attempts shows the words of the TPP that refused, at 80 columns too', async () => {
    await servingStub(answer, async (connection) => {
      const { stdout } = await runCli(['notifications', 'show', JTI], { ...connection, COLUMNS: '80' });
      assert.match(stdout, /^STARTED +OUTCOME +STATUS +ERROR/m);
      assert.match(stdout, / refused +400 +invalid_audience: /);
    });
  });

  test('of instances stands below the status, which says how many run and of which versions', async () => {
    await servingStub(answer, async (connection) => {
      const narrow = await runCli(['status'], { ...connection, COLUMNS: '80' });
      for (const line of tableLines(narrow.stdout)) assert.ok(line.length <= 80, line);
      const { stdout } = await runCli(['status'], connection);
      assert.match(stdout, /^instances +1 running, 1 gone; versions 0\.1\.0, 0\.1\.1$/m);
      assert.match(stdout, /^HOST +PROCESS +VERSION +STATE +SEEN +STARTED/m);
      const json = JSON.parse((await runCli(['status', '--json'], connection)).stdout);
      assert.deepEqual([json.awaiting, json.instances.length], [MANY, 2]);
    });
  });

  test('without rows is a sentence', async () => {
    const empty: Readonly<Record<string, unknown>> = {
      '/operator/v1/tpps': { tpps: [] },
      '/operator/v1/registrations': { registrations: [] },
      '/operator/v1/signing-keys': { keys: [], thisInstance: { holds: [] } },
      '/operator/v1/notifications': { notifications: [] },
      '/operator/v1/statistics': { ...{ resolution: 'hour', from: AT, before: AT, totals: COUNTS, buckets: [] } },
      '/operator/v1/audit': { entries: [] },
    };
    await servingStub(
      (path) => ({ status: 200, body: empty[path] ?? LONG_ANSWERS[path] }),
      async (connection) => {
        for (const [args] of TABLES.filter(([[, name]]) => name !== 'show')) {
          const { stdout } = await runCli(args, connection);
          assert.match(stdout, /^(?:There (?:are|is) no |No )[^\n]*\.\n/, args.join(' '));
        }
      },
    );
  });
});
