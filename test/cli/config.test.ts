import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { ISSUER } from '../support/bank.ts';
import { runCli } from '../support/cli.ts';

const HASH = '1f'.repeat(32);
const folder = mkdtempSync(join(tmpdir(), 'tidings-config-'));
after(() => rmSync(folder, { recursive: true }));

const GOOD = {
  issuer: ISSUER,
  organisationId: '0015800001BANKXAAA',
  signing: { kid: 'kid-1', keyFile: 'signing.key' },
  store: { url: 'postgres://tidings@db.bank.example/tidings', caFile: 'database-roots.pem' },
  api: { tls: { certificateFile: 'api.pem', keyFile: 'api.key', clientCaFile: 'roots.pem' } },
  accessTokens: { issuer: 'https://as.bank.example', audience: 'bank', jwksUrl: 'https://as.bank.example/jwks' },
  operator: { tokens: [{ name: 'core', role: 'operator', sha256: HASH }] },
};

function written(name: string, settings: object | string): string {
  const file = join(folder, name);
  writeFileSync(file, typeof settings === 'string' ? settings : JSON.stringify(settings));
  return file;
}
const good = written('good.json', GOOD);

describe('tidings config reference', () => {
  test('prints the table of docs/configuration.md', async () => {
    const { code, stdout } = await runCli(['config', 'reference']);
    assert.equal(code, 0);
    assert.ok(readFileSync('docs/configuration.md', 'utf8').endsWith(stdout));
    assert.match(stdout, /^\| `api\.port` \| `8443` \| 0 to 65535 \| Port to listen on/m);
  });

  test('--json has each setting with its default, range and variable', async () => {
    const { settings } = JSON.parse((await runCli(['config', 'reference', '--json'])).stdout);
    const port = settings.find(({ setting }: { setting: string }) => setting === 'api.port');
    assert.deepEqual([port.default, port.range, port.isRequired], [8443, '0 to 65535', false]);
    assert.equal(port.variable, 'TIDINGS_API_PORT');
  });
});

describe('tidings config check', () => {
  test('takes a configuration that is good, whose files need not be there', async () => {
    const { code, stdout } = await runCli(['config', 'check', '--config', good]);
    assert.deepEqual([code, stdout], [0, 'The configuration is valid.\n']);
  });

  test('tells all that is wrong, and exits with 1', async () => {
    const { signing: _, ...unsigned } = GOOD;
    const file = written('bad.json', { ...unsigned, logs: {}, api: { ...GOOD.api, port: -1 } });
    const { code, stdout } = await runCli(['config', 'check', '--config', file, '--json']);
    const { isGood, faults } = JSON.parse(stdout);
    assert.deepEqual([code, isGood], [1, false]);
    const all = faults.join('\n');
    for (const each of ['"signing"', '"logs"', '"api.port"']) assert.ok(all.includes(each), `${each} is not in ${all}`);
  });

  test('tells of a wrong value once, and not that it is missing too', async () => {
    const tokens = [{ name: 'core', role: 'boss', sha256: 'x' }];
    const file = written('wrong-token.json', { ...GOOD, operator: { tokens } });
    const { faults } = JSON.parse((await runCli(['config', 'check', '--config', file, '--json'])).stdout);
    assert.equal(faults.length, 2, faults.join('\n'));
    assert.match(faults.join('\n'), /tokens\[0\]\.role" must be one of/);
    assert.match(faults.join('\n'), /tokens\[0\]\.sha256" must match pattern/);
  });

  test('tells of every reference that leads nowhere, and of every variable that is no setting', async () => {
    const tokens = [{ name: 'core', role: 'operator', sha256: '${file:none}' }];
    const file = written('dangling.json', { ...GOOD, issuer: '${env:NO_ISSUER}', operator: { tokens }, logs: {} });
    const environment = { TIDINGS_API_PROT: '1' };
    const { stdout } = await runCli(['config', 'check', '--config', file, '--json'], environment);
    const { faults } = JSON.parse(stdout);
    assert.equal(faults.length, 4, stdout);
    const all = faults.join('\n');
    for (const each of ['"issuer"', 'tokens[0].sha256"', '"logs"', 'mean TIDINGS_API_PORT?']) {
      assert.ok(all.includes(each), `${each} is not in ${all}`);
    }
  });

  test('a file that is no JSON is not good, and one that is not there cannot be checked', async () => {
    const torn = await runCli(['config', 'check', '--config', written('torn.json', '{')]);
    assert.equal(torn.code, 1);
    const absent = await runCli(['config', 'check', '--config', join(folder, 'absent.json')]);
    assert.equal(absent.code, 2);
    assert.match(absent.stderr, /absent\.json, given by --config, does not exist/);
  });
});

describe('tidings config effective', () => {
  const effective = async (environment = {}, ...flags: string[]) =>
    runCli(['config', 'effective', '--config', good, ...flags], environment);

  test('shows each setting with its value and source, and redacts what is nobody’s business', async () => {
    // With colours asked for, which a pipe is not given.
    const { code, stdout } = await effective({ CI: 'true', FORCE_COLOR: '1' });
    assert.ok(!stdout.includes('\x1b'));
    assert.equal(code, 0);
    assert.match(stdout, /^SETTING +SOURCE +VALUE$/m);
    assert.match(stdout, /^issuer +file +https:\/\/bank\.example\/$/m);
    assert.match(stdout, /^api\.port +default +8443$/m);
    assert.match(stdout, /^operator\.tokens\[0\]\.name +file +core$/m);
    assert.doesNotMatch(stdout, /^operator\.tokens +none$/m, 'a list that has entries is not none');
    assert.match(stdout, /^notify\.webhooks +default +\[\]$/m);
    assert.match(stdout, /^operator\.tokens\[0\]\.sha256 +file +redacted$/m);
    assert.ok(!stdout.includes(HASH), 'a hash is shown');
    assert.ok(stdout.includes(join(folder, 'signing.key')), 'paths are absolute');
    assert.match(stdout, /^delivery\.callbackAddressesAllowed +default +\[\]$/m);
    assert.match(stdout, /^store\.passwordFile +none$/m);
  });

  test('tells that the environment gives the password, and not which', async () => {
    const { stdout } = await effective({ PGPASSWORD: 'sesame' }, '--json');
    const { settings } = JSON.parse(stdout);
    const password = settings.find(({ setting }: { setting: string }) => setting === 'store.password');
    const from = 'PGPASSWORD';
    assert.deepEqual(password, { setting: 'store.password', value: 'redacted', source: 'environment', from });
    assert.ok(!stdout.includes('sesame'));
  });

  test('shows references as they are written and names variables, and no value of a secret', async () => {
    const secrets = written('secrets.json', {
      ...GOOD,
      store: { ...GOOD.store, password: '${file:password}' },
      trustAnchorsAccepted: ['openbanking.org.uk', '${env:ANCHOR}'],
      operator: { tokens: [{ name: '${env:CALLER}-api', role: 'operator', sha256: HASH }] },
    });
    writeFileSync(join(folder, 'password'), 'open-sesame\n');
    const environment = {
      ...{ CALLER: 'mellon', ANCHOR: 'alohomora.example', TIDINGS_API_PORT: '9443' },
      TIDINGS_OPERATOR_CONSOLE_SESSION_KEY: 'abracadabra',
    };
    const { code, stdout, stderr } = await runCli(['config', 'effective', '--config', secrets], environment);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^store\.password +reference \$\{file:password\} +\$\{file:password\}$/m);
    assert.match(
      stdout,
      /^trustAnchorsAccepted +reference \$\{env:ANCHOR\} +\["openbanking\.org\.uk","\$\{env:ANCHOR\}"\]$/m,
    );
    assert.match(stdout, /^operator\.tokens\[0\]\.name +reference \$\{env:CALLER\} +\$\{env:CALLER\}-api$/m);
    assert.match(stdout, /^api\.port +environment TIDINGS_API_PORT +9443$/m);
    assert.match(
      stdout,
      /^operator\.console\.sessionKey +environment TIDINGS_OPERATOR_CONSOLE_SESSION_KEY +redacted$/m,
    );
    assert.doesNotMatch(stdout, /sesame|mellon|alohomora|abracadabra/);
  });

  test('of a configuration that is not good says why not', async () => {
    const { code, stderr } = await runCli([
      'config',
      'effective',
      '--config',
      written('worse.json', { ...GOOD, logs: 1 }),
    ]);
    assert.equal(code, 1);
    assert.match(stderr, /"logs" is not a setting/);
  });
});
