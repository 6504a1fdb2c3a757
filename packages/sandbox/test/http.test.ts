import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connect } from 'node:tls';
import { startAuthorisationServer } from '../src/authorisation-server/authorisation-server.ts';
import { openPki } from '../src/pki/pki.ts';
import { Ledger } from '../src/resource-server/ledger.ts';
import { startResourceServer } from '../src/resource-server/resource-server.ts';
import { startSampleTpp } from '../src/sample-tpp/sample-tpp.ts';

// What HTTP itself asks of a server, the same at each of the sandbox's own.

const base = mkdtempSync(join(tmpdir(), 'tidings-sandbox-http-'));
const pki = await openPki({ folder: join(base, 'pki'), nowMs: Date.now() });
const tls = { ...pki.bank.transport, caPem: pki.root.certificatePem };
const listening = { host: '127.0.0.1', port: 0 };
const ledger = new Ledger();
const authorisationServer = await startAuthorisationServer({
  ...listening,
  tls,
  signingKey: pki.bank.signing,
  audience: 'https://bank.example/open-banking',
  clients: [{ clientId: 'tpp', certificateSubjectDn: pki.tpp.transport.subjectDn, scopes: ['accounts'] }],
});
const resourceServer = await startResourceServer({
  ...listening,
  tls,
  ledger,
  accessTokens: { verify: async () => ({ kind: 'refused', reason: 'malformed' }), close: async () => undefined },
});
const sampleTpp = await startSampleTpp({
  ...listening,
  clientId: 'tpp',
  pki,
  bank: {
    issuer: 'https://bank.example',
    organisationId: pki.bank.organisationId,
    authorisationServer: authorisationServer.issuer,
    apiUrl: 'https://bank.example/open-banking',
    jwksUrl: authorisationServer.jwksUri,
    resourceOrigin: resourceServer.origin,
  },
});
after(async () => {
  await sampleTpp.close();
  await resourceServer.close();
  await authorisationServer.close();
  rmSync(base, { recursive: true });
});

const resource = ledger.open('payment-settled', 'tpp', 0);
const ID = '93bac548-d2de-4546-b106-880a5018460d';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

interface Server {
  readonly origin: string;
  /** A path that there is, the one method that it has, and what the server takes there. */
  readonly path: string;
  readonly method: string;
  readonly contentType: string;
}

const SERVERS: Readonly<Record<string, Server>> = {
  'the authorisation server': {
    origin: authorisationServer.issuer,
    path: '/token',
    method: 'POST',
    contentType: 'application/x-www-form-urlencoded',
  },
  'the resource server': {
    origin: resourceServer.origin,
    method: 'GET',
    contentType: 'application/json',
    path: `/open-banking/v4.0/pisp/domestic-payments/${resource.id}`,
  },
  'the sample TPP': {
    origin: new URL(sampleTpp.callbackUrl).origin,
    path: new URL(sampleTpp.callbackUrl).pathname,
    method: 'POST',
    contentType: 'application/jwt',
  },
};

interface Answer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Sends lines as they are over a connection of their own, and reads the one answer that ends it. */
async function exchange(origin: string, lines: readonly string[], body = ''): Promise<Answer> {
  const { hostname: host, port } = new URL(origin);
  const { certificatePem: cert, keyPem: key } = pki.tpp.transport;
  const socket = connect({ host, port: Number(port), servername: host, ca: tls.caPem, cert, key });
  socket.setTimeout(5000, () => socket.destroy(new Error('no answer within 5 s')));
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`);
  await once(socket, 'end');
  socket.destroy();
  const text = Buffer.concat(chunks).toString();
  const at = text.indexOf('\r\n\r\n');
  const [statusLine = '', ...headers] = text.slice(0, at).split('\r\n');
  const pairs = headers.map((line) => /^([^:]+): (.*)$/.exec(line) ?? []);
  return {
    status: Number(statusLine.split(' ')[1]),
    headers: new Map(pairs.map(([, name = '', value = '']) => [name.toLowerCase(), value])),
    body: text.slice(at + '\r\n\r\n'.length),
  };
}

const COMMON = ['host: localhost', 'connection: close'];

for (const [name, { origin, path, method, contentType }] of Object.entries(SERVERS)) {
  const request = `${method} ${path} HTTP/1.1`;
  const refused: Readonly<Record<string, { status: number; lines: readonly string[]; headers?: object }>> = {
    'an unknown path': { status: 404, lines: ['GET /nowhere HTTP/1.1', ...COMMON] },
    'another method': { status: 405, lines: [`DELETE ${path} HTTP/1.1`, ...COMMON], headers: { allow: method } },
    'a method that nobody knows': {
      status: 405,
      lines: [`FETCH ${path} HTTP/1.1`, ...COMMON],
      headers: { allow: method },
    },
    'an expectation that is unknown': { status: 417, lines: [request, ...COMMON, 'expect: tea'] },
    'no Host': { status: 400, lines: [request, 'connection: close'] },
    'two Host headers': { status: 400, lines: [request, ...COMMON, 'host: other.example'] },
    CONNECT: { status: 405, lines: ['CONNECT bank.example:443 HTTP/1.1', 'host: bank.example:443'] },
    'content that is encoded': {
      status: 415,
      lines: [request, ...COMMON, `content-type: ${contentType}`, 'content-encoding: gzip', 'content-length: 1'],
      headers: { 'accept-encoding': 'identity' },
    },
    'a transfer coding other than chunked': {
      status: 501,
      lines: [request, ...COMMON, `content-type: ${contentType}`, 'transfer-encoding: gzip, chunked'],
    },
    'what is no HTTP': { status: 400, lines: ['GET'] },
    'headers that are too long': { status: 431, lines: [request, ...COMMON, `x-long: ${'x'.repeat(33_000)}`] },
  };
  for (const [what, { status, lines, headers = {} }] of Object.entries(refused)) {
    test(`${name} answers ${what} with ${status} and an interaction id`, async () => {
      const answer = await exchange(origin, lines, lines.includes('content-length: 1') ? 'x' : '');
      assert.equal(answer.status, status);
      assert.match(answer.headers.get('x-fapi-interaction-id') ?? 'none', UUID);
      assert.equal(answer.headers.get('connection'), 'close');
      if (status === 405) assert.ok((answer.headers.get('allow') ?? '') !== '');
      for (const [header, value] of Object.entries(headers)) assert.equal(answer.headers.get(header), value, header);
    });
  }

  test(`${name} echoes the interaction id of its caller, and ignores two`, async () => {
    const header = `x-fapi-interaction-id: ${ID}`;
    for (const lines of [
      [request, ...COMMON, header],
      ['GET /nowhere HTTP/1.1', ...COMMON, header],
      [request, ...COMMON, header, 'expect: tea'],
    ]) {
      assert.equal((await exchange(origin, lines)).headers.get('x-fapi-interaction-id'), ID, lines[0]);
    }
    const { headers } = await exchange(origin, [request, ...COMMON, header, header]);
    assert.match(headers.get('x-fapi-interaction-id') ?? '', UUID);
    assert.notEqual(headers.get('x-fapi-interaction-id'), ID);
  });
}

test('five hundred silent connections do not block others', async () => {
  const port = Number(new URL(resourceServer.origin).port);
  const silent = Array.from({ length: 500 }, () =>
    connectTcp({ host: '127.0.0.1', port }).on('error', () => undefined),
  );
  await Promise.all(silent.map((socket) => once(socket, 'connect')));
  const { status } = await exchange(resourceServer.origin, ['GET /nowhere HTTP/1.1', ...COMMON]);
  for (const socket of silent) socket.destroy();
  assert.equal(status, 404);
});

const FORM = 'grant_type=client_credentials&client_id=tpp&scope=accounts';

for (const contentType of [
  'application/x-www-form-urlencoded',
  'application/x-www-form-urlencoded;',
  'APPLICATION/X-WWW-FORM-URLENCODED; charset=UTF-8;',
  'application/x-www-form-urlencoded;;charset="utf-8"',
]) {
  test(`a token is issued for a form with Content-Type ${contentType}, with an interaction id`, async () => {
    const lines = ['POST /token HTTP/1.1', ...COMMON, `content-type: ${contentType}`];
    const answer = await exchange(
      authorisationServer.issuer,
      [...lines, `content-length: ${FORM.length}`, `x-fapi-interaction-id: ${ID}`],
      FORM,
    );
    assert.equal(answer.status, 200, answer.body);
    assert.equal(answer.headers.get('x-fapi-interaction-id'), ID);
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    assert.match(answer.body, /"access_token"/);
  });
}

test('a token request that is not a form gets an OAuth error', async () => {
  for (const contentType of ['application/json', 'application/x-www-form-urlencoded-not']) {
    const lines = ['POST /token HTTP/1.1', ...COMMON, `content-type: ${contentType}`];
    const answer = await exchange(authorisationServer.issuer, [...lines, `content-length: ${FORM.length}`], FORM);
    assert.deepEqual([answer.status, /"error":"invalid_request"/.test(answer.body)], [400, true], contentType);
  }
});

test('an invalid media type is 415 at each server that reads bodies', async () => {
  for (const { origin, path, method } of Object.values(SERVERS).filter((server) => server.method === 'POST')) {
    const lines = [`${method} ${path} HTTP/1.1`, ...COMMON, 'content-type: nonsense', 'content-length: 1'];
    const { status, headers } = await exchange(origin, lines, 'x');
    assert.equal(status, 415, path);
    assert.match(headers.get('x-fapi-interaction-id') ?? '', UUID);
  }
});

test('the sample TPP has its endpoint under each version of the API', async () => {
  const { origin } = new URL(sampleTpp.callbackUrl);
  for (const version of ['v3.1', 'v4.0']) {
    const line = `POST /open-banking/${version}/event-notifications HTTP/1.1`;
    const lines = [line, ...COMMON, 'content-type: application/jwt', 'content-length: 1'];
    const { status, body } = await exchange(origin, lines, 'x');
    assert.deepEqual([status, JSON.parse(body).err], [400, 'invalid_request'], version);
  }
});
