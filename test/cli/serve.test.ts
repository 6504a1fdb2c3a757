import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { createHttpClient, listenOn, makeAuthority, makeSigningKey } from '@tidings/testing';
import { settingsOf, writeMaterial } from '../support/bank.ts';
import { runCli } from '../support/cli.ts';
import { run, start } from '../support/command.ts';

const base = mkdtempSync(join(tmpdir(), 'tidings-serve-'));
after(() => rmSync(base, { recursive: true }));

const authority = await makeAuthority('Test root');
const transport = await authority.issue({ name: 'bank' });
const another = await authority.issue({ name: 'another' });
const signing = makeSigningKey('bank-signing-1');
const authorisationServer = { issuer: 'https://localhost:1', jwksUri: 'https://localhost:1/jwks' };
const OPERATOR_TOKEN = 'operator-token-of-the-tests-0123456789';

let folders = 0;

/** A folder with everything that a service needs, and its settings. */
function prepare() {
  folders += 1;
  const folder = join(base, String(folders));
  mkdirSync(folder);
  const files = writeMaterial(folder, {
    transport,
    rootPem: authority.certificatePem,
    signingPem: signing.keyPem,
  });
  const settings = settingsOf(files, authorisationServer);
  const file = join(folder, 'tidings.json');
  const write = (changed: object) => writeFileSync(file, JSON.stringify(changed));
  write(settings);
  return { folder, file, settings, write, storeFile: join(folder, 'store', 'tidings.db') };
}

/** Runs `serve`, which must say one sentence and exit with 2. @returns the sentence */
async function refusal(file: string, runs: typeof run | typeof runCli = runCli): Promise<string> {
  const { code, stdout, stderr } = await runs(['serve', '--config', file]);
  assert.equal(code, 2, stderr || stdout);
  assert.match(stderr, /^tidings: .+[.?]\n$/, 'one sentence');
  assert.doesNotMatch(stdout, /Tidings runs/);
  return stderr.slice('tidings: '.length, -1);
}

test('a configuration file that is not there is named', async () => {
  const { folder, storeFile } = prepare();
  const file = join(folder, 'missing.json');
  assert.equal(await refusal(file, run), `The configuration file ${file} cannot be read (ENOENT).`);
  assert.ok(!existsSync(storeFile), 'no store was made');
});

type Prepared = ReturnType<typeof prepare>;

/** What is wrong, how it is made so, and what is said. */
const BAD: readonly (readonly [string, (prepared: Prepared) => void, RegExp])[] = [
  [
    'a configuration that is not JSON',
    ({ file }) => writeFileSync(file, '{'),
    /^The configuration file .* is not JSON\.$/,
  ],
  [
    'an unknown setting',
    ({ write, settings }) => write({ ...settings, isuer: 'x' }),
    /tidings\.json: "isuer" is not a setting; did you mean "issuer"\?$/,
  ],
  [
    'a missing setting',
    ({ write, settings }) => write({ ...settings, signing: { kid: 'x' } }),
    /the setting "signing\.keyFile" is missing; add it\.$/,
  ],
  [
    'a certificate file that is not there',
    ({ folder }) => rmSync(join(folder, 'transport.pem')),
    /^The file .*transport\.pem, named by "api\.tls\.certificateFile", does not exist\.$/,
  ],
  [
    'a key that is not of the certificate',
    ({ folder }) => writeFileSync(join(folder, 'transport.key'), another.keyPem),
    /^"api\.tls\.certificateFile" \(.*\) and "api\.tls\.keyFile" \(.*\) are not a certificate and its private key in PEM\.$/,
  ],
  [
    'a file of roots without a certificate',
    ({ folder }) => writeFileSync(join(folder, 'root.pem'), 'roots'),
    /^The file .*root\.pem, named by "api\.tls\.clientCaFile", holds no certificate in PEM\.$/,
  ],
  [
    'neither TLS nor a gateway',
    ({ write, settings }) => write({ ...settings, api: { ...settings.api, tls: undefined } }),
    /tidings\.json: give "api\.tls", or "api\.gateway" if a gateway in front terminates TLS\.$/,
  ],
  [
    'a signing key that is not RSA',
    ({ folder }) => writeFileSync(join(folder, 'signing.key'), transport.keyPem),
    /^The file .*signing\.key, named by "signing\.keyFile", is not an RSA private key in PKCS #8 PEM/,
  ],
  [
    'a signing key that is a certificate',
    ({ folder }) => writeFileSync(join(folder, 'signing.key'), transport.certificatePem),
    /^The file .*signing\.key, named by "signing\.keyFile", is not an RSA private key in PKCS #8 PEM/,
  ],
  [
    'a signing key of 1024 bits',
    ({ folder }) => writeFileSync(join(folder, 'signing.key'), small.keyPem),
    /^The file .*signing\.key, named by "signing\.keyFile", is an RSA key that verifiers reject: it has under 2048 bits\.$/,
  ],
];
const small = makeSigningKey('small', 1024);

for (const [what, spoil, said] of BAD) {
  test(`serve with ${what} says so, exits with 2, and makes no store`, async () => {
    const prepared = prepare();
    spoil(prepared);
    assert.match(await refusal(prepared.file), said);
    assert.ok(!existsSync(prepared.storeFile), 'no store was made');
    assert.ok(!existsSync(join(prepared.folder, 'store')), 'nor its folder');
  });
}

/** A port that is taken as long as `work` runs. */
async function withTakenPort(work: (port: number) => Promise<void>): Promise<void> {
  const server = createServer();
  const port = await listenOn(server);
  try {
    await work(port);
  } finally {
    server.close();
  }
}

for (const section of ['api', 'operator'] as const) {
  test(`serve with ${section}.port in use says which, and exits with 2`, async () => {
    await withTakenPort(async (port) => {
      const { file, settings, write, storeFile } = prepare();
      write({ ...settings, [section]: { ...settings[section], port } });
      const said = `Port ${port} of 127.0.0.1 is in use; stop what uses it, or choose another "${section}.port".`;
      assert.equal(await refusal(file), said);
      new DatabaseSync(storeFile).close();
    });
  });
}

test('serve with a gateway address that is none names it, and makes no store', async () => {
  const { file, settings, write, storeFile } = prepare();
  write({ ...settings, api: { ...settings['api'], gateway: { addresses: ['not-an-address'] } } });
  assert.match(
    await refusal(file),
    /"api\.gateway\.addresses".*not-an-address|not-an-address.*"api\.gateway\.addresses"/,
  );
  assert.ok(!existsSync(storeFile), 'no store was made');
});

test('serve with a host that is not of this machine says so', async () => {
  const { file, settings, write } = prepare();
  write({ ...settings, api: { ...settings.api, host: '192.0.2.1' } });
  assert.equal(await refusal(file), '"api.host" (192.0.2.1) is not an address of this machine.');
});

test('serve with a store of a newer version says so and leaves it as it is', async () => {
  const { file, settings, write, storeFile } = prepare();
  await withTakenPort(async (port) => {
    write({ ...settings, api: { ...settings.api, port } });
    await refusal(file);
  });
  const upgraded = new DatabaseSync(storeFile);
  upgraded.exec('PRAGMA user_version = 99');
  upgraded.close();
  assert.match(await refusal(file), /^The store file .* was written by a newer version of Tidings \(schema 99, /);
  const left = new DatabaseSync(storeFile);
  assert.deepEqual({ ...left.prepare('PRAGMA user_version').get() }, { user_version: 99 });
  left.close();
});

for (const [what, make] of [
  [
    'a text',
    (storeFile: string) => writeFileSync(storeFile, 'This is no database, but a text that is long enough.'.repeat(50)),
  ],
  [
    'the database of something else',
    (storeFile: string) => {
      const database = new DatabaseSync(storeFile);
      database.exec('CREATE TABLE accounts (x)');
      database.close();
    },
  ],
] as const) {
  test(`serve with ${what} for a store says that it is none`, async () => {
    const { file, folder, storeFile } = prepare();
    mkdirSync(join(folder, 'store'));
    make(storeFile);
    assert.match(await refusal(file), /^The file .*tidings\.db is .*not a store of Tidings; check "store\.file"\.$/);
  });
}

test('serve with a store in a folder that cannot be made says so', async () => {
  const { file, folder } = prepare();
  writeFileSync(join(folder, 'store'), 'a file where the folder should be');
  assert.match(
    await refusal(file),
    /^The store file .* cannot be opened \(.*\); check "store\.file" and the permissions/,
  );
});

/** Starts `serve` and waits until it says where it listens. */
async function serve(file: string) {
  const running = start(['serve', '--config', file]);
  const line: { apiUrl: string; operatorUrl: string } = JSON.parse(await running.line(/Tidings runs/));
  return { ...running, apiUrl: line.apiUrl, operatorUrl: line.operatorUrl };
}

describe('a service that runs', () => {
  const prepared = prepare();
  let running: Awaited<ReturnType<typeof serve>>;
  before(async () => {
    running = await serve(prepared.file);
  });
  after(() => running?.child.kill('SIGKILL'));

  test('tells what the doctor finds, and which settings its file sets', async () => {
    const operator = createHttpClient(running.operatorUrl);
    const read = async (path: string) => {
      const { status, body } = await operator.send(path, { headers: { authorization: `Bearer ${OPERATOR_TOKEN}` } });
      assert.equal(status, 200, body.toString());
      return JSON.parse(body.toString());
    };
    const { findings, inspectedAt } = await read('/operator/v1/findings');
    const of = (check: string) => findings.find((each: { check: string }) => each.check === check);
    assert.equal(of('configuration').severity, 'ok');
    // Nothing listens where the keys of the authorisation server are.
    assert.equal(of('keys of others').severity, 'error');
    assert.match(of('keys of others').remedy, /./);
    assert.equal((await read('/operator/v1/findings')).inspectedAt, inspectedAt, 'within a minute it is the same one');
    const { settings } = await read('/operator/v1/configuration');
    const sourceOf = (name: string) => settings.find(({ setting }: { setting: string }) => setting === name).source;
    assert.deepEqual([sourceOf('issuer'), sourceOf('delivery.leaseMs')], ['file', 'default']);
    operator.close();
  });

  test('bounds its memory as it starts', {
    skip: process.platform !== 'linux' && 'other systems do not tell how a process was started',
  }, () => {
    const started = readFileSync(`/proc/${running.child.pid}/cmdline`, 'utf8').split('\0');
    assert.ok(
      started.includes('--max-semi-space-size=8') && started.includes('--heap-growing-percent=100'),
      `${started}`,
    );
  });

  test('answers on both listeners, and stops on SIGTERM and on SIGINT with exit code 0', async () => {
    const { file, storeFile } = prepared;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const { child, ended, apiUrl, operatorUrl } = signal === 'SIGTERM' ? running : await serve(file);
      const tls = { ca: authority.certificatePem, cert: another.certificatePem, key: another.keyPem };
      const api = createHttpClient(apiUrl, tls);
      assert.equal((await api.send('/.well-known/jwks.json')).status, 200);
      assert.equal((await api.send('/open-banking/v4.0/event-subscriptions')).status, 401);
      const operator = createHttpClient(operatorUrl);
      const headers = { authorization: `Bearer ${OPERATOR_TOKEN}` };
      assert.equal((await operator.send('/operator/v1/tpps/unknown', { headers })).status, 404);
      const askedMs = performance.now();
      child.kill(signal);
      const { code, stdout, stderr } = await ended;
      assert.equal(code, 0, stderr);
      assert.ok(performance.now() - askedMs < 5000, 'kept connections that are idle hold nothing up');
      assert.equal(stderr, '');
      for (const line of stdout.trim().split('\n')) assert.equal(typeof JSON.parse(line).msg, 'string');
      assert.match(stdout, new RegExp(`"signal":"${signal}","msg":"stopping"`));
      assert.match(stdout, /"msg":"stopped"\}\n$/);
      api.close();
      operator.close();
    }
    const left = new DatabaseSync(storeFile);
    assert.deepEqual({ ...left.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' });
    left.close();
  });
});

/** Windows has no SIGHUP that one process can send another. */
const NO_HANG_UP = { skip: process.platform === 'win32' && 'there is no SIGHUP here' };

test('SIGHUP while serve starts does not end it: the signing key is reloaded once it runs', NO_HANG_UP, async () => {
  const { folder, file, settings, write } = prepare();
  // A pipe holds the start-up until the roots are written into it.
  const pipe = join(folder, 'pipe.pem');
  execFileSync('mkfifo', [pipe]);
  write({ ...settings, api: { ...settings.api, tls: { ...settings.api.tls, clientCaFile: pipe } } });
  const { child, ended, line } = start(['serve', '--config', file]);
  const roots = await open(pipe, 'w');
  child.kill('SIGHUP');
  // It is reloaded with the key, from a file by then.
  rmSync(pipe);
  writeFileSync(pipe, authority.certificatePem);
  await roots.writeFile(authority.certificatePem);
  await roots.close();
  await line(/were reloaded/);
  child.kill('SIGTERM');
  const { code, signal, stdout, stderr } = await ended;
  assert.deepEqual([code, signal, stderr], [0, null, '']);
  const said = stdout
    .trim()
    .split('\n')
    .map((each): string => JSON.parse(each).msg)
    .filter((msg) => !msg.startsWith('Server listening at '));
  assert.deepEqual(said, [
    'Tidings runs',
    'signing key, certificates and operator tokens were reloaded',
    'stopping',
    'stopped',
  ]);
});

test('SIGHUP during the shutdown does not cut it off', NO_HANG_UP, async () => {
  const { file } = prepare();
  const { child, ended, line } = await serve(file);
  child.kill('SIGTERM');
  await line(/"msg":"stopping"/);
  child.kill('SIGHUP');
  // How it ended is not asserted: once all is stopped the process may be hung up on before it is gone.
  const { stdout } = await ended;
  assert.match(stdout, /"msg":"stopped"\}\n$/);
});

test('a second serve on the same store says that it is in use; the first goes on, and after it the store is free', async () => {
  const { file, storeFile } = prepare();
  const first = await serve(file);
  const said = `The store file ${storeFile} is in use by another process; stop that one, or use another file.`;
  assert.equal(await refusal(file), said);
  const operator = createHttpClient(first.operatorUrl);
  assert.equal((await operator.send('/')).status, 401);
  first.child.kill('SIGKILL');
  await first.ended;
  const next = await serve(file);
  next.child.kill('SIGTERM');
  assert.equal((await next.ended).code, 0);
});
