import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Check, type CheckScope, type Exchange, runChecks, SelectionError, selectChecks } from '../src/index.ts';
import { HeldClock } from './support/held-clock.ts';

type Run = Check<CheckScope>['run'];

const TARGET = { name: 'A bank', url: 'https://bank.example' };

function checkOf(id: string, run: Run, more: Partial<Check<CheckScope>> = {}): Check<CheckScope> {
  return { id, title: `${id} holds.`, severity: 'must', source: 'RFC 8936', area: 'Polling', run, ...more };
}

function runAll(checks: readonly Check<CheckScope>[], clock = new HeldClock()) {
  const seen: string[] = [];
  const report = runChecks({
    ...({ side: 'aspsp', target: TARGET, version: '0.0.0', checks, clock } as const),
    contextOf: (scope) => scope,
    onProgress: (each) => seen.push(`${each.kind} ${each.kind === 'started' ? each.id : each.result.id}`),
  });
  return { report, seen, clock };
}

function exchangeOf(more: Partial<Exchange['request']> = {}): Exchange {
  const request = { startLine: 'POST https://bank.example/token', headers: [], body: '', ...more };
  return { role: 'client', startedAtMs: 0, durationMs: 1, request };
}

const PASSED = { kind: 'passed' } as const;

test('checks run one after the other, and what one throws is its own error', async () => {
  const { report, seen } = runAll([
    checkOf('A-1', () => Promise.resolve(PASSED)),
    checkOf('A-2', () => Promise.reject(new Error('no connection'))),
    checkOf('A-3', () => Promise.resolve({ kind: 'skipped', reason: 'The bank does not offer it.' })),
  ]);
  const { results } = await report;
  assert.deepEqual(
    results.map(({ outcome }) => outcome),
    [PASSED, { kind: 'error', message: 'no connection' }, { kind: 'skipped', reason: 'The bank does not offer it.' }],
  );
  assert.deepEqual(seen, ['started A-1', 'finished A-1', 'started A-2', 'finished A-2', 'started A-3', 'finished A-3']);
});

test('a check that does not end in time is an error, and its signal is aborted', async () => {
  const clock = new HeldClock();
  let wasAborted = false;
  const hangs: Run = ({ signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        wasAborted = true;
        reject(new Error('aborted'));
      });
      clock.advance(20_000);
    });
  const { report } = runAll(
    [checkOf('A-1', hangs, { timeLimitMs: 20_000 }), checkOf('A-2', async () => PASSED)],
    clock,
  );
  const { results } = await report;
  assert.ok(wasAborted);
  assert.deepEqual(results[0]?.outcome, { kind: 'error', message: 'The check did not end within 20 s.' });
  assert.deepEqual(results[1]?.outcome, PASSED);
  assert.equal(clock.waiting, 0, 'a timer that is left would keep the process alive');
});

test('a check that ignores its signal is left behind', async () => {
  const clock = new HeldClock();
  const { report } = runAll(
    [
      checkOf('A-1', () => {
        clock.advance(60_000);
        queueMicrotask(() => clock.advance(5000));
        return new Promise(() => undefined);
      }),
    ],
    clock,
  );
  assert.deepEqual((await report).results[0]?.outcome, {
    kind: 'error',
    message: 'The check did not end within 60 s.',
  });
});

test('the report has no secrets, and long bodies are cut', async () => {
  const { report } = runAll([
    checkOf('A-1', ({ record }) => {
      record(
        exchangeOf({
          headers: [
            ['authorization', 'Bearer eyJ.abc.def'],
            ['cookie', 'a=b'],
            ['accept', '*/*'],
          ],
        }),
      );
      record(exchangeOf({ body: 'grant_type=client_credentials&client_assertion=eyJ.secret.x&scope=accounts' }));
      record(exchangeOf({ body: '{"access_token": "se\\"cret", "expires_in": 300}' }));
      record(exchangeOf({ body: 'x'.repeat(20_000) }));
      record(exchangeOf({ startLine: 'GET https://bank.example/a?access_token=eyJ.abc.def&b=c' }));
      return Promise.resolve(PASSED);
    }),
  ]);
  const [headers, form, json, long, query] = (await report).results[0]?.exchanges ?? [];
  assert.deepEqual(headers?.request.headers, [
    ['authorization', 'Bearer [redacted]'],
    ['cookie', '[redacted]'],
    ['accept', '*/*'],
  ]);
  assert.equal(form?.request.body, 'grant_type=client_credentials&client_assertion=[redacted]&scope=accounts');
  assert.equal(json?.request.body, '{"access_token": "[redacted]", "expires_in": 300}');
  assert.equal(query?.request.startLine, 'GET https://bank.example/a?access_token=[redacted]&b=c');
  assert.match(long?.request.body ?? '', /^x{16384}… \[3616 more characters\]$/);
});

test('of many exchanges the first and the last are kept, and the others counted', async () => {
  const { report } = runAll([
    checkOf('A-1', ({ record }) => {
      for (let index = 0; index < 100; index += 1) record(exchangeOf({ body: String(index) }));
      return Promise.resolve(PASSED);
    }),
  ]);
  const [result] = (await report).results;
  assert.equal(result?.exchanges.length, 60);
  assert.equal(result?.exchangesOmitted, 40);
  assert.deepEqual([result?.exchanges[0]?.request.body, result?.exchanges.at(-1)?.request.body], ['0', '99']);
});

test('checks are selected by id or area, and an unknown name is told with the areas', () => {
  const checks = [
    checkOf('A-1', async () => PASSED),
    checkOf('B-1', async () => PASSED, { area: 'Errors' }),
    checkOf('B-2', async () => PASSED, { area: 'Errors' }),
  ];
  const ids = (only: string[]) => selectChecks(checks, only).map(({ id }) => id);
  assert.deepEqual(ids([]), ['A-1', 'B-1', 'B-2']);
  assert.deepEqual(ids(['b-2', 'A-1']), ['A-1', 'B-2']);
  assert.deepEqual(ids(['errors']), ['B-1', 'B-2']);
  assert.throws(
    () => ids(['C-9']),
    (error: unknown) => {
      assert.ok(error instanceof SelectionError);
      assert.match(error.message, /"C-9".*Polling, Errors/);
      return true;
    },
  );
});
