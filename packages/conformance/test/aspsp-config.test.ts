import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError, readAspspConfig } from '../src/index.ts';

const CLIENT = {
  clientId: 'one',
  certificateFile: 'one.pem',
  keyFile: 'one.key',
  signing: { keyFile: 'one.signing.key', kid: 'kid-1', iss: 'org/software' },
};
const BANK = {
  apiUrls: { 'v4.0': 'https://bank.example/open-banking/v4.0' },
  tokenEndpoint: 'https://bank.example/token',
  issuer: 'https://bank.example/',
  organisationId: '0015800001',
  jwksUrl: 'https://bank.example/jwks',
};
const SMALLEST = { name: 'A bank', bank: BANK, clients: [CLIENT, { ...CLIENT, clientId: 'two' }] };

function read(value: unknown) {
  return readAspspConfig({ value, readFile: (path) => `text of ${path}` });
}

test('the smallest configuration gets every default, and its files are read', () => {
  const config = read(SMALLEST);
  assert.ok(
    Object.values(config.features).every((each) => each),
    JSON.stringify(config.features),
  );
  assert.deepEqual([config.receiver, config.events], [undefined, undefined]);
  assert.equal(config.timing.eventMs, 30_000);
  const [first] = config.clients;
  assert.equal(first.certificatePem, 'text of one.pem');
  assert.deepEqual(
    [first.scope, first.authentication, first.signing.tan],
    ['accounts', 'tls_client_auth', 'openbanking.org.uk'],
  );
});

test('the ways to make an event are read, with the token in the header and JSON as text', () => {
  const make = { kind: 'http', url: 'https://core.example/events', bearerTokenFile: 'token', body: { id: '{uuid}' } };
  assert.deepEqual(read({ ...SMALLEST, events: { make } }).events, {
    types: ['UK.OBIE.Resource-Update'],
    make: {
      ...{ kind: 'http', url: 'https://core.example/events', method: 'POST', body: '{"id":"{uuid}"}' },
      headers: { 'content-type': 'application/json', authorization: 'Bearer text of token' },
      ...{ caPem: undefined, certificatePem: undefined, keyPem: undefined },
    },
  });
  const asked = read({ ...SMALLEST, events: { make: { kind: 'ask' } } }).events?.make;
  assert.match(asked?.kind === 'ask' ? asked.text : '', /\{eventType\}.*\{clientId\}/);
});

const WRONG: readonly (readonly [what: string, value: unknown, message: RegExp])[] = [
  ['an unknown setting', { ...SMALLEST, colour: 'red' }, /^colour is not expected: there is no such setting/],
  ['a missing one', { name: 'A bank', clients: SMALLEST.clients }, /^bank is missing; add it\.$/],
  ['one client', { ...SMALLEST, clients: [CLIENT] }, /^clients /],
  ['one client twice', { ...SMALLEST, clients: [CLIENT, CLIENT] }, /^clients\[1\]\.clientId must differ/],
  [
    'a base URL of another version',
    { ...SMALLEST, bank: { ...BANK, apiUrls: { 'v3.1': 'https://b.example/v4.0' } } },
    /^bank\.apiUrls\["v3\.1"\] must end in \/v3\.1/,
  ],
  ['no base URL', { ...SMALLEST, bank: { ...BANK, apiUrls: {} } }, /^bank\.apiUrls /],
  [
    'an origin with a path',
    { ...SMALLEST, receiver: { origin: 'https://tpp.example/a', port: 1, certificateFile: 'a', keyFile: 'b' } },
    /^receiver\.origin must be an origin/,
  ],
  ['an unknown way to make events', { ...SMALLEST, events: { make: { kind: 'pray' } } }, /^events\.make/],
];

for (const [what, value, message] of WRONG) {
  test(`${what} is an error that names the setting`, () => {
    assert.throws(
      () => read(value),
      (error: unknown) => (error instanceof ConfigError && message.test(error.message)) || assert.fail(String(error)),
    );
  });
}
