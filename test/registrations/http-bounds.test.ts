import assert from 'node:assert/strict';
import { connect as connectTcp, type Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { errorOf, VERSIONS } from '../support/answers.ts';
import { type Bank, startBank } from '../support/bank.ts';
import { makeTpp, type Tpp } from '../support/tpp.ts';
import { withBank } from '../support/with-bank.ts';

// What is slow, too large, or no HTTP: bounded and harmless. And what is not the caller's fault.

// Of pino.
const INFO_LEVEL = 30;
const ERROR_LEVEL = 50;
const REQUEST_TIMEOUT_MS = 400;
const bank = await startBank({ clients: ['tpp-a'], settings: { api: { requestTimeoutMs: REQUEST_TIMEOUT_MS } } });
const tpp = await makeTpp(bank, 'tpp-a');
after(async () => {
  tpp.close();
  await bank.stop();
});

const portOf = (at: Bank) => Number(new URL(at.service.apiUrl).port);

function tlsSocket(at: Bank = bank, party: Tpp = tpp): Socket {
  const { certificatePem: cert, keyPem: key } = party.transport;
  return connectTls({ host: 'localhost', port: portOf(at), ca: at.authority.certificatePem, cert, key });
}

/** Writes, and reads until the server ends the connection. */
function say(socket: Socket, text: string): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  socket.write(text);
  return new Promise((resolve) => socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1'))));
}

const WITH_ID = /\r\nx-fapi-interaction-id: [0-9a-f]{8}-[0-9a-f-]{27}\r\n/;

describe('slow and unreadable requests', () => {
  for (const [what, text, status] of [
    ['garbage', 'garbage\r\n\r\n', 400],
    ['headers over the limit', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`, 431],
    ['a request that never ends its headers', 'GET / HTTP/1.1\r\nhost: x\r\nx: ', 408],
    ['a body that never comes', 'POST /open-banking/v4.0/events HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n', 401],
  ] as const) {
    test(`${what} is answered ${status} with an interaction id, and the connection ends [7 interaction-id-always]`, async () => {
      const socket = tlsSocket();
      if (status === 401) socket.once('data', () => socket.end());
      const startedAtMs = performance.now();
      const said = await say(socket, text);
      assert.match(said, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.match(said, WITH_ID);
      assert.ok(performance.now() - startedAtMs < REQUEST_TIMEOUT_MS + 3000);
    });
  }

  test('garbage pipelined behind a good request spoils nothing, and ends the connection [7 pipelined-garbage]', async () => {
    const head = `host: x\r\nauthorization: Bearer ${await tpp.token()}\r\n\r\n`;
    const said = await say(
      tlsSocket(),
      `GET /open-banking/v4.0/event-subscriptions HTTP/1.1\r\n${head}GARBAGE\r\n\r\n`,
    );
    assert.doesNotMatch(said, /HTTP\/1\.1 5/);
    assert.match(said, /HTTP\/1\.1 400 Bad Request\r\n/);
  });

  test('a connection that never begins its handshake is ended [7 slow-handshake]', async () => {
    const startedAtMs = performance.now();
    await say(connectTcp(portOf(bank), 'localhost'), '');
    assert.ok(performance.now() - startedAtMs < REQUEST_TIMEOUT_MS + 3000);
  });

  test('none of them holds up a shutdown for long [7 slow-shutdown]', async () => {
    await withBank({ settings: { api: { requestTimeoutMs: 120_000 } } }, async (party, at) => {
      await party.create('v4.0', 'event-subscriptions', { Version: '4.0' });
      const ends = [say(tlsSocket(at, party), 'GET / HTTP/1.1\r\nx: '), say(connectTcp(portOf(at), 'localhost'), '')];
      await party.list('v4.0', 'event-subscriptions');
      const startedAtMs = performance.now();
      await at.service.stop();
      await Promise.all(ends);
      assert.ok(performance.now() - startedAtMs < 8000);
    });
  });
});

describe('what is not the caller’s fault', () => {
  const unexpected = (version: string) => ({
    status: 500,
    code: version === 'v4.0' ? 'U000' : 'UK.OBIE.UnexpectedError',
  });

  test('an authorisation server that is down is 500, without internals [7 unexpected-500]', async () => {
    const settings = { accessTokens: { jwksUrl: 'https://localhost:1/jwks' } };
    await withBank({ settings }, async (party) => {
      for (const version of VERSIONS) {
        assert.deepEqual(errorOf(await party.call('GET', version, 'event-subscriptions')), unexpected(version));
        assert.deepEqual(errorOf(await party.call('POST', version, 'events', { body: '{}' })), unexpected(version));
      }
    });
  });

  test('an answer of 500 is logged as an error, which alerts look for, and a refusal is not', async () => {
    const settings = { accessTokens: { jwksUrl: 'https://localhost:1/jwks' } };
    await withBank({ settings }, async (party, at) => {
      assert.equal((await party.call('GET', 'v4.0', 'event-subscriptions')).status, 500);
      assert.equal((await party.call('GET', 'v4.0', 'unknown')).status, 404);
      const lines = at
        .log()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      const levels = lines.filter(({ msg }) => msg === 'answered').map(({ status, level }) => ({ status, level }));
      assert.deepEqual(levels, [
        { status: 500, level: ERROR_LEVEL },
        { status: 404, level: INFO_LEVEL },
      ]);
    });
  });

  test('keys of the TPP that were never available are 500, without internals [7 unexpected-500-keys]', async () => {
    // One that is down, and one that the bank may not be led to: the TPP cannot tell them apart.
    for (const jwksUrl of ['https://localhost:1/jwks', 'https://10.0.0.1/jwks']) {
      const party = await makeTpp(bank, 'tpp-a', { registration: { jwks: undefined, jwksUrl } });
      const body = JSON.stringify({ Data: { Version: '4.0' } });
      for (const version of VERSIONS) {
        const answer = await party.call('POST', version, 'event-subscriptions', { body });
        assert.deepEqual(errorOf(answer), unexpected(version));
        assert.match(answer.body.toString(), /The signature cannot be verified now; try again later\./);
      }
      party.close();
    }
  });
});
