import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusal } from './refusal.ts';
import { KAFKA, MAPPING, OIDC, WITH_EVERY_SECTION, withoutSetting, withSetting } from './settings.ts';

const ONE_OF_TWO_URLS = 'give one of "accessTokens.jwksUrl" and "accessTokens.introspectionUrl".';

const SLACK = WITH_EVERY_SECTION.notify.slack[0];

for (const [what, settings, message] of [
  [
    'neither published keys nor introspection for access tokens',
    withoutSetting('accessTokens.jwksUrl'),
    ONE_OF_TWO_URLS,
  ],
  [
    'a client_id for introspection, but no introspection',
    withSetting('accessTokens.introspectionClientId', 'tidings'),
    '"accessTokens.introspectionClientId" needs "accessTokens.introspectionUrl"; add the URL, or remove the client_id.',
  ],
  [
    'both published keys and introspection for access tokens',
    withSetting('accessTokens.introspectionUrl', 'https://as.bank.example/introspect'),
    ONE_OF_TWO_URLS,
  ],
  [
    'a mark of the client credentials grant without a value',
    withSetting('accessTokens.clientCredentials', { claim: 'sub' }),
    'give one of "accessTokens.clientCredentials.value" and "accessTokens.clientCredentials.pattern".',
  ],
  [
    'a mark of the client credentials grant that is value and pattern',
    withSetting('accessTokens.clientCredentials', { claim: 'sub', value: 'x', pattern: 'x' }),
    'give one of "accessTokens.clientCredentials.value" and "accessTokens.clientCredentials.pattern".',
  ],
  [
    'a mark of the client credentials grant that is no regular expression',
    withSetting('accessTokens.clientCredentials', { claim: 'sub', pattern: '(' }),
    '"accessTokens.clientCredentials.pattern" (() is not a valid regular expression.',
  ],
  [
    'a mark of the client credentials grant that customers have too',
    withSetting('accessTokens.clientCredentials', { claim: 'sub', pattern: '.*' }),
    '"accessTokens.clientCredentials.pattern" (.*) matches any text, so that customers\' tokens would pass; make it narrower.',
  ],
  [
    'two destinations of alerts with one name',
    withSetting('notify', { slack: [SLACK, SLACK] }),
    '"notify.slack[1].name" (channel) is the name of another destination too.',
  ],
  [
    'a destination that is told of the end of alerts alone',
    withSetting('notify', { slack: [{ ...SLACK, kinds: ['recovered'] }] }),
    '"notify.slack[0].kinds" has "recovered" alone; add the kinds whose end it is to be told of.',
  ],
  [
    'a webhook without a URL',
    withSetting('notify', { webhooks: [{ name: 'on-call', secretFile: 'secret' }] }),
    'give one of "notify.webhooks[0].url" and "notify.webhooks[0].urlFile".',
  ],
  [
    'a user of an SMTP server without a password',
    withSetting('notify', { email: [{ ...WITH_EVERY_SECTION.notify.email[0], user: 'tidings' }] }),
    '"notify.email[0].user" and its password go together; give "user", and "password" or "passwordFile".',
  ],
  [
    'a webhook without a secret',
    withSetting('notify', { webhooks: [{ name: 'on-call', url: 'https://a.example/' }] }),
    'give one of "notify.webhooks[0].secret" and "notify.webhooks[0].secretFile".',
  ],
  [
    'a secret that is given twice',
    withSetting('notify', { slack: [{ ...SLACK, url: 'https://a.example/', urlFile: 'slack' }] }),
    '"notify.slack[0].url" and "notify.slack[0].urlFile" are both given; keep one of them.',
  ],
  [
    'a user of Kafka without a password',
    withSetting('intake', { kafka: { ...KAFKA, sasl: { user: 'tidings' } } }),
    'give one of "intake.kafka.sasl.password" and "intake.kafka.sasl.passwordFile".',
  ],
  ['no store at all', withSetting('store', {}), 'give "store.file" for SQLite, or "store.url" for PostgreSQL.'],
  [
    'two stores',
    withSetting('store.url', 'postgres://tidings@db/tidings'),
    '"store.file" and "store.url" are both given; keep one of them.',
  ],
  [
    'a password of a database for a store that is a file',
    withSetting('store.passwordFile', 'password'),
    '"store.passwordFile" needs "store.url"; remove it, or give the URL.',
  ],
  [
    'a database without a user',
    withSetting('store', { url: 'postgres://db.bank.example/tidings' }),
    '"store.url" must be like postgres://user@host:5432/database, with several hosts after commas.',
  ],
  [
    'settings of TLS in the URL of the database',
    withSetting('store', { url: 'postgres://tidings@db.bank.example/tidings?sslmode=disable' }),
    '"store.url" must not have the parameter sslmode; it takes target_session_attrs and connect_timeout, and TLS has a setting of its own.',
  ],
  [
    'a database beyond this machine without TLS',
    withSetting('store', { url: 'postgres://tidings@db.bank.example/tidings' }),
    'the host of "store.url" (db.bank.example) is not this machine, so stored data would cross the network in clear text; give "store.caFile" for TLS, or set "store.isClearTextAllowed" if the connection is protected by other means.',
  ],
  [
    'neither TLS nor a gateway',
    withoutSetting('api.tls'),
    'give "api.tls", or "api.gateway" if a gateway in front terminates TLS.',
  ],
  [
    'neither real time nor polling',
    withSetting('polling', { isOffered: false }, withSetting('realTime', { isOffered: false })),
    '"realTime.isOffered" and "polling.isOffered" are both false; offer one of them.',
  ],
  [
    'a client certificate without its key',
    withSetting('accessTokens.certificateFile', 'as.pem'),
    '"accessTokens.certificateFile" and "accessTokens.keyFile" go together; give both.',
  ],
  [
    'a key without its client certificate',
    withSetting('accessTokens.keyFile', 'as.key'),
    '"accessTokens.certificateFile" and "accessTokens.keyFile" go together; give both.',
  ],
  [
    'fewer polls than long polls',
    withSetting('polling', { pollsPerTppMax: 8, longPollsPerTppMax: 9 }),
    '"polling.pollsPerTppMax" must not be below "polling.longPollsPerTppMax", or long polls that arrive together would be answered 429.',
  ],
  [
    'a key of a provider without its name',
    withSetting('signing', { kid: 'k', provider: 'pkcs11' }),
    'the setting "signing.key" is missing; add the name of the key at pkcs11.',
  ],
  [
    'a provider without its section',
    withSetting('signing', { kid: 'k', provider: 'pkcs11', key: 'bank' }),
    'the provider pkcs11 needs the section "signing.pkcs11"; add it.',
  ],
  [
    'a key in a file that is named as one of a provider',
    withSetting('signing.next', { kid: 'k', keyFile: 'next.key', key: 'bank' }),
    '"signing.next.key" is not for the provider file; remove it, or set "signing.next.provider".',
  ],
  [
    'a directory without its keys',
    withSetting('directory', { issuer: 'OpenBanking Ltd' }),
    'give one of "directory.jwksFile" and "directory.jwksUrl".',
  ],
  [
    'a client certificate for the directory without its key',
    withSetting('directory', { issuer: 'OpenBanking Ltd', jwksFile: 'directory.jwks', certificateFile: 'bank.pem' }),
    '"directory.certificateFile" and "directory.keyFile" go together; give both.',
  ],
  [
    'a token for a directory that is not asked',
    withSetting('directory', { issuer: 'OpenBanking Ltd', jwksFile: 'directory.jwks', tokenFile: 'token' }),
    '"directory.tokenFile" and "directory.certificateFile" need "directory.statementUrl".',
  ],
  [
    'a longest pause of the signer below the first',
    withSetting('signing.circuit', { pauseMs: 100, pauseMaxMs: 99 }),
    '"signing.circuit.pauseMaxMs" must not be below "signing.circuit.pauseMs".',
  ],
  [
    'a lease shorter than an attempt',
    withSetting('delivery', { timeoutMs: 10_000, leaseMs: 10_499 }),
    '"delivery.leaseMs" must exceed "delivery.timeoutMs" by 500 ms, or two instances could make the same attempt at once.',
  ],
  [
    'a longest wait below the first',
    withSetting('retry', { delayMs: 1000, delayMaxMs: 999 }),
    '"retry.delayMaxMs" must not be below "retry.delayMs".',
  ],
  [
    'operator tokens in clear beyond this machine',
    withSetting('operator.host', '0.0.0.0'),
    '"operator.host" (0.0.0.0) is not loopback, so operator tokens would cross the network in clear text; give "operator.tls", listen on 127.0.0.1, or set "operator.isBehindProxy" if a proxy in front terminates TLS.',
  ],
  [
    'an operator API that is open to everybody',
    withSetting('operator.tokens', []),
    'the operator API would be open to everyone; give "operator.tokens" or "operator.oidc".',
  ],
  [
    'an operator API that is open to everybody behind a proxy, too,',
    withSetting('operator', { isBehindProxy: true, host: '0.0.0.0' }),
    'the operator API would be open to everyone; give "operator.tokens" or "operator.oidc".',
  ],
  [
    'revocation lists for a listener that asks for no client certificate',
    withSetting('operator.tls', { certificateFile: 'a.pem', keyFile: 'a.key', clientCrlFile: 'a.crl' }),
    '"operator.tls.clientCrlFile" needs "operator.tls.clientCaFile"; without it no client certificate is requested.',
  ],
  [
    'an identity provider whose tokens give nobody a role',
    withSetting('operator.oidc', { ...OIDC, roles: {} }),
    '"operator.oidc.roles" maps no role; map at least one.',
  ],
  [
    'keys of TPPs whose hard age is below their age',
    withSetting('tppKeys', { maxAgeMs: 3_600_001 }),
    '"tppKeys.hardMaxAgeMs" must not be below "tppKeys.maxAgeMs".',
  ],
  [
    'keys of the authorisation server whose hard age is below their age',
    withSetting('accessTokens.keysHardMaxAgeMs', 599_999),
    '"accessTokens.keysHardMaxAgeMs" must not be below "accessTokens.keysMaxAgeMs".',
  ],
  [
    'keys of the identity provider whose hard age is below their age',
    withSetting('operator.oidc', { ...OIDC, keysHardMaxAgeMs: 599_999 }),
    '"operator.oidc.keysHardMaxAgeMs" must not be below "operator.oidc.keysMaxAgeMs".',
  ],
  [
    'a bound on bodies that a registration for every event type could not keep to',
    withSetting(
      'ownEventTypes',
      Array.from({ length: 40 }, (_, at) => ({
        urn: `urn:bank:${at}`,
        subscribeCode: `BANK.${'x'.repeat(2000)}${at}`,
      })),
    ),
    '"api.bodyBytesMax" must be at least 83180, or a registration for every event type would be answered 413.',
  ],
  [
    'an own event type in the namespace of the standard',
    withSetting('ownEventTypes', [{ urn: 'urn:uk:org:openbanking:events:mine', subscribeCode: 'BANK.Mine' }]),
    '"ownEventTypes": the event type urn:uk:org:openbanking:events:mine is in the namespace of the standard; use a namespace of your own.',
  ],
  [
    'an own event type twice',
    withSetting('ownEventTypes', [
      { urn: 'urn:bank:mine', subscribeCode: 'BANK.Mine' },
      { urn: 'urn:bank:other', subscribeCode: 'BANK.Mine' },
    ]),
    '"ownEventTypes": the event type BANK.Mine is defined twice.',
  ],
  [
    'an intake without a source',
    withSetting('intake', {}),
    '"intake" names no source; give "intake.kafka", or remove "intake".',
  ],
  [
    'a broker on another machine without TLS',
    withSetting('intake.kafka', { ...KAFKA, tls: undefined }),
    '"intake.kafka": the broker kafka.bank.example:9093 is not this machine, so events would cross the network in clear text; give "intake.kafka.tls" (it may be empty: {}), or set "intake.kafka.isClearTextAllowed" if the connection is protected by other means.',
  ],
  [
    'a client certificate for the brokers without its key',
    withSetting('intake.kafka', { ...KAFKA, tls: { certificateFile: 'client.pem' } }),
    '"intake.kafka.tls.certificateFile" and "intake.kafka.tls.keyFile" go together; give both.',
  ],
  [
    'a password that brokers on this machine are sent as it is',
    withSetting('intake.kafka', {
      ...{ ...KAFKA, tls: undefined, brokers: ['[::1]:9092'] },
      sasl: { ...KAFKA.sasl, mechanism: 'PLAIN' },
    }),
    '"intake.kafka.sasl.mechanism" PLAIN sends the password as it is; give "intake.kafka.tls".',
  ],
  [
    'a dead-letter topic that is read itself',
    withSetting('intake.kafka', { ...KAFKA, deadLetterTopic: KAFKA.topic }),
    '"intake.kafka.deadLetterTopic" is the topic that is read; name another one.',
  ],
  [
    'a template with half a brace',
    withSetting('intake.kafka', { ...KAFKA, mapping: { ...MAPPING, id: '{$.id' } }),
    '"intake.kafka.mapping.id" has a brace without its other one in "{$.id".',
  ],
  [
    'a template that takes from nowhere',
    withSetting('intake.kafka', { ...KAFKA, mapping: { ...MAPPING, events: [{ type: '{status}' }] } }),
    '"intake.kafka.mapping.events[0].type" has "status" in {status}, which is none of $ with a path, headers.NAME, key, topic, partition, offset, timestamp.',
  ],
  [
    'a template with a path that is a search',
    withSetting('intake.kafka', { ...KAFKA, mapping: { ...MAPPING, clientId: '{$.tpps[*]}' } }),
    '"intake.kafka.mapping.clientId" has no path of names and indexes in {$.tpps[*]}, from "[*]" on.',
  ],
  [
    'a template with a table that is not there',
    withSetting('intake.kafka', { ...KAFKA, mapping: { ...MAPPING, lookups: undefined } }),
    '"intake.kafka.mapping.events[0].type" has "types" in {$.status|types}, which is none of epochMs, epochSeconds.',
  ],
  [
    'a table twice',
    withSetting('intake.kafka', {
      ...KAFKA,
      mapping: { ...MAPPING, lookups: [MAPPING.lookups[0], MAPPING.lookups[0]] },
    }),
    '"intake.kafka.mapping.lookups" has the name "types" twice; give each a name of its own.',
  ],
] as const) {
  test(`${what} is a contradiction, and refused`, () => {
    assert.equal(refusal(settings), `tidings.json: ${message}`);
  });
}
