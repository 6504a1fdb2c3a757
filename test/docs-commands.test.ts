import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildProgram } from '@tidings/service/cli';

// The pages name many commands that no test runs: each must be there, with the flags that are shown.

const DOCS = readdirSync('docs', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'));
const READMES = readdirSync('packages').map((name) => join('packages', name, 'README.md'));
const PAGES = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...READMES, ...DOCS.map((name) => join('docs', name))];
// Generated from the commands themselves, in sentences that begin with the name of the program.
const GENERATED = join('docs', 'cli.md');
const WORD = /^[a-z][a-z-]*$/;

type Command = Awaited<ReturnType<typeof buildProgram>>;

/** Calls of the program in spans and blocks of code, each split into its words. */
function callsIn(markdown: string): string[][] {
  const spans = [...markdown.matchAll(/`(tidings [^`\n]+)`/g)].map(([, text = '']) => text);
  const blocks = [...markdown.matchAll(/^```(?:sh|bash)?[ \w]*\n(.*?)^```$/gms)].flatMap(([, text = '']) =>
    text.replaceAll('\\\n', ' ').split('\n'),
  );
  return [...spans, ...blocks]
    .flatMap((line) => line.split(/[|;&]+|\$\(/))
    .map((call) => call.trim().replace(/^npx /, ''))
    .filter((call) => call.startsWith('tidings '))
    .map((call) => call.split(/\s+/).slice(1));
}

/** @returns what is wrong with the call; undefined when it is one of the program */
function faultOf(program: Command, words: readonly string[]): string | undefined {
  let command = program;
  let at = 0;
  for (; at < words.length && command.commands.length > 0; at += 1) {
    const word = words[at] ?? '';
    const found = command.commands.find((each) => each.name() === word || each.aliases().includes(word));
    if (found === undefined) {
      // Some commands have both subcommands and arguments of their own.
      const isUnknown = WORD.test(word) && command.registeredArguments.length === 0;
      if (isUnknown) return `there is no command ${words.slice(0, at + 1).join(' ')}`;
      break;
    }
    command = found;
  }
  const known = new Set(['--help', '--version', ...command.options.flatMap(({ long }) => long ?? [])]);
  const unknown = words.slice(at).find((word) => /^--[a-z]/.test(word) && !known.has(word.replace(/[=.,)].*$/, '')));
  return unknown === undefined ? undefined : `${words.slice(0, at).join(' ')} has no ${unknown}`;
}

test('every command that a page names is there, with its flags', async () => {
  const program = await buildProgram();
  const faults: string[] = [];
  let calls = 0;
  for (const page of PAGES.filter((each) => each !== GENERATED)) {
    for (const words of callsIn(readFileSync(page, 'utf8'))) {
      calls += 1;
      const fault = faultOf(program, words);
      if (fault !== undefined) faults.push(`${page}: ${fault}`);
    }
  }
  assert.ok(calls > 0, 'no call was found: the check looks at nothing');
  assert.deepEqual(faults, []);
});

test('a command or flag that is not there would be found', async () => {
  const program = await buildProgram();
  assert.equal(faultOf(program, ['tpps', 'revive', 'tpp-1']), 'there is no command tpps revive');
  assert.equal(faultOf(program, ['status', '--colour']), 'status has no --colour');
  assert.equal(faultOf(program, ['tpps', 'list', '--json']), undefined);
  assert.deepEqual(callsIn('```sh\nnpx tidings tpps list | head\n```\n`tidings status`\n'), [
    ['status'],
    ['tpps', 'list'],
  ]);
});
