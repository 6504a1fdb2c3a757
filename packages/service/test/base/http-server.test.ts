import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { connect as connectTls, getCiphers, type TLSSocket } from 'node:tls';
import { makeAuthority, until } from '@tidings/testing';
import { pino } from 'pino';
import { systemClock } from '../../src/base/clock.ts';
import { createHttpServer, type HttpServerOptions, renewTls } from '../../src/base/http-server.ts';
import { remoteNetworkOf } from '../../src/base/ip-address.ts';
import { CONNECTIONS } from '../support/connections.ts';

const authority = await makeAuthority();
const [rsa, ecdsa] = await Promise.all([authority.issue({ rsaBits: 2048 }), authority.issue()]);
const TIMEOUT_MS = 300;
const EARLY_MS = 20;

interface Listening {
  readonly port: number;
  /** Waits until so many requests of `/held` wait for their answer. */
  held(count: number): Promise<void>;
  /** Lets them be answered. */
  release(): void;
  renew(tls: HttpServerOptions['tls']): void;
}

async function listening(t: TestContext, options: Partial<HttpServerOptions> = {}): Promise<Listening> {
  const held = Promise.withResolvers<void>();
  let asked = 0;
  const app = createHttpServer({
    ...{ tls: undefined, bodyBytesMax: 100, requestTimeoutMs: 5000, ...CONNECTIONS },
    ...{ clock: systemClock, log: pino({ level: 'silent' }), ...options },
  });
  app.get('/', () => 'now');
  app.get('/held', async () => {
    asked += 1;
    await held.promise;
    return 'later';
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  t.after(async () => {
    held.resolve();
    await app.close();
  });
  const { port } = app.server.address() as AddressInfo;
  return {
    port,
    held: (count) => until(() => asked === count),
    release: () => held.resolve(),
    renew: (tls) => renewTls(app, tls),
  };
}

interface Caller {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  /** What has come until now. */
  said(): string;
  /** Asks, and reads until the body has come. */
  ask(path: '/' | '/held'): Promise<void>;
}

function callerOn(t: TestContext, socket: Socket): Caller {
  let said = '';
  const closed = once(socket, 'close');
  socket.on('data', (chunk: Buffer) => {
    said += chunk.toString('latin1');
  });
  socket.on('error', () => undefined);
  t.after(() => socket.destroy());
  return {
    ...{ socket, closed, said: () => said },
    ask: async (path) => {
      said = '';
      socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
      const body = path === '/' ? 'now' : 'later';
      while (!said.endsWith(`\r\n\r\n${body}`)) await Promise.race([once(socket, 'data'), failed(closed, said)]);
    },
  };
}

async function failed(closed: Promise<unknown>, said: string): Promise<never> {
  await closed;
  throw new Error(`the connection ended after ${JSON.stringify(said)}`);
}

async function opened(t: TestContext, port: number, localAddress = '127.0.0.1'): Promise<Caller> {
  const socket = connect({ host: '127.0.0.1', port, localAddress });
  const caller = callerOn(t, socket);
  await once(socket, 'connect');
  return caller;
}

describe('TLS', () => {
  const accepted = async (port: number, ciphers: string, version: 'TLSv1.2' | 'TLSv1.3') => {
    const versions = { minVersion: version, maxVersion: version };
    const socket = connectTls({ host: '127.0.0.1', port, ca: authority.certificatePem, ciphers, ...versions });
    const name = await new Promise<string | undefined>((resolve) => {
      socket.once('secureConnect', () => resolve(socket.getCipher().name)).once('error', () => resolve(undefined));
    });
    socket.destroy();
    return name;
  };
  const OLD = getCiphers()
    .filter((name) => !name.startsWith('tls_'))
    .map((name) => name.toUpperCase());
  const acceptedOf = async (port: number, ciphers: readonly string[], version: 'TLSv1.2' | 'TLSv1.3') => {
    const names = new Set<string | undefined>();
    for (const cipher of ciphers) {
      names.add(await accepted(port, version === 'TLSv1.2' ? `${cipher}:@SECLEVEL=0` : cipher, version));
    }
    return [...names].filter((name) => name !== undefined).sort();
  };

  for (const [kind, keyed] of [
    ['RSA', rsa],
    ['ECDSA', ecdsa],
  ] as const) {
    test(`1.2 has AES-GCM with forward secrecy and nothing else, with a certificate of an ${kind} key`, async (t) => {
      const { port, renew } = await listening(t, { tls: keyed.tls });
      assert.ok(OLD.length > 20, 'the client offers them all, one after the other');
      const expected = [`ECDHE-${kind}-AES128-GCM-SHA256`, `ECDHE-${kind}-AES256-GCM-SHA384`];
      assert.deepEqual(await acceptedOf(port, OLD, 'TLSv1.2'), expected);
      renew(keyed.tls);
      assert.deepEqual(await acceptedOf(port, OLD, 'TLSv1.2'), expected, 'after a renewal too');
    });
  }

  test('1.3 has its AEAD suites, and what is older than 1.2 is not spoken', async (t) => {
    const { port } = await listening(t, { tls: rsa.tls });
    const names = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];
    assert.deepEqual(await acceptedOf(port, names, 'TLSv1.3'), names);
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const;
    const socket: TLSSocket = connectTls({ host: '127.0.0.1', port, ca: authority.certificatePem, ...old });
    await assert.rejects(once(socket, 'secureConnect'));
  });

  test('settings of the caller do not loosen it', async (t) => {
    const { port } = await listening(t, { tls: { ...rsa.tls, ciphers: 'ALL', minVersion: 'TLSv1' } });
    assert.equal(await accepted(port, 'AES128-SHA:@SECLEVEL=0', 'TLSv1.2'), undefined);
  });
});

describe('time', () => {
  for (const [what, sent] of [
    ['nothing', ''],
    ['half a request', 'GET / HTTP/1.1\r\nhost: '],
  ] as const) {
    test(`a connection on which ${what} comes is answered 408 with an interaction id, and ends in time`, async (t) => {
      const { port } = await listening(t, { firstRequestTimeoutMs: TIMEOUT_MS });
      const beganMs = performance.now();
      const { socket, closed, said } = await opened(t, port);
      socket.write(sent);
      await closed;
      const tookMs = performance.now() - beganMs;
      assert.ok(tookMs > TIMEOUT_MS - EARLY_MS && tookMs < 4000, `${tookMs} ms`);
      assert.match(said(), /^HTTP\/1\.1 408 [\s\S]*\r\nx-fapi-interaction-id: [0-9a-f-]{36}\r\n/);
    });
  }

  test('the time for the first request goes on through the handshake, which it ends too', async (t) => {
    const { port } = await listening(t, { tls: ecdsa.tls, firstRequestTimeoutMs: TIMEOUT_MS });
    const beganMs = performance.now();
    const raw = await opened(t, port);
    // The start of a record, of which the rest does not come.
    raw.socket.write(Buffer.from('1603010200', 'hex'));
    const secured = callerOn(t, connectTls({ host: '127.0.0.1', port, ca: authority.certificatePem }));
    await Promise.all([raw.closed, secured.closed]);
    const tookMs = performance.now() - beganMs;
    assert.ok(tookMs > TIMEOUT_MS - EARLY_MS && tookMs < 4000, `${tookMs} ms`);
    assert.equal(raw.said(), '');
    assert.match(secured.said(), /^HTTP\/1\.1 408 /);
  });

  test('a connection that has made a request has its own time, and no timer is left of the first', async (t) => {
    let waiting = 0;
    const clock = {
      ...systemClock,
      after: (delayMs: number, callback: () => void) => {
        waiting += 1;
        const cancel = systemClock.after(delayMs, callback);
        return () => {
          waiting -= 1;
          cancel();
        };
      },
    };
    const { port } = await listening(t, { clock });
    await (await opened(t, port)).ask('/');
    assert.equal(waiting, 0);
  });

  test('a connection is kept idle as long as it is told to, whatever the time without movement is', async (t) => {
    const { port } = await listening(t, { keepAliveTimeoutMs: TIMEOUT_MS, idleTimeoutMs: 100 });
    const { closed, ask, said } = await opened(t, port);
    await ask('/');
    assert.match(said(), /\r\nkeep-alive: timeout=0\r\n/i);
    const beganMs = performance.now();
    await closed;
    const tookMs = performance.now() - beganMs;
    assert.ok(tookMs > TIMEOUT_MS - EARLY_MS && tookMs < 5000, `${tookMs} ms`);
  });
});

describe('number', () => {
  test('at its limit an address keeps its callers in, and silent connections out', async (t) => {
    const { port } = await listening(t, { connectionsPerAddressMax: 5 });
    const good = await opened(t, port);
    await good.ask('/');
    const silent = await Promise.all(Array.from({ length: 20 }, () => opened(t, port)));
    await good.ask('/');
    await (await opened(t, port)).ask('/');
    await silent[0]?.closed;
    assert.equal(silent.filter(({ socket }) => !socket.destroyed).length <= 5, true);
  });

  test('the longest idle connection gives way where none is silent, and none that has a request', async (t) => {
    const { port, held: arrived, release } = await listening(t, { connectionsPerAddressMax: 3 });
    const [idle, later, busy] = [await opened(t, port), await opened(t, port), await opened(t, port)];
    await idle.ask('/');
    await later.ask('/');
    const held = busy.ask('/held');
    await arrived(1);
    await (await opened(t, port)).ask('/');
    await idle.closed;
    await later.ask('/');
    release();
    await held;
  });

  test('where all have a request under way, a new connection is closed, and another address is let in', async (t) => {
    const { port, held: arrived, release } = await listening(t, { connectionsPerAddressMax: 2 });
    const busy = [await opened(t, port), await opened(t, port)];
    const held = busy.map(({ ask }) => ask('/held'));
    await arrived(2);
    await (await opened(t, port)).closed;
    await (await opened(t, port, '127.0.0.2')).ask('/');
    release();
    await Promise.all(held);
  });

  test('addresses that are not counted have as many as there are in all', async (t) => {
    const isUncounted = (address: string | undefined) => address === '127.0.0.3';
    const limits = { connectionsPerAddressMax: 1, connectionsMax: 4, isUncounted };
    const { port, held: arrived, release } = await listening(t, limits);
    const gateway = await Promise.all(Array.from({ length: 3 }, () => opened(t, port, '127.0.0.3')));
    const held = gateway.map(({ ask }) => ask('/held'));
    await arrived(3);
    await (await opened(t, port)).ask('/');
    release();
    await Promise.all(held);
  });

  test('at the limit of all, silent connections give way too', async (t) => {
    const { port } = await listening(t, { connectionsMax: 5, connectionsPerAddressMax: 3 });
    const addresses = Array.from({ length: 20 }, (_, at) => `127.0.1.${at + 1}`);
    for (const address of addresses) await opened(t, port, address);
    await (await opened(t, port, '127.0.0.2')).ask('/');
  });

  test('connections over TLS are counted once, and their places are free when they end', async (t) => {
    const { port } = await listening(t, { tls: ecdsa.tls, connectionsPerAddressMax: 2 });
    for (let at = 0; at < 6; at += 1) {
      const callers = [0, 1].map(() =>
        callerOn(t, connectTls({ host: '127.0.0.1', port, ca: authority.certificatePem })),
      );
      for (const { ask } of callers) await ask('/');
      for (const { ask } of callers) await ask('/');
      for (const { socket, closed } of callers) {
        socket.destroy();
        await closed;
      }
    }
  });

  test('an IPv4 address is one however it is written, and an IPv6 network of 64 bits is one', () => {
    for (const [remoteAddress, expected] of [
      ['192.0.2.1', '192.0.2.1'],
      ['::ffff:192.0.2.1', '192.0.2.1'],
      ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
      ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
      ['2001:0db8::1', '2001:db8:0:0::/64'],
      ['::1', '0:0:0:0::/64'],
      ['fe80::1%eth0', 'fe80:0:0:0::/64'],
      [undefined, ''],
    ] as const) {
      assert.equal(remoteNetworkOf({ remoteAddress }), expected);
    }
  });
});
