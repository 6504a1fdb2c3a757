import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { buildProgram, commandsOf, helpOf } from '@tidings/service/cli';
import { commandLinePage } from '../../scripts/cli-doc.ts';
import { BIN } from '../support/command.ts';

const program = await buildProgram();
const commands = commandsOf(program);
const leaves = commands.filter(({ command }) => command.commands.length === 0);

/** Has a process tell what it loads. */
const TELLING = `data:text/javascript,${encodeURIComponent(`
  import { writeSync } from 'node:fs';
  import { registerHooks } from 'node:module';
  registerHooks({
    load: (url, context, next) => {
      writeSync(2, 'loaded ' + url + '\\n');
      return next(url, context);
    },
  });`)}`;

/** Commands that print no data, or only in a form of its own. */
const WITHOUT_JSON: Readonly<Record<string, string>> = {
  'tidings serve': 'its log is JSON',
  'tidings openapi': 'the document is JSON',
  'tidings portal-notes': 'a text in Markdown, to be published',
  'tidings completion': 'a script',
};

test('the walk finds the commands of the service and of the sandbox', () => {
  const paths = commands.map(({ path }) => path);
  for (const path of ['tidings serve', 'tidings tpps list', 'tidings sandbox']) assert.ok(paths.includes(path), path);
});

describe('a command is loaded when it is called', () => {
  const files = new Set(program.commands.map((command) => `${command.name()}.ts`));
  const loadedBy = (args: readonly string[]) => {
    const { stderr } = spawnSync(process.execPath, ['--import', TELLING, BIN, ...args], { encoding: 'utf8' });
    const loaded = stderr.split('\n').flatMap((line) => /^loaded .*\/cli\/([^/]+)$/.exec(line)?.[1] ?? []);
    assert.ok(loaded.includes('main.ts'), stderr);
    return loaded.filter((name) => files.has(name));
  };

  for (const args of [['--version'], ['--help'], ['help'], ['no-such-command']]) {
    test(`tidings ${args.join(' ')} loads none`, () => assert.deepEqual(loadedBy(args), []));
  }
  for (const args of [
    ['tpps', '--help'],
    ['help', 'tpps'],
    ['tpps', 'no-such-command'],
  ]) {
    test(`tidings ${args.join(' ')} loads that one`, () => assert.deepEqual(loadedBy(args), ['tpps.ts']));
  }

  test('tidings --help says of each what the loaded one takes', () => {
    const { subcommandTerm } = program.createHelp();
    for (const command of program.commands) {
      assert.equal(subcommandTerm(command), command.createHelp().subcommandTerm(command));
    }
  });
});

describe('every command', () => {
  for (const { path, command } of commands) {
    test(`${path} has an example in its help that names it, and says its exit codes`, () => {
      const help = helpOf(command);
      const [, examples] = help.split(/^Examples?:\n/m);
      assert.ok(examples !== undefined, `no line "Example:" or "Examples:" in\n${help}`);
      const line = new RegExp(`^ {2}(?:\\S.*\\| )?${path}(?: |$)`, 'm');
      // Groups, and the whole, show what is in them.
      const isShown = command.commands.length > 0 ? examples.includes(`  ${path} `) : line.test(examples);
      assert.ok(isShown, `no example of ${path} in\n${help}`);
      assert.match(help, /^Exit codes: /m);
      assert.match(command.description(), /^[A-Z].*\.$/, 'a description is a sentence');
    });
  }
});

describe('every command that prints data', () => {
  for (const { path, command } of leaves) {
    const why = WITHOUT_JSON[path];
    test(`${path} ${why === undefined ? 'has --json' : `has no --json: ${why}`}`, () => {
      const has = command.options.some(({ long }) => long === '--json');
      assert.equal(has, why === undefined, 'give it --json, or a reason in WITHOUT_JSON');
    });
  }
});

test('a command that calls a running service says where that comes from', () => {
  for (const { path, command } of leaves) {
    if (!command.options.some(({ long }) => long === '--operator-url')) continue;
    const help = helpOf(command);
    for (const name of ['TIDINGS_OPERATOR_URL', 'TIDINGS_TOKEN_FILE', 'TIDINGS_CA_FILE']) {
      assert.ok(help.includes(name), `${path}: ${name}`);
    }
  }
});

test('the page of the command line is what the commands say (npm run docs writes it)', async () => {
  assert.equal(readFileSync('docs/cli.md', 'utf8'), await commandLinePage());
});

test('commands take colours from base/output.ts, which knows whether there is a terminal', () => {
  const files = ['packages/service/src', 'packages/sandbox/src'].flatMap((folder) => {
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
    return names.map((name) => `${folder}/${name}`);
  });
  const direct = files.filter((file) => readFileSync(file, 'utf8').includes("from 'picocolors'"));
  assert.deepEqual(direct, ['packages/service/src/base/output.ts']);
});
