import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../src/config/load.ts';
import { ConfigSchema } from '../../src/config/schema.ts';
import { MINIMAL, WITH_EVERY_SECTION, withoutSetting, withSetting } from './settings.ts';

/** What is read of the schema here. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

interface Leaf {
  readonly path: string;
  readonly schema: Schema;
}

function leavesOf(schema: Schema, path = ''): Leaf[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    const childPath = path === '' ? name : `${path}.${name}`;
    if (child.type === 'object') return leavesOf(child, childPath);
    const inItems = child.items?.type === 'object' ? leavesOf(child.items, `${childPath}.0`) : [];
    return [{ path: childPath, schema: child }, ...inItems];
  });
}

const leaves = leavesOf(JSON.parse(JSON.stringify(ConfigSchema)));

function at(config: object, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => (value as Record<string, unknown>)?.[name], config);
}

test('the smallest configuration gets these defaults, and nothing else', () => {
  assert.deepEqual(parseConfig(MINIMAL, '/etc/tidings'), {
    issuer: 'https://bank.example/',
    organisationId: '0015800001BANKXAAA',
    trustAnchor: 'openbanking.org.uk',
    trustAnchorsAccepted: ['openbanking.org.uk'],
    ownEventTypes: [],
    signing: {
      provider: 'file',
      kid: 'kid-1',
      keyFile: '/etc/tidings/signing.key',
      announcedMs: 86_400_000,
      formerKeysKeptMs: 7_776_000_000,
      circuit: { failuresMax: 5, pauseMs: 1000, pauseMaxMs: 30_000 },
    },
    store: {
      file: '/etc/tidings/store/tidings.db',
      connectionsMax: 10,
      statementTimeoutMs: 10_000,
      isClearTextAllowed: false,
      isListening: true,
      pollMs: 1000,
      isMigratedAtStart: false,
    },
    api: {
      host: '0.0.0.0',
      port: 8443,
      prefix: '',
      jwksPath: '/.well-known/jwks.json',
      tls: {
        certificateFile: '/etc/tidings/api.pem',
        keyFile: '/etc/tidings/api.key',
        clientCaFile: '/etc/tidings/roots.pem',
      },
      isUnencodedPayloadAccepted: false,
      requestsPerMinutePerTppMax: 600,
      registrationChangesPerHourPerTppMax: 60,
      unauthenticatedPerMinutePerCertificateMax: 120,
      unauthenticatedPerMinutePerAddressMax: 1200,
      bodyBytesMax: 65_536,
      connectionsPerAddressMax: 1000,
      firstRequestTimeoutMs: 5000,
      keepAliveTimeoutMs: 75_000,
      requestTimeoutMs: 10_000,
    },
    accessTokens: {
      issuer: 'https://as.bank.example',
      audience: 'bank',
      jwksUrl: 'https://as.bank.example/jwks',
      clockSkewSeconds: 10,
      timeoutMs: 5000,
      keysMaxAgeMs: 600_000,
      keysHardMaxAgeMs: 3_600_000,
    },
    operator: {
      host: '127.0.0.1',
      port: 8444,
      isBehindProxy: false,
      tokens: [{ name: 'core', sha256: '0'.repeat(64), role: 'administrator' }],
      console: { isServed: true, sessionIdleMs: 1_800_000, sessionMaxMs: 43_200_000 },
      bodyBytesMax: 16_777_216,
      connectionsPerAddressMax: 200,
      firstRequestTimeoutMs: 5000,
      keepAliveTimeoutMs: 75_000,
      unauthenticatedPerMinutePerAddressMax: 600,
      redeliveredPerSecondMax: 500,
    },
    publishing: {
      requestsMax: 64,
      awaitingMax: 10_000_000,
      diskFreeBytesMin: 268_435_456,
      inFlightBytesMax: 67_108_864,
    },
    realTime: { isOffered: true },
    callbackUrls: { isOffered: true },
    polling: {
      isOffered: true,
      maxEventsDefault: 100,
      maxEventsMax: 100,
      longPollMaxMs: 30_000,
      longPollsMax: 10_000,
      longPollsPerTppMax: 4,
      pollsPerTppMax: 8,
      reofferMs: 60_000,
      reofferAfterErrorMs: 300_000,
      isAcknowledgementExpected: true,
      intervalSeconds: 60,
    },
    tppKeys: { maxAgeMs: 600_000, hardMaxAgeMs: 3_600_000, refetchMinMs: 30_000, timeoutMs: 5000 },
    delivery: {
      timeoutMs: 10_000,
      callbackAddressesAllowed: [],
      callbackPortsAllowed: ['443', '1024-65535'],
      dnsServers: [],
      dnsTimeoutMs: 2000,
      connectionMaxMs: 300_000,
      responseBytesMax: 65_536,
      concurrencyMax: 1024,
      concurrencyPerTppMax: 8,
      queuePerTppMax: 64,
      queueMax: 2048,
      leaseMs: 60_000,
    },
    breaker: { attemptsMin: 10, failureShare: 0.5, pauseMs: 1000, pauseMaxMs: 60_000 },
    unresponsive: {
      ...{ probeDelayMs: 60_000, probeDelayMaxMs: 3_600_000 },
      ...{ rampPerSecond: 5, rampDoublingMs: 5000, rampMs: 60_000 },
    },
    retention: { notificationsMs: 7_776_000_000, eventsMs: 7_776_000_000, sweepMs: 60_000 },
    metrics: { tppsMax: 100 },
    activity: { isKept: true, keptMs: 3_600_000, subscribersMax: 50 },
    statistics: { writeMs: 5000, minutesKeptMs: 172_800_000, hoursKeptMs: 34_560_000_000 },
    retry: { delayMs: 1000, delayMaxMs: 3_600_000, retriesMax: 30, intervalMaxMs: 86_400_000, jitter: 0.2 },
    notify: {
      ...{ webhooks: [], slack: [], email: [] },
      ...{ failingAfterMs: 300_000, expiryDays: 21, backlogMax: 100_000, storeShare: 0.8 },
      ...{ diskFreeBytesMin: 1_073_741_824, evaluateMs: 10_000, messagesPerHourMax: 30, timeoutMs: 10_000 },
      runbookUrl: 'https://github.com/tidings-events/tidings/blob/main/docs/guides/runbooks.md',
      keptMs: 2_592_000_000,
    },
    log: { level: 'info' },
    shutdown: { graceMs: 10_000 },
  });
});

test('a gateway in front gets these defaults, and its directory is read', () => {
  const { api, directory } = parseConfig(WITH_EVERY_SECTION, '/etc/tidings');
  assert.deepEqual(api.gateway, {
    addresses: ['10.0.0.0/8', '::1'],
    certificateHeader: 'client-cert',
    certificateFormat: 'rfc9440',
  });
  assert.deepEqual(directory, {
    ...{ issuer: 'OpenBanking Ltd', jwksFile: '/etc/tidings/directory.jwks' },
    ...{ maxAgeMs: 600_000, hardMaxAgeMs: 3_600_000, refetchMinMs: 30_000, timeoutMs: 5000 },
    ...{ refreshMs: 3_600_000, isRevokedSuspended: true },
  });
});

test('every default of the schema is what a configuration without the setting gets', () => {
  const config = parseConfig(WITH_EVERY_SECTION, '/etc/tidings');
  // Lists of sections have entries there, for the defaults of these.
  const withDefault = leaves.filter(({ schema }) => schema.default !== undefined && schema.items?.type !== 'object');
  assert.ok(withDefault.length > 40, 'the schema was read');
  for (const { path, schema } of withDefault) assert.deepEqual(at(config, path), schema.default, path);
});

test('every setting says in one line what it is', () => {
  for (const { path, schema } of leaves) {
    assert.match(schema.description ?? '', /^[A-Za-z].{3,}[^.]$/, path);
  }
});

test('every number has a range, and its unit is the last word of its name or it counts things', () => {
  const numbers = leaves.filter(({ schema }) => schema.type === 'integer');
  assert.ok(numbers.length > 25, 'the schema was read');
  const unit = /(?:Ms|Days|Seconds|[bB]ytesM(?:ax|in)|\.port)$/;
  const counted =
    /\.(?:(?:concurrency|longPolls|polls|queue|connections)(?:PerTpp|PerAddress)?Max|(?:requests|awaiting|attempts|records)M(?:ax|in)|(?:(?:redelivered|ramp)PerSecond(?:Max)?|perSecondMax)|failuresMax|requestsPerMinutePerTppMax|registrationChangesPerHourPerTppMax|unauthenticatedPerMinutePer(?:Certificate|Address)Max|maxEvents(?:Default|Max)|retriesMax|tppsMax|subscribersMax|backlogMax|messagesPerHourMax)$/;
  for (const { path, schema } of numbers) {
    assert.ok(schema.minimum !== undefined && schema.maximum !== undefined, path);
    assert.ok(unit.test(path) || counted.test(path), path);
  }
});

test('the least and the most of every number are accepted', () => {
  // Settings that are bound to each other are moved together.
  const bound = new Set(['delivery.timeoutMs', 'delivery.leaseMs', 'retry.delayMs', 'retry.delayMaxMs']);
  for (const name of ['pauseMs', 'pauseMaxMs']) bound.add(`signing.circuit.${name}`);
  for (const name of ['pollsPerTppMax', 'longPollsPerTppMax']) bound.add(`polling.${name}`);
  const ages = ['tppKeys', 'directory'].flatMap((section) => [`${section}.maxAgeMs`, `${section}.hardMaxAgeMs`]);
  for (const section of ['accessTokens', 'operator.oidc']) {
    ages.push(`${section}.keysMaxAgeMs`, `${section}.keysHardMaxAgeMs`);
  }
  for (const path of ages) bound.add(path);
  for (const { path, schema } of leaves) {
    if (schema.minimum === undefined || bound.has(path)) continue;
    for (const value of [schema.minimum, schema.maximum]) {
      assert.equal(at(parseConfig(withSetting(path, value, WITH_EVERY_SECTION), '/'), path), value, path);
    }
  }
  assert.equal(parseConfig(withSetting('delivery', { timeoutMs: 500, leaseMs: 1000 }), '/').delivery.leaseMs, 1000);
  for (const count of [1, 1000]) {
    const polling = { pollsPerTppMax: count, longPollsPerTppMax: count };
    assert.equal(parseConfig(withSetting('polling', polling), '/').polling.pollsPerTppMax, count);
  }
  for (const [maxAgeMs, hardMaxAgeMs] of [
    [1000, 1000],
    [86_400_000, 604_800_000],
  ]) {
    const { tppKeys } = parseConfig(withSetting('tppKeys', { maxAgeMs, hardMaxAgeMs }), '/');
    assert.deepEqual([tppKeys.maxAgeMs, tppKeys.hardMaxAgeMs], [maxAgeMs, hardMaxAgeMs]);
  }
  assert.equal(parseConfig(withSetting('retry', { delayMs: 10, delayMaxMs: 10 }), '/').retry.delayMaxMs, 10);
});

test('every level of the log is accepted', () => {
  for (const level of ['debug', 'info', 'warn', 'error', 'silent']) {
    assert.equal(parseConfig(withSetting('log.level', level), '/').log.level, level);
  }
});

test('every format of the gateway’s header is accepted', () => {
  for (const format of ['rfc9440', 'pem-url-encoded', 'base64-der']) {
    const settings = withSetting('api.gateway.certificateFormat', format, WITH_EVERY_SECTION);
    assert.equal(parseConfig(settings, '/').api.gateway?.certificateFormat, format);
  }
});

test('access tokens are checked with published keys or by introspection', () => {
  const introspectionUrl = 'https://as.bank.example/introspect';
  const opaque = withSetting('accessTokens.introspectionUrl', introspectionUrl, withoutSetting('accessTokens.jwksUrl'));
  assert.deepEqual(parseConfig(opaque, '/').accessTokens, {
    issuer: 'https://as.bank.example',
    audience: 'bank',
    introspectionUrl,
    clockSkewSeconds: 10,
    timeoutMs: 5000,
    keysMaxAgeMs: 600_000,
    keysHardMaxAgeMs: 3_600_000,
  });
});

test('TLS may end here, at a gateway, or at a gateway and then here', () => {
  assert.equal(parseConfig(MINIMAL, '/').api.gateway, undefined);
  const { tls, gateway } = parseConfig(withoutSetting('api.tls', WITH_EVERY_SECTION), '/').api;
  assert.equal(tls, undefined);
  assert.deepEqual(gateway?.addresses, ['10.0.0.0/8', '::1']);
  const both = parseConfig(WITH_EVERY_SECTION, '/').api;
  assert.ok(both.tls !== undefined && both.gateway !== undefined);
});

test('real time and polling may each be offered alone, and polling without callback URLs', () => {
  for (const without of ['realTime', 'callbackUrls', 'polling']) {
    const { realTime, callbackUrls, polling } = parseConfig(withSetting(without, { isOffered: false }), '/');
    const offered = { realTime, callbackUrls, polling };
    for (const [name, { isOffered }] of Object.entries(offered)) assert.equal(isOffered, name !== without, name);
  }
});

test('relative paths start at the given folder, absolute ones stay, and nothing else is taken for a path', () => {
  const settings = {
    ...withSetting('accessTokens', {
      ...MINIMAL.accessTokens,
      ...{ caFile: '../as.pem', certificateFile: './c.pem', keyFile: '/keys/k.pem' },
    }),
    delivery: { caFile: 'roots/../callback.pem' },
    tppKeys: { caFile: 'tpps.pem' },
    directory: { issuer: 'OpenBanking Ltd', jwksFile: '../directory.jwks' },
    financialId: 'file',
  };
  const config = parseConfig(settings, '/etc/tidings');
  assert.equal(config.accessTokens.caFile, '/etc/as.pem');
  assert.equal(config.accessTokens.certificateFile, '/etc/tidings/c.pem');
  assert.equal(config.accessTokens.keyFile, '/keys/k.pem');
  assert.equal(config.delivery.caFile, '/etc/tidings/callback.pem');
  assert.equal(config.tppKeys.caFile, '/etc/tidings/tpps.pem');
  assert.equal(config.directory?.jwksFile, '/etc/directory.jwks');
  assert.equal(config.api.jwksPath, '/.well-known/jwks.json');
  assert.equal(config.financialId, 'file');
  assert.equal(config.accessTokens.audience, 'bank');
});

test('the configuration is frozen to its depth, and what it was made of is left as it was', () => {
  const settings = structuredClone(MINIMAL);
  const config = parseConfig(settings, '/etc/tidings');
  assert.deepEqual(settings, MINIMAL);
  const unfrozen: string[] = [];
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return;
    if (!Object.isFrozen(value)) unfrozen.push(path);
    for (const [name, member] of Object.entries(value)) visit(member, `${path}.${name}`);
  };
  visit(config, 'config');
  assert.deepEqual(unfrozen, []);
  assert.throws(() => Object.assign(config.retry, { retriesMax: 0 }), TypeError);
});

test('two configurations share nothing that could change', () => {
  const [one, two] = [parseConfig(MINIMAL, '/a'), parseConfig(MINIMAL, '/b')];
  assert.notEqual(one.trustAnchorsAccepted, two.trustAnchorsAccepted);
  assert.equal(two.store.file, '/b/store/tidings.db');
});
