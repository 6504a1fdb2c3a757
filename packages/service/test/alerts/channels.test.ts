import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { listenTcp, makePki, startRecordingServer, temporaryFolder, testPki, unusedPort } from '@tidings/testing';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { createDestinations, type Destination } from '../../src/alerts/destinations.ts';
import { type Message, messageOf, testMessage } from '../../src/alerts/message.ts';
import { slackBody } from '../../src/alerts/slack.ts';
import { systemClock } from '../../src/base/clock.ts';
import { parseConfig } from '../../src/config/load.ts';
import type { Alert } from '../../src/model/alert.ts';
import { MINIMAL } from '../config/settings.ts';
import { START_MS } from '../support/fake-clock.ts';

// The destinations as an operator configures them, against real servers with TLS.

const LINKS = { runbookUrl: 'https://runbooks.bank.example/tidings', consoleUrl: 'https://ops.bank.example/console/' };

const ALERT: Alert = {
  ...{ id: '7', key: 'tpp tpp-1', kind: 'tpp-failing', subject: 'tpp-1', sinceMs: START_MS },
  why: '12 attempts failed since 2025-10-09 08:53:20 UTC, and none was acknowledged; the last error: 503.',
  facts: { organisation: '0015800001TPP', awaiting: 42 },
  ...{ raisedAtMs: START_MS + 300_000, seenAtMs: START_MS + 300_000, clearedAtMs: undefined },
};
const FAILING = messageOf(ALERT, 'tpp-failing', LINKS);
const RECOVERED = messageOf({ ...ALERT, clearedAtMs: START_MS + 900_000 }, 'recovered', LINKS);

const secretText = (bytes: Uint8Array) => `whsec_${Buffer.from(bytes).toString('base64')}`;

/** The only destination of a section `notify`, with the files that it names. */
async function destination(t: TestContext, notify: object, files: Readonly<Record<string, string>> = {}) {
  const { path: folder, remove } = temporaryFolder();
  t.after(remove);
  const { caPem } = await testPki();
  for (const [name, text] of Object.entries({ 'roots.pem': caPem, ...files })) {
    writeFileSync(join(folder, name), text);
  }
  const config = parseConfig({ ...MINIMAL, notify: { timeoutMs: 5000, ...notify } }, folder);
  const [only] = createDestinations(config.notify, systemClock);
  assert.ok(only !== undefined);
  t.after(() => only.channel.close());
  return only;
}

const webhookAt = (t: TestContext, url: string, secret: string, changes: object = {}) =>
  destination(
    t,
    { webhooks: [{ name: 'on-call', url, secretFile: 'secret', caFile: 'roots.pem' }], ...changes },
    { secret },
  );

describe('a webhook', () => {
  test('is signed as Standard Webhooks says, with each secret, and has the same id at each attempt', async (t) => {
    const receiver = await startRecordingServer(t);
    const secrets = [randomBytes(24), randomBytes(64)];
    const { channel } = await webhookAt(t, `${receiver.origin}/hook?team=1`, secrets.map(secretText).join('\n'));
    for (const _ of [1, 2]) assert.deepEqual(await channel.send('alert-7', [FAILING]), { kind: 'sent' });
    for (const { request, body } of receiver.seen) {
      const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature } = request.headers;
      assert.equal(`${request.method} ${request.url} ${id}`, 'POST /hook?team=1 alert-7');
      assert.ok(Math.abs(Number(timestamp) - Date.now() / 1000) < 60, 'the timestamp is seconds');
      const expected = secrets.map(
        (secret) => `v1,${createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')}`,
      );
      assert.equal(signature, expected.join(' '));
    }
  });

  test('says which TPP it is, since when, why, what is awaiting, and what to do next', async (t) => {
    const receiver = await startRecordingServer(t);
    const { channel } = await webhookAt(t, receiver.origin, secretText(randomBytes(32)));
    await channel.send('alert-7', [FAILING]);
    await channel.send('alert-7-recovered', [RECOVERED]);
    await channel.send('alerts-1', [FAILING, RECOVERED]);
    const [first, second, both] = receiver.seen.map(({ body }) => JSON.parse(body));
    assert.deepEqual(
      { type: first.type, data: first.data },
      {
        type: 'tpp-failing',
        data: {
          ...{ id: '7', kind: 'tpp-failing', state: 'open', subject: 'tpp-1' },
          title: 'tpp-1 is failing: its callback URL does not acknowledge',
          why: ALERT.why,
          since: '2025-10-09T08:53:20.000Z',
          facts: ALERT.facts,
          command: 'tidings registrations show tpp-1',
          runbookUrl: 'https://runbooks.bank.example/tidings#tidingscallbackurlfailing',
          consoleUrl: 'https://ops.bank.example/console/tpps/tpp-1',
        },
      },
    );
    assert.equal(second.type, 'recovered');
    assert.deepEqual([second.data.state, second.data.until], ['over', '2025-10-09T09:08:20.000Z']);
    assert.equal(both.type, 'several');
    assert.deepEqual(both.data.alerts, [first.data, second.data]);
  });

  test('that is refused, redirected, silent or gone has failed, in words without its URL', async (t) => {
    const receiver = await startRecordingServer(t);
    const secret = secretText(randomBytes(32));
    const { channel } = await webhookAt(t, `${receiver.origin}/a-secret-path`, secret);
    for (const status of [302, 404, 410, 500]) {
      receiver.answer.status = status;
      const error = `it answered with status ${status}`;
      assert.deepEqual(await channel.send('alert-7', [FAILING]), { kind: 'failed', error });
    }
    const silent = await listenTcp(t, () => undefined);
    const hanging = await webhookAt(t, silent.origin.replace('tcp', 'https'), secret, { timeoutMs: 300 });
    assert.deepEqual(await hanging.channel.send('alert-7', [FAILING]), {
      kind: 'failed',
      error: 'no answer within 300 ms',
    });
    const gone = await webhookAt(t, `https://127.0.0.1:${await unusedPort()}/`, secret);
    assert.deepEqual(await gone.channel.send('alert-7', [FAILING]), { kind: 'failed', error: 'ECONNREFUSED' });
  });

  test('goes to no server whose certificate does not chain to the configured roots', async (t) => {
    const { server } = await makePki();
    const receiver = await startRecordingServer(t, {}, server.tls);
    const { channel } = await webhookAt(t, receiver.origin, secretText(randomBytes(32)));
    const result = await channel.send('alert-7', [FAILING]);
    assert.ok(result.kind === 'failed' && /CERT/.test(result.error), JSON.stringify(result));
    assert.deepEqual(receiver.seen, []);
  });
});

describe('a message for Slack', () => {
  test('has a summary, a section for each alert, and the command to type', async (t) => {
    const receiver = await startRecordingServer(t);
    const slack = { name: 'ops', urlFile: 'url', caFile: 'roots.pem' };
    const { channel } = await destination(t, { slack: [slack] }, { url: `${receiver.origin}/services/T0/B0/secret\n` });
    assert.deepEqual(await channel.send('alert-7', [FAILING]), { kind: 'sent' });
    const [seen] = receiver.seen;
    assert.equal(seen?.request.url, '/services/T0/B0/secret');
    const { text, blocks } = JSON.parse(seen?.body ?? '');
    assert.equal(text, FAILING.title);
    assert.deepEqual(
      blocks.map(({ type }: { type: string }) => type),
      ['section'],
    );
    assert.match(blocks[0].text.text, /\*next\* `tidings registrations show tpp-1`/);
    assert.match(blocks[0].text.text, /\*awaiting\* 42/);
  });

  test('mentions nobody and links nowhere, whatever a TPP writes into its errors', () => {
    const why = '<!channel> <https://evil.example|bank> *bold* _it_ ~no~ `code` & more';
    const [{ text: section }] = JSON.parse(slackBody([{ ...FAILING, why }])).blocks;
    const line = section.text.split('\n').find((each: string) => each.startsWith('*why*'));
    assert.doesNotMatch(line, /[<>]/);
    assert.match(line, /&lt;!channel&gt;/);
    assert.doesNotMatch(line.slice('*why*'.length), /\*bold|_it|~no/);
  });

  test('stays within what Slack accepts, however many alerts there are', () => {
    const many = Array.from({ length: 500 }, (): Message => ({ ...FAILING, why: 'x'.repeat(5000) }));
    const { text, blocks } = JSON.parse(slackBody(many));
    assert.equal(text, '500 alerts: 500 raised');
    assert.ok(blocks.length <= 50);
    assert.match(blocks.at(-1).text.text, /and 480 more/);
    for (const { text: section } of blocks) assert.ok(section.text.length <= 3000);
  });
});

/** What an SMTP server was given. */
interface Received {
  readonly from: string;
  readonly to: readonly string[];
  readonly user: unknown;
  readonly isSecure: boolean;
  readonly data: string;
}

async function startSmtp(t: TestContext, options: SMTPServerOptions = {}) {
  const { server: identity } = await testPki();
  const received: Received[] = [];
  const server = new SMTPServer({
    ...identity.tls,
    onAuth: ({ username, password }, _session, callback) => {
      if (username === 'tidings' && password === 'correct horse') callback(null, { user: username });
      else callback(new Error(`Invalid password ${password}`));
    },
    onData: (stream, session, callback) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        received.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          ...{ user: session.user, isSecure: session.secure },
          data: Buffer.concat(chunks).toString(),
        });
        callback();
      });
    },
    ...options,
  });
  server.on('error', () => undefined);
  const listening = server.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  t.after(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  return { received, port: (listening.address() as AddressInfo).port };
}

function emailAt(t: TestContext, port: number, changes: object = {}, password = 'correct horse\n', more = {}) {
  const email = {
    ...{ name: 'duty', host: 'localhost', port, caFile: 'roots.pem', user: 'tidings', passwordFile: 'password' },
    ...{ from: 'tidings@bank.example', to: ['duty@bank.example', 'lead@bank.example'] },
    ...changes,
  };
  return destination(t, { email: [email], ...more }, { password });
}

const send = ({ channel }: Destination) => channel.send('alert-7-tpp-failing', [FAILING]);

describe('an e-mail', () => {
  for (const [encryption, options] of [
    ['starttls', {}],
    ['tls', { secure: true }],
  ] as const) {
    test(`goes over ${encryption} to a server that is verified, with password, subject and text`, async (t) => {
      const { received, port } = await startSmtp(t, options);
      assert.deepEqual(await send(await emailAt(t, port, { encryption })), { kind: 'sent' });
      const [mail] = received;
      assert.deepEqual([mail?.from, mail?.to], ['tidings@bank.example', ['duty@bank.example', 'lead@bank.example']]);
      assert.deepEqual([mail?.user, mail?.isSecure], ['tidings', true]);
      const text = mail?.data.replaceAll('=\r\n', '') ?? '';
      assert.match(text, /^Subject: \[Tidings\] tpp-1 is failing: its callback URL does not\r?\n? acknowledge/m);
      assert.match(text, /^Message-ID: <alert-7-tpp-failing@bank.example>/m);
      assert.match(text, /^References: <alert-7@bank.example>/m);
      assert.match(text, /^Auto-Submitted: auto-generated/m);
      assert.match(text, /since: 2025-10-09 08:53:20 UTC/);
      assert.match(text, /next: tidings registrations show tpp-1/);
    });
  }

  test('is not sent to a server without STARTTLS, nor is the password', async (t) => {
    const seen: string[] = [];
    const { received, port } = await startSmtp(t, {
      disabledCommands: ['STARTTLS'],
      allowInsecureAuth: true,
      onAuth: ({ username }, _session, callback) => {
        seen.push(String(username));
        callback(null, { user: username });
      },
    });
    const result = await send(await emailAt(t, port));
    assert.equal(result.kind, 'failed');
    assert.deepEqual([received, seen], [[], []]);
  });

  test('is not sent to a server with another name or of another root, whatever the environment says', async (t) => {
    const { authority } = await testPki();
    const other = await makePki();
    const elsewhere = await authority.issue({ dns: 'elsewhere.example', ip: '10.0.0.1' });
    t.after(() => Reflect.deleteProperty(process.env, 'NODE_TLS_REJECT_UNAUTHORIZED'));
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    for (const tls of [other.server.tls, elsewhere.tls]) {
      for (const encryption of ['starttls', 'tls']) {
        const { received, port } = await startSmtp(t, { ...tls, secure: encryption === 'tls' });
        const error = 'the certificate of the server is not trusted, or is of another name (ESOCKET)';
        assert.deepEqual(await send(await emailAt(t, port, { encryption })), { kind: 'failed', error }, encryption);
        assert.deepEqual(received, []);
      }
    }
  });

  test('that the server refuses has failed, in words that repeat nothing that it said', async (t) => {
    const { port } = await startSmtp(t);
    const refused = await send(await emailAt(t, port, {}, 'a wrong one'));
    assert.deepEqual(refused, { kind: 'failed', error: 'the server answered 535 (EAUTH)' });
    const { port: picky } = await startSmtp(t, {
      onRcptTo: ({ address }, _session, callback) =>
        callback(address.startsWith('lead') ? Object.assign(new Error('unknown'), { responseCode: 550 }) : null),
    });
    const partly = await send(await emailAt(t, picky));
    assert.deepEqual(partly, { kind: 'failed', error: 'the server refused 1 of 2 recipients' });
  });

  test('to a server that says nothing, or is not there, has failed in time', async (t) => {
    const silent = await listenTcp(t, () => undefined);
    const hanging = await emailAt(t, silent.port, {}, '', { timeoutMs: 300 });
    assert.deepEqual(await send(hanging), { kind: 'failed', error: 'no answer within 300 ms' });
    const gone = await emailAt(t, await unusedPort());
    assert.deepEqual(await send(gone), { kind: 'failed', error: 'ECONNREFUSED' });
  });

  test('has no header that a TPP could add', async (t) => {
    const { received, port } = await startSmtp(t);
    const odd = { ...ALERT, subject: 'tpp\r\nBcc: evil@example.org', why: 'a\r\n.\r\nQUIT' };
    const { channel } = await emailAt(t, port);
    assert.deepEqual(await channel.send('alert-8', [messageOf(odd, 'tpp-failing', LINKS)]), { kind: 'sent' });
    assert.doesNotMatch(received[0]?.data ?? '', /^Bcc:/im);
    assert.deepEqual(received[0]?.to, ['duty@bank.example', 'lead@bank.example']);
  });
});

describe('a destination', () => {
  for (const [name, notify, files, expected] of [
    [
      'whose secret is missing',
      { webhooks: [{ name: 'a', url: 'https://a.example', secretFile: 'none' }] },
      {},
      /"notify\.webhooks\[0\]\.secretFile", does not exist/,
    ],
    [
      'whose secret is too short',
      { webhooks: [{ name: 'a', url: 'https://a.example', secretFile: 'secret' }] },
      { secret: 'whsec_c2hvcnQ=' },
      /does not hold one secret.* make one with: echo "whsec_\$\(openssl rand -base64 32\)"\.$/,
    ],
    [
      'whose URL is not https',
      { slack: [{ name: 'a', urlFile: 'url' }] },
      { url: 'http://hooks.example/secret-path' },
      /"notify\.slack\[0\]\.urlFile", does not hold an https URL/,
    ],
  ] as const) {
    test(`${name} keeps the service from starting, and no secret is repeated`, async (t) => {
      await assert.rejects(destination(t, notify, files), (error) => {
        assert.ok(error instanceof Error);
        assert.match(error.message, expected);
        assert.doesNotMatch(error.message, /secret-path|c2hvcnQ/);
        return true;
      });
    });
  }

  test('is configured as the guide shows', () => {
    const guide = readFileSync(new URL('../../../../docs/guides/alerts.md', import.meta.url), 'utf8');
    const [, section = ''] = /^```json\n(\{\n {2}"notify": .*?)^```$/ms.exec(guide) ?? [];
    const { notify } = parseConfig({ ...MINIMAL, ...JSON.parse(section) }, '/etc/tidings');
    const names = [...notify.webhooks, ...notify.slack, ...notify.email].map(({ name }) => name);
    assert.deepEqual(names, ['on-call', 'channel', 'platform-team']);
    for (const name of names) assert.ok(guide.includes(`tidings alerts test ${name}\n`), name);
  });

  test('that an operator tries gets a message that says so', () => {
    const message = testMessage('on-call', START_MS, LINKS);
    assert.equal(message.title, 'Test of the destination on-call');
    assert.match(message.why, /Nothing is wrong/);
  });
});
