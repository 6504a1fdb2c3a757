import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { OPERATOR_TOKEN } from '../support/bank.ts';
import { startBankWithTpps } from '../support/bank-with-tpps.ts';
import { type CliRun, runCli } from '../support/cli.ts';
import { onlyEnvironment, runWith } from '../support/command.ts';
import { openDoor } from './counting-door.ts';
import { cloudEventOf, eventOf, ndjson } from './events.ts';

// `tidings publish`, against a real service behind a door that the test stands at. It is a process of its own where it reads
// standard input or gets a signal.

const bank = await startBankWithTpps({ clients: ['tpp-1'], settings: { realTime: { isOffered: false } } });
const door = await openDoor(bank.service.operatorUrl);
const tokenFile = join(bank.folder, 'operator-token');
const environment = { TIDINGS_OPERATOR_URL: door.url, TIDINGS_TOKEN_FILE: tokenFile };
before(async () => {
  writeFileSync(tokenFile, OPERATOR_TOKEN);
  assert.equal((await bank.tpp('tpp-1').subscribe({ Version: '4.0' })).status, 201);
});
afterEach(() => door.reset());
after(async () => {
  door.close();
  await bank.stop();
});

let made = 0;
/** A file with these lines, and ids that nobody else has. */
function fileOf(lines: readonly (object | string)[]): string {
  made += 1;
  const file = join(bank.folder, `events-${made}.ndjson`);
  writeFileSync(file, ndjson(lines));
  return file;
}

let ids = 0;
function event(changes: object = {}) {
  ids += 1;
  return eventOf('tpp-1', `e-${ids}`, changes);
}
const events = (count: number) => Array.from({ length: count }, () => event());
const BAD = { occurredAt: 'yesterday' };

const publish = (args: readonly string[]) => runCli(['publish', '--json', ...args], environment);
const progressOf = (file: string) => `${file}.tidings-progress`;
const summaryOf = ({ stdout }: CliRun): Record<string, unknown> => JSON.parse(stdout);

/** The ids of requests that the service took, each of which counts. */
function acceptedIds(): string[] {
  const taken = door.passages.filter(({ status }) => status === 200);
  return taken.flatMap(({ body }) => (JSON.parse(body) as { id: string }[]).map(({ id }) => id));
}
const idsOf = (lines: readonly object[]) => lines.map((line) => String((line as { id: string }).id));

describe('a file', () => {
  test('is published in batches, JSON and CloudEvents, and leaves nothing behind', async () => {
    const plain = events(5);
    const cloud = [cloudEventOf('tpp-1', 'c-1'), cloudEventOf('tpp-1', 'c-2')];
    const file = fileOf([...plain, '', ...cloud, '  \r', event({ clientId: 'tpp-unknown' })]);
    const run = await publish([file, '--batch', '2', '--in-flight', '1']);
    assert.equal(run.code, 0, run.stderr);
    const { durationMs, ...summary } = summaryOf(run);
    assert.equal(typeof durationMs, 'number');
    assert.deepEqual(summary, {
      ...{ state: 'done', input: file, fromLine: 1, lines: 10, published: 8, notifications: 7, repeated: 0 },
      ...{ none: { 'unknown-client': 1 }, rejected: 0, badLines: [] },
    });
    assert.deepEqual(
      door.passages.map(({ type, body }) => [type.includes('cloudevents-batch'), JSON.parse(body).length]),
      [
        [false, 2],
        [false, 2],
        [false, 1],
        [true, 2],
        [false, 1],
      ],
    );
    assert.equal(existsSync(progressOf(file)), false);
    const again = await runCli(['publish', file], environment);
    assert.match(again.stdout, /^Published 8 events: 7 with a notification, 1 with none \(unknown-client 1\)\.\n/);
    assert.match(again.stdout, /\n8 of them had been published before and had no effect\.\n$/);
    assert.equal(again.stderr, '');
  });

  test('is published with as many requests at once as asked for', async () => {
    let atOnce = 0;
    let most = 0;
    const gathered = Promise.withResolvers<void>();
    door.options.before = async () => {
      atOnce += 1;
      most = Math.max(most, atOnce);
      if (atOnce === 3) gathered.resolve();
      await gathered.promise;
      return undefined;
    };
    door.options.after = async () => {
      atOnce -= 1;
    };
    const run = await publish([fileOf(events(12)), '--batch', '2', '--in-flight', '3']);
    assert.equal(run.code, 0, run.stderr);
    assert.equal(most, 3);
  });
});

describe('a line that is not good', () => {
  test('is the second of two with one id, although the request with the first one is slower', async () => {
    const [first, ...between] = events(3);
    const second = { ...first, transactionId: 'x' };
    const file = fileOf([first, ...between, second, event()].map((line) => line ?? ''));
    // The first request is held until two that were sent after it have been answered: one of them may be the second with its id.
    const overtaken = Promise.withResolvers<void>();
    let answered = 0;
    door.options.before = async (_count, body) => {
      if (body.includes(JSON.stringify(first?.['id'])) && !body.includes('transactionId')) await overtaken.promise;
      return undefined;
    };
    door.options.passed = () => {
      answered += 1;
      if (answered === 2) overtaken.resolve();
    };
    const rejected = join(bank.folder, 'second.ndjson');
    const run = await publish([file, '--continue', '--rejected', rejected, '--batch', '1', '--in-flight', '4']);
    assert.equal(run.code, 1, run.stderr);
    assert.equal(readFileSync(rejected, 'utf8'), ndjson([second]));
  });

  test('stops it: file, line, field and remedy are said, what is before it is published, nothing behind it', async () => {
    const good = events(9);
    const file = fileOf([...good.slice(0, 7), event(BAD), ...good.slice(7)]);
    const run = await publish([file, '--batch', '5', '--in-flight', '1']);
    assert.equal(run.code, 1);
    assert.match(run.stderr, /events-\d+\.ndjson:8: occurredAt must /);
    assert.deepEqual(acceptedIds(), idsOf(good.slice(0, 7)), 'each line once');
    const { state, badLines, lines } = summaryOf(run);
    assert.deepEqual({ state, lines }, { state: 'stopped', lines: 7 });
    assert.equal((badLines as { field: string }[])[0]?.field, 'occurredAt');
    assert.match(
      run.stderr,
      /\nStopped; the first 7 lines of .* are published; repair line 8, then run the same command to resume at line 8\.\n$/,
    );

    writeFileSync(file, ndjson([...good.slice(0, 7), event(), ...good.slice(7)]));
    door.reset();
    const rest = await publish([file]);
    assert.equal(rest.code, 0, rest.stderr);
    assert.deepEqual([summaryOf(rest)['fromLine'], summaryOf(rest)['repeated']], [8, 0]);
    assert.equal(acceptedIds().length, 3);
  });

  test('in the only batch stops it there: the lines before it count, and the same command goes on at it', async () => {
    // The command line finds the first of them itself, and the service the second.
    for (const bad of ['nonsense', event(BAD)]) {
      door.reset();
      const good = events(2);
      const file = fileOf([...good, bad]);
      const run = await runCli(['publish', file], environment);
      assert.equal(run.code, 1);
      assert.match(run.stdout, /^Published 2 events: 2 with a notification\.\n$/);
      assert.match(
        run.stderr,
        /\nStopped; the first 2 lines of .* are published; repair line 3, then run the same command to resume at line 3\./,
      );
      assert.equal(JSON.parse(readFileSync(progressOf(file), 'utf8')).lines, 2);
      const last = event();
      writeFileSync(file, ndjson([...good, last]));
      door.reset();
      const rest = await publish([file]);
      assert.deepEqual([rest.code, summaryOf(rest)['fromLine'], summaryOf(rest)['published']], [0, 3, 1]);
      assert.deepEqual(acceptedIds(), idsOf([last]));
      assert.equal(existsSync(progressOf(file)), false);
    }
  });

  test('stops several requests in flight: the next run begins at it, whichever request ended first', async () => {
    const good = events(10);
    const lines = [...good.slice(0, 5), event(BAD), ...good.slice(5)];
    const file = fileOf(lines);
    // The batch with the bad line is answered first, those before it last.
    const refused = Promise.withResolvers<void>();
    door.options.before = async (_count, body) => {
      if (!body.includes('yesterday')) await refused.promise;
      return undefined;
    };
    door.options.passed = () => {
      if (door.passages.some(({ status }) => status === 400)) refused.resolve();
    };
    const run = await publish([file, '--batch', '2', '--in-flight', '4']);
    assert.deepEqual([run.code, summaryOf(run)['lines']], [1, 5], run.stderr);
    assert.ok(idsOf(good.slice(0, 5)).every((id) => acceptedIds().includes(id)));
    writeFileSync(file, ndjson(lines.map((line, at) => (at === 5 ? event() : line))));
    const rest = await publish([file]);
    assert.deepEqual([rest.code, summaryOf(rest)['fromLine'], summaryOf(rest)['published']], [0, 6, 6]);
  });

  for (const [what, id] of [
    ['an unpaired surrogate', 'x\ud800'],
    ['U+0000', 'x\0'],
  ] as const) {
    test(`stops it where a text holds ${what}, without waiting; with --continue it goes on behind it`, async () => {
      const [before = {}, behind = {}] = events(2);
      const file = fileOf([before, { ...event(), id }, behind]);
      const run = await publish([file, '--batch', '1']);
      assert.equal(run.code, 1, run.stderr);
      assert.match(run.stderr, /events-\d+\.ndjson:2: id contains /);
      assert.deepEqual(acceptedIds(), idsOf([before]));
      const rest = await publish([file, '--continue', '--rejected', join(bank.folder, `unfit-${id.length}-${what}`)]);
      assert.equal(rest.code, 1, rest.stderr);
      assert.ok(acceptedIds().includes(idsOf([behind])[0] ?? ''));
    });
  }

  test('is left out with --continue, as are all others, and kept as it is; each good one is published once', async () => {
    const earlier = event();
    assert.equal((await bank.operate('POST', '/operator/v1/events', earlier)).status, 200);
    const good = events(20);
    const same = event();
    const bad = [
      event(BAD),
      { ...earlier, transactionId: 'x' },
      'nonsense',
      { ...same, transactionId: 'x' },
      event({ colour: 1 }),
    ];
    const mixed = good.flatMap((line, at) => (at % 4 === 2 ? [line, bad[Math.floor(at / 4)] ?? ''] : [line]));
    const rejected = join(bank.folder, 'rejected.ndjson');
    const run = await publish([fileOf([same, ...mixed]), '--continue', '--rejected', rejected, '--batch', '9']);
    assert.equal(run.code, 1, run.stderr);
    assert.equal(readFileSync(rejected, 'utf8'), ndjson(bad));
    assert.deepEqual(acceptedIds().toSorted(), idsOf([same, ...good]).toSorted());
    const { state, rejected: count, lines, published } = summaryOf(run);
    assert.deepEqual({ state, count, lines, published }, { state: 'done', count: 5, lines: 26, published: 21 });
    assert.match(run.stderr, /:10: Another event was published with this id \(e-\d+\); give each event its own id\.\n/);
  });
});

describe('the service', () => {
  test('is left alone for as long as it says, and then it goes on', async () => {
    door.options.before = async (count) =>
      count === 1 ? { status: 503, headers: { 'retry-after': '1' }, body: '<p>busy' } : undefined;
    const lines = events(3);
    const run = await publish([fileOf(lines)]);
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stderr, /^Waiting 1 s: .* 503.*\n$/);
    assert.deepEqual(acceptedIds(), idsOf(lines));
  });

  test('that refuses for another reason ends it with that reason, and no progress is left', async () => {
    const file = fileOf(events(2));
    door.options.before = async () => ({ status: 401, body: JSON.stringify({ detail: 'Who are you?' }) });
    const refused = await publish([file]);
    assert.deepEqual([refused.code, summaryOf(refused)['state']], [1, 'failed']);
    assert.match(
      refused.stderr,
      /tidings: Who are you\? Give a valid token with --token-file or TIDINGS_TOKEN_FILE\.\n$/,
    );
    assert.equal(existsSync(progressOf(file)), false);
  });
});

/** Starts a run of which the first batch is done, and the second is held at the door. */
async function startHeld(file: string) {
  const held = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  door.options.before = async (count) => {
    if (count === 2) {
      held.resolve();
      await release.promise;
    }
    return undefined;
  };
  const args = ['packages/service/bin/tidings.js', 'publish', file, '--batch', '2', '--in-flight', '1'];
  const child = spawn(process.execPath, args, { env: onlyEnvironment(environment), stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  const closed = once(child, 'close');
  await held.promise;
  return { child, release: () => release.resolve(), ended: async () => ({ code: (await closed)[0], stderr }) };
}

describe('going on', () => {
  test('after Ctrl-C: what is under way ends, and the same command publishes the rest', async () => {
    const lines = events(6);
    const file = fileOf(lines);
    const { child, release, ended } = await startHeld(file);
    child.kill('SIGINT');
    release();
    const { code, stderr } = await ended();
    assert.equal(code, 130, stderr);
    assert.match(
      stderr,
      /^Interrupted; the first 4 lines of .* are published; run the same command to resume at line 5\.\n$/,
    );
    const run = await publish([file]);
    assert.deepEqual([run.code, summaryOf(run)['fromLine'], summaryOf(run)['repeated']], [0, 5, 0]);
    assert.deepEqual(acceptedIds(), idsOf(lines));
  });

  test('is refused when the file was changed where it is published, or to another service; --restart begins again', async () => {
    const lines = events(6);
    const file = fileOf(lines);
    const { child, ended } = await startHeld(file);
    child.kill('SIGKILL');
    await ended();
    door.reset();
    const elsewhere = await publish([
      file,
      '--operator-url',
      bank.service.operatorUrl.replace('localhost', '127.0.0.1'),
    ]);
    assert.equal(elsewhere.code, 2);
    assert.match(elsewhere.stderr, /records publishing to http/);
    writeFileSync(file, ndjson([event(), ...lines.slice(1)]));
    const changed = await publish([file]);
    assert.equal(changed.code, 2);
    assert.match(changed.stderr, /was changed in its first 2 lines/);
    assert.deepEqual(door.passages, []);
    writeFileSync(file, ndjson(lines));
    appendFileSync(file, ndjson([event()]));
    const restarted = await publish([file, '--restart']);
    assert.deepEqual([restarted.code, summaryOf(restarted)['published'], summaryOf(restarted)['fromLine']], [0, 7, 1]);
    assert.equal(existsSync(progressOf(file)), false);
  });
});

describe('standard input', () => {
  test('is published as it comes, and says that nothing is kept of it', async () => {
    const run = await runWith(['publish', '--json', '-'], environment, ndjson(events(3)).trimEnd());
    assert.deepEqual([run.code, summaryOf(run)['published'], summaryOf(run)['input']], [0, 3, 'standard input']);
    assert.match(run.stderr, /^No progress is recorded for standard input; /);
  });

  test('is not waited for when a line is not good, or at Ctrl-C', async () => {
    for (const isInterrupted of [false, true]) {
      door.reset();
      const child = spawn(process.execPath, ['packages/service/bin/tidings.js', 'publish'], {
        env: onlyEnvironment(environment),
        stdio: 'pipe',
      });
      const closed = once(child, 'close');
      const passed = Promise.withResolvers<void>();
      door.options.passed = () => passed.resolve();
      child.stdin.write(ndjson([event()]));
      await passed.promise;
      if (isInterrupted) child.kill('SIGINT');
      else child.stdin.write(ndjson([event(BAD)]));
      assert.deepEqual(await closed, [isInterrupted ? 130 : 1, null]);
    }
  });
});

for (const [args, said] of [
  [['no-such-file'], /no-such-file does not exist/],
  [['x', '--continue'], /--rejected/],
] as const) {
  test(`tidings publish ${args.join(' ')} is wrong use`, async () => {
    const { code, stdout, stderr } = await publish(args);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, said);
    assert.doesNotMatch(stderr, /\n {4}at /);
  });
}
