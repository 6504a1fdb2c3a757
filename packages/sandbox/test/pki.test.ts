import { listenOn } from '@tidings/testing';
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, sign, verify, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { connect, createServer } from 'node:tls';
import * as x509 from '@peculiar/x509';
import { openOwnTpp } from '../src/pki/own-tpp.ts';
import { IDENTITIES } from '../src/pki/participants.ts';
import { openPki, type Participant, type SandboxPki, StateFolderError } from '../src/pki/pki.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const nowMs = Date.now();
const base = mkdtempSync(path.join(tmpdir(), 'tidings-pki-'));
after(() => rmSync(base, { recursive: true }));

let folders = 0;
function newFolder(): string {
  folders += 1;
  return path.join(base, `pki-${folders}`);
}

const folder = newFolder();
const pki = await openPki({ folder, nowMs });
const leavesOf = ({ bank, tpp }: SandboxPki) => [bank.transport, bank.signing, tpp.transport, tpp.signing];
const usagesOf = (pem: string) => new x509.X509Certificate(pem).getExtension(x509.KeyUsagesExtension)?.usages;
/** The DER of an object identifier whose content is given in hexadecimal. */
const oidDer = (content: string) =>
  Buffer.from(`06${(content.length / 2).toString(16).padStart(2, '0')}${content}`, 'hex');

describe('opening the PKI', { timeout: 20_000 }, () => {
  test('gives the same keys, kids and certificates on the second call', async () => {
    assert.deepEqual(await openPki({ folder, nowMs: nowMs + DAY_MS }), pki);
  });

  test('gives concurrent callers in a new folder the same PKI, and leaves no other files', async () => {
    const own = newFolder();
    const [first, ...others] = await Promise.all([1, 2, 3].map(() => openPki({ folder: own, nowMs })));
    assert.deepEqual(others, [first, first]);
    assert.deepEqual(await openPki({ folder: own, nowMs }), first);
    assert.deepEqual(readdirSync(own).sort(), readdirSync(folder).sort());
    assert.ok(!readdirSync(own).some((name) => name.endsWith('.tmp')));
  });

  test('makes the folder and the private keys accessible to their owner only', () => {
    const modeOf = (file: string) => statSync(file).mode & 0o777;
    assert.equal(modeOf(folder), 0o700);
    for (const { keyFile, certificateFile } of leavesOf(pki)) {
      assert.equal(modeOf(keyFile), 0o600);
      assert.equal(modeOf(certificateFile), 0o644);
    }
    const withKeys = readdirSync(folder).filter((name) =>
      readFileSync(path.join(folder, name), 'utf8').includes('PRIVATE'),
    );
    assert.deepEqual(
      withKeys.map((name) => modeOf(path.join(folder, name))),
      withKeys.map(() => 0o600),
    );
  });

  test('writes files with the PEM texts that it returns', () => {
    assert.equal(readFileSync(pki.root.certificateFile, 'utf8'), pki.root.certificatePem);
    for (const leaf of leavesOf(pki)) {
      assert.equal(readFileSync(leaf.certificateFile, 'utf8'), leaf.certificatePem);
      assert.equal(readFileSync(leaf.keyFile, 'utf8'), leaf.keyPem);
    }
  });

  test('renews leaf certificates for the same keys when they expire within 30 days, and not before', async () => {
    const own = newFolder();
    const first = await openPki({ folder: own, nowMs });
    const expiryMs = new X509Certificate(first.tpp.signing.certificatePem).validToDate.getTime();
    assert.deepEqual(await openPki({ folder: own, nowMs: expiryMs - 30 * DAY_MS }), first);

    const renewed = await openPki({ folder: own, nowMs: expiryMs - 30 * DAY_MS + 1 });
    assert.deepEqual(renewed.root, first.root);
    for (const [index, leaf] of leavesOf(renewed).entries()) {
      const before = leavesOf(first)[index];
      assert.equal(leaf.keyPem, before?.keyPem);
      assert.notEqual(leaf.certificatePem, before?.certificatePem);
      assert.ok(new X509Certificate(leaf.certificatePem).validToDate.getTime() > expiryMs + 300 * DAY_MS);
    }
    assert.equal(renewed.tpp.signing.kid, first.tpp.signing.kid);
    assert.equal(renewed.tpp.transport.subjectDn, first.tpp.transport.subjectDn);
    assert.notEqual(renewed.tpp.transport.thumbprintS256, first.tpp.transport.thumbprintS256);
    assert.deepEqual(await openPki({ folder: own, nowMs: expiryMs - 30 * DAY_MS + 1 }), renewed);
  });

  test('replaces everything when the root expires within 30 days', async () => {
    const own = newFolder();
    const first = await openPki({ folder: own, nowMs });
    const expiryMs = new X509Certificate(first.root.certificatePem).validToDate.getTime();
    const next = await openPki({ folder: own, nowMs: expiryMs - 29 * DAY_MS });
    assert.notEqual(next.root.certificatePem, first.root.certificatePem);
    assert.notEqual(next.bank.signing.kid, first.bank.signing.kid);
    assert.ok(new X509Certificate(next.bank.transport.certificatePem).verify(rootKeyOf(next)));
  });

  test('never issues a leaf that outlives the root', async () => {
    const own = newFolder();
    const first = await openPki({ folder: own, nowMs });
    const rootExpiryMs = new X509Certificate(first.root.certificatePem).validToDate.getTime();
    const late = await openPki({ folder: own, nowMs: rootExpiryMs - 40 * DAY_MS });
    assert.deepEqual(late.root, first.root);
    assert.equal(new X509Certificate(late.tpp.transport.certificatePem).validToDate.getTime(), rootExpiryMs);
  });
});

describe('a crash or a damage', { timeout: 20_000 }, () => {
  test('before the PKI was stored leaves none, and the next call creates a complete one', async () => {
    const own = newFolder();
    const lost = await openPki({ folder: own, nowMs });
    rmSync(path.join(own, 'pki.json'));
    writeFileSync(path.join(own, 'pki.json.1.tmp'), '{"version":1,"root":');
    const made = await openPki({ folder: own, nowMs });
    assert.notEqual(made.root.certificatePem, lost.root.certificatePem);
    for (const leaf of leavesOf(made)) {
      assert.equal(readFileSync(leaf.certificateFile, 'utf8'), leaf.certificatePem);
      assert.equal(readFileSync(leaf.keyFile, 'utf8'), leaf.keyPem);
      assert.ok(new X509Certificate(leaf.certificatePem).verify(rootKeyOf(made)));
    }
  });

  test('after the PKI was stored is repaired: missing and old PEM files are rewritten', async () => {
    const own = newFolder();
    const made = await openPki({ folder: own, nowMs });
    rmSync(made.tpp.signing.keyFile);
    writeFileSync(made.bank.transport.certificateFile, pki.bank.transport.certificatePem);
    assert.deepEqual(await openPki({ folder: own, nowMs }), made);
    assert.equal(readFileSync(made.tpp.signing.keyFile, 'utf8'), made.tpp.signing.keyPem);
    assert.equal(readFileSync(made.bank.transport.certificateFile, 'utf8'), made.bank.transport.certificatePem);
  });

  test('of the stored file is reported with its path and the remedy, and nothing is replaced silently', async () => {
    const own = newFolder();
    await openPki({ folder: own, nowMs });
    const file = path.join(own, 'pki.json');
    const whole = readFileSync(file, 'utf8');
    const json: unknown = JSON.parse(whole);
    assert.ok(typeof json === 'object' && json !== null && 'leaves' in json);
    const foreignRoot = { certificatePem: pki.root.certificatePem, keyPem: pki.bank.signing.keyPem };
    const damages = [
      whole.slice(0, 500),
      'null',
      '[]',
      JSON.stringify({ ...json, version: 2 }),
      JSON.stringify({ ...json, leaves: {} }),
      JSON.stringify({ ...json, root: foreignRoot }),
    ];
    for (const damaged of damages) {
      writeFileSync(file, damaged);
      await assert.rejects(openPki({ folder: own, nowMs }), (error) => {
        assert.ok(error instanceof StateFolderError);
        assert.ok(error.message.includes(file) && error.message.includes('remove that file'), error.message);
        return true;
      });
      assert.equal(readFileSync(file, 'utf8'), damaged);
    }
  });

  test('a folder that cannot be created is reported in one sentence with its path and the remedy', async () => {
    const file = path.join(base, 'a-regular-file');
    writeFileSync(file, '');
    for (const bad of [path.join(file, 'below'), file]) {
      await assert.rejects(openPki({ folder: bad, nowMs }), (error) => {
        assert.ok(error instanceof StateFolderError && error instanceof Error);
        assert.match(
          error.message,
          /^The sandbox cannot store its keys in .+ \(E[A-Z]+\); choose a state folder .+\.$/,
        );
        assert.ok(error.message.includes(bad) && error.cause instanceof Error);
        return true;
      });
    }
  });
});

describe('the certificates', { timeout: 20_000 }, () => {
  test('chain to the root, which is a CA and nothing else', () => {
    const root = new X509Certificate(pki.root.certificatePem);
    assert.ok(root.ca && root.verify(root.publicKey));
    assert.equal(root.subject, 'C=GB\nO=Tidings Sandbox\nCN=Tidings Sandbox Root CA');
    const { keyCertSign, cRLSign } = x509.KeyUsageFlags;
    assert.equal(usagesOf(pki.root.certificatePem), keyCertSign | cRLSign);
    for (const { certificatePem, keyPem } of leavesOf(pki)) {
      const leaf = new X509Certificate(certificatePem);
      assert.ok(!leaf.ca && leaf.checkIssued(root) && leaf.verify(root.publicKey));
      assert.ok(leaf.checkPrivateKey(createPrivateKey(keyPem)));
      assert.equal(leaf.publicKey.asymmetricKeyDetails?.modulusLength, 2048);
    }
  });

  test('have subjects in Open Banking style', () => {
    const { bank, tpp } = pki;
    const organisationIdentifier = (of: Participant) => `organizationIdentifier=PSDGB-OB-Unknown${of.organisationId}`;
    assert.equal(
      tpp.transport.subjectDn,
      `CN=${tpp.organisationId},${organisationIdentifier(tpp)},O=Tidings Sample TPP Ltd,C=GB`,
    );
    assert.equal(
      bank.transport.subjectDn,
      `CN=localhost,${organisationIdentifier(bank)},O=Tidings Sandbox Bank plc,C=GB`,
    );
    assert.match(new X509Certificate(bank.signing.certificatePem).subject, /^C=GB\n.*\nCN=Tidings Sandbox Bank plc$/s);
    assert.match(tpp.softwareStatementId, /^[A-Za-z0-9]{22}$/);
    assert.ok(!('softwareStatementId' in bank));
  });

  test('for transport are for TLS on this machine, those for signing are for signatures', () => {
    const { digitalSignature, nonRepudiation } = x509.KeyUsageFlags;
    for (const { transport, signing } of [pki.bank, pki.tpp]) {
      const certificate = new X509Certificate(transport.certificatePem);
      assert.equal(usagesOf(transport.certificatePem), digitalSignature);
      assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1']);
      assert.ok(certificate.checkHost('localhost') && certificate.checkIP('127.0.0.1') && certificate.checkIP('::1'));
      assert.equal(transport.thumbprintS256, thumbprintOf(certificate));

      assert.equal(usagesOf(signing.certificatePem), digitalSignature | nonRepudiation);
      assert.equal(new X509Certificate(signing.certificatePem).keyUsage, undefined);
    }
  });

  test('have random serials and key identifiers that lead to the root', () => {
    const all = [pki.root, ...leavesOf(pki)].map(({ certificatePem }) => new x509.X509Certificate(certificatePem));
    assert.equal(new Set(all.map(({ serialNumber }) => serialNumber)).size, all.length);
    const rootKeyId = all[0]?.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
    assert.ok(rootKeyId !== undefined);
    for (const certificate of all.slice(1)) {
      assert.match(certificate.serialNumber, /^[4-7][0-9a-f]{31}$/);
      assert.ok(certificate.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId !== rootKeyId);
      assert.equal(certificate.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId, rootKeyId);
    }
  });

  test('name the roles of PSD2 in their QCStatements', () => {
    const statementsOf = (pem: string) =>
      Buffer.from(new x509.X509Certificate(pem).getExtension('1.3.6.1.5.5.7.1.3')?.value ?? new ArrayBuffer(0));
    // The whole of the bank's seal, written out from ETSI TS 119 495 annex A and ETSI EN 319 412-5 annex B.
    const hex = (text: string) => Buffer.from(text).toString('hex');
    const authority = `0c1b${hex('Financial Conduct Authority')}0c06${hex('GB-FCA')}`;
    const role = `301330110607040081982701010c06${hex('PSP_AS')}`;
    const qcType = '3013060604008e4601063009060704008e46010602';
    assert.equal(
      statementsOf(pki.bank.signing.certificatePem).toString('hex'),
      `305b${qcType}30440606040081982702303a${role}${authority}`,
    );
    const web = oidDer('04008e46010603');
    assert.ok(statementsOf(pki.tpp.transport.certificatePem).includes(web));
    for (const [name, digit] of [
      ['PSP_PI', '02'],
      ['PSP_AI', '03'],
      ['PSP_IC', '04'],
    ] as const) {
      const expected = Buffer.concat([oidDer(`040081982701${digit}`), Buffer.from(`\x0c\x06${name}`)]);
      assert.ok(statementsOf(pki.tpp.transport.certificatePem).includes(expected), name);
    }
    assert.ok(!statementsOf(pki.tpp.signing.certificatePem).includes('PSP_AS'));
  });

  test('for signing have a JWK that verifies PS256 signatures of their key', () => {
    const { keyPem, publicJwk, kid } = pki.tpp.signing;
    assert.deepEqual(Object.keys(publicJwk).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use']);
    assert.deepEqual([publicJwk.alg, publicJwk.use, publicJwk.kid], ['PS256', 'sig', kid]);
    const pss = { padding: 6, saltLength: 32 };
    const signature = sign('sha256', Buffer.from('a set'), { key: keyPem, ...pss });
    const key = createPublicKey({ key: { ...publicJwk }, format: 'jwk' });
    assert.ok(verify('sha256', Buffer.from('a set'), { key, ...pss }, signature));
  });

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`for transport carry a mutual TLS handshake in ${version}, either way`, async () => {
      for (const [from, to] of [
        [pki.tpp, pki.bank],
        [pki.bank, pki.tpp],
      ] as const) {
        const ca = pki.root.certificatePem;
        const server = createServer({
          ca,
          cert: to.transport.certificatePem,
          key: to.transport.keyPem,
          requestCert: true,
          rejectUnauthorized: true,
        });
        await listenOn(server);
        const address = server.address();
        assert.ok(typeof address === 'object' && address !== null);
        const client = connect({
          host: '127.0.0.1',
          port: address.port,
          servername: 'localhost',
          ca,
          cert: from.transport.certificatePem,
          key: from.transport.keyPem,
          minVersion: version,
          maxVersion: version,
        });
        const [served] = await once(server, 'secureConnection');
        assert.equal(thumbprintOf(served.getPeerX509Certificate()), from.transport.thumbprintS256);
        if (client.getPeerX509Certificate() === undefined) await once(client, 'secureConnect');
        assert.equal(client.getProtocol(), version);
        client.destroy();
        served.destroy();
        server.close();
      }
    });
  }
});

describe('the certificates of a TPP of your own', () => {
  test('keep their keys; they are issued again for another root and another host, and are valid for that host', async () => {
    const own = newFolder();
    const open = async (callbackHost: string, atMs: number) => {
      const { root } = await openPki({ folder: own, nowMs: atMs });
      const tppFolder = path.join(own, 'tpp');
      const options = { pkiFolder: own, folder: tppFolder, identity: IDENTITIES.tpp, callbackHost, nowMs: atMs };
      return { root: new X509Certificate(root.certificatePem), tpp: await openOwnTpp(options) };
    };
    const first = await open('localhost', nowMs);
    assert.deepEqual((await open('localhost', nowMs + DAY_MS)).tpp, first.tpp);

    const moved = await open('tpp.test', nowMs);
    assert.deepEqual([moved.tpp.transport, moved.tpp.signing], [first.tpp.transport, first.tpp.signing]);
    assert.equal(new X509Certificate(moved.tpp.receiver.certificatePem).checkHost('tpp.test'), 'tpp.test');

    const later = await open('tpp.test', nowMs + 3650 * DAY_MS);
    assert.ok(!later.root.publicKey.equals(first.root.publicKey), 'the root was replaced');
    for (const name of ['transport', 'signing', 'receiver'] as const) {
      assert.equal(later.tpp[name].keyPem, first.tpp[name].keyPem);
      assert.ok(new X509Certificate(later.tpp[name].certificatePem).verify(later.root.publicKey), name);
    }
  });

  test('with a damaged key are reported with its file and the remedy', async () => {
    const tppFolder = newFolder();
    const options = { pkiFolder: folder, folder: tppFolder, identity: IDENTITIES.tpp, callbackHost: '::1', nowMs };
    await openOwnTpp(options);
    writeFileSync(path.join(tppFolder, 'signing.key'), 'damaged');
    await assert.rejects(openOwnTpp(options), {
      name: 'StateFolderError',
      message: `The key in ${path.join(tppFolder, 'signing.key')} is damaged; remove that file to make a new key.`,
    });
  });
});

function rootKeyOf(one: SandboxPki) {
  return new X509Certificate(one.root.certificatePem).publicKey;
}

function thumbprintOf(certificate: X509Certificate): string {
  return Buffer.from(certificate.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url');
}
