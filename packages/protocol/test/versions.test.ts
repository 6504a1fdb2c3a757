import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  API_VERSIONS,
  compareVersions,
  coversResourceVersion,
  isVersion,
  SPECIFICATION_VERSION_MAX,
} from '../src/index.ts';

const anyVersion = fc
  .array(fc.oneof(fc.nat(12), fc.nat(999)), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join('.'))
  .filter(isVersion);

test('both versions of the API are served, and the specification up to 4.0.1 is implemented', () => {
  assert.deepEqual(API_VERSIONS, ['v3.1', 'v4.0']);
  assert.equal(SPECIFICATION_VERSION_MAX, '4.0.1');
});

describe('Data.Version is digits and dots, 1 to 10 characters', () => {
  for (const version of ['2.2', '3.1', '3.1.1', '3.1.2', '3.1.10', '3.1.11', '4.0', '4.0.1', '4', '1234567890']) {
    test(`${version} is one`, () => assert.ok(isVersion(version)));
  }
  const others = [
    '',
    '.',
    '4.',
    '.4',
    '4..0',
    'v4.0',
    '4.0 ',
    ' 4.0',
    '4,0',
    '4.0\n',
    '4.0-rc1',
    '+4',
    '-4',
    '4e1',
    '0x4',
  ];
  for (const text of [...others, '1.2.3.4.5.6', '12345678901', '٤.٠', '４.０', 'NaN', 'Infinity']) {
    test(`${JSON.stringify(text)} is none`, () => assert.equal(isVersion(text), false));
  }
});

describe('versions are compared part by part as numbers', () => {
  const ascending = [
    '0',
    '2.2',
    '3',
    '3.0.9',
    '3.1',
    '3.1.1',
    '3.1.2',
    '3.1.9',
    '3.1.10',
    '3.1.11',
    '3.2',
    '3.10',
    '4.0',
    '4.0.1',
  ];
  test('so that 3.1.11 is above 3.1.2', () => {
    for (const [at, left] of ascending.entries()) {
      for (const [other, right] of ascending.entries()) {
        assert.equal(Math.sign(compareVersions(left, right)), Math.sign(at - other), `${left} and ${right}`);
      }
    }
  });

  test('missing parts count as 0, and leading zeros are ignored', () => {
    assert.equal(compareVersions('4', '4.0'), 0);
    assert.equal(compareVersions('4.0.0', '4'), 0);
    assert.equal(compareVersions('03.01', '3.1'), 0);
  });

  test('in a total order', () => {
    fc.assert(
      fc.property(anyVersion, anyVersion, anyVersion, (a, b, c) => {
        assert.equal(compareVersions(a, a), 0);
        assert.equal(Math.sign(compareVersions(a, b)), 0 - Math.sign(compareVersions(b, a)));
        if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) assert.ok(compareVersions(a, c) <= 0);
        assert.ok(Number.isFinite(compareVersions(a, b)));
      }),
      { numRuns: 2000 },
    );
  });

  test('equal only when their parts are', () => {
    const normal = (version: string) =>
      version
        .split('.')
        .map(Number)
        .join('.')
        .replace(/(\.0)+$/, '');
    fc.assert(
      fc.property(anyVersion, anyVersion, (a, b) => {
        assert.equal(compareVersions(a, b) === 0, normal(a) === normal(b));
      }),
    );
  });
});

describe('Data.Version is a minimum', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['3.1', '3.1', true],
    ['3.1', '4.0', true],
    ['3.1.2', '3.1', true],
    ['3.1.11', '3.1', true],
    ['3.1.11', '3.1.2', true],
    ['2.2', '3.1', true],
    ['4.0', '3.1', false],
    ['4.0', '3.1.11', false],
    ['4.0.1', '4.0', true],
    ['4', '4.0', true],
    ['4.0', '4.1', true],
    ['3.1', '3.0', false],
  ];
  for (const [minimum, resource, covered] of cases) {
    test(`a registration for ${minimum} ${covered ? 'gets' : 'does not get'} events about resources of ${resource}`, () => {
      assert.equal(coversResourceVersion(minimum, resource), covered);
    });
  }

  test('a lower minimum covers whatever a higher one covers', () => {
    fc.assert(
      fc.property(anyVersion, anyVersion, anyVersion, (a, b, resource) => {
        const [lower, higher] = compareVersions(a, b) <= 0 ? [a, b] : [b, a];
        if (coversResourceVersion(higher, resource)) assert.ok(coversResourceVersion(lower, resource));
      }),
    );
  });
});
