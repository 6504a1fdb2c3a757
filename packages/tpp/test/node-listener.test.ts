import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { request } from 'node:https';
import { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { answerTo, listenHttps, testPki } from '@tidings/testing';
import { createReceiver, type EventNotification, nodeListener, type Receiver, type Refusal } from '@tidings/tpp';
import { INTERACTION_ID, makeSet, receiverOptions } from './support/sets.ts';

const HEADERS = { 'content-type': 'application/jwt', 'x-fapi-interaction-id': INTERACTION_ID };

/** Opens a request that the test writes and ends itself. */
async function open(url: string, headers: Record<string, string | string[]>, method = 'POST'): Promise<ClientRequest> {
  return request(url, { method, headers, ca: (await testPki()).caPem, agent: false });
}

/** A receiver that also tells when it has answered. */
function watched(receiver: Receiver): { receiver: Receiver; answered: Promise<number> } {
  const { promise, resolve } = Promise.withResolvers<number>();
  const handle = async (request: Request) => {
    const response = await receiver.handle(request);
    resolve(response.status);
    return response;
  };
  return { receiver: { handle }, answered: promise };
}

test('a notification sent over TLS in small pieces reaches the handler whole', async (t) => {
  const taken: EventNotification[] = [];
  const receiver = createReceiver(await receiverOptions({ onNotification: (each) => void taken.push(each) }));
  const { origin } = await listenHttps(t, nodeListener(receiver));
  const set = await makeSet();
  const outgoing = await open(`${origin}/any/path`, HEADERS);
  const answered = answerTo(outgoing);
  for (let at = 0; at < set.length; at += 97) {
    await new Promise((resolve) => outgoing.write(set.slice(at, at + 97), resolve));
  }
  outgoing.end();
  const { status, headers, body } = await answered;
  assert.equal(status, 202);
  assert.equal(body.toString(), '');
  assert.equal(headers['content-length'], '0');
  assert.equal(headers['x-fapi-interaction-id'], INTERACTION_ID);
  assert.equal(taken[0]?.set, set);
});

test('a refusal arrives with the body of RFC 8935 and its length', async (t) => {
  const { origin } = await listenHttps(t, nodeListener(createReceiver(await receiverOptions())));
  const outgoing = await open(origin, HEADERS);
  outgoing.end(await makeSet({ aud: 'tpp-client-2' }));
  const { status, headers, body } = await answerTo(outgoing);
  assert.equal(status, 400);
  assert.equal(headers['content-type'], 'application/json');
  assert.equal(headers['content-language'], 'en');
  assert.equal(headers['content-length'], String(body.length));
  assert.deepEqual(JSON.parse(body.toString()), {
    err: 'invalid_audience',
    description: 'aud is not the client_id of this TPP.',
  });
});

test('methods that the Fetch API does not support are 405 like any other', async (t) => {
  const { origin } = await listenHttps(t, nodeListener(createReceiver(await receiverOptions())));
  for (const method of ['GET', 'HEAD', 'PUT', 'TRACE', 'PROPFIND']) {
    const outgoing = await open(origin, HEADERS, method);
    outgoing.end();
    const { status, headers } = await answerTo(outgoing);
    assert.equal(status, 405, method);
    assert.equal(headers.allow, 'POST');
  }
});

test('two interaction ids in one request are ignored', async (t) => {
  const { origin } = await listenHttps(t, nodeListener(createReceiver(await receiverOptions())));
  const outgoing = await open(origin, { ...HEADERS, 'x-fapi-interaction-id': [INTERACTION_ID, INTERACTION_ID] });
  outgoing.end(await makeSet());
  const { headers } = await answerTo(outgoing);
  assert.notEqual(headers['x-fapi-interaction-id'], INTERACTION_ID);
});

test('a body whose Content-Length is over the limit is 413 before it is sent, and the connection is closed', async (t) => {
  const { origin } = await listenHttps(t, nodeListener(createReceiver(await receiverOptions())));
  const outgoing = await open(origin, { ...HEADERS, connection: 'keep-alive', 'content-length': '9000000000' });
  outgoing.flushHeaders();
  const { status, headers } = await answerTo(outgoing);
  assert.equal(status, 413);
  assert.equal(headers.connection, 'close');
});

test('a body without Content-Length is 413 as soon as it exceeds the limit', async (t) => {
  const { origin } = await listenHttps(t, nodeListener(createReceiver(await receiverOptions({ bodyBytesMax: 1_000 }))));
  const outgoing = await open(origin, { ...HEADERS, connection: 'keep-alive', 'transfer-encoding': 'chunked' });
  const answered = answerTo(outgoing);
  // Not ended: the answer cannot be waiting for the end.
  outgoing.write('x'.repeat(1_001));
  const { status, headers } = await answered;
  assert.equal(status, 413);
  assert.equal(headers.connection, 'close');
});

test('of an endless body the receiver reads no more than the limit and the buffers', async (t) => {
  const { origin, server } = await listenHttps(t, nodeListener(createReceiver(await receiverOptions())));
  const closed = Promise.withResolvers<number>();
  server.on('secureConnection', (socket) => {
    socket.on('close', () => closed.resolve(socket.bytesRead));
  });
  const outgoing = await open(origin, { ...HEADERS, 'transfer-encoding': 'chunked' });
  // The answer or a reset, whichever the network brings first.
  outgoing.on('error', () => undefined).on('response', (incoming) => incoming.resume());
  const chunk = 'x'.repeat(65_536);
  const pour = () => {
    while (!outgoing.destroyed && outgoing.write(chunk));
  };
  outgoing.on('drain', pour);
  pour();
  const bytesRead = await closed.promise;
  assert.ok(bytesRead < 4_000_000, `read ${bytesRead} bytes`);
});

test('back pressure: a body that the receiver does not read yet is not buffered', async () => {
  const incoming = new IncomingMessage(new Socket());
  incoming.method = 'POST';
  const answer = Promise.withResolvers<Response>();
  const outgoing = new ServerResponse(incoming);
  nodeListener({ handle: () => answer.promise })(incoming, outgoing);
  for (let pushed = 0; pushed < 5; pushed += 1) incoming.push(Buffer.alloc(1_000));
  await new Promise(setImmediate);
  assert.ok(incoming.isPaused());
  assert.ok(incoming.readableLength >= 4_000);
  answer.resolve(new Response(null, { status: 413 }));
  await new Promise(setImmediate);
  assert.equal(outgoing.statusCode, 413);
});

test('a slow client is cut off by the timeout of the server, and the handler is not called', async (t) => {
  let calls = 0;
  const onNotification = () => {
    calls += 1;
  };
  const { receiver, answered } = watched(createReceiver(await receiverOptions({ onNotification })));
  const limits = { requestTimeout: 200, headersTimeout: 200, connectionsCheckingInterval: 20 };
  const { origin } = await listenHttps(t, nodeListener(receiver), limits);
  const set = await makeSet();
  const outgoing = await open(origin, { ...HEADERS, 'content-length': String(set.length) });
  outgoing.write(set.slice(0, 100));
  const { status } = await answerTo(outgoing);
  assert.equal(status, 408);
  assert.equal(await answered, 400);
  assert.equal(calls, 0);
});

test('a client that disconnects midway leaves nothing pending', async (t) => {
  const { receiver, answered } = watched(createReceiver(await receiverOptions()));
  const { origin, server } = await listenHttps(t, nodeListener(receiver));
  const arrived = once(server, 'request');
  const outgoing = await open(origin, { ...HEADERS, 'content-length': '5000' });
  outgoing.on('error', () => undefined);
  outgoing.write('abc');
  await arrived;
  outgoing.destroy();
  assert.equal(await answered, 400);
});

test('a connection is kept between notifications', async (t) => {
  const { origin, server } = await listenHttps(t, nodeListener(createReceiver(await receiverOptions())));
  const outgoing = await open(origin, { ...HEADERS, connection: 'keep-alive' });
  outgoing.end(await makeSet());
  const { headers } = await answerTo(outgoing);
  assert.equal(headers.connection, 'keep-alive');
  server.closeIdleConnections();
});

test('a receiver that throws closes the connection, does not crash the process, and is printed', async (t) => {
  const lines: string[] = [];
  const receiver = { handle: () => Promise.reject(new Error('bug')) };
  const { origin } = await listenHttps(t, nodeListener(receiver, { warn: (line) => lines.push(line) }));
  const outgoing = await open(origin, HEADERS);
  outgoing.end('x');
  await assert.rejects(answerTo(outgoing), { code: 'ECONNRESET' });
  assert.match(lines.join(), /was not answered \(listener_failed\).*Cause: Error: bug/);
});

/** What may stand in front of the receiver, and hands the request on at some time. */
type InFront = (incoming: IncomingMessage, next: () => void) => void;

const READ_BEFORE: Readonly<Record<string, InFront>> = {
  'read whole': (incoming, next) => incoming.on('data', () => undefined).on('end', next),
  'thrown away': (incoming, next) => incoming.on('end', next).resume(),
  'read whole, long ago': (incoming, next) => incoming.resume().on('end', () => setImmediate(() => setImmediate(next))),
  'read in part': (incoming, next) => {
    incoming.once('data', () => {
      incoming.pause();
      setImmediate(next);
    });
  },
  'read in part, by an iterator': async (incoming, next) => {
    for await (const _ of incoming.iterator({ destroyOnReturn: false })) break;
    next();
  },
  'taken with read()': (incoming, next) => {
    incoming.once('readable', () => {
      incoming.read(10);
      next();
    });
  },
};

for (const [what, inFront] of Object.entries(READ_BEFORE)) {
  test(`a body that was ${what} is 500 at once, and onRefused says that it had been read`, async (t) => {
    const refusals: Refusal[] = [];
    const options = await receiverOptions({ onRefused: (refusal) => refusals.push(refusal) });
    const listener = nodeListener(createReceiver(options));
    const { origin } = await listenHttps(t, (incoming, outgoing) =>
      inFront(incoming, () => listener(incoming, outgoing)),
    );
    const outgoing = await open(origin, HEADERS);
    outgoing.end(await makeSet());
    const { status, headers, body } = await answerTo(outgoing);
    assert.equal(status, 500);
    assert.equal(body.toString(), '');
    assert.equal(headers['x-fapi-interaction-id'], INTERACTION_ID);
    assert.deepEqual(
      refusals.map(({ code, status: told }) => [code, told]),
      [['body_already_read', 500]],
    );
    assert.match(refusals[0]?.message ?? '', /had been read/);
  });
}

test('a request whose stream was destroyed is refused at once, and onRefused is called', async (t) => {
  const refused = Promise.withResolvers<Refusal>();
  const listener = nodeListener(createReceiver(await receiverOptions({ onRefused: refused.resolve })));
  const { origin } = await listenHttps(t, (incoming, outgoing) => {
    incoming.destroy();
    listener(incoming, outgoing);
  });
  const outgoing = await open(origin, HEADERS);
  outgoing.end(await makeSet());
  await assert.rejects(answerTo(outgoing));
  assert.equal((await refused.promise).code, 'body_already_read');
});

const NOT_READ_BEFORE: Readonly<Record<string, InFront>> = {
  'was paused meanwhile': (incoming, next) => {
    incoming.pause();
    setImmediate(next);
  },
  'somebody else reads too': (incoming, next) => {
    incoming.on('data', () => undefined);
    next();
  },
  'is read as text': (incoming, next) => {
    incoming.setEncoding('latin1');
    next();
  },
};

for (const [what, inFront] of Object.entries(NOT_READ_BEFORE)) {
  test(`a body that ${what} is whole, and acknowledged`, async (t) => {
    const listener = nodeListener(createReceiver(await receiverOptions()));
    const { origin } = await listenHttps(t, (incoming, outgoing) =>
      inFront(incoming, () => listener(incoming, outgoing)),
    );
    const outgoing = await open(origin, HEADERS);
    outgoing.end(await makeSet());
    assert.equal((await answerTo(outgoing)).status, 202);
  });
}

/** Sends lines as they are, for a connection that is to be kept, and reads what comes until it ends or is kept. */
async function exchange(t: TestContext, lines: readonly string[], body: string, version = '1.1') {
  const refusals: Refusal[] = [];
  const receiver = createReceiver(await receiverOptions({ onRefused: (refusal) => refusals.push(refusal) }));
  const { port } = await listenHttps(t, nodeListener(receiver));
  const socket = connect({ host: '127.0.0.1', port, ca: (await testPki()).caPem });
  socket.write(`${[`POST / HTTP/${version}`, ...lines].join('\r\n')}\r\n\r\n${body}`);
  const [answer] = await once(socket, 'data');
  socket.destroy();
  return { answer: String(answer), refusals };
}

const chunked = (set: string) => `${set.length.toString(16)}\r\n${set}\r\n0\r\n\r\n`;
const TYPE = 'content-type: application/jwt';
const ID_LINE = `x-fapi-interaction-id: ${INTERACTION_ID}`;

for (const [what, host] of Object.entries({
  'two Host headers': ['host: localhost', 'host: other.example'],
  'two equal Host headers': ['host: localhost', 'host: localhost'],
  'a Host that is none': ['host: local host'],
  'a Host with a user': ['host: user@localhost'],
})) {
  test(`${what} are 400 with the interaction id, and the connection ends`, async (t) => {
    const set = await makeSet();
    const lines = [...host, TYPE, ID_LINE, `content-length: ${set.length}`];
    const { answer, refusals } = await exchange(t, lines, set);
    assert.match(answer, /^HTTP\/1\.1 400 /);
    assert.match(answer, new RegExp(`^${ID_LINE}\r$`, 'm'));
    assert.match(answer, /^connection: close\r$/im);
    assert.deepEqual(
      refusals.map(({ code, message }) => [code, /^Host /.test(message)]),
      [['invalid_request', true]],
    );
  });
}

for (const coding of ['gzip, chunked', 'identity, chunked', 'x-nothing, chunked']) {
  test(`Transfer-Encoding: ${coding} is 501 with the interaction id, and the connection ends`, async (t) => {
    const lines = ['host: localhost', TYPE, ID_LINE, `transfer-encoding: ${coding}`];
    const { answer, refusals } = await exchange(t, lines, chunked(await makeSet()));
    assert.match(answer, /^HTTP\/1\.1 501 /);
    assert.match(answer, new RegExp(`^${ID_LINE}\r$`, 'm'));
    assert.match(answer, /^connection: close\r$/im);
    assert.deepEqual(
      refusals.map(({ code, status }) => [code, status]),
      [['unsupported_transfer_coding', 501]],
    );
  });
}

for (const coding of ['chunked', 'Chunked', ' chunked ']) {
  test(`Transfer-Encoding: "${coding}" is accepted`, async (t) => {
    const lines = ['host: localhost', TYPE, `transfer-encoding: ${coding}`];
    const { answer } = await exchange(t, lines, chunked(await makeSet()));
    assert.match(answer, /^HTTP\/1\.1 202 /);
    assert.match(answer, /^connection: keep-alive\r$/im);
  });
}

test('after chunks in HTTP/1.0 the connection is closed despite keep-alive', async (t) => {
  const lines = ['host: localhost', TYPE, 'connection: keep-alive', 'transfer-encoding: chunked'];
  const { answer } = await exchange(t, lines, chunked(await makeSet()), '1.0');
  assert.match(answer, /^connection: close\r$/im);
});
