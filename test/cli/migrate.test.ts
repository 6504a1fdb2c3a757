import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeAuthority, makeSigningKey } from '@tidings/testing';
import { settingsOf, writeMaterial } from '../support/bank.ts';
import { runCli } from '../support/cli.ts';
import { start } from '../support/command.ts';
import { startPostgres } from '../support/postgres-server.ts';

const PASSWORD = 's3cret-of-the-test';
const server = await startPostgres({ isDurable: false, password: PASSWORD });
const base = mkdtempSync(join(tmpdir(), 'tidings-migrate-'));
after(async () => {
  await server.stop();
  rmSync(base, { recursive: true });
});

const authority = await makeAuthority('Test root');
const material = {
  transport: await authority.issue({ name: 'bank' }),
  rootPem: authority.certificatePem,
  signingPem: makeSigningKey('bank-signing-1').keyPem,
};
const passwordFile = join(base, 'password');
writeFileSync(passwordFile, `${PASSWORD}\n`);

/** A configuration with this store. @returns its file */
function configured(name: string, store: object): string {
  const folder = join(base, name);
  mkdirSync(folder);
  const files = writeMaterial(folder, material);
  const settings = settingsOf(files, { issuer: 'https://localhost:1', jwksUri: 'https://localhost:1/jwks' });
  const file = join(folder, 'tidings.json');
  writeFileSync(file, JSON.stringify({ ...settings, store }));
  return file;
}

test('"tidings migrate" lists the steps, takes them once, and says when there is nothing to do', async () => {
  const file = configured('good', { url: await server.createDatabase('good'), passwordFile });
  const migrate = async (...flags: string[]) => {
    const { code, stdout, stderr } = await runCli(['migrate', '--config', file, ...flags]);
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stdout + stderr, new RegExp(PASSWORD));
    return stdout;
  };
  const { schemaBefore, isDryRun, steps } = JSON.parse(await migrate('--dry-run', '--json'));
  assert.deepEqual([schemaBefore, isDryRun, steps[0]], [0, true, { version: 1, name: 'first schema' }]);
  assert.match(await migrate('--dry-run'), /^would apply step 1: first schema\n/);
  assert.match(await migrate(), /^applied step 1: first schema\n/);
  assert.match(await migrate(), /^nothing to do: the database already has schema \d+\n$/);
});

test('"tidings serve" wants a database that is migrated, and runs on one that is', async () => {
  const file = configured('serving', { url: await server.createDatabase('serving'), passwordFile });
  const refused = await runCli(['serve', '--config', file]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /has schema 0 and this version needs \d+; run "tidings migrate"/);
  assert.equal((await runCli(['migrate', '--config', file])).code, 0);
  const running = start(['serve', '--config', file]);
  const line = await running.line(/Tidings runs/);
  assert.match(line, /"store":"postgres:\/\/tidings@127\.0\.0\.1:\d+\/serving"/);
  running.child.kill('SIGTERM');
  const { code, stdout, stderr } = await running.ended;
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stdout + stderr, new RegExp(PASSWORD));
});

test('"tidings migrate" has nothing to do for a store that is a file', async () => {
  const file = configured('file', { file: 'tidings.db' });
  const [text, json] = [await runCli(['migrate', '--config', file]), await runCli(['migrate', '-c', file, '--json'])];
  assert.deepEqual([text.code, text.stderr, json.code], [0, '', 0]);
  assert.match(text.stdout, /^nothing to do: the store is a file, .+\n$/);
  assert.deepEqual(JSON.parse(json.stdout), { isDryRun: false, steps: [] });
});

for (const [what, store, sentence] of [
  [
    'no password',
    { url: server.url },
    /check the user in "store\.url" and the password in "store\.password", "store\.passwordFile" or PGPASSWORD/,
  ],
  [
    'a password file that is not there',
    { url: server.url, passwordFile: 'missing' },
    /"store\.passwordFile"\) cannot be read \(ENOENT\)/,
  ],
  [
    'no server',
    { url: 'postgres://tidings@127.0.0.1:1/tidings', passwordFile },
    /ECONNREFUSED.*; start the server, or correct/,
  ],
] as const) {
  test(`"tidings migrate" with ${what} says so in one sentence`, async () => {
    const { code, stderr } = await runCli(['migrate', '--config', configured(what.replaceAll(' ', '-'), store)]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /^tidings: .+\.\n$/);
    assert.match(stderr, sentence);
  });
}

test('"tidings migrate --help" has an example, and says what the exit codes mean', async () => {
  const { code, stdout } = await runCli(['migrate', '--help']);
  assert.equal(code, 0);
  assert.match(stdout, /tidings migrate --config \/etc\/tidings\/tidings\.json --dry-run/);
  assert.match(stdout, /Exit codes: 0 done; 2 /);
});
