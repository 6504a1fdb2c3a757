import assert from 'node:assert/strict';
import { connect as connectTcp, type Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { OPERATOR_TOKEN } from '../support/bank.ts';
import { startBankWithTpps } from '../support/bank-with-tpps.ts';
import { SUBSCRIPTIONS } from '../support/tpp.ts';

// What Node's parser and HTTP server would refuse in words of their own, on both listeners.

const bank = await startBankWithTpps({ clients: ['tpp-a'], settings: { api: { requestTimeoutMs: 300 } } });
after(() => bank.stop());
const tpp = bank.tpp('tpp-a');
const portOf = (url: string) => Number(new URL(url).port);

const LISTENERS = [
  {
    name: 'the TPP-facing listener',
    open: () => connectTls({ host: 'localhost', port: portOf(bank.service.apiUrl), ...tpp.tls }),
    path: SUBSCRIPTIONS,
    posting: `POST ${SUBSCRIPTIONS}`,
    allow: 'GET, POST',
    token: await tpp.token(),
  },
  {
    name: 'the operator listener',
    open: () => connectTcp(portOf(bank.service.operatorUrl), 'localhost'),
    path: '/operator/v1/tpps/tpp-a',
    posting: 'PUT /operator/v1/tpps/tpp-a',
    allow: 'DELETE, GET, PUT',
    token: OPERATOR_TOKEN,
  },
] as const;

/** Writes, and reads until the server ends the connection, or for five seconds. */
function say(socket: Socket, ...texts: readonly string[]): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => undefined);
  socket.setTimeout(5000, () => socket.destroy());
  for (const text of texts) socket.write(text, 'latin1');
  return new Promise((resolve) => socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1'))));
}

const ID = '93bac548-d2de-4546-b106-880a5018460d';
const WITH_ID = `host: localhost\r\nx-fapi-interaction-id: ${ID}\r\n`;
const CHUNKED = `${WITH_ID}transfer-encoding: chunked\r\ncontent-type: application/json\r\n`;

/** Requests whose headers can be read, each with the status of its answer. */
const REFUSED: readonly (readonly [string, number, (path: string, token: string) => string])[] = [
  ['an expectation that is unknown', 417, (path) => `GET ${path} HTTP/1.1\r\n${WITH_ID}expect: tea\r\n\r\n`],
  ['no Host', 400, (path) => `GET ${path} HTTP/1.1\r\nx-fapi-interaction-id: ${ID}\r\n\r\n`],
  ['two Hosts', 400, (path) => `GET ${path} HTTP/1.1\r\n${WITH_ID}host: other.example\r\n\r\n`],
  ['the same Host twice', 400, (path) => `GET ${path} HTTP/1.1\r\n${WITH_ID}Host: localhost\r\n\r\n`],
  ['two Hosts in one line', 400, (path) => `GET ${path} HTTP/1.1\r\n${WITH_ID.replace('localhost', 'a, b')}\r\n`],
  ['a Host with a path', 400, (path) => `GET ${path} HTTP/1.1\r\n${WITH_ID.replace('localhost', 'a/b')}\r\n`],
  ['a Host with a user', 400, (path) => `GET ${path} HTTP/1.1\r\n${WITH_ID.replace('localhost', 'a@b')}\r\n`],
  [
    'two Hosts far apart',
    400,
    (path) => `GET ${path} HTTP/1.1\r\n${WITH_ID}${'a:\r\n'.repeat(2500)}host: other.example\r\n\r\n`,
  ],
  [
    'a transfer coding that nothing here decodes',
    501,
    (path) => `POST ${path} HTTP/1.1\r\n${CHUNKED.replace('chunked', 'gzip, chunked')}\r\n0\r\n\r\n`,
  ],
  [
    'a transfer coding without an end',
    400,
    (path) => `POST ${path} HTTP/1.1\r\n${WITH_ID}transfer-encoding: gzip\r\n\r\n`,
  ],
  ['chunks in HTTP/1.0', 400, (path) => `POST ${path} HTTP/1.0\r\n${CHUNKED}\r\n0\r\n\r\n`],
  ['CONNECT', 405, () => `CONNECT other.example:443 HTTP/1.1\r\n${WITH_ID}\r\n`],
  ['CONNECT with two Hosts', 400, () => `CONNECT other.example:443 HTTP/1.1\r\n${WITH_ID}host: x\r\n\r\n`],
  ['a method that is unknown', 405, (path) => `TEA ${path} HTTP/1.1\r\n${WITH_ID}\r\n`],
  ['a method in lower case', 405, (path) => `get ${path}?a=b HTTP/1.1\r\n${WITH_ID}\r\n`],
  ['a method that is unknown, where nothing is', 405, () => `TEA /nowhere HTTP/1.1\r\n${WITH_ID}\r\n`],
];

/** Those whose headers could not be read: the id is a fresh one. */
const UNREADABLE: readonly (readonly [string, number, (path: string) => string])[] = [
  ['no HTTP', 400, () => 'garbage\r\n\r\n'],
  ['HTTP/2 without a handshake', 400, () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['headers over the limit', 431, (path) => `GET ${path} HTTP/1.1\r\n${WITH_ID}x: ${'a'.repeat(40_000)}\r\n\r\n`],
];

for (const { name, open, path, posting, allow, token } of LISTENERS) {
  describe(name, () => {
    for (const [what, status, request] of REFUSED) {
      test(`answers ${status} with the caller's interaction id to ${what}, and ends the connection`, async () => {
        const said = await say(open(), request(path, token));
        assert.match(said, new RegExp(`^HTTP/1\\.1 ${status} `));
        assert.match(said, new RegExp(`\r\nx-fapi-interaction-id: ${ID}\r\n`));
        assert.match(said, /\r\nconnection: close\r\n/i);
        assert.equal(said.match(/HTTP\/1\.1 /g)?.length, 1, 'one answer');
        assert.equal(/\r\nallow: /.test(said), status === 405);
      });
    }

    for (const [what, status, request] of UNREADABLE) {
      test(`answers ${status} with a fresh interaction id to ${what}, and ends the connection`, async () => {
        const said = await say(open(), request(path));
        assert.match(said, new RegExp(`^HTTP/1\\.1 ${status} `));
        assert.match(said, /\r\nx-fapi-interaction-id: [0-9a-f]{8}-[0-9a-f-]{27}\r\n/);
        assert.doesNotMatch(said, new RegExp(ID));
        assert.match(said, /\r\nconnection: close\r\n/i);
      });
    }

    test('names in Allow what there is at the path, whatever the method that is unknown', async () => {
      const said = await say(open(), `TEA ${path} HTTP/1.1\r\n${WITH_ID}\r\n`);
      assert.match(said, new RegExp(`\r\nallow: ${allow}\r\n`));
    });

    test('answers a chunk that is none, and extensions of chunks without end, with the id of their request', async () => {
      const authorization = `authorization: Bearer ${token}\r\n`;
      for (const [chunk, status] of [
        ['zz\r\n', 400],
        [`1;${'x'.repeat(20_000)}\r\na`, 413],
      ] as const) {
        const said = await say(open(), `${posting} HTTP/1.1\r\n${authorization}${CHUNKED}\r\n`, chunk);
        assert.match(said, new RegExp(`^HTTP/1\\.1 ${status} `));
        assert.match(said, new RegExp(`\r\nx-fapi-interaction-id: ${ID}\r\n`));
      }
    });

    test('takes a name, an address and a port as Host, and HTTP/1.0 without one', async () => {
      for (const host of ['localhost', 'a-b_c.example:8443', '127.0.0.1:1', '[::1]:8443', '']) {
        const said = await say(open(), `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
        assert.match(said, /^HTTP\/1\.1 401 /, host);
      }
      assert.match(await say(open(), `GET ${path} HTTP/1.0\r\n\r\n`), /^HTTP\/1\.1 401 /);
    });

    test('gives an answer of its own the interaction id too', async () => {
      const said = await say(open(), `GET ${path} HTTP/1.1\r\n${WITH_ID}connection: close\r\n\r\n`);
      assert.match(said, new RegExp(`^HTTP/1\\.1 401 [\\s\\S]*\r\nx-fapi-interaction-id: ${ID}\r\n`));
    });
  });
}

test('the 408 for a body that does not come has the interaction id of its request', async () => {
  const [{ open, token }] = LISTENERS;
  const head = `POST ${SUBSCRIPTIONS} HTTP/1.1\r\n${WITH_ID}authorization: Bearer ${token}\r\n`;
  const said = await say(open(), `${head}content-type: application/json\r\ncontent-length: 9\r\n\r\n{`);
  assert.match(said, new RegExp(`^HTTP/1\\.1 408 [\\s\\S]*\r\nx-fapi-interaction-id: ${ID}\r\n`));
});

test('the 408 for headers that do not come has a fresh interaction id, also behind a request that was answered', async () => {
  const [{ open }] = LISTENERS;
  const said = await say(open(), `GET /nowhere HTTP/1.1\r\n${WITH_ID}\r\n`, `GET /nowhere HTTP/1.1\r\n${WITH_ID}`);
  assert.match(said, /HTTP\/1\.1 408 [\s\S]*\r\nx-fapi-interaction-id: (?!93bac548)[0-9a-f-]{36}\r\n/);
});
