import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createSecureServer } from 'node:http2';
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import { listenHttps, listenTls, makeAuthority, testPki } from '@tidings/testing';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { OperatorClient } from '../../src/cli/operator-client.ts';
import { createCallbackClient } from '../../src/net/callback-client.ts';
import type { HostGuard } from '../../src/net/host-guard.ts';
import { createHttpsClient } from '../../src/net/https-client.ts';
import { FakeClock } from '../support/fake-clock.ts';

const { authority } = await testPki();

// What holds for every connection that this service opens, on each of its clients.

const HOST = 'tpp.example';
const TIMEOUT_MS = 5000;
const { tls: identity } = await authority.issue({ dns: HOST });
const FINAL = 'HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}';

/** One exchange of a client. @returns the status, or why there is none */
type Exchange = (port: number) => Promise<number | string>;

interface Client {
  readonly name: string;
  /** @param addresses of the host, in this order */
  make(t: TestContext, clock: Clock, addresses: readonly string[]): Exchange;
}

function guardOf(addresses: readonly string[]): HostGuard {
  const checked = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }) as const);
  return { checkUrl: () => undefined, addressesOf: async () => checked };
}

const DELIVERY: Client = {
  name: 'delivery',
  make: (t, clock, addresses) => {
    const client = createCallbackClient({
      ...{ ca: authority.certificatePem, timeoutMs: TIMEOUT_MS, responseBytesMax: 1000, connectionsMax: 8 },
      ...{ connectionMaxMs: 300_000, guard: guardOf(addresses), clock },
    });
    t.after(() => client.close());
    return async (port) => {
      const url = `https://${HOST}:${port}/event-notifications`;
      const post = { clientId: 'tpp', url, headers: {}, body: 'set' };
      const came = await client.post(post, new AbortController().signal);
      return came.kind === 'answered' ? came.status : came.detail;
    };
  },
};

const KEYS_AND_INTROSPECTION: Client = {
  name: 'the client of JWKS and introspection',
  make: (t, clock, addresses) => {
    const client = createHttpsClient({
      ...{ tls: { ca: authority.certificatePem }, timeoutMs: TIMEOUT_MS, responseBytesMax: 1000, clock },
      guard: guardOf(addresses),
    });
    t.after(() => client.close());
    return (port) =>
      client.exchange({ url: `https://${HOST}:${port}/jwks`, headers: {}, body: 'x' }).then(
        ({ status, body }) => {
          assert.equal(Buffer.from(body).toString(), '{}');
          return status;
        },
        (error: Error) => error.message,
      );
  },
};

/** Its hosts are looked up as the system does, so it has but the loopback here. */
const OPERATOR: Client = {
  name: 'the command line’s client of the operator API',
  make: (t) => {
    const clients: OperatorClient[] = [];
    t.after(() => Promise.all(clients.map((client) => client.close())));
    return (port) => {
      const identity = { cert: undefined, key: undefined };
      const client = new OperatorClient({
        url: `https://127.0.0.1:${port}`,
        token: 't',
        ca: authority.certificatePem,
        ...identity,
      });
      clients.push(client);
      return client.ask({ method: 'GET', path: '/operator/v1/status' }).then(
        ({ status }) => status,
        (error: Error) => error.message,
      );
    };
  },
};

const CLIENTS = [DELIVERY, KEYS_AND_INTROSPECTION, OPERATOR];
const GUARDED = [DELIVERY, KEYS_AND_INTROSPECTION];
const LOOPBACK = ['127.0.0.1'];

/** A server that writes these pieces at each request, one turn of the event loop after the other. */
async function writing(t: TestContext, pieces: readonly string[]) {
  let requests = 0;
  const server = await listenTls(
    t,
    (socket) => {
      socket.on('data', async (data) => {
        // Heads and bodies may come in records of their own.
        if (!data.includes('HTTP/1.1')) return;
        requests += 1;
        for (const piece of pieces) {
          socket.write(piece);
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      });
    },
    identity,
  );
  return { port: server.port, requests: () => requests, connections: server.connections };
}

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const INTERIM: readonly (readonly [string, readonly string[]])[] = [
  ['100 Continue in the packet of the answer', [CONTINUE + FINAL]],
  ['100 Continue in a packet of its own', [CONTINUE, FINAL]],
  ['100 Continue three times', [CONTINUE, CONTINUE + CONTINUE, FINAL]],
  ['100 Continue byte by byte', [...CONTINUE, FINAL]],
  ['100 Continue with headers', [`HTTP/1.1 100 Continue\r\nserver: old\r\nx-100: HTTP/1.1 100\r\n\r\n${FINAL}`]],
  ['100 without a reason', [`HTTP/1.1 100\r\n\r\n${FINAL}`]],
  ['100 cut in its digits', ['HTTP/1.1 10', `0 Continue\r\n\r\n${FINAL}`]],
  ['102 Processing', ['HTTP/1.1 102 Processing\r\n\r\n', FINAL]],
  ['103 Early Hints', ['HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n', FINAL]],
  ['199, which nobody has defined', ['HTTP/1.1 199 Odd\r\n\r\n', FINAL]],
  ['100, 102, 103 and 100 in a row', [`${CONTINUE}HTTP/1.1 102 P\r\n\r\nHTTP/1.1 103 E\r\n\r\n${CONTINUE}${FINAL}`]],
];

for (const { name, make } of CLIENTS) {
  describe(`${name}:`, () => {
    for (const [what, pieces] of INTERIM) {
      test(`an answer after ${what} is one answer to one request, and its connection is used again`, async (t) => {
        const server = await writing(t, pieces);
        const exchange = make(t, new FakeClock(), LOOPBACK);
        assert.equal(await exchange(server.port), 202);
        await aMoment();
        assert.equal(await exchange(server.port), 202);
        assert.equal(server.requests(), 2);
        if (make !== OPERATOR.make) assert.equal(server.connections(), 1);
      });
    }

    test('informational answers without an end are cut off at a bound', async (t) => {
      const server = await writing(
        t,
        Array.from({ length: 20 }, () => CONTINUE.repeat(100)),
      );
      const said = await make(t, new FakeClock(), LOOPBACK)(server.port);
      assert.match(String(said), /INTERIM_OVERFLOW/);
    });

    test('an unasked 101 Switching Protocols is no answer', async (t) => {
      const server = await writing(t, ['HTTP/1.1 101 S\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n', FINAL]);
      assert.match(String(await make(t, new FakeClock(), LOOPBACK)(server.port)), /UND_ERR_SOCKET/);
    });

    test('a server that would speak HTTP/2 is spoken to in HTTP/1.1, whose bounds hold', async (t) => {
      const spoken: unknown[] = [];
      const server = createSecureServer({ ...identity, allowHTTP1: true }, (request, response) => {
        spoken.push([request.httpVersion, request.socket instanceof TLSSocket && request.socket.alpnProtocol]);
        response.writeHead(202).end('{}');
      });
      const exchange = make(t, new FakeClock(), LOOPBACK);
      assert.equal(await exchange(await listeningOn(t, server, '127.0.0.1')), 202);
      assert.deepEqual(spoken, [['1.1', 'http/1.1']]);
    });

    test('a server of unknown roots is refused though NODE_TLS_REJECT_UNAUTHORIZED is 0', async (t) => {
      const stranger = await (await makeAuthority()).issue({ dns: HOST });
      const server = await listenHttps(t, () => assert.fail('something was sent'), stranger.tls);
      const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      t.after(() => {
        if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
        else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
      });
      process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
      const said = await make(t, new FakeClock(), LOOPBACK)(server.port);
      assert.match(
        String(said),
        /UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT_LOCALLY|CERT_SIGNATURE_FAILURE/,
      );
    });
  });
}

/** Listens at one address of the loopback until the test ends. @returns the port */
async function listeningOn(t: TestContext, server: Server, address: string, port = 0): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => undefined)));
  server.listen(port, address);
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A server that answers 202, at this address. */
function answering(t: TestContext, address: string, port?: number): Promise<number> {
  const server = createTlsServer(identity, (socket) => {
    socket.on('error', () => undefined).once('data', () => socket.write(FINAL));
  });
  return listeningOn(t, server, address, port);
}

/** A server that takes connections and says nothing. @returns the sockets that it took */
async function silentOn(t: TestContext, address: string, port: number): Promise<Socket[]> {
  const taken: Socket[] = [];
  await listeningOn(
    t,
    createTcpServer((socket) => taken.push(socket.resume())),
    address,
    port,
  );
  return taken;
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

for (const { name, make } of GUARDED) {
  describe(`${name}:`, () => {
    test('of two addresses, the first slow and the second refusing, the first has all its time', async (t) => {
      const tls = createTlsServer(identity, (socket) => socket.once('data', () => socket.write(FINAL)));
      const slow: Socket[] = [];
      const port = await listeningOn(
        t,
        createTcpServer((socket) => slow.push(socket)),
        '127.0.0.2',
      );
      const clock = new FakeClock();
      const answer = make(t, clock, ['127.0.0.2', '127.0.0.3'])(port);
      await until(() => slow.length === 1);
      // The second one refuses meanwhile, when it has come to its turn.
      await clock.advance(TIMEOUT_MS / 2);
      await aMoment();
      tls.emit('connection', slow[0]);
      assert.equal(await answer, 202);
    });

    test('an address that takes the connection and is then silent leaves the others their share', async (t) => {
      const port = await answering(t, '127.0.0.4');
      const [first, second] = [await silentOn(t, '127.0.0.2', port), await silentOn(t, '127.0.0.3', port)];
      const clock = new FakeClock();
      const answer = make(t, clock, ['127.0.0.2', '127.0.0.3', '127.0.0.4'])(port);
      await until(() => first.length === 1);
      await aMoment();
      await clock.advance(TIMEOUT_MS / 3);
      await until(() => second.length === 1);
      await aMoment();
      await clock.advance(TIMEOUT_MS / 3);
      assert.equal(await answer, 202);
      await until(() => [...first, ...second].every(({ readableEnded }) => readableEnded));
    });

    test('addresses that refuse, in both families, cost nothing', async (t) => {
      const port = await answering(t, '127.0.0.4');
      const addresses = ['127.0.0.2', '2001:db8::1', '::1', '127.0.0.3', '127.0.0.4'];
      const clock = new FakeClock();
      const answer = make(t, clock, addresses)(port);
      assert.equal(await answer, 202);
      assert.equal(clock.timers, 0);
    });

    test('where all refuse, the failure is reported at once, with the code of the first', async (t) => {
      const port = await answering(t, '127.0.0.4');
      assert.equal(await make(t, new FakeClock(), ['127.0.0.2', '127.0.0.3'])(port), 'ECONNREFUSED');
    });

    test('where all are silent the deadline ends it', async (t) => {
      const port = await answering(t, '127.0.0.4');
      const first = await silentOn(t, '127.0.0.2', port);
      const clock = new FakeClock();
      const answer = make(t, clock, ['127.0.0.2', '127.0.0.3'])(port);
      await until(() => first.length === 1);
      await clock.advance(TIMEOUT_MS);
      assert.match(String(await answer), /no answer within 5000 ms/);
      await until(() => first.every(({ readableEnded }) => readableEnded));
      assert.equal(clock.timers, 0);
    });

    test('the certificate of each address is verified, and one that is not trusted tells more than a refusal', async (t) => {
      const stranger = await (await makeAuthority()).issue({ dns: HOST });
      const port = await listeningOn(t, createTlsServer(stranger.tls), '127.0.0.3');
      for (const addresses of [
        ['127.0.0.2', '127.0.0.3'],
        ['127.0.0.3', '127.0.0.2'],
      ]) {
        assert.match(String(await make(t, new FakeClock(), addresses)(port)), /UNABLE_TO_VERIFY|SIGNATURE/);
      }
    });

    test('a handshake that hangs does not keep the next request from a connection of its own', async (t) => {
      let isFirst = true;
      const hanging: Socket[] = [];
      const relayed = createTlsServer(identity, (socket) => socket.once('data', () => socket.write(FINAL)));
      const door = createTcpServer((socket) => {
        if (isFirst) hanging.push(socket);
        else relayed.emit('connection', socket);
        isFirst = false;
      });
      const doorPort = await listeningOn(t, door, '127.0.0.3');
      const clock = new FakeClock();
      const exchange = make(t, clock, ['127.0.0.3']);
      const first = exchange(doorPort);
      await until(() => hanging.length === 1);
      const waited = new Promise((resolve) => setTimeout(resolve, 3000, 'it waited for the first').unref());
      assert.equal(await Promise.race([exchange(doorPort), waited]), 202);
      await clock.advance(TIMEOUT_MS);
      assert.match(String(await first), /no answer within/);
    });
  });
}

/** Whose queue of connections is full: the kernel drops what comes next, and takes it when it is tried again. */
const CROWDED = `
  const server = require('node:net').createServer((socket) => socket.pipe(require('node:net').connect(+process.argv[1], '127.0.0.4')).pipe(socket).on('error', () => 0));
  server.listen({ host: '127.0.0.2', port: 0, backlog: 1 }, () => console.log(server.address().port));
`;

test('an address whose queue is full for 0.6 s is waited for, though the other one has no route', async (t) => {
  const behind = await answering(t, '127.0.0.4');
  const crowded = spawn(process.execPath, ['-e', CROWDED, String(behind)], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => crowded.kill('SIGKILL'));
  const port = Number(String((await once(crowded.stdout, 'data'))[0]));
  crowded.kill('SIGSTOP');
  const crowd = Array.from({ length: 4 }, () => connect({ host: '127.0.0.2', port }).on('error', () => undefined));
  t.after(() => crowd.map((socket) => socket.destroy()));
  await once(crowd[0] ?? assert.fail(), 'connect');
  await aMoment();
  const beganMs = performance.now();
  const answers = GUARDED.map(({ make }) => make(t, systemClock, ['127.0.0.2', '2001:db8::1'])(port));
  setTimeout(() => crowded.kill('SIGCONT'), 600);
  assert.deepEqual(await Promise.all(answers), [202, 202]);
  assert.ok(performance.now() - beganMs > 500, 'the queue was not full');
});

/** Lets a client notice what came over its connection. */
function aMoment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}
