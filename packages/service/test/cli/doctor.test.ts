import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { describe, test } from 'node:test';
import { daysFromNow, listenHttps, listenTcp, makeAuthority, makeSigningKey, unusedPort } from '@tidings/testing';
import { systemClock } from '../../src/base/clock.ts';
import {
  answering,
  assertTold,
  authority,
  type Installation,
  install,
  KEYS,
  loopback,
  stranger,
  type Told,
} from '../support/installation.ts';

test('nothing is wrong with a healthy installation, and everything that was checked is listed', async (t) => {
  const findings = await install(t).findings();
  assert.deepEqual(
    findings.filter(({ severity }) => severity !== 'ok'),
    [],
  );
  assert.deepEqual(
    [...new Set(findings.map(({ check }) => check))],
    [
      ...['configuration', 'files', 'certificates', 'roots', 'signing key', 'operator tokens', 'listeners', 'database'],
      ...['clock', 'keys of others', 'runtime'],
    ],
  );
});

/** Something that is made wrong, and what must be said of it. */
type Planted = readonly [what: string, plant: (it: Installation) => unknown, told: Told];

/** Gives the API another certificate. */
const certified = (names: Parameters<typeof authority.issue>[0]) => async (it: Installation) => {
  const { certificatePem, keyPem } = await authority.issue({ dns: 'api.bank.example', ...names });
  it.write('other.pem', certificatePem);
  it.write('other.key', keyPem);
  it.set('api.tls.certificateFile', 'other.pem');
  it.set('api.tls.keyFile', 'other.key');
};

test('our own certificate of a payment service provider is recognised', async (t) => {
  const it = install(t);
  const subject = 'C=GB, 2.5.4.97=PSDGB-FCA-123456, CN=bank';
  await certified({ ...daysFromNow(-1, 90), subject, psp: { type: 'web', roles: ['PSP_AS'] } })(it);
  const told = (await it.findings()).filter(({ check }) => check === 'certificates').map(({ what }) => what);
  assert.match(told.join('\n'), /"api\.tls", an OBWAC of PSDGB-FCA-123456 \(PSP_AS\), matches its key/);
});

const error = (check: Told['check'], what: RegExp, remedy: RegExp): Told => ({
  ...{ check, severity: 'error', what, remedy },
});
const warning = (check: Told['check'], what: RegExp, remedy: RegExp): Told => ({
  ...{ check, severity: 'warning', what, remedy },
});

const HASH_OF_NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

const FAULTS: readonly Planted[] = [
  [
    'a setting that is misspelt',
    (it) => it.set('delivery.timeoutMS', 5),
    error('configuration', /"delivery\.timeoutMS" is not a setting/, /Did you mean "delivery\.timeoutMs"/),
  ],
  [
    'settings that contradict each other',
    (it) => it.set('delivery.leaseMs', 1000),
    error('configuration', /"delivery\.leaseMs" must exceed/, /config reference/),
  ],
  [
    'a configuration that is no JSON',
    (it) => it.write('tidings.json', '{'),
    error('configuration', /tidings\.json is not JSON/, /must be one JSON object/),
  ],
  [
    'a file that is not there',
    (it) => it.set('delivery.caFile', 'nowhere.pem'),
    error(
      'files',
      /nowhere\.pem, named by "delivery\.caFile", does not exist/,
      /Make the file readable.*"delivery\.caFile"/,
    ),
  ],
  [
    'a private key that everybody may read',
    (it) => chmodSync(`${it.folder}/signing.key`, 0o644),
    warning('files', /Every user .*signing\.key/, /^Run: chmod o-rwx \S+signing\.key$/),
  ],
  [
    'a certificate that expired',
    certified({ ...daysFromNow(-30, -2) }),
    error(
      'certificates',
      /The certificate of "api\.tls" expired on \d{4}-/,
      /^Renew it, replace \S+other\.pem, and send .*SIGHUP/,
    ),
  ],
  [
    'a certificate that expires soon',
    certified({ ...daysFromNow(-30, 10.5) }),
    warning('certificates', /"api\.tls" expires on \d{4}-.* in 10 days/, /Renew it/),
  ],
  [
    'a certificate that is not valid yet',
    certified({ ...daysFromNow(2, 90) }),
    error('certificates', /not valid before \d{4}-/, /Check the clock/),
  ],
  [
    'a certificate for another host',
    certified({ ...daysFromNow(-1, 90), dns: 'other.bank.example' }),
    error('certificates', /not valid for api\.bank\.example.*DNS:other\.bank\.example/, /correct "api\.publicUrl"/),
  ],
  [
    'a certificate for clients alone',
    certified({ ...daysFromNow(-1, 90), isForClients: true }),
    error('certificates', /may not be used for TLS as a server/, /server authentication/),
  ],
  [
    'the key of another certificate',
    (it) => it.write('api.key', loopback.keyPem) && it.set('operator.tls', undefined),
    error('certificates', /key in \S+api\.key does not belong to the certificate/, /"api\.tls\.keyFile"/),
  ],
  [
    'a certificate that is none',
    (it) => it.write('op.pem', 'none') && it.set('operator.tls.certificateFile', 'op.pem'),
    error(
      'certificates',
      /"operator\.tls\.certificateFile" .* are not a certificate and its private key/,
      /unencrypted private key in PEM/,
    ),
  ],
  [
    'a chain that goes on with a stranger of the same name',
    (it) => it.write('chain.pem', `${loopback.certificatePem}\n${stranger.certificatePem}`) && chain(it),
    error(
      'certificates',
      /In the chain of "operator\.tls" the certificate "server" is followed by one that did not/,
      /first/,
    ),
  ],
  [
    'no URL for TPPs on a listener that is open to others',
    (it) => {
      it.set('api.publicUrl', undefined);
      it.set('api.host', '0.0.0.0');
    },
    warning('certificates', /"api\.publicUrl" is not set/, /Set "api\.publicUrl"/),
  ],
  [
    'a signing key that is too short',
    (it) => it.write('signing.key', makeSigningKey('kid-1', 1024).keyPem),
    error('signing key', /under 2048 bits/, /openssl genpkey/),
  ],
  [
    'a next signing key that is the one that signs',
    (it) => it.set('signing.next', { kid: 'kid-2', keyFile: 'signing.key' }),
    warning('signing key', /"signing\.next\.keyFile" holds the present signing key/, /openssl genpkey/),
  ],
  [
    'a signing key whose provider does not open it',
    (it) => {
      it.write('module.so', 'not a library');
      it.write('pin', '1234');
      const pkcs11 = { libraryFile: 'module.so', tokenLabel: 'bank', pinFile: 'pin' };
      it.set('signing', { kid: 'kid-1', provider: 'pkcs11', key: 'bank-1', pkcs11 });
    },
    error('signing key', /pkcs11.* cannot be (?:used|loaded)/, /./),
  ],
  [
    'a secret of a destination of alerts that is none',
    (it) => {
      it.write('hook.secret', 'not-a-secret');
      it.set('notify', { webhooks: [{ name: 'a', url: 'https://a.example/', secretFile: 'hook.secret' }] });
    },
    error('alerts', /"notify\.webhooks\[0\]\.secretFile", does not hold one secret/, /^Make one with: echo "whsec_/),
  ],
  [
    'two operator tokens that are the same',
    (it) =>
      it.set(
        'operator.tokens',
        ['a', 'b'].map((name) => ({ name, role: 'viewer', sha256: '1f'.repeat(32) })),
      ),
    error('operator tokens', /tokens\[1\]" \(b\) is the same token as "operator\.tokens\[0\]"/, /openssl rand/),
  ],
  [
    'the hash of nothing as an operator token',
    (it) => it.set('operator.tokens', [{ name: 'a', role: 'viewer', sha256: HASH_OF_NOTHING }]),
    error('operator tokens', /empty or well-known/, /Replace the token; .*sha256sum/),
  ],
  [
    'the placeholder of an example as an operator token',
    (it) => it.set('operator.tokens', [{ name: 'a', role: 'viewer', sha256: '0'.repeat(64) }]),
    error('operator tokens', /empty or well-known/, /sha256sum/),
  ],
  [
    'two operator tokens of the same name',
    (it) =>
      it.set(
        'operator.tokens',
        ['1f', '2f'].map((byte) => ({ name: 'a', role: 'viewer', sha256: byte.repeat(32) })),
      ),
    warning('operator tokens', /same name as another/, /name of its user/),
  ],
  [
    'an authorisation server that is not there',
    async (it) => it.set('accessTokens.jwksUrl', `https://127.0.0.1:${await unusedPort()}/jwks`),
    error(
      'keys of others',
      /"accessTokens\.jwksUrl"\) cannot be reached \(ECONNREFUSED\)/,
      /check that the server is running/,
    ),
  ],
  [
    'an authorisation server that is not trusted',
    (it) => it.write('strange.pem', stranger.certificatePem) && it.set('accessTokens.caFile', 'strange.pem'),
    error('keys of others', /cannot be reached \(.*(?:CERT|SIGNATURE)/, /"accessTokens\.caFile"/),
  ],
  [
    'a JWKS URL that has none',
    (it) => it.set('accessTokens.jwksUrl', answering({ status: 404, body: '' })),
    error('keys of others', /answers with status 404/, /"jwks_uri"/),
  ],
  [
    'a JWKS URL that has something else',
    (it) => it.set('accessTokens.jwksUrl', answering({ body: '<html>' })),
    error('keys of others', /is not a JWKS/, /"jwks_uri"/),
  ],
  [
    'a JWKS without a key for PS256',
    (it) => it.set('accessTokens.jwksUrl', answering({ body: '{"keys":[{"kid":"a","kty":"EC","use":"sig"}]}' })),
    error('keys of others', /no usable key: the first is unusable: it is not an RSA key/, /PS256/),
  ],
  [
    'an introspection endpoint that is not there',
    (it) => {
      it.set('accessTokens.jwksUrl', undefined);
      it.set('accessTokens.introspectionUrl', answering({ status: 404, body: '' }));
    },
    warning('keys of others', /status 404/, /"introspection_endpoint"/),
  ],
  [
    'a clock that is behind',
    (it) => it.set('accessTokens.jwksUrl', answering({ body: JSON.stringify(KEYS), date: dateIn(60_000) })),
    warning(
      'clock',
      /The clock of 127\.0\.0\.1:\d+ is (?:59|60|61) s ahead of the clock of this machine/,
      /timedatectl/,
    ),
  ],
  [
    'keys of the directory that are none',
    (it) => {
      it.set('directory', { issuer: 'OpenBanking Ltd', jwksFile: it.write('directory.jwks', '{"keys":[]}') });
    },
    error('directory', /holds no signing key/, /Fetch the current JWKS of OpenBanking Ltd/),
  ],
  [
    'keys of the directory that are not those of the configuration',
    (it) => {
      const jwksFile = it.write('directory.jwks', JSON.stringify(KEYS));
      it.set('directory', { issuer: 'OpenBanking Ltd', jwksFile, keyThumbprints: ['A'.repeat(43)] });
    },
    error('directory', /has no key of "directory.keyThumbprints"; it has [\w-]{43}/, /that the directory announced/),
  ],
];

const dateIn = (ms: number) => new Date(Date.now() + ms).toUTCString();
const chain = (it: Installation) => {
  it.write('chain.key', loopback.keyPem);
  it.set('operator.tls', { certificateFile: 'chain.pem', keyFile: 'chain.key' });
};

describe('the doctor finds a planted fault, alone, and says what to do:', () => {
  for (const [what, plant, told] of FAULTS) {
    test(what, async (t) => {
      const it = install(t);
      await plant(it);
      assertTold(await it.faults(), told);
    });
  }
});

test('all misspelt and missing settings are found at once', async (t) => {
  const it = install(t);
  it.set('logs', {});
  it.set('api.port', 70_000);
  it.set('operator.tokens.0.nme', 'core');
  const faults = await it.faults();
  assert.equal(faults.length, 3, JSON.stringify(faults));
  const all = faults.map(({ what }) => what).join('\n');
  for (const each of ['"logs"', '"api.port"', '"operator.tokens[0].nme"']) assert.ok(all.includes(each), all);
});

test('a revocation list that is past, or is within a day, or is none is found, and a good one is not', async (t) => {
  const it = install(t);
  it.set('api.tls.clientCrlFile', 'tpps.crl');
  const hourMs = 3_600_000;
  for (const [hours, severity, what] of [
    [48, undefined, /^$/],
    [12, 'warning', /"api\.tls\.clientCrlFile" becomes outdated within a day/],
    [-1, 'error', /"api\.tls\.clientCrlFile" is outdated \(nextUpdate\), so every client certificate/],
  ] as const) {
    it.write('tpps.crl', await authority.revoke([], new Date(Date.now() + hours * hourMs)));
    const [fault, ...others] = await it.faults();
    assert.deepEqual([fault?.severity, others], [severity, []]);
    assert.match(fault?.what ?? '', what);
  }
  it.write('tpps.crl', 'no list');
  assert.match((await it.faults())[0]?.what ?? '', /named by "api\.tls\.clientCrlFile", holds no revocation list/);
});

test('a root that expired is found, and one that is good beside it is not', async (t) => {
  const it = install(t);
  it.write(
    'roots.pem',
    `${authority.certificatePem}\n${(await makeAuthority('Test authority', daysFromNow(-9, -1))).certificatePem}`,
  );
  const faults = await it.faults();
  assert.deepEqual(
    faults.map(({ check, severity }) => [check, severity]),
    ['api.tls.clientCaFile', 'accessTokens.caFile', 'delivery.caFile'].map(() => ['roots', 'error']),
  );
  assert.match(faults[0]?.what ?? '', /The root "Test authority" of "api\.tls\.clientCaFile" expired/);
  assert.match(faults[0]?.remedy ?? '', /SIGHUP/);
  assert.match(faults[1]?.remedy ?? '', /restart the service/);
});

describe('a port that is held', () => {
  test('by another program is an error', async (t) => {
    const it = install(t);
    const { port } = await listenTcp(t, (socket) => socket.end('SSH-2.0-OpenSSH\r\n'));
    it.set('api.port', port);
    assertTold(
      await it.faults(),
      error('listeners', /Port \d+ of 127\.0\.0\.1 is in use/, /Stop what uses it, or choose another "api\.port"/),
    );
  });

  test('by what shows another certificate is a warning: it may be Tidings from before a renewal', async (t) => {
    const it = install(t);
    const { port } = await listenHttps(t, () => assert.fail('it was asked for something'), loopback.tls);
    it.set('api.port', port);
    assertTold(await it.faults(), warning('listeners', /another certificate/, /SIGHUP/));
  });

  test('by a Tidings is good', async (t) => {
    const it = install(t);
    const { readFileSync } = await import('node:fs');
    const [cert, key] = ['api.pem', 'api.key'].map((name) => readFileSync(`${it.folder}/${name}`, 'utf8'));
    const options = { cert, key, ca: authority.certificatePem, requestCert: true };
    const { port } = await listenHttps(t, () => assert.fail('it was asked for something'), options);
    it.set('api.port', port);
    assert.deepEqual(await it.faults(), []);
    const told = (await it.findings()).filter(({ check }) => check === 'listeners').map(({ what }) => what);
    assert.match(told.join('\n'), /Port \d+ of 127\.0\.0\.1 \("api"\) is used by a running Tidings/);
  });
});

test('a clock that is wrong by itself makes certificates seem expired, and keys of others too old', async (t) => {
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + 400 * 86_400_000 };
  const faults = await install(t).faults({ clock });
  const checks = new Set(faults.map(({ check }) => check));
  assert.deepEqual([...checks], ['certificates', 'roots', 'clock']);
});
