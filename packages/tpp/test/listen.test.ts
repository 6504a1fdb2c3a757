import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createSigner, isJsonObject, type SetClaims, signSet } from '@tidings/protocol';
import { type Answer, createHttpClient, listenOn, temporaryFolder, testPki, until } from '@tidings/testing';
import { main } from '../src/cli/main.ts';
import {
  BANK_ORG_ID,
  CLIENT_ID,
  INTERACTION_ID,
  ISSUER,
  makeClaims,
  makeSet,
  NOW_MS,
  testBank,
} from './support/sets.ts';

const BIN = fileURLToPath(new URL('../bin/tidings-tpp.js', import.meta.url));
const HEADERS = { 'content-type': 'application/jwt', 'x-fapi-interaction-id': INTERACTION_ID };

const folder = temporaryFolder();
const file = (name: string) => join(folder.path, name);
let expected: readonly string[];

before(async () => {
  const { server, caPem } = await testPki();
  await writeFile(file('jwks.json'), JSON.stringify({ keys: [(await testBank()).jwk] }));
  await writeFile(file('cert.pem'), server.certificatePem);
  await writeFile(file('key.pem'), server.keyPem);
  await writeFile(file('root.pem'), caPem);
  expected = ['--issuer', ISSUER, '--signer', BANK_ORG_ID, '--client-id', CLIENT_ID, '--jwks', file('jwks.json')];
});
after(() => folder.remove());

/** Runs the command in this process until the test interrupts it. */
function listen(t: TestContext, ...args: readonly string[]) {
  const lines: string[] = [];
  let interrupt: () => void = () => undefined;
  const interrupted = new Promise<void>((resolve) => {
    interrupt = resolve;
  });
  const effects = {
    print: (line: string) => lines.push(line),
    nowMs: () => NOW_MS,
    untilInterrupted: () => interrupted,
  };
  const ended = main(['listen', '--port', '0', ...args], effects);
  t.after(async () => {
    interrupt();
    await ended;
  });
  const origin = async () => {
    await until(() => lines.length > 0, 'the first line');
    return /https?:\/\/[^\s"]+/.exec(lines[0] ?? '')?.[0] ?? assert.fail(lines[0]);
  };
  return { lines, interrupt, ended, origin };
}

async function post(origin: string, set: string): Promise<Answer> {
  const client = createHttpClient(origin, origin.startsWith('https:') ? { ca: (await testPki()).caPem } : undefined);
  try {
    return await client.send('/any/path', { method: 'POST', headers: HEADERS, body: set });
  } finally {
    client.close();
  }
}

test('listen shows a notification decoded, a copy of it, and why another is refused', async (t) => {
  const { lines, interrupt, ended, origin } = listen(t, ...expected);
  const at = await origin();
  assert.match(
    lines[0] ?? '',
    /^Listening at http:\/\/127\.0\.0\.1:\d+ for notifications of https:\/\/bank\.example\//,
  );
  const { status, headers } = await post(at, await makeSet());
  assert.deepEqual([status, headers['x-fapi-interaction-id']], [202, INTERACTION_ID]);
  assert.equal(
    lines.slice(1).join('\n'),
    `2025-11-21T04:40:00.000Z  202  verified and acknowledged
  jti         b460a07c-4962-43d1-85ee-9dc10fbb8f6c
  event       resource-update
  resource    domestic-payment pmt-7290-003
  link        v4.0 https://bank.example/open-banking/v4.0/pisp/domestic-payments/pmt-7290-003
  uri         https://bank.example/open-banking/v4.0/pisp/domestic-payments/pmt-7290-003
  txn         b460a07c-4962-43d1-85ee-9dc10fbb8f6c
  occurred    2025-11-21T04:39:55.000Z
  created     2025-11-21T04:40:00.000Z
  interaction 93bac548-d2de-4546-b106-880a5018460d
`,
  );
  const before = lines.length;
  assert.equal((await post(at, await makeSet())).status, 202);
  assert.match(lines.slice(before).join('\n'), /^2025-11-21T04:40:00\.000Z {2}202 {2}acknowledged again/);
  const shown = lines.length;
  assert.equal((await post(at, await makeSet({ jti: '\u001b[2J', aud: 'somebody-else' }))).status, 400);
  const refused = lines.slice(shown).join('\n');
  assert.match(refused, /400 {2}refused: invalid_audience\n {2}why +aud is not the client_id of this TPP\./);
  assert.match(refused, /\n {2}remedy +Check that clientId is your client_id/);
  assert.match(refused, /\n {2}WRONG claim aud = "somebody-else"\n {10}Your client_id\. It must be tpp-client-1\./);
  assert.ok(!refused.includes('\u001b'));
  interrupt();
  assert.equal(await ended, 0);
});

test('listen --json prints an object for each request, and --tolerate and --count apply', async (t) => {
  const { lines, ended, origin } = listen(t, ...expected, '--json', '--tolerate', 'fractional-times', '--count', '3');
  const at = await origin();
  const { signer } = await testBank();
  const claims: SetClaims = makeClaims({ iat: NOW_MS / 1000 - 0.5 });
  assert.equal((await post(at, await signSet(claims, signer, NOW_MS / 1000))).status, 202);
  assert.equal((await post(at, 'not a token')).status, 400);
  assert.equal((await post(at, 'x'.repeat(300_000))).status, 413);
  assert.equal(await ended, 0);
  const objects = lines.map((line): unknown => JSON.parse(line));
  const [first, notification, ...refusals] = objects;
  assert.deepEqual(first, { listening: at });
  assert.ok(isJsonObject(notification) && isJsonObject(notification['claims']));
  assert.equal(notification['outcome'], 'notification');
  assert.equal(notification['kind'], 'resource-update');
  assert.equal(notification['claims']['iat'], NOW_MS / 1000 - 1);
  assert.deepEqual(
    refusals.map((each) => isJsonObject(each) && [each['outcome'], each['status'], each['code'], each['findings']]),
    [
      ['refused', 400, 'invalid_request', []],
      ['refused', 413, 'content_too_large', []],
    ],
  );
});

test('listen --trust-anchor replaces the trust anchor', async (t) => {
  const { lines, origin, ended } = listen(t, ...expected, '--trust-anchor', 'anchor.example', '--count', '2');
  const at = await origin();
  assert.equal((await post(at, await makeSet())).status, 400);
  assert.match(lines.join('\n'), /refused: invalid_issuer/);
  const anchored = await createSigner(
    { ...(await testBank()).identity, tan: 'anchor.example' },
    (await testBank()).keyPem,
  );
  assert.equal((await post(at, await signSet(makeClaims(), anchored, NOW_MS / 1000))).status, 202);
  assert.equal(await ended, 0);
});

test('wrong use of listen is refused before it listens, with the option and the remedy', async (t) => {
  await writeFile(file('bad.pem'), 'no certificate');
  const taken = createServer();
  const port = String(await listenOn(taken));
  t.after(() => taken.close());
  const [, , ...withoutIssuer] = expected;
  for (const [args, message] of [
    [withoutIssuer, /--issuer is missing; give it, or a --env-file with BANK_ISSUER/],
    [
      [...expected, '--host', '0.0.0.0'],
      /--host: plain HTTP is for the loopback only, not for 0\.0\.0\.0; give --tls-cert/,
    ],
    [[...expected, '--tls-cert', file('cert.pem')], /Give both --tls-cert and --tls-key/],
    [
      [...expected, '--tls-cert', file('bad.pem'), '--tls-key', file('key.pem')],
      /--tls-cert, --tls-key: they are no cert/,
    ],
    [
      [...expected, '--tls-cert', 'none.pem', '--tls-key', 'x'],
      /--tls-cert: the file none\.pem cannot be read \(ENOENT\)/,
    ],
    [[...expected, '--port', port], /--host, --port: 127\.0\.0\.1 port \d+ cannot be listened at \(.*EADDRINUSE/],
    [[...expected, '--port', '65536'], /--port must be a whole number from 0 to 65535\./],
    [[...expected, '--count', '0'], /--count must be a whole number from 1\./],
    [[...expected, '--tolerate', 'rs256'], /--tolerate: there is no "rs256"; use other-typ or fractional-times\./],
    [[...expected, '--env-file', 'none.env'], /--env-file: the file none\.env cannot be read/],
    [[...expected, '--colour'], /--colour/],
  ] as const) {
    const { lines, ended } = listen(t, ...args);
    assert.equal(await ended, 2, args.join(' '));
    assert.match(lines.join('\n'), message);
  }
});

describe('the program tidings-tpp', () => {
  let child: ChildProcess;
  after(() => child.kill('SIGKILL'));

  test('listens with TLS at the callback URL of an env file, ends with 0 after Ctrl-C, and shows its help', async () => {
    const variables = {
      BANK_ISSUER: ISSUER,
      BANK_ORGANISATION_ID: BANK_ORG_ID,
      BANK_JWKS_URL: file('jwks.json'),
      TPP_CLIENT_ID: CLIENT_ID,
      TPP_CALLBACK_URL: 'https://localhost:0/open-banking/v4.0/event-notifications',
      TPP_RECEIVER_CERTIFICATE_FILE: file('cert.pem'),
      TPP_RECEIVER_KEY_FILE: file('key.pem'),
    };
    const text = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
    await writeFile(file('tpp.env'), text.join(''));
    child = spawn(process.execPath, [BIN, 'listen', '--env-file', file('tpp.env'), '--port', '0', '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
    await until(() => output.includes('\n'), 'the first line');
    const origin = /https:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0] ?? assert.fail(output);
    // The program has the clock of the machine: the token is older than it by more than a skew, which is no reason to refuse it.
    assert.equal((await post(origin, await makeSet())).status, 202);
    assert.equal((await post(origin, `${(await makeSet({ jti: 'other' })).slice(0, -8)}AAAAAAAA`)).status, 400);
    await until(() => output.split('\n').length === 4, 'three lines');
    assert.match(output, /"outcome":"notification".*\n.*"code":"authentication_failed"/);
    const ended = once(child, 'exit');
    child.kill('SIGINT');
    assert.deepEqual(await ended, [0, null]);
    for (const [args, shown] of [
      [['--help'], /inspect TOKEN\|FILE/],
      [['listen', '--help'], /Examples:\n +npx @tidings\/tpp listen --env-file/],
      [['inspect', '-h'], /Examples:\n +npx @tidings\/tpp inspect token\.jwt/],
    ] as const) {
      const lines: string[] = [];
      const effects = {
        print: (line: string) => lines.push(line),
        nowMs: () => 0,
        untilInterrupted: async () => undefined,
      };
      assert.equal(await main(args, effects), 0);
      assert.match(lines.join('\n'), shown);
    }
  });
});
