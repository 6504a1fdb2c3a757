import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { makeAuthority, makeSigningKey } from '@tidings/testing';
import { startBank } from '../support/bank.ts';
import { makeTpp } from '../support/tpp.ts';

// Certificates of a listener, renewed while the service runs.

const bank = await startBank({ clients: ['tpp-a'] });
const tpp = await makeTpp(bank, 'tpp-a');
after(async () => {
  tpp.close();
  await bank.stop();
});

async function connectAs(identity: { certificatePem: string; keyPem: string }): Promise<TLSSocket> {
  const { certificatePem: cert, keyPem: key } = identity;
  const port = Number(new URL(bank.service.apiUrl).port);
  const socket = connect({ host: '127.0.0.1', port, ca: bank.authority.certificatePem, cert, key });
  await once(socket, 'secureConnect');
  return socket;
}

/** What the listener shows on a connection of its own. */
async function shown(): Promise<Buffer> {
  const socket = await connectAs(bank.transportOf('tpp-a'));
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  return raw;
}

const write = (name: string, text: string) => writeFileSync(join(bank.folder, name), text, { mode: 0o600 });

test('a reload gives new connections the new certificate, and those that are there go on', async () => {
  assert.deepEqual(await shown(), bank.transport.der);
  const kept = await connectAs(bank.transportOf('tpp-a'));
  const renewed = await bank.authority.issue({ name: 'bank' });
  write('transport.pem', renewed.certificatePem);
  write('transport.key', renewed.keyPem);
  assert.deepEqual(await shown(), bank.transport.der, 'not before it is asked to');
  await bank.service.reload();
  assert.deepEqual(await shown(), renewed.der);
  kept.write('GET /no-such-path HTTP/1.1\r\nhost: bank\r\n\r\n');
  const [answer] = await once(kept, 'data');
  assert.match(String(answer), /^HTTP\/1\.1 404 /);
  kept.destroy();
  await tpp.create('v4.0', 'event-subscriptions', { Version: '4.0' });
});

test('client roots are renewed too: whom another root issued is let in then', async () => {
  const other = await makeAuthority('Another root');
  const stranger = await other.issue({ name: 'tpp-a' });
  const isLetIn = async () => {
    const socket = await connectAs(stranger);
    socket.write('GET /no-such-path HTTP/1.1\r\nhost: bank\r\n\r\n');
    socket.on('error', () => undefined);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      socket.destroy();
    });
    await once(socket, 'close');
    return String(Buffer.concat(chunks)).startsWith('HTTP/1.1 404');
  };
  assert.equal(await isLetIn(), false);
  write('root.pem', `${bank.authority.certificatePem}\n${other.certificatePem}`);
  await bank.service.reload();
  assert.equal(await isLetIn(), true);
});

test('a certificate that does not fit its key, or a key that is no good, changes nothing at all', async () => {
  const before = await shown();
  const next = await bank.authority.issue({ name: 'bank' });
  write('transport.pem', next.certificatePem);
  const signingKey = makeSigningKey('bank-signing-2');
  bank.signing.kid = 'bank-signing-2';
  writeFileSync(bank.signingKeyFile, signingKey.keyPem);
  await assert.rejects(bank.service.reload(), /api\.tls/);
  assert.deepEqual(await shown(), before);
  const kidOf = async () => (await bank.operate('GET', '/operator/v1/status')).status;
  assert.equal(await kidOf(), 200);
  write('transport.key', next.keyPem);
  writeFileSync(bank.signingKeyFile, 'no key');
  await assert.rejects(bank.service.reload(), /signing/);
  assert.deepEqual(await shown(), before, 'the certificates wait for the key');
});

test('a signing key that a reload changes to is in the audit, as done by the service itself', async () => {
  const signingKey = makeSigningKey('bank-signing-3');
  bank.signing.kid = 'bank-signing-3';
  writeFileSync(bank.signingKeyFile, signingKey.keyPem);
  for (let times = 0; times < 2; times += 1) await bank.service.reload();
  const { body } = await bank.operate('GET', '/operator/v1/audit?action=signing-key-changed');
  const [entry, ...others] = Array.isArray(body['entries']) ? body['entries'] : [];
  assert.deepEqual(others, [], 'a reload that changes nothing is not a change');
  const { actor, authenticatedBy, subject, after: became } = entry;
  assert.deepEqual([actor, authenticatedBy, subject], ['tidings', 'service', 'bank-signing-3']);
  assert.deepEqual(became, { kid: 'bank-signing-3' });
});
