import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadConfig, parseConfig } from '../../src/config/load.ts';
import { messageOf, refusal } from './refusal.ts';
import { MINIMAL, OIDC, WITH_EVERY_SECTION, withoutSetting, withSetting } from './settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidings-config-'));
after(() => rmSync(folder, { recursive: true }));

for (const path of [
  'issuer',
  'organisationId',
  'signing',
  'signing.kid',
  'signing.keyFile',
  'store',
  'api',
  'api.tls.certificateFile',
  'api.tls.keyFile',
  'api.tls.clientCaFile',
  'api.gateway.addresses',
  'accessTokens',
  'accessTokens.issuer',
  'accessTokens.audience',
  'operator',
  'directory.issuer',
]) {
  test(`a configuration without ${path} is refused, and told to add it`, () => {
    const settings = withoutSetting(path, WITH_EVERY_SECTION);
    assert.equal(refusal(settings), `tidings.json: the setting "${path}" is missing; add it.`);
  });
}

test('a token of the operator needs a name, a hash and a role', () => {
  const missing = (name: string) => `tidings.json: the setting "operator.tokens[1].${name}" is missing; add it.`;
  const [good] = MINIMAL.operator.tokens;
  for (const name of ['name', 'sha256', 'role']) {
    const without = Object.fromEntries(Object.entries(good ?? {}).filter(([each]) => each !== name));
    assert.equal(refusal(withSetting('operator.tokens', [good, without])), missing(name));
  }
  assert.match(
    refusal(withSetting('operator.tokens', [{ ...good, role: 'root' }])),
    /"operator\.tokens\[0\]\.role" must /,
  );
});

for (const [wrong, meant] of [
  ['isuer', 'issuer'],
  ['Issuer', 'issuer'],
  ['organizationId', 'organisationId'],
  ['eventTypeUrl', 'eventTypesUrl'],
  ['apis', 'api'],
  ['api.hostname', undefined],
  ['api.publicURL', 'api.publicUrl'],
  ['api.requestTimeout', 'api.requestTimeoutMs'],
  ['api.tls.certFile', undefined],
  ['api.tls.certificatFile', 'api.tls.certificateFile'],
  ['accessTokens.jwksUri', 'accessTokens.jwksUrl'],
  ['operator.tls.keyfile', 'operator.tls.keyFile'],
  ['operator.oidc.jwksURL', 'operator.oidc.jwksUrl'],
  ['operator.oidc.roles.viewers', 'operator.oidc.roles.viewer'],
  ['retry.retryMax', 'retry.retriesMax'],
  ['retry.maxDelay', undefined],
  ['log.levle', 'log.level'],
  ['signing.formerKeyKeptMs', 'signing.formerKeysKeptMs'],
  ['realTime.offered', 'realTime.isOffered'],
  ['realtime', 'realTime'],
  ['callbackUrl', 'callbackUrls'],
  ['polling.maxEventMax', 'polling.maxEventsMax'],
  ['tppKeys.caFiles', 'tppKeys.caFile'],
  ['tppKey', 'tppKeys'],
  ['accessTokens.introspectionUri', 'accessTokens.introspectionUrl'],
  ['api.gateways', 'api.gateway'],
  ['api.gateway.certificateHeaders', 'api.gateway.certificateHeader'],
  ['directory.jwkFile', 'directory.jwksFile'],
  ['completelyDifferent', undefined],
] as const) {
  test(`the unknown setting ${wrong} is refused${meant === undefined ? '' : `, and ${meant} is proposed`}`, () => {
    const base = wrong.startsWith('operator.tls') ? withSetting('operator.tls', MINIMAL.api.tls) : WITH_EVERY_SECTION;
    const { clientCaFile: _, ...identity } = MINIMAL.api.tls;
    const settings = wrong.startsWith('operator.tls') ? withSetting('operator.tls', identity, base) : base;
    const remedy = meant === undefined ? 'remove it.' : `did you mean "${meant}"?`;
    const expected = `tidings.json: "${wrong}" is not a setting; ${remedy}`;
    assert.equal(refusal(withSetting(wrong, 'x', settings)), expected);
  });
}

test('an unknown member in an entry of a list is named by its place, with what was meant', () => {
  const [good] = MINIMAL.operator.tokens;
  const message = refusal(withSetting('operator.tokens', [good, { ...good, names: 'x' }]));
  assert.equal(
    message,
    'tidings.json: "operator.tokens[1].names" is not a setting; did you mean "operator.tokens[1].name"?',
  );
});

test('names that JavaScript gives every object are no settings', () => {
  const settings = JSON.parse(JSON.stringify(MINIMAL).replace('{', '{"__proto__":{"port":1},'));
  assert.match(refusal(settings), /"__proto__" is not a setting/);
  assert.match(refusal(withSetting('constructor', {})), /"constructor" is not a setting/);
});

for (const [path, value, why] of [
  ['issuer', 'bank', /must be a URL \(URI of the ASPSP/],
  ['issuer', 7, /must be string/],
  ['organisationId', '', /must not have fewer than 1 characters/],
  ['trustAnchorsAccepted', [], /must not have fewer than 1 items/],
  ['trustAnchorsAccepted', 'openbanking.org.uk', /must be array/],
  ['financialId', '', /must match pattern/],
  ['financialId', 'two\r\nlines', /must match pattern/],
  ['financialId', 'bänk', /must match pattern/],
  ['eventTypesUrl', 'types', /must be a URL/],
  ['ownEventTypes', {}, /must be array/],
  ['signing', 'signing.key', /must be object/],
  ['store.file', '', /must not have fewer than 1 characters/],
  ['api', null, /must be object/],
  ['api.port', '8443', /must be integer \(Port to listen on; 0 for any free port\)/],
  ['api.port', -1, /must be >= 0/],
  ['api.port', 65_536, /must be <= 65535/],
  ['api.port', 84.43, /must be integer/],
  ['api.prefix', 'psd2', /must match pattern .* \(Path in front of/],
  ['api.prefix', '/psd2/', /must match pattern/],
  ['api.prefix', '/:id', /must match pattern/],
  ['api.prefix', '/*', /must match pattern/],
  ['api.publicUrl', 'http://api.bank.example', /must match pattern "\^https:/],
  ['api.publicUrl', 'https://api.bank.example?x=1', /must match pattern/],
  ['api.publicUrl', 'api.bank.example', /must be a URL/],
  ['api.bodyBytesMax', 4095, /must be >= 4096/],
  ['api.bodyBytesMax', 10_485_761, /must be <= 10485760/],
  ['api.requestTimeoutMs', 0, /must be >= 100/],
  ['accessTokens.jwksUrl', 'http://as.bank.example/jwks', /must start with https:/],
  ['accessTokens.jwksUrl', '/jwks', /must be a URL/],
  ['accessTokens.audience', '', /must not have fewer than 1 characters/],
  ['accessTokens.clockSkewSeconds', 301, /must be <= 300/],
  ['operator.tokens', MINIMAL.operator.tokens[0], /must be array/],
  ['delivery.timeoutMs', 49, /must be >= 50/],
  ['delivery.concurrencyMax', 0, /must be >= 1/],
  ['retry.delayMs', 9, /must be >= 10/],
  ['retry.retriesMax', -1, /must be >= 0/],
  ['retry.jitter', 1.1, /must be <= 1/],
  ['retry.jitter', '0.2', /must be number/],
  [
    'log.level',
    'loud',
    /must be one of debug, info, warn, error, silent \(Least severe level that is logged: debug, info, warn, error or silent\)/,
  ],
  ['log.level', null, /must be one of debug/],
  ['shutdown.graceMs', 300_001, /must be <= 300000/],
  ['signing.formerKeysKeptMs', -1, /must be >= 0/],
  ['signing.formerKeysKeptMs', 315_360_000_001, /must be <= 315360000000/],
  ['api.tls', null, /must be object/],
  ['api.jwksPath', 'jwks', /must match pattern .* \(Path of our JWKS, after the prefix\)/],
  ['api.jwksPath', '/', /must match pattern/],
  ['api.jwksPath', '/jwks/', /must match pattern/],
  ['api.jwksPath', '/:id', /must match pattern/],
  ['api.jwksPath', '/open-banking/jwks', /must match pattern/],
  ['api.isUnencodedPayloadAccepted', 1, /must be boolean \(Accept the b64: false form/],
  ['api.requestsPerMinutePerTppMax', 0, /must be >= 1/],
  ['api.registrationChangesPerHourPerTppMax', 0, /must be >= 1/],
  ['api.gateway.addresses', [], /must not have fewer than 1 items \(Addresses that the gateway connects from/],
  ['api.gateway.addresses', '10.0.0.0/8', /must be array/],
  ['api.gateway.certificateHeader', 'client cert', /must match pattern/],
  ['api.gateway.certificateHeader', '', /must match pattern/],
  [
    'api.gateway.certificateFormat',
    'pem',
    /must be one of rfc9440, .* \(Format of that header: rfc9440 .*, pem-url-encoded .* or base64-der\)/,
  ],
  ['accessTokens.introspectionUrl', 'http://as.bank.example/introspect', /must start with https:/],
  ['accessTokens.introspectionUrl', '/introspect', /must be a URL/],
  ['accessTokens.introspectionClientId', '', /must not have fewer than 1 characters/],
  ['realTime', false, /must be object/],
  ['realTime.isOffered', 'no', /must be boolean \(Deliver to callback URLs\)/],
  ['callbackUrls.isOffered', null, /must be boolean \(Offer the callback-urls resource/],
  ['polling.isOffered', 0, /must be boolean \(Offer aggregated polling/],
  ['polling.maxEventsDefault', 0, /must be >= 1/],
  ['polling.maxEventsMax', 1001, /must be <= 1000/],
  ['polling.longPollMaxMs', 300_001, /must be <= 300000/],
  ['polling.longPollsMax', 0, /must be >= 1/],
  ['polling.longPollsPerTppMax', 1.5, /must be integer/],
  ['polling.pollsPerTppMax', 0, /must be >= 1/],
  ['polling.reofferMs', 999, /must be >= 1000/],
  ['polling.reofferAfterErrorMs', -1, /must be >= 0/],
  ['polling.isAcknowledgementExpected', 'false', /must be boolean/],
  ['polling.intervalSeconds', 0, /must be >= 1/],
  ['tppKeys.maxAgeMs', 999, /must be >= 1000/],
  ['tppKeys.hardMaxAgeMs', 999, /must be >= 1000/],
  ['accessTokens.keysMaxAgeMs', 999, /must be >= 1000/],
  ['operator.oidc.keysHardMaxAgeMs', 999, /must be >= 1000/],
  ['tppKeys.refetchMinMs', 99, /must be >= 100/],
  ['tppKeys.timeoutMs', 60_001, /must be <= 60000/],
  ['tppKeys.caFile', '', /must not have fewer than 1 characters/],
  ['directory', [], /must be object/],
  ['directory.jwksFile', '', /must not have fewer than 1 characters/],
] as const) {
  test(`${path} = ${JSON.stringify(value)} is refused, and the setting is named`, () => {
    const message = refusal(withSetting(path, value, WITH_EVERY_SECTION));
    assert.ok(message.startsWith(`tidings.json: the setting "${path}" `), message);
    assert.match(message, why);
  });
}

test('a hash of an operator token that is none is named by its place', () => {
  for (const sha256 of ['secret', '0'.repeat(63), '0'.repeat(65), 'A'.repeat(64)]) {
    const message = refusal(withSetting('operator.tokens', [{ name: 'core', sha256, role: 'viewer' }]));
    assert.match(message, /^tidings\.json: the setting "operator\.tokens\[0\]\.sha256" must match pattern /);
    assert.ok(!message.includes('secret'), 'what was taken for a hash is not repeated');
  }
});

for (const settings of [null, undefined, [], [MINIMAL], 'settings', 7, true]) {
  test(`${JSON.stringify(settings)?.slice(0, 20)} is no configuration`, () => {
    assert.equal(refusal(settings), 'tidings.json: it must be a JSON object that holds the settings.');
  });
}

for (const url of ['postgres://tidings:s3cret@db/tidings', 'postgres://tidings@db/tidings?password=s3cret']) {
  test(`a password in the URL of the database is refused and not repeated, as ${url.includes('?') ? 'a parameter' : 'part of the user'}`, () => {
    const message = refusal(withSetting('store', { url }));
    assert.match(
      message,
      /"store\.url" must not contain the password; give it in "store\.password" or "store\.passwordFile"/,
    );
    assert.ok(!message.includes('s3cret'));
  });
}

test('the operator listener may be without TLS on loopback, and with TLS anywhere', () => {
  const { clientCaFile: _, ...tls } = MINIMAL.api.tls;
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) {
    assert.equal(parseConfig(withSetting('operator.host', host), '/').operator.host, host);
  }
  const everywhere = withSetting('operator.tls', tls, withSetting('operator.host', '0.0.0.0'));
  assert.equal(parseConfig(everywhere, '/').operator.host, '0.0.0.0');
  const behindProxy = withSetting('operator.isBehindProxy', true, withSetting('operator.host', '0.0.0.0'));
  assert.equal(parseConfig(behindProxy, '/').operator.host, '0.0.0.0');
  for (const host of ['::', '10.0.0.1', 'localhost.example', '127.0.0.1.example', '']) {
    assert.match(refusal(withSetting('operator.host', host)), /is not loopback/);
  }
});

test('an identity provider alone is enough, with its roles and what is left out by default', () => {
  const { oidc, tokens } = parseConfig(withSetting('operator', { oidc: OIDC }), '/').operator;
  assert.deepEqual(tokens, []);
  const byDefault = { rolesClaim: 'roles', nameClaim: 'sub', clockSkewSeconds: 10, timeoutMs: 5000 };
  assert.deepEqual(oidc, {
    ...OIDC,
    ...byDefault,
    keysMaxAgeMs: 600_000,
    keysHardMaxAgeMs: 3_600_000,
    isAccessTokenTypeRequired: false,
  });
});

test('a configuration file is read, and its folder is where its paths start', () => {
  const file = join(folder, 'good.json');
  writeFileSync(file, JSON.stringify(MINIMAL));
  assert.equal(loadConfig(file).store.file, join(folder, 'store/tidings.db'));
});

for (const [name, content, why] of [
  ['empty.json', '', 'is not JSON'],
  ['cut.json', JSON.stringify(MINIMAL).slice(0, -1), 'is not JSON'],
  ['comment.json', `// settings\n${JSON.stringify(MINIMAL)}`, 'is not JSON (line 1)'],
  ['mark.json', `\uFEFF${JSON.stringify(MINIMAL)}`, 'must not start with a byte order mark'],
  [
    'twice.json',
    JSON.stringify(MINIMAL).replace('{', '{"issuer":"https://a.example",'),
    'has the member "issuer" twice',
  ],
  ['latin.json', Buffer.from([0x7b, 0xe4, 0x7d]), 'is not UTF-8'],
] as const) {
  test(`a configuration file that ${why} is refused (${name})`, () => {
    const file = join(folder, name);
    writeFileSync(file, content);
    assert.equal(
      messageOf(() => loadConfig(file)),
      `The configuration file ${file} ${why}.`,
    );
  });
}

test('a configuration file that cannot be read is named, with the reason', () => {
  const missing = join(folder, 'missing.json');
  assert.equal(
    messageOf(() => loadConfig(missing)),
    `The configuration file ${missing} cannot be read (ENOENT).`,
  );
  const directory = join(folder, 'directory.json');
  mkdirSync(directory);
  assert.equal(
    messageOf(() => loadConfig(directory)),
    `The configuration file ${directory} cannot be read (EISDIR).`,
  );
});

test('a fault in a file is reported with the name of the file as it was given', () => {
  const file = join(folder, 'bad.json');
  writeFileSync(file, JSON.stringify(withSetting('api.port', 'x')));
  assert.ok(messageOf(() => loadConfig(file)).startsWith(`${file}: the setting "api.port" must be integer`));
});

for (const port of ['0', '65536', '1024-', '2000-1000', 'https', '443,8443', '-1', '']) {
  test(`delivery.callbackPortsAllowed with ${JSON.stringify(port)} is refused, and the setting is named`, () => {
    const said = refusal({ ...MINIMAL, delivery: { callbackPortsAllowed: ['443', port] } });
    assert.match(said, /"delivery\.callbackPortsAllowed\[1\]"/);
  });
}

test('delivery.callbackPortsAllowed may not be empty', () => {
  assert.match(refusal({ ...MINIMAL, delivery: { callbackPortsAllowed: [] } }), /delivery\.callbackPortsAllowed/);
});

for (const [what, store] of [
  ['by its name', { url: 'postgres://tidings@localhost/tidings' }],
  ['by its IPv4 address', { url: 'postgres://tidings@127.0.0.2:5433/tidings' }],
  ['by its IPv6 address', { url: 'postgres://tidings@[::1]/tidings' }],
  ['over a Unix socket', { url: 'postgres://tidings@%2Fvar%2Frun%2Fpostgresql/tidings' }],
  ['elsewhere with TLS', { url: 'postgres://tidings@db.bank.example/tidings', caFile: 'roots.pem' }],
  ['elsewhere over a tunnel', { url: 'postgres://tidings@db.bank.example/tidings', isClearTextAllowed: true }],
] as const) {
  test(`a database ${what} may be named`, () => {
    assert.equal(parseConfig(withSetting('store', store), '/').store.url, store.url);
  });
}

for (const host of [
  'db',
  '10.0.0.1',
  '127.0.0.1.bank.example',
  'localhost.bank.example',
  '[fd00::1]',
  '[::ffff:10.0.0.1]',
]) {
  test(`a database at ${host} is beyond this machine`, () => {
    assert.match(refusal(withSetting('store', { url: `postgres://tidings@${host}/tidings` })), /is not this machine/);
  });
}
