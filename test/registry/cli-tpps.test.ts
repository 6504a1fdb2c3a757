import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runCli } from '../support/cli.ts';
import { runWith } from '../support/command.ts';
import { type BankService, NOTHING_REGISTERED, OPERATOR, startBank, tppOf } from './bank-service.ts';
import { STATEMENT } from './directory.ts';

// `tidings tpps`, by running the command against a real service over TLS.

let bank: BankService;
let environment: BankService['environment'];
let jwksFile: string;
before(async () => {
  bank = await startBank();
  ({ environment } = bank);
  jwksFile = join(bank.folder, 'tpp.jwks');
  writeFileSync(jwksFile, JSON.stringify(tppOf(bank)['jwks']));
});
after(() => bank.stop());

const tpps = (args: readonly string[], input?: string) =>
  input === undefined ? runCli(['tpps', ...args], environment) : runWith(['tpps', ...args], environment, input);
const ids = ['--organisation-id', 'org-1', '--software-statement-id', 'software-1'];
const add = (clientId: string, ...more: string[]) => tpps(['add', clientId, ...ids, '--jwks-file', jwksFile, ...more]);
const json = async (args: readonly string[]) => JSON.parse((await tpps([...args, '--json'])).stdout);

describe('tidings tpps', () => {
  test('an empty registry says what to do next', async () => {
    const { code, stdout } = await tpps(['list']);
    assert.equal(code, 0);
    assert.match(stdout, /tidings tpps add/);
  });

  test('add registers a TPP, show shows it, and list lists it in a table', async () => {
    assert.deepEqual(await add('cli-1', '--scopes', 'accounts,payments'), {
      code: 0,
      stdout: 'cli-1 is added.\n',
      stderr: '',
    });
    const shown = await tpps(['show', 'cli-1']);
    assert.match(shown.stdout, /state +no-registration/);
    assert.match(shown.stdout, /scopes +accounts, payments/);
    assert.match(shown.stdout, /no registration/);
    const { stdout } = await tpps(['list']);
    const [head, row] = stdout.split('\n');
    assert.match(head ?? '', /^CLIENT ID +ORGANISATION +SOFTWARE STATEMENT +KEYS +SCOPES +STATE +AWAITING$/);
    assert.match(row ?? '', /^cli-1 +org-1 +software-1 +1 inline +accounts,payments +no-registration +0$/);
  });

  test('add does not change a TPP that is registered', async () => {
    await add('cli-2');
    const { code, stderr } = await add('cli-2', '--scopes', 'payments');
    assert.equal(code, 1);
    assert.match(stderr, /^tidings: This TPP is already registered; change it with "tidings tpps change"/);
    assert.equal((await json(['show', 'cli-2'])).scopes, undefined);
  });

  test('change changes what is given, and nothing else', async () => {
    await add('cli-3', '--scopes', 'accounts', '--certificate-subject', 'CN=tpp,C=GB');
    await tpps(['change', 'cli-3', '--organisation-id', 'org-3']);
    const first = await json(['show', 'cli-3']);
    assert.equal(first.organisationId, 'org-3');
    assert.equal(first.softwareStatementId, 'software-1');
    assert.deepEqual(first.jwks, tppOf(bank)['jwks']);
    assert.deepEqual(first.scopes, ['accounts']);
    assert.equal(first.certificateSubject, 'CN=tpp,C=GB');
    const url = 'https://keystore.directory.example/tpp.jwks';
    const second = await json(['change', 'cli-3', '--jwks-url', url, '--scopes', 'all', '--no-certificate-subject']);
    assert.deepEqual(second, {
      ...{ clientId: 'cli-3', organisationId: 'org-3', softwareStatementId: 'software-1' },
      ...{ jwksUrl: url, ...NOTHING_REGISTERED },
    });
  });

  test('a list of revoked keys goes with its JWKS URL, and can be taken away', async () => {
    const [url, revoked] = ['https://keystore.directory.example/a', 'https://keystore.directory.example/revoked'];
    await add('cli-3a');
    const given = await json(['change', 'cli-3a', '--jwks-url', url, '--revoked-jwks-url', revoked]);
    assert.deepEqual([given.jwksUrl, given.revokedJwksUrl], [url, revoked]);
    const kept = await json(['change', 'cli-3a', '--scopes', 'accounts']);
    assert.equal(kept.revokedJwksUrl, revoked);
    const gone = await json(['change', 'cli-3a', '--no-revoked-jwks-url']);
    assert.deepEqual([gone.jwksUrl, gone.revokedJwksUrl], [url, undefined]);
  });

  test('suspend, resume and remove do so, under the name of the token', async () => {
    await add('cli-4');
    assert.equal((await tpps(['suspend', 'cli-4'])).stdout, 'cli-4 is suspended.\n');
    assert.equal((await json(['show', 'cli-4'])).isSuspended, true);
    assert.equal((await tpps(['resume', 'cli-4'])).stdout, 'cli-4 is resumed.\n');
    const unasked = await tpps(['remove', 'cli-4']);
    assert.equal(unasked.code, 2);
    assert.match(unasked.stderr, /--yes/);
    assert.equal((await tpps(['remove', 'cli-4', '--yes'])).stdout, 'cli-4 is removed.\n');
    assert.equal((await tpps(['show', 'cli-4'])).code, 1);
    const [line] = bank.logged('TPP removed').filter(({ clientId }) => clientId === 'cli-4');
    assert.equal(line?.['operator'], OPERATOR);
  });

  test('import takes a software statement assertion from a file or from standard input', async () => {
    const assertion = await bank.directory.sign();
    const { code, stdout } = await tpps(['import', '-', '--client-id', 'cli-5'], assertion);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(STATEMENT.software_jwks_endpoint));
    const file = join(bank.folder, 'statement.jwt');
    writeFileSync(file, `${assertion}\n`);
    assert.equal((await json(['import', file, '--client-id', 'cli-6'])).organisationId, STATEMENT.org_id);
    const forged = await tpps(['import', '-'], await bank.directory.forge());
    assert.equal(forged.code, 2);
    assert.match(forged.stderr, /The software statement is rejected/);
  });

  test('list --json goes through every page', async () => {
    for (const n of [1, 2, 3]) await bank.call('PUT', `/operator/v1/tpps/many-${n}`, { body: tppOf(bank) });
    const listed: { tpps: { clientId: string }[] } = await json(['list']);
    const many = listed.tpps.map(({ clientId }) => clientId).filter((clientId) => clientId.startsWith('many-'));
    assert.deepEqual(many, ['many-1', 'many-2', 'many-3']);
  });

  test('text of others cannot write control characters to the terminal', async () => {
    await add('cli-7', '--organisation-id', 'org\u001b[2J');
    const { stdout } = await tpps(['show', 'cli-7']);
    assert.ok(!stdout.includes('org\u001b'));
  });

  test('what the service refuses is said in the words of the command line, and ends with 2', async () => {
    const { code, stderr } = await add('cli-8', '--scopes', 'everything');
    assert.equal(code, 2);
    assert.equal(stderr, 'tidings: --scopes must be one of accounts, payments, fundsconfirmations, eventpolling.\n');
  });
});

describe('reaching the service', () => {
  const list = (changed: Record<string, string>, ...flags: string[]) =>
    runCli(['tpps', 'list', ...flags], { ...environment, ...changed });

  test('flags go before the environment', async () => {
    const { code } = await list(
      { TIDINGS_OPERATOR_URL: 'https://localhost:1' },
      '--operator-url',
      bank.service.operatorUrl,
    );
    assert.equal(code, 0);
  });

  test('nobody there is said clearly, with how to point elsewhere', async () => {
    const { code, stderr } = await list({ TIDINGS_OPERATOR_URL: 'https://localhost:1' });
    assert.equal(code, 1);
    assert.match(
      stderr,
      /https:\/\/localhost:1 cannot be reached \(ECONNREFUSED\).*--operator-url or TIDINGS_OPERATOR_URL/,
    );
  });

  test('a certificate that is not trusted is refused, with how to trust it', async () => {
    const { TIDINGS_CA_FILE: _roots, ...others } = environment;
    const { code, stderr } = await runCli(['tpps', 'list'], others);
    assert.equal(code, 1);
    assert.match(stderr, /is not trusted.*--ca-file or TIDINGS_CA_FILE/);
  });

  test('a token that is not known is refused by the service', async () => {
    const file = join(bank.folder, 'wrong-token');
    writeFileSync(file, 'wrong');
    const { code, stderr } = await list({}, '--token-file', file);
    assert.equal(code, 1);
    assert.match(stderr, /operator\.tokens/);
  });

  test('HTTP where the service speaks TLS is told apart from nobody being there', async () => {
    const { code, stderr } = await list({ TIDINGS_OPERATOR_URL: bank.service.operatorUrl.replace('https', 'http') });
    assert.equal(code, 1);
    assert.match(stderr, /should the address begin with https:\/\//);
  });

  test('something else that answers is told apart', async () => {
    const other = createServer((_request, response) => response.end('<html>hello</html>')).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    try {
      const { code, stderr } = await list({ TIDINGS_OPERATOR_URL: `http://127.0.0.1:${port}` });
      assert.equal(code, 1);
      assert.match(stderr, /is not the operator API/);
    } finally {
      other.close();
    }
  });
});

describe('wrong use ends with 2, before anything is sent', () => {
  const wrong: readonly (readonly [string, string[], Record<string, string>, RegExp])[] = [
    ['no token file', ['list'], { TIDINGS_TOKEN_FILE: '/nowhere/token' }, /\/nowhere\/token.*does not exist/],
    ['a URL that is none', ['list', '--operator-url', 'localhost:8444'], {}, /scheme, host and port/],
    ['a URL with a path', ['list', '--operator-url', 'https://localhost:1/operator'], {}, /scheme, host and port/],
    ['a token over the network in clear', ['list', '--operator-url', 'http://bank.example'], {}, /in clear; use https/],
    ['add without keys', ['add', 'x', ...ids], {}, /--jwks-file or --jwks-url/],
    ['add without ids', ['add', 'x', '--jwks-url', 'https://a.example/'], {}, /--organisation-id/],
    ['an unknown flag', ['list', '--all'], {}, /unknown option/],
    ['an unknown command', ['lst'], {}, /unknown command/],
    ['no client_id', ['show'], {}, /missing required argument/],
    ['a JWKS that is no JSON', ['add', 'x', ...ids, '--jwks-file', '-'], {}, /given by --jwks-file/],
  ];
  for (const [what, args, changed, message] of wrong) {
    test(what, async () => {
      const { code, stderr } = await runWith(['tpps', ...args], { ...environment, ...changed }, 'no json');
      assert.equal(code, 2, stderr);
      assert.match(stderr, message);
    });
  }

  test('no token at all says where it comes from', async () => {
    const { code, stderr } = await runCli(['tpps', 'list'], {});
    assert.equal(code, 2);
    assert.match(stderr, /--token-file or TIDINGS_TOKEN_FILE/);
  });

  test('every command has examples or says where the service comes from, and its exit codes', async () => {
    for (const name of ['', 'list', 'show', 'add', 'change', 'suspend', 'resume', 'remove', 'import']) {
      const { code, stdout } = await runCli(['tpps', ...(name === '' ? [] : [name]), '--help']);
      assert.equal(code, 0, name);
      assert.match(stdout, /TIDINGS_OPERATOR_URL/);
      assert.match(stdout, /Exit codes: 0 done; 1 refused/);
    }
  });
});
