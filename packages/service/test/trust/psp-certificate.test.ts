import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import { type PspLeaf, testPki } from '@tidings/testing';
import { describeCertificate, formatPsp, pspStatementsOf } from '../../src/trust/psp-certificate.ts';
import { certificatesOfJwks, PresentedCertificates } from '../../src/trust/tpp-certificates.ts';
import { heldClock, NOW_MS } from '../support/trust-clock.ts';

const SUBJECT = 'C=GB, O=Sample TPP Ltd, 2.5.4.97=PSDGB-FCA-123456, CN=0015800001ZEZ3WAAX';

async function issue(psp: PspLeaf | undefined, subject = SUBJECT) {
  const { authority } = await testPki();
  return await authority.issue({ subject, ...(psp !== undefined && { psp }) });
}

async function statementsOf(psp: PspLeaf, subject?: string) {
  return pspStatementsOf(new X509Certificate((await issue(psp, subject)).der));
}

describe('a certificate of a payment service provider', () => {
  test('of the directory names organisation, roles and authority', async () => {
    assert.deepEqual(await statementsOf({ type: 'web', roles: ['PSP_PI', 'PSP_AI'] }), {
      kind: 'OBWAC',
      organisationIdentifier: 'PSDGB-FCA-123456',
      roles: ['PSP_PI', 'PSP_AI'],
      authorityId: 'GB-FCA',
      authorityName: 'Financial Conduct Authority',
    });
  });

  for (const [psp, kind] of [
    [{ type: 'web', roles: ['PSP_AI'] }, 'OBWAC'],
    [{ type: 'eseal', roles: ['PSP_AI'] }, 'OBSeal'],
    // By its use, where it has no type.
    [{ roles: ['PSP_AI'] }, 'OBSeal'],
    [{ type: 'web', roles: ['PSP_AI'], isQualified: true }, 'QWAC'],
    [{ type: 'eseal', roles: ['PSP_AI'], isQualified: true }, 'QSeal'],
    // Qualified, but not for payment services.
    [{ type: 'eseal', isQualified: true }, 'QSeal'],
  ] as const) {
    test(`with ${JSON.stringify(psp)} is an ${kind}`, async () => {
      assert.equal((await statementsOf(psp))?.kind, kind);
    });
  }

  test('may have every role, and another authority', async () => {
    const authority = { name: 'Bundesanstalt für Finanzdienstleistungsaufsicht', id: 'DE-BAFIN' };
    const roles = ['PSP_AS', 'PSP_PI', 'PSP_AI', 'PSP_IC'] as const;
    const found = await statementsOf({ type: 'web', isQualified: true, roles, authority }, 'C=DE, CN=tpp');
    assert.deepEqual(found?.roles, roles);
    assert.deepEqual([found.authorityId, found.authorityName], [authority.id, authority.name]);
    assert.equal(found.organisationIdentifier, undefined);
    assert.equal(formatPsp(found), 'QWAC (PSP_AS, PSP_PI, PSP_AI, PSP_IC)');
  });

  test('is described with its subject, expiry and fingerprint; one of another kind has no statements', async () => {
    const { der } = await issue({ type: 'web', roles: ['PSP_AI'] });
    const certificate = new X509Certificate(der);
    const described = describeCertificate(der);
    assert.match(described?.subject ?? '', /^CN=0015800001ZEZ3WAAX,2\.5\.4\.97=#/);
    assert.equal(described?.notAfterMs, certificate.validToDate.getTime());
    assert.equal(described.fingerprint, certificate.fingerprint256.replaceAll(':', '').toLowerCase());
    assert.equal(describeCertificate((await issue(undefined)).der)?.psp, undefined);
  });

  test('that is cut off anywhere, or is none, is not described, and nothing is thrown', async () => {
    const { der } = await issue({ type: 'web', roles: ['PSP_AI'] });
    for (let length = 0; length < der.length; length += 7) {
      assert.equal(describeCertificate(der.subarray(0, length)), undefined);
    }
    for (let at = 0; at < der.length; at += 3) {
      const changed = Buffer.from(der);
      changed[at] = (changed[at] ?? 0) ^ 0xff;
      describeCertificate(changed);
    }
  });
});

test('the certificates of a JWKS are those of its keys, the first of each chain', async () => {
  const [seal, above] = await Promise.all([issue({ type: 'eseal', roles: ['PSP_AI'] }), issue(undefined)]);
  const x5c = [seal.der.toString('base64'), above.der.toString('base64')];
  const keys = [
    { kid: 'a', use: 'sig', x5c },
    { kid: 't', use: 'tls', x5c },
    { kid: 'b' },
    { kid: 'c', x5c: ['AAAA'] },
    { x5c },
    { kid: 'd', x5c: [1] },
    'none',
  ];
  const found = certificatesOfJwks({ keys });
  assert.deepEqual(
    found.map(({ kid, use, psp }) => [kid, use, psp?.kind]),
    [
      ['a', 'signing', 'OBSeal'],
      ['t', 'transport', 'OBSeal'],
    ],
  );
});

test('of the certificates that a TPP presents the last four are remembered, the last one first', async () => {
  const clock = heldClock();
  const presented = new PresentedCertificates(clock);
  const all = await Promise.all(Array.from({ length: 5 }, () => issue({ type: 'web', roles: ['PSP_AI'] })));
  const note = (at: number) => {
    clock.advance(1000);
    const { thumbprint, der } = all[at] ?? assert.fail();
    presented.note('tpp-1', { thumbprintS256: thumbprint, raw: der, subjectDn: '' });
  };
  for (const at of [0, 1, 2, 3, 4, 2]) note(at);
  const fingerprints = all.map(({ der }) => describeCertificate(der)?.fingerprint);
  const found = presented.of('tpp-1');
  assert.deepEqual(
    found.map(({ fingerprint }) => fingerprints.indexOf(fingerprint)),
    [2, 4, 3, 1],
  );
  assert.equal(found[0]?.lastSeenAtMs, NOW_MS + 6000);
  assert.deepEqual(presented.of('tpp-2'), []);
  assert.deepEqual(
    presented.latest().map(({ clientId, use, fingerprint }) => [clientId, use, fingerprints.indexOf(fingerprint)]),
    [['tpp-1', 'transport', 2]],
  );
});
