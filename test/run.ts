import { globSync } from 'node:fs';
import process from 'node:process';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { parseArgs } from 'node:util';
import { filesOf, GROUPS, type Group, isLong } from './together/groups.ts';

// `npm test`: every test file once, but those of long runs, whose names end with `.long.test.ts`: they are run by
// `npm run test:long`. With `-- FILE...` these alone, each in a process of its own.

// Two more than the two cores that the time is meant for, because many tests wait.
const CONCURRENCY = 4;
const TEST_TIMEOUT_MS = 180_000;
const FILE_TIMEOUT_MS = 900_000;

// These take longest, so they begin first; the groups follow. That of the browser is the last of them: beside the chaos and a
// database it would have a third of two processors.
const FIRST = ['packages/service/test/store/postgres.test.ts', 'test/chaos/chaos.test.ts', 'test/kafka/kafka.test.ts'];

function everything(): string[] {
  const groups = Object.keys(GROUPS) as Group[];
  const placed = [...FIRST, ...groups.flatMap(filesOf)];
  const twice = placed.filter((file, index) => placed.indexOf(file) !== index);
  if (twice.length > 0) throw new Error(`these test files would run twice: ${twice.join(', ')}`);
  const alone = testFiles().filter((file) => !isLong(file) && !placed.includes(file));
  return [...FIRST, ...groups.map((group) => `test/together/${group}.ts`), ...alone];
}

function testFiles(): string[] {
  return globSync(['packages/*/test/**/*.test.ts', 'test/**/*.test.ts']).sort();
}

const {
  values: { long },
  positionals: given,
} = parseArgs({ allowPositionals: true, options: { long: { type: 'boolean', default: false } } });
const all = long ? testFiles().filter(isLong) : everything();
run({
  files: given.length > 0 ? given : all,
  concurrency: CONCURRENCY,
  timeout: FILE_TIMEOUT_MS,
  execArgv: ['--import', './test/support/compile-cache.ts', `--test-timeout=${TEST_TIMEOUT_MS}`],
})
  .on('test:fail', () => {
    process.exitCode = 1;
  })
  .compose(spec)
  .pipe(process.stdout);
