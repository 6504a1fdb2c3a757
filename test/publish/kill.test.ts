import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type SeededRandom, seededRandom } from '../chaos/random.ts';
import { OPERATOR_TOKEN } from '../support/bank.ts';
import { startBankWithTpps } from '../support/bank-with-tpps.ts';
import { onlyEnvironment } from '../support/command.ts';
import { openDoor } from './counting-door.ts';
import { cloudEventOf, eventOf, ndjson } from './events.ts';

// `tidings publish` is killed at random points, again and again, and run again until it is done. More of it:
// TEST_PUBLISH_KILLS=300 npx node --test test/publish/kill.test.ts

const KILLS = Number(process.env['TEST_PUBLISH_KILLS'] ?? 6);
const SEED = Number(process.env['TEST_PUBLISH_SEED'] ?? Date.now() % 1_000_000);
const LINES_EACH = 40;
const BATCH = 5;
const LATE_MS_MAX = 15;

const bank = await startBankWithTpps({ clients: ['tpp-1'], settings: { realTime: { isOffered: false } } });
const door = await openDoor(bank.service.operatorUrl);
after(async () => {
  door.close();
  await bank.stop();
});

test(`each line is published exactly once, however often publishing is killed (seed ${SEED})`, async () => {
  const random = seededRandom(SEED);
  assert.equal((await bank.tpp('tpp-1').subscribe({ Version: '4.0' })).status, 201);
  const count = KILLS * LINES_EACH;
  const lines = Array.from({ length: count }, (_, at) => {
    return isCloud(at) ? cloudEventOf('tpp-1', `line-${at}`) : eventOf('tpp-1', `line-${at}`);
  });
  const file = join(bank.folder, 'events.ndjson');
  writeFileSync(file, ndjson(lines));
  const tokenFile = join(bank.folder, 'operator-token');
  writeFileSync(tokenFile, OPERATOR_TOKEN);
  const environment = { TIDINGS_OPERATOR_URL: door.url, TIDINGS_TOKEN_FILE: tokenFile };

  let killed = 0;
  let code: number | null = null;
  for (let runs = 0; code === null; runs += 1) {
    assert.ok(runs <= KILLS, 'it is done at last');
    const args = [
      'packages/service/bin/tidings.js',
      'publish',
      file,
      '--batch',
      String(BATCH),
      '--in-flight',
      String(random.pick([1, 4])),
    ];
    const child = spawn(process.execPath, args, {
      env: onlyEnvironment(environment),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk;
    });
    door.reset();
    if (killed < KILLS) killAtRandom(random, () => child.kill('SIGKILL'));
    await once(child, 'close');
    if (child.signalCode === 'SIGKILL') killed += 1;
    else code = child.exitCode;
    assert.ok(code === null || code === 0, stderr);
  }
  assert.ok(killed >= Math.ceil(KILLS / 2), `it was killed ${killed} times`);
  assert.equal(existsSync(`${file}.tidings-progress`), false);

  const { body } = await bank.operate('GET', '/operator/v1/status');
  assert.equal(body['awaiting'], count, 'one notification for each line');
  // Every line as JSON, those that were CloudEvents too: all of it is known, and has a notification of its own.
  const again = lines.map((_line, at) => eventOf('tpp-1', `line-${at}`, isCloud(at) ? { id: `/core|line-${at}` } : {}));
  const jtis = new Set<string>();
  for (let from = 0; from < count; from += 1000) {
    const answer = await bank.operate('POST', '/operator/v1/events', again.slice(from, from + 1000));
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    for (const { id, repeated, jti } of answer.body['outcomes'] as { id: string; repeated: boolean; jti: string }[]) {
      assert.equal(repeated, true, `${id} was published`);
      jtis.add(jti);
    }
  }
  assert.equal(jtis.size, count);
});

const isCloud = (at: number) => at % 10 < 3;

/** When a request has come, which then gets no further; when the service has answered it; or a moment after that. */
function killAtRandom(random: SeededRandom, kill: () => void): void {
  const at = random.whole(1, 8);
  const point = random.pick(['before', 'after', 'passed']);
  const lateMs = random.whole(0, LATE_MS_MAX);
  const { options } = door;
  if (point === 'before') {
    options.before = async (count) => {
      if (count !== at) return undefined;
      kill();
      return { status: 500 };
    };
  } else if (point === 'after') {
    options.after = async (count) => {
      if (count === at) kill();
    };
  } else {
    options.passed = (count) => {
      if (count === at) setTimeout(kill, lateMs);
    };
  }
}
