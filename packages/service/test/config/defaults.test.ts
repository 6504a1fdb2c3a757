import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../src/config/load.ts';
import { ConfigSchema } from '../../src/config/schema.ts';
import { MINIMAL, withSetting } from './settings.ts';

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
    signing: { kid: 'kid-1', keyFile: '/etc/tidings/signing.key' },
    store: { file: '/etc/tidings/store/tidings.db' },
    api: {
      host: '0.0.0.0',
      port: 8443,
      prefix: '',
      tls: {
        certificateFile: '/etc/tidings/api.pem',
        keyFile: '/etc/tidings/api.key',
        clientCaFile: '/etc/tidings/roots.pem',
      },
      bodyBytesMax: 65_536,
      requestTimeoutMs: 10_000,
    },
    accessTokens: {
      issuer: 'https://as.bank.example',
      audience: 'bank',
      jwksUrl: 'https://as.bank.example/jwks',
      clockSkewSeconds: 10,
      timeoutMs: 5000,
    },
    operator: {
      host: '127.0.0.1',
      port: 8444,
      tokens: [{ name: 'core', sha256: '0'.repeat(64) }],
      bodyBytesMax: 16_777_216,
    },
    delivery: {
      timeoutMs: 10_000,
      responseBytesMax: 65_536,
      concurrencyMax: 64,
      concurrencyPerTppMax: 8,
      leaseMs: 60_000,
    },
    retry: { delayMs: 1000, delayMaxMs: 3_600_000, retriesMax: 30, intervalMaxMs: 86_400_000, jitter: 0.2 },
    log: { level: 'info' },
    shutdown: { graceMs: 10_000 },
  });
});

test('every default of the schema is what a configuration without the setting gets', () => {
  const config = parseConfig(MINIMAL, '/etc/tidings');
  const withDefault = leaves.filter(({ schema }) => schema.default !== undefined);
  assert.ok(withDefault.length > 20, 'the schema was read');
  for (const { path, schema } of withDefault) assert.deepEqual(at(config, path), schema.default, path);
});

test('every setting says in one line what it is', () => {
  for (const { path, schema } of leaves) {
    assert.match(schema.description ?? '', /^[A-Za-z].{3,}[^.]$/, path);
  }
});

test('every number has a range, and its unit is the last word of its name or it counts things', () => {
  const numbers = leaves.filter(({ schema }) => schema.type === 'integer');
  assert.ok(numbers.length > 10, 'the schema was read');
  for (const { path, schema } of numbers) {
    assert.ok(schema.minimum !== undefined && schema.maximum !== undefined, path);
    assert.match(path, /(Ms|Seconds|BytesMax|port|concurrency(PerTpp)?Max|retriesMax)$/);
  }
});

test('the least and the most of every number are accepted', () => {
  // Three settings are bound to each other; they are moved together.
  const bound = new Set(['delivery.timeoutMs', 'delivery.leaseMs', 'retry.delayMs', 'retry.delayMaxMs']);
  for (const { path, schema } of leaves) {
    if (schema.minimum === undefined || bound.has(path)) continue;
    for (const value of [schema.minimum, schema.maximum]) {
      assert.equal(at(parseConfig(withSetting(path, value), '/'), path), value, path);
    }
  }
  assert.equal(parseConfig(withSetting('delivery', { timeoutMs: 500, leaseMs: 1000 }), '/').delivery.leaseMs, 1000);
  assert.equal(parseConfig(withSetting('retry', { delayMs: 10, delayMaxMs: 10 }), '/').retry.delayMaxMs, 10);
});

test('every level of the log is accepted', () => {
  for (const level of ['debug', 'info', 'warn', 'error', 'silent']) {
    assert.equal(parseConfig(withSetting('log.level', level), '/').log.level, level);
  }
});

test('relative paths start at the given folder, absolute ones stay, and nothing else is taken for a path', () => {
  const settings = {
    ...withSetting('accessTokens', {
      ...MINIMAL.accessTokens,
      ...{ caFile: '../as.pem', certificateFile: './c.pem', keyFile: '/keys/k.pem' },
    }),
    delivery: { caFile: 'roots/../callback.pem' },
    financialId: 'file',
  };
  const config = parseConfig(settings, '/etc/tidings');
  assert.equal(config.accessTokens.caFile, '/etc/as.pem');
  assert.equal(config.accessTokens.certificateFile, '/etc/tidings/c.pem');
  assert.equal(config.accessTokens.keyFile, '/keys/k.pem');
  assert.equal(config.delivery.caFile, '/etc/tidings/callback.pem');
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
