import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { type Identity, makeAuthority } from '@tidings/testing';
import { startBank } from '../support/bank.ts';

// Revocation lists of client certificates, in real handshakes of both listeners.

const staff = await makeAuthority('Staff root');
const [alice, bob] = await Promise.all([staff.issue({ name: 'alice' }), staff.issue({ name: 'bob' })]);
const bank = await startBank({ clients: ['tpp-a', 'tpp-b'] });
const other = await makeAuthority('Another root');
const write = (name: string, text: string) => writeFileSync(join(bank.folder, name), text);
write('staff.pem', staff.certificatePem);
write('tpps.crl', await bank.authority.revoke([]));
write('staff.crl', await staff.revoke([]));
const { api, operator, store } = bank.config;
const service = await bank.another(undefined, {
  store: { ...store, file: join(bank.folder, 'with-lists.db') },
  api: { ...api, ...(api.tls && { tls: { ...api.tls, clientCrlFile: join(bank.folder, 'tpps.crl') } }) },
  operator: {
    ...operator,
    tls: {
      certificateFile: join(bank.folder, 'transport.pem'),
      keyFile: join(bank.folder, 'transport.key'),
      clientCaFile: join(bank.folder, 'staff.pem'),
      clientCrlFile: join(bank.folder, 'staff.crl'),
    },
  },
});
after(() => bank.stop());

type Listener = 'apiUrl' | 'operatorUrl';
const [a, b] = ['tpp-a', 'tpp-b'].map((id) => bank.transportOf(id)) as [Identity, Identity];

function connectAs(identity: Identity, at: Listener, more: ConnectionOptions = {}): TLSSocket {
  const { certificatePem: cert, keyPem: key } = identity;
  const port = Number(new URL(service[at]).port);
  const socket = connect({ host: '127.0.0.1', port, ca: bank.authority.certificatePem, cert, key, ...more });
  socket.on('error', () => undefined);
  return socket;
}

const GET = 'GET /no-such-path HTTP/1.1\r\nhost: bank\r\n\r\n';

/** The first line of what a request on the connection is answered with; empty when it is closed instead. */
function answered(socket: TLSSocket): Promise<string> {
  socket.write(GET);
  return new Promise((resolve) => {
    socket.once('data', (chunk: Buffer) => resolve(String(chunk).split('\r\n')[0] ?? ''));
    socket.once('close', () => resolve(''));
  });
}

async function isLetIn(identity: Identity, at: Listener, more?: ConnectionOptions): Promise<boolean> {
  const socket = connectAs(identity, at, more);
  const answer = await answered(socket);
  socket.destroy();
  return answer.startsWith('HTTP/1.1');
}

const LISTENERS = [
  ['apiUrl', 'tpps.crl', () => bank.authority, a, b],
  ['operatorUrl', 'staff.crl', () => staff, alice, bob],
] as const;

for (const [at, file, authority, first, second] of LISTENERS) {
  describe(`the listener at ${at} with clientCrlFile`, { timeout: 30_000 }, () => {
    test('lets in whom the list does not name, and after a reload not whom it names', async () => {
      assert.deepEqual([await isLetIn(first, at), await isLetIn(second, at)], [true, true]);
      write(file, await authority().revoke([first]));
      assert.equal(await isLetIn(first, at), true, 'not before it is asked to');
      await service.reload();
      assert.deepEqual([await isLetIn(first, at), await isLetIn(second, at)], [false, true]);
      write(file, await authority().revoke([]));
      await service.reload();
      assert.equal(await isLetIn(first, at), true);
    });

    test('ends the connections that are there when the list changes, and leaves them when it does not', async () => {
      const kept = connectAs(first, at);
      assert.match(await answered(kept), /^HTTP/);
      await service.reload();
      assert.match(await answered(kept), /^HTTP/);
      write(file, await authority().revoke([first]));
      await service.reload();
      assert.equal(await answered(kept), '');
      write(file, await authority().revoke([]));
      await service.reload();
    });

    test('resumes no session of a certificate that was revoked since', async () => {
      for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
        const before = connectAs(first, at, { maxVersion });
        const session = once(before, 'session');
        assert.match(await answered(before), /^HTTP/);
        const [ticket] = await session;
        before.destroy();
        const again = connectAs(first, at, { maxVersion, session: ticket });
        assert.match(await answered(again), /^HTTP/);
        assert.equal(again.isSessionReused(), true, `${maxVersion} sessions are resumed at all`);
        again.destroy();
        write(file, await authority().revoke([first]));
        await service.reload();
        assert.equal(await isLetIn(first, at, { maxVersion, session: ticket }), false, maxVersion);
        write(file, await authority().revoke([]));
        await service.reload();
      }
    });

    test('lets nobody in while the list is past its next update', async () => {
      write(file, await authority().revoke([], new Date(Date.now() - 60_000)));
      await service.reload();
      assert.equal(await isLetIn(second, at), false);
      assert.match(bank.log(), /clientCrlFile".*"a revocation list is past its next update/);
      write(file, await authority().revoke([]));
      await service.reload();
      assert.equal(await isLetIn(second, at), true);
    });

    test('lets nobody in whose authority has no list, and takes several lists from one file', async () => {
      write(file, await other.revoke([]));
      await service.reload();
      assert.equal(await isLetIn(second, at), false);
      write(file, `${await other.revoke([])}\n${await authority().revoke([first])}`);
      await service.reload();
      assert.deepEqual([await isLetIn(first, at), await isLetIn(second, at)], [false, true]);
      write(file, await authority().revoke([]));
      await service.reload();
    });

    test('refuses a reload with what is no list, and goes on with the one before', async () => {
      write(file, await authority().revoke([first]));
      await service.reload();
      for (const text of [
        '',
        bank.authority.certificatePem,
        '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----',
      ]) {
        write(file, text);
        await assert.rejects(service.reload(), /clientCrlFile/);
      }
      assert.deepEqual([await isLetIn(first, at), await isLetIn(second, at)], [false, true]);
      write(file, await authority().revoke([]));
      await service.reload();
    });
  });
}
