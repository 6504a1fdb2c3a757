import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { parseEnv } from 'node:util';
import { createSigner, isJsonObject } from '@tidings/protocol';
import { temporaryFolder, unusedPort } from '@tidings/testing';
import {
  createBankClient,
  createReceiver,
  createTlsFetch,
  type EventNotification,
  nodeListener,
  remoteKeys,
} from '@tidings/tpp';
import { runCli } from '../support/cli.ts';
import { onlyEnvironment, type Running, start } from '../support/command.ts';

// A developer's own TPP at the sandbox: what the files of the TPP say is all that these tests know about the bank.

const PATH = '/open-banking/v4.0/event-notifications';
const folder = temporaryFolder();
const state = join(folder.path, 'state');
const first = `https://localhost:${await unusedPort()}${PATH}`;
const second = `https://127.0.0.1:${await unusedPort()}${PATH}`;

let sandbox: Running;
let firstReceiver: Awaited<ReturnType<typeof receive>>;
const closers: (() => void)[] = [];

before(async () => {
  sandbox = await startSandbox('--tpp-callback', first);
});
after(async () => {
  for (const close of closers) close();
  sandbox.child.kill('SIGKILL');
  await sandbox.ended;
  folder.remove();
});

async function startSandbox(...args: readonly string[]): Promise<Running> {
  const running = start(['sandbox', '--json', '--port', '0', '--state', state, ...args], { patienceMs: 100_000 });
  await running.line(/"console":/);
  return running;
}

function onSandbox(...args: readonly string[]) {
  const at = args[0] === 'sandbox' ? 2 : 1;
  return runCli([...args.slice(0, at), '--state', state, ...args.slice(at)]);
}

/** How the commands of operators call the service of the sandbox. */
function operatorOf() {
  const start: unknown = JSON.parse(/^.*"step":"start".*$/m.exec(sandbox.output().stdout)?.[0] ?? '');
  return {
    TIDINGS_OPERATOR_URL: isJsonObject(start) ? String(start['operator']) : '',
    TIDINGS_TOKEN_FILE: join(state, 'operator-token'),
    TIDINGS_CA_FILE: join(state, 'pki', 'root.pem'),
  };
}

async function jsonOf(...args: readonly string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await onSandbox(...args, '--json');
  assert.equal(code, 0, stderr);
  const json: unknown = JSON.parse(stdout);
  assert.ok(isJsonObject(json));
  return json;
}

/** The variables of a TPP, read as Node.js reads an `.env` file. */
function environmentOf(clientId: string) {
  const variables = parseEnv(readFileSync(join(state, 'tpps', clientId, 'tpp.env'), 'utf8'));
  const value = (name: string) => variables[name] ?? assert.fail(`${name} is missing`);
  return { value, file: (name: string) => readFileSync(value(name), 'utf8') };
}

/** What a TPP expects of a notification, with keys that need no client certificate. */
function expectedOf({ value, file }: ReturnType<typeof environmentOf>) {
  const keys = remoteKeys({ url: value('BANK_JWKS_URL'), transport: { caPem: file('SANDBOX_CA_FILE') } });
  const [issuer, signer, clientId] = [value('BANK_ISSUER'), value('BANK_ORGANISATION_ID'), value('TPP_CLIENT_ID')];
  return { issuer, signer, clientId, keys };
}

async function connect(clientId: string) {
  const environment = environmentOf(clientId);
  const { value, file } = environment;
  const { keys, signer } = expectedOf(environment);
  const identity = { kid: value('TPP_SIGNING_KID'), iss: value('TPP_SIGNING_ISS'), tan: value('TPP_SIGNING_TAN') };
  const bank = createBankClient({
    ...{ clientId, issuer: value('BANK_AUTHORISATION_SERVER'), baseUrl: value('BANK_API_URL') },
    scope: value('BANK_SCOPES'),
    transport: {
      certificatePem: file('TPP_TRANSPORT_CERTIFICATE_FILE'),
      keyPem: file('TPP_TRANSPORT_KEY_FILE'),
      caPem: file('SANDBOX_CA_FILE'),
    },
    signer: await createSigner(identity, file('TPP_SIGNING_KEY_FILE')),
    bank: { signer, keys },
    resourceOrigins: [value('BANK_RESOURCE_SERVER')],
  });
  closers.push(() => bank.close());
  return bank;
}

/** Starts the receiver of a TPP, with the server certificate that the sandbox made. */
async function receive(clientId: string) {
  const environment = environmentOf(clientId);
  const { value, file } = environment;
  const arrived: EventNotification[] = [];
  const waiting: (() => void)[] = [];
  const receiver = createReceiver({
    ...expectedOf(environment),
    onNotification: (notification) => {
      arrived.push(notification);
      for (const wake of waiting.splice(0)) wake();
    },
    onRefused: ({ message }) => assert.fail(message),
  });
  const tls = { cert: file('TPP_RECEIVER_CERTIFICATE_FILE'), key: file('TPP_RECEIVER_KEY_FILE') };
  const { hostname, port } = new URL(value('TPP_CALLBACK_URL'));
  const server = createServer(tls, nodeListener(receiver)).listen(Number(port), hostname);
  await once(server, 'listening');
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    arrived,
    /** Resolves with the notification when it has arrived. */
    untilArrived: async (jti: unknown): Promise<EventNotification> => {
      for (;;) {
        const found = arrived.find((each) => each.jti === jti);
        if (found !== undefined) return found;
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
  };
}

describe('a TPP of your own at the sandbox', { timeout: 90_000 }, () => {
  test('its receiver, started after the event, gets the notification, verifies it and fetches the resource', async () => {
    const { jti, clientId, eventTypes } = await jsonOf('trigger', 'consent-revoked');
    assert.equal(clientId, 'my-tpp');
    assert.deepEqual(eventTypes, ['UK.OBIE.Consent-Authorization-Revoked']);
    firstReceiver = await receive('my-tpp');
    const notification = await firstReceiver.untilArrived(jti);
    assert.deepEqual(notification.eventTypes, ['urn:uk:org:openbanking:events:consent-authorization-revoked']);
    assert.equal(notification.claims.aud, 'my-tpp');
    const { status, body } = await (await connect('my-tpp')).fetchResource(notification);
    assert.equal(status, 200);
    assert.ok(JSON.stringify(body).includes(notification.resourceUri.split('/').at(-1) ?? ''));
  });

  test('a second TPP has its own client_id, organisation and keys; the command says which TPP is meant, and neither gets what is for the other', async () => {
    const { stdout, stderr, code } = await onSandbox('sandbox', 'add-tpp', second);
    assert.equal(code, 0, stderr);
    const file = join(state, 'tpps', 'my-tpp-2', 'tpp.env');
    assert.equal(stdout, readFileSync(file, 'utf8'), 'what is printed can be put into .env');
    assert.match(stderr, /your receiver listens with the certificate of TPP_RECEIVER_CERTIFICATE_FILE/);
    const [one, two] = [environmentOf('my-tpp'), environmentOf('my-tpp-2')];
    for (const name of ['TPP_CLIENT_ID', 'TPP_ORGANISATION_ID', 'TPP_SOFTWARE_STATEMENT_ID', 'TPP_SIGNING_KID']) {
      assert.notEqual(one.value(name), two.value(name));
    }
    assert.equal(two.value('TPP_ORGANISATION_ID').length, 18);
    assert.equal(two.value('TPP_SOFTWARE_STATEMENT_ID').length, 22);

    const unclear = await onSandbox('trigger', 'payment-settled');
    assert.equal(unclear.code, 2);
    assert.equal(
      unclear.stderr,
      'tidings: The sandbox has several TPPs of your own; choose one with --tpp: my-tpp, my-tpp-2.\n',
    );
    const receiver = await receive('my-tpp-2');
    const { jti } = await jsonOf('trigger', 'payment-settled', '--tpp', 'my-tpp-2');
    const notification = await receiver.untilArrived(jti);
    assert.equal(notification.claims.aud, 'my-tpp-2');
    const bank = await connect('my-tpp');
    await assert.rejects(bank.fetchResource(notification), { status: 403 });
  });

  test('it is notified of the event types that it subscribed to, and the trigger says where it did not', async () => {
    const bank = await connect('my-tpp-2');
    await bank.eventSubscriptions.ensure({
      callbackUrl: second,
      version: '4.0',
      eventTypes: ['UK.OBIE.Resource-Update'],
    });
    const { code, stdout } = await onSandbox('trigger', 'account-closed', '--tpp', 'my-tpp-2');
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^An account .*\n.*\nmy-tpp-2 is not notified: its event subscription leaves these event types out\.\n$/,
    );
    // A repeated command leaves the subscription and the keys as they are.
    const before = environmentOf('my-tpp-2').value('TPP_SIGNING_KID');
    await jsonOf('sandbox', 'add-tpp', second);
    assert.equal(environmentOf('my-tpp-2').value('TPP_SIGNING_KID'), before);
    assert.deepEqual((await bank.eventSubscriptions.get())?.eventTypes, ['UK.OBIE.Resource-Update']);
  });

  for (const [args, reason] of [
    [['sandbox', 'add-tpp', `http://localhost:9443${PATH}`], /The callback URL must start with https:\/\/\.\n$/],
    [['sandbox', 'add-tpp', 'localhost:9443'], /The callback URL must /],
    [['sandbox', 'add-tpp', 'https://localhost:9443/hook'], /must end with the API version and \/event-notifications/],
    [['sandbox', 'add-tpp', `https://tpp.invalid${PATH}`], /my-tpp-3: Data\.CallbackUrl must lead to a public address/],
    [['sandbox', 'add-tpp', first, '--client-id', '../other'], /client_id must have 1 to 64 letters/],
    [['sandbox', 'add-tpp', first, '--client-id', 'tidings-sample-tpp'], /is a TPP of the sandbox itself/],
    [
      ['trigger', 'payment-settled', '--tpp', 'nobody'],
      /no TPP nobody; choose one of my-tpp, my-tpp-2, tidings-sample-tpp/,
    ],
    [
      ['trigger', 'weather'],
      /Allowed choices are payment-settled, consent-revoked, account-closed, funds-consent-revoked/,
    ],
  ] as const) {
    test(`tidings ${args.join(' ').replace(/:\d+/, '')} is refused with the reason, and adds no TPP`, async () => {
      const { code, stdout, stderr } = await onSandbox(...args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, reason);
      assert.equal(stdout, '');
      assert.ok(!existsSync(join(state, 'tpps', 'my-tpp-3', 'tpp.json')));
      const { stdout: tpps } = await runCli(['tpps', 'list', '--json'], operatorOf());
      assert.doesNotMatch(tpps, /my-tpp-3/);
      assert.match(tpps, /my-tpp-2/);
    });
  }

  test('npx @tidings/tpp listen receives in its place, with nothing but the file of the TPP', async () => {
    const third = `https://127.0.0.1:${await unusedPort()}${PATH}`;
    await jsonOf('sandbox', 'add-tpp', third, '--client-id', 'my-listener');
    const file = join(state, 'tpps', 'my-listener', 'tpp.env');
    const args = ['listen', '--env-file', file, '--json', '--count', '1'];
    const listener = spawn(process.execPath, ['packages/tpp/bin/tidings-tpp.js', ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    closers.push(() => listener.kill('SIGKILL'));
    const { jti } = await jsonOf('trigger', 'account-closed', '--tpp', 'my-listener');
    const lines = await text(listener.stdout);
    const [started, shown]: unknown[] = lines.split('\n', 2).map((line) => JSON.parse(line));
    assert.deepEqual(started, { listening: new URL(third).origin });
    assert.ok(isJsonObject(shown));
    assert.deepEqual(
      [shown['outcome'], shown['jti'], shown['kind'], shown['reason']],
      ['notification', jti, 'account-access-consent-linked-account-update', 'UK.OBIE.AccountClosure'],
    );
  });

  test('the poller of the package collects in its place, and acknowledges before it ends', async () => {
    const variables = parseEnv(readFileSync(join(state, 'tpps', 'my-listener', 'tpp.env'), 'utf8'));
    const poller = spawn(process.execPath, ['packages/tpp/examples/poller.js'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: onlyEnvironment(Object.fromEntries(Object.entries(variables).map(([name, value = '']) => [name, value]))),
    });
    closers.push(() => poller.kill('SIGKILL'));
    const lines = createInterface(poller.stdout)[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, 'Polling.');
    const { jti } = await jsonOf('trigger', 'payment-settled', '--tpp', 'my-listener');
    assert.match(
      String((await lines.next()).value),
      new RegExp(`^${jti} resource-update domestic-payment [0-9a-f-]{36}$`),
    );
    const ended = once(poller, 'exit');
    poller.kill('SIGINT');
    assert.deepEqual(await ended, [0, null]);
    const { moreAvailable, sets } = await (await connect('my-listener')).events.poll({ returnImmediately: true });
    assert.deepEqual({ moreAvailable, sets: Object.keys(sets) }, { moreAvailable: false, sets: [] });
  });

  test('calls without the operator token are refused, while the JWKS of the bank is for everybody', async () => {
    const { controlUrl } = JSON.parse(readFileSync(join(state, 'running.json'), 'utf8'));
    const send = createTlsFetch({ transport: { caPem: readFileSync(join(state, 'pki', 'root.pem'), 'utf8') } });
    closers.push(() => send.close());
    for (const authorization of [undefined, 'Bearer wrong']) {
      const headers = { 'content-type': 'application/json', ...(authorization && { authorization }) };
      const answer = await send(`${controlUrl}/sandbox/tpps`, { method: 'POST', headers, body: '{}' });
      assert.equal(answer.status, 401);
    }
    const jwks = await send(environmentOf('my-tpp').value('BANK_JWKS_URL'));
    assert.equal(jwks.status, 200);
    assert.doesNotMatch(await jwks.text(), /"d":/);
  });

  test('keys and files of a TPP are for their owner alone', { skip: process.platform === 'win32' }, () => {
    for (const name of ['transport.key', 'signing.key', 'receiver.key', 'tpp.env', 'tpp.json']) {
      assert.equal(statSync(join(state, 'tpps', 'my-tpp', name)).mode & 0o077, 0, name);
    }
  });

  test('after a restart of the sandbox the TPPs are there with their keys, and files name the new addresses', async () => {
    const [kid, server] = ['TPP_SIGNING_KID', 'BANK_AUTHORISATION_SERVER'];
    const before = environmentOf('my-tpp');
    sandbox.child.kill('SIGINT');
    assert.equal((await sandbox.ended).code, 0);
    const none = await onSandbox('trigger', 'consent-revoked', '--tpp', 'my-tpp');
    assert.equal(none.code, 1);
    assert.match(none.stderr, /^tidings: No sandbox runs with the state folder .*; start one with "tidings sandbox", /);
    sandbox = await startSandbox();
    const now = environmentOf('my-tpp');
    assert.equal(now.value(kid), before.value(kid));
    assert.notEqual(now.value(server), before.value(server));
    const { jti } = await jsonOf('trigger', 'funds-consent-revoked', '--tpp', 'my-tpp');
    const bank = await connect('my-tpp');
    assert.equal((await bank.eventSubscriptions.get())?.callbackUrl, first);
    // It has run all the time, and has the keys of the bank, which are the same.
    assert.equal((await firstReceiver.untilArrived(jti)).eventTypes.length, 2);
  });

  test('a sandbox that was killed is not taken for one that runs', async () => {
    sandbox.child.kill('SIGKILL');
    await sandbox.ended;
    assert.ok(existsSync(join(state, 'running.json')));
    const { code, stderr } = await onSandbox('trigger', 'consent-revoked', '--tpp', 'my-tpp');
    assert.equal(code, 1);
    assert.match(stderr, /^tidings: No sandbox runs with the state folder /);
  });

  test('a damaged file of a TPP stops the sandbox with the name of the file and the remedy', async () => {
    const file = join(state, 'tpps', 'my-tpp-2', 'tpp.json');
    writeFileSync(file, '{}');
    const { code, stderr } = await onSandbox('sandbox', '--json', '--port', '0');
    assert.equal(code, 2);
    assert.match(stderr, /^tidings: .*my-tpp-2\/tpp\.json is damaged; remove its folder, and add the TPP again\.\n$/);
    rmSync(join(state, 'tpps', 'my-tpp-2'), { recursive: true });
  });
});

for (const [args, reason] of [
  [['--tpp-callback', `http://localhost:9443${PATH}`], /--tpp-callback must start with https:\/\/\. Example: https:/],
  [['--tpp-callback', 'receiver'], /--tpp-callback must be an absolute URL\. Example: https:/],
  [['--tpp-callback', first, '--once'], /--tpp-callback requires a sandbox that keeps running; leave --once out/],
] as const) {
  test(`tidings sandbox ${args.join(' ').replace(/:\d+/, '')} is refused before anything starts`, async () => {
    const unused = join(folder.path, 'unused');
    const { code, stderr } = await runCli(['sandbox', '--state', unused, ...args]);
    assert.equal(code, 2);
    assert.match(stderr, reason);
    assert.ok(!existsSync(unused));
  });
}
