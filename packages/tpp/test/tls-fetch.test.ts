import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createPlainServer, type RequestListener, type ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { listenHttps, listenOn, makePki, testPki } from '@tidings/testing';
import { createTlsFetch, type TlsFetch, type TlsFetchOptions } from '@tidings/tpp';

async function client(t: TestContext, options: TlsFetchOptions = {}): Promise<TlsFetch> {
  const { caPem } = await testPki();
  const tlsFetch = createTlsFetch({ transport: { caPem }, ...options });
  t.after(() => tlsFetch.close());
  return tlsFetch;
}

test('method, headers and body are sent, and the response has all its headers', async (t) => {
  const { origin } = await listenHttps(t, async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    response.setHeader('x-two', ['a', 'b']);
    response.end(`${request.method} ${request.url} ${request.headers['x-one']} ${body}`);
  });
  const tlsFetch = await client(t);
  const response = await tlsFetch(`${origin}/p?q=1`, { method: 'PUT', headers: { 'x-one': '1' }, body: 'hello' });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('x-two'), 'a, b');
  assert.equal(await response.text(), 'PUT /p?q=1 1 hello');
});

test('a connection is used again, and none is left open by close', async (t) => {
  const { origin, server } = await listenHttps(t, (_request, response) => response.end('{}'));
  let connections = 0;
  const closed: Promise<unknown>[] = [];
  server.on('secureConnection', (socket) => {
    connections += 1;
    closed.push(once(socket, 'close'));
  });
  const tlsFetch = await client(t);
  await tlsFetch(origin);
  await tlsFetch(origin);
  assert.equal(connections, 1);
  tlsFetch.close();
  await Promise.all(closed);
  await assert.rejects(tlsFetch(origin), { name: 'TlsFetchError', code: 'closed' });
});

test('close aborts a request in progress', async (t) => {
  const { origin, server } = await listenHttps(t, () => undefined);
  const arrived = once(server, 'request');
  const tlsFetch = await client(t);
  const underWay = assert.rejects(tlsFetch(origin), { code: 'connection' });
  await arrived;
  tlsFetch.close();
  await underWay;
});

test('the client certificate is presented when the server requests it', async (t) => {
  const { client: keyed, caPem } = await testPki();
  const mutual = { requestCert: true, rejectUnauthorized: true };
  const { origin } = await listenHttps(t, (_request, response) => response.end('in'), mutual);
  const transport = { caPem, ...keyed };
  assert.equal(await (await (await client(t, { transport }))(origin)).text(), 'in');
  await assert.rejects((await client(t))(origin), { code: 'connection' });
});

test('a server with an unknown authority or another name is rejected', async (t) => {
  let requests = 0;
  const listener: RequestListener = (_request, response) => {
    requests += 1;
    response.end();
  };
  const stranger = await makePki();
  const { origin } = await listenHttps(t, listener, {
    cert: stranger.server.certificatePem,
    key: stranger.server.keyPem,
  });
  await assert.rejects((await client(t))(origin), { code: 'connection' });
  const { port } = await listenHttps(t, listener);
  await assert.rejects((await client(t))(`https://127.0.0.2:${port}`), { code: 'connection' });
  assert.equal(requests, 0);
});

test('a server of an unknown authority is refused though NODE_TLS_REJECT_UNAUTHORIZED is 0', async (t) => {
  const stranger = await makePki();
  const identity = { cert: stranger.server.certificatePem, key: stranger.server.keyPem };
  const { origin } = await listenHttps(t, () => assert.fail('something was sent'), identity);
  const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
  t.after(() => {
    if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
  });
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  await assert.rejects((await client(t))(origin), { code: 'connection', message: /UNABLE_TO_VERIFY|SIGNATURE/ });
});

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const FINAL = 'HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}';
for (const [what, pieces] of [
  ['100 Continue in the packet of the answer', [CONTINUE + FINAL]],
  ['100 Continue in a packet of its own', [CONTINUE, FINAL]],
  ['100 Continue byte by byte', [...CONTINUE, FINAL]],
  ['several informational answers', [`${CONTINUE}HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n`, CONTINUE, FINAL]],
  ['199, which nobody has defined', ['HTTP/1.1 199 Odd\r\n\r\n', FINAL]],
] as const) {
  test(`an answer after ${what} is the answer`, async (t) => {
    const { origin } = await listenHttps(t, async ({ socket }) => {
      for (const piece of pieces) {
        socket.write(piece);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    });
    const answer = await (await client(t))(origin, { method: 'POST', body: 'set' });
    assert.deepEqual([answer.status, await answer.text()], [202, '{}']);
  });
}

test('an unrequested 101 Switching Protocols is an error', async (t) => {
  const { origin } = await listenHttps(t, (request) => {
    request.socket.write('HTTP/1.1 101 S\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n');
  });
  await assert.rejects((await client(t))(origin), { code: 'malformed' });
});

test('TLS below 1.2 is not supported', async (t) => {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  const { origin } = await listenHttps(t, (_request, response) => response.end(), old);
  await assert.rejects((await client(t))(origin), { code: 'connection' });
});

test('plain http is refused before anything is sent', async (t) => {
  let connections = 0;
  const plain = createPlainServer().on('connection', () => {
    connections += 1;
  });
  const port = await listenOn(plain);
  t.after(() => plain.close());
  const tlsFetch = await client(t);
  for (const url of [`http://127.0.0.1:${port}/`, 'file:///etc/passwd', 'no url', '']) {
    await assert.rejects(tlsFetch(url), { code: 'url' });
  }
  assert.equal(connections, 0);
});

test('one deadline covers the whole exchange: a silent server, and one that responds slowly', async (t) => {
  const { origin } = await listenHttps(t, (request, response) => {
    if (request.url === '/silent') return;
    response.write('{');
    const dripping = setInterval(() => response.write(' '), 10);
    response.on('close', () => clearInterval(dripping));
  });
  const tlsFetch = await client(t, { requestTimeoutMs: 150 });
  for (const path of ['/silent', '/drip']) {
    await assert.rejects(tlsFetch(origin + path), { code: 'timeout', message: 'No complete response within 150 ms.' });
  }
});

test('a response over the limit is cut off, one of exactly the limit is not', async (t) => {
  const { origin } = await listenHttps(t, (request, response) => {
    if (request.url === '/endless') {
      const pour = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
      };
      response.on('drain', pour);
      pour();
      return;
    }
    response.end('x'.repeat(Number(request.url?.slice(1))));
  });
  const tlsFetch = await client(t, { responseBytesMax: 1_000 });
  assert.equal((await (await tlsFetch(`${origin}/1000`)).text()).length, 1_000);
  await assert.rejects(tlsFetch(`${origin}/1001`), { code: 'too_large' });
  await assert.rejects(tlsFetch(`${origin}/endless`), { code: 'too_large' });
});

test('at most 16 requests to one host are concurrent; waiting ones have a deadline and can be aborted', async (t) => {
  const held: ServerResponse[] = [];
  const { origin } = await listenHttps(t, (_request, response) => void held.push(response));
  const tlsFetch = await client(t);
  const first = Array.from({ length: 16 }, () => tlsFetch(origin));
  while (held.length < 16) await new Promise((resolve) => setImmediate(resolve));
  await assert.rejects(tlsFetch(origin, { requestTimeoutMs: 20 }), { code: 'timeout' });
  const abort = new AbortController();
  const aborted = assert.rejects(tlsFetch(origin, { signal: abort.signal }), { code: 'aborted' });
  abort.abort();
  await aborted;
  const last = tlsFetch(origin);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(held.length, 16);
  for (const response of held.splice(0)) response.end();
  await Promise.all(first);
  while (held.length < 1) await new Promise((resolve) => setImmediate(resolve));
  held[0]?.end();
  assert.equal((await last).status, 200);
});

test('a redirect is returned, and not followed', async (t) => {
  const paths: (string | undefined)[] = [];
  const { origin } = await listenHttps(t, (request, response) => {
    paths.push(request.url);
    response.writeHead(302, { location: '/elsewhere' }).end();
  });
  const response = await (await client(t))(`${origin}/here`);
  assert.equal(response.status, 302);
  assert.deepEqual(paths, ['/here']);
});

test('an incomplete response or one with an invalid status is an error', async (t) => {
  const { origin } = await listenHttps(t, (request, response) => {
    if (request.url === '/odd') {
      response.socket?.end('HTTP/1.1 799 Odd\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    response.writeHead(200, { 'content-length': '100' });
    response.write('half', () => response.destroy());
  });
  const tlsFetch = await client(t);
  await assert.rejects(tlsFetch(`${origin}/half`), { code: 'connection' });
  await assert.rejects(tlsFetch(`${origin}/odd`), { code: 'malformed' });
  // As the server of Hono does.
  const Lenient = class extends Response {
    constructor(body?: string | null, init?: ResponseInit) {
      super(body, { ...init, status: 200 });
    }
  };
  const { Response: own } = globalThis;
  globalThis.Response = Lenient;
  try {
    await assert.rejects(tlsFetch(`${origin}/odd`), { code: 'malformed' });
  } finally {
    globalThis.Response = own;
  }
});

test('a response without a body is valid', async (t) => {
  const { origin } = await listenHttps(t, (_request, response) => response.writeHead(204).end());
  const response = await (await client(t))(origin, { method: 'DELETE' });
  assert.equal(response.status, 204);
  assert.equal(await response.text(), '');
});

test('certificates that are not PEM throw at once, and the error does not show them', async () => {
  const { client: keyed, server } = await testPki();
  const transports = [
    { certificatePem: 'no pem', keyPem: keyed.keyPem },
    { certificatePem: keyed.certificatePem, keyPem: 'my secret key' },
    { certificatePem: keyed.certificatePem, keyPem: server.keyPem },
  ];
  for (const transport of transports) {
    assert.throws(
      () => createTlsFetch({ transport }),
      (error) => error instanceof TypeError && !error.message.includes('secret'),
    );
  }
});
