import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { queryObjects } from 'node:v8';
import { testPki } from '@tidings/testing';
import { systemClock } from '../../src/base/clock.ts';
import { nodeFault } from '../../src/base/process.ts';
import { createClientCertificateReader } from '../../src/trust/client-certificate.ts';

const CONNECTIONS = 200;
const LARGE_BYTES = 60_000;

/** A listener that reads the certificate of each request, twice; and what it read. */
async function startReader(t: TestContext) {
  const { server: identity, caPem: ca } = await testPki();
  const read = createClientCertificateReader(undefined, systemClock);
  const subjects = new Set<string | undefined>();
  const server = createServer({ ...identity.tls, ca, requestCert: true }, (request, response) => {
    subjects.add(read(request)?.subjectDn).add(read(request)?.subjectDn);
    response.writeHead(204, { connection: 'close' }).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { port: (server.address() as AddressInfo).port, subjects };
}

test('certificates that a client sends above its own are not kept in memory', {
  skip: nodeFault() ?? (process.platform !== 'linux' && 'the C heap of other systems is not known well enough'),
}, async (t) => {
  const { caPem: ca, authority } = await testPki();
  const { certificatePem, keyPem: key } = await authority.issue({ subject: 'CN=with a chain' });
  // As large as a chain may be, so that one that is kept shows at once.
  const { certificatePem: large } = await authority.issue({ name: 'Above', commentBytes: LARGE_BYTES });
  const chain = `${certificatePem}${large}`;
  const { port, subjects } = await startReader(t);
  const call = async () => {
    const socket = connect({ port, host: '127.0.0.1', ca, cert: chain, key });
    socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await once(socket.resume(), 'close');
  };
  const rssAfter = async (count: number) => {
    for (let at = 0; at < count; at += 1) await call();
    queryObjects(Object, { format: 'count' });
    return process.memoryUsage.rss();
  };
  const before = await rssAfter(CONNECTIONS / 2);
  const grown = (await rssAfter(CONNECTIONS)) - before;
  assert.deepEqual([...subjects], ['CN=with a chain']);
  const kept = CONNECTIONS * LARGE_BYTES;
  assert.ok(
    grown < kept / 2,
    `${grown} bytes more after ${CONNECTIONS} connections with ${kept} bytes of certificates`,
  );
});
