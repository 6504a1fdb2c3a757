import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { configurationReference } from '../../src/config/reference.ts';
import { messageOf } from './refusal.ts';
import { KAFKA, MINIMAL, withSetting } from './settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidings-origins-'));
after(() => rmSync(folder, { recursive: true }));

const CONFIG = join(folder, 'tidings.json');
const SECRET = 'open-sesame';

function load(settings: object, environment: Record<string, string> = {}) {
  writeFileSync(CONFIG, JSON.stringify(settings));
  return loadConfig(CONFIG, environment);
}

function inFolder(name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content);
  return name;
}

const withSasl = (password: unknown) =>
  withSetting('intake', { kafka: { ...KAFKA, sasl: { user: 'tidings', password } } });

for (const [what, written, value] of [
  ['a variable', '${env:SECRET}', SECRET],
  ['a file beside the configuration', '${file:secret}', SECRET],
  ['a file whose line ends as on Windows', '${file:secret-crlf}', SECRET],
  ['a file without the end of a line', '${file:secret-bare}', SECRET],
  ['a file by its absolute path', `\${file:${join(folder, 'secret')}}`, SECRET],
  ['a file with two ends of a line, of which one belongs to it', '${file:secret-two}', `${SECRET}\n`],
  ['texts around references', 'a${env:SECRET}b$${env:C}${file:secret}$', `a${SECRET}b\${env:C}${SECRET}$`],
  ['a text that looks like a reference itself', '${env:NESTED}', '${env:SECRET}'],
] as const) {
  test(`a secret may be ${what}`, () => {
    inFolder('secret', `${SECRET}\n`);
    inFolder('secret-crlf', `${SECRET}\r\n`);
    inFolder('secret-bare', SECRET);
    inFolder('secret-two', `${SECRET}\n\n`);
    const config = load(withSasl(written), { SECRET, NESTED: '${env:SECRET}' });
    assert.equal(config.intake?.kafka?.sasl?.password, value);
  });
}

test('every text may be a reference, also in a list, and a path that is one is relative to the file', () => {
  const settings = { ...MINIMAL, trustAnchorsAccepted: ['${env:ANCHOR}', 'b.example'] };
  const config = load(withSetting('signing.keyFile', '${env:KEYS}/signing.key', settings), {
    ...{ ANCHOR: 'a.example', KEYS: 'keys' },
  });
  assert.deepEqual(config.trustAnchorsAccepted, ['a.example', 'b.example']);
  assert.equal(config.signing.keyFile, join(folder, 'keys', 'signing.key'));
});

for (const [what, written, why] of [
  ['a variable that is not set', '${env:GONE}', /needs the environment variable GONE, which is not set; set it/],
  ['an empty variable', '${env:EMPTY}', /needs the environment variable EMPTY, which is empty; give it a value\./],
  ['a file that does not exist', '${file:gone}', /needs the file \/.*\/gone, which does not exist; create it, or/],
  ['a folder', '${file:.}', /cannot be read \(EISDIR\); make it readable/],
  ['an empty file', '${file:empty}', /\/empty, which is empty; write the value into it\./],
  ['a file that is too long', '${file:long}', /\/long, which is longer than 65536 bytes; correct the path\./],
  ['a file that is no text', '${file:binary}', /\/binary, which is not text in UTF-8; correct the path\./],
  [
    'another kind of reference',
    `\${vault:${SECRET}}`,
    /has "\$\{" that is the beginning of neither \$\{env:NAME\} nor \$\{file:PATH\}; write "\$\$\{"/,
  ],
  ['a secret itself', SECRET, /is a secret, .*; write \$\{env:NAME\} or \$\{file:PATH\} in its place\./],
] as const) {
  test(`a secret that is ${what} is refused by the name of the setting, and not repeated`, () => {
    inFolder('empty', '\n');
    inFolder('long', 'x'.repeat(65_537));
    inFolder('binary', Buffer.from([0xff, 0xfe]));
    const message = messageOf(() => load(withSasl(written), { EMPTY: '' }));
    assert.match(message, /: the setting "intake\.kafka\.sasl\.password" /);
    assert.match(message, why);
    assert.ok(!message.includes(SECRET), message);
  });
}

test('a value that a reference gives and the schema refuses is not repeated', () => {
  const message = messageOf(() => load(withSetting('issuer', '${env:SECRET}'), { SECRET }));
  assert.match(message, /the setting "issuer" must be a URL/);
  assert.ok(!message.includes(SECRET));
});

test('a secret that Kubernetes mounts is read through its links, and again when it was rotated', () => {
  // Kubernetes replaces the link ..data, and with it all files at once.
  for (const [version, text] of Object.entries({ '..1': 'first', '..2': 'second' })) {
    mkdirSync(join(folder, version));
    writeFileSync(join(folder, version, 'password'), text);
  }
  symlinkSync('..1', join(folder, '..data'));
  symlinkSync('..data/password', join(folder, 'mounted'));
  const password = () => load(withSasl('${file:mounted}')).intake?.kafka?.sasl?.password;
  assert.equal(password(), 'first');
  symlinkSync('..2', join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  assert.equal(password(), 'second');
});

test('a variable overrides the file, and the file the default', () => {
  const written = withSetting('retry', { delayMs: 200, retriesMax: 3 });
  const { retry } = load(written, { TIDINGS_RETRY_DELAY_MS: '300' });
  assert.deepEqual([retry.delayMs, retry.retriesMax, retry.delayMaxMs], [300, 3, 3_600_000]);
});

test('a variable overrides a reference, which is then not looked at', () => {
  const config = load(withSetting('issuer', '${env:GONE}'), { TIDINGS_ISSUER: 'https://other.example/' });
  assert.equal(config.issuer, 'https://other.example/');
});

test('texts, numbers, booleans, names from a list and lists can be variables, in sections that the file lacks too', () => {
  const config = load(MINIMAL, {
    TIDINGS_FINANCIAL_ID: '007',
    TIDINGS_RETRY_JITTER: '0.5',
    TIDINGS_POLLING_IS_OFFERED: 'false',
    TIDINGS_LOG_LEVEL: 'warn',
    TIDINGS_DELIVERY_DNS_SERVERS: '["10.0.0.1"]',
    TIDINGS_OPERATOR_TOKENS: JSON.stringify([{ name: 'other', sha256: '1'.repeat(64), role: 'viewer' }]),
    TIDINGS_DIRECTORY_ISSUER: 'OpenBanking Ltd',
    TIDINGS_DIRECTORY_JWKS_FILE: 'directory.jwks',
    // In a variable this is nothing but text.
    TIDINGS_OPERATOR_CONSOLE_SESSION_KEY: '$${env:KEY}',
  });
  assert.equal(config.financialId, '007');
  assert.equal(config.retry.jitter, 0.5);
  assert.equal(config.polling.isOffered, false);
  assert.equal(config.log.level, 'warn');
  assert.deepEqual(config.delivery.dnsServers, ['10.0.0.1']);
  assert.deepEqual(
    config.operator.tokens.map(({ name }) => name),
    ['other'],
  );
  assert.equal(config.directory?.issuer, 'OpenBanking Ltd');
  assert.equal(config.directory.jwksFile, join(folder, 'directory.jwks'));
  assert.equal(config.operator.console.sessionKey, '$${env:KEY}');
});

for (const [variable, value, why] of [
  ['TIDINGS_API_PORT', SECRET, /TIDINGS_API_PORT must be a number\.$/],
  ['TIDINGS_API_PORT', '99999', /"api\.port" \(environment variable TIDINGS_API_PORT\) must be <= 65535/],
  ['TIDINGS_POLLING_IS_OFFERED', 'yes', /TIDINGS_POLLING_IS_OFFERED must be true or false\.$/],
  [
    'TIDINGS_DELIVERY_DNS_SERVERS',
    SECRET,
    /TIDINGS_DELIVERY_DNS_SERVERS must be a list in JSON, such as \["a", "b"\]\.$/,
  ],
  ['TIDINGS_API_PROT', SECRET, /TIDINGS_API_PROT stands for no setting; did you mean TIDINGS_API_PORT\?$/],
  ['TIDINGS_OPERATOR_ULR', SECRET, /TIDINGS_OPERATOR_ULR stands for no setting; did you mean TIDINGS_OPERATOR_URL\?$/],
  ['TIDINGS_FAVOURITE_COLOUR', SECRET, /TIDINGS_FAVOURITE_COLOUR stands for no setting; unset it\.$/],
  ['TIDINGS_ISSUER', '', /TIDINGS_ISSUER is empty; give it a value, or unset it\.$/],
] as const) {
  test(`${variable}=${value} is refused, and its value not repeated`, () => {
    const message = messageOf(() => load(MINIMAL, { [variable]: value }));
    assert.match(message, why);
    assert.ok(!message.includes(SECRET), message);
  });
}

test('variables of commands, and those that Kubernetes adds for a Service named "tidings-api", are no settings', () => {
  const config = load(MINIMAL, {
    ...{ TIDINGS_OPERATOR_URL: 'https://x', TIDINGS_TOKEN_FILE: 'x', TIDINGS_CA_FILE: 'x' },
    ...{ TIDINGS_CERTIFICATE_FILE: 'x', TIDINGS_KEY_FILE: 'x' },
    ...{ TIDINGS_API_SERVICE_HOST: '10.0.0.1', TIDINGS_API_SERVICE_PORT: '443', TIDINGS_API_SERVICE_PORT_TLS: '443' },
    ...{ TIDINGS_API_PORT: 'tcp://10.0.0.1:443', TIDINGS_API_PORT_443_TCP: 'tcp://10.0.0.1:443' },
    ...{ TIDINGS_API_PORT_443_TCP_ADDR: '10.0.0.1', TIDINGS_API_PORT_443_TCP_PROTO: 'tcp' },
  });
  assert.equal(config.api.port, 8443);
});

test('each setting outside of lists has a variable of its own, which no command uses', () => {
  const rows = configurationReference().filter(({ isSection }) => isSection !== true);
  const variables = rows.flatMap(({ variable }) => variable ?? []);
  assert.equal(variables.length, rows.filter(({ setting }) => !setting.includes('[]')).length);
  assert.equal(new Set(variables).size, variables.length);
  const ofCommands = ['OPERATOR_URL', 'TOKEN_FILE', 'CA_FILE', 'CERTIFICATE_FILE', 'KEY_FILE'];
  for (const name of ofCommands) assert.ok(!variables.includes(`TIDINGS_${name}`), name);
});
