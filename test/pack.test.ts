import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import {
  foundFrom,
  isOurs,
  isProgram,
  type Lock,
  needsOf,
  PACKAGES,
  readLock,
  treeOf,
  withConsole,
} from '../scripts/pack/lock.ts';
import { type Sbom, sbomOf } from '../scripts/pack/sbom.ts';

// What `npm run pack` makes, as far as it can be seen without compiling; `npm run try-packed` installs it.

const lock = readLock();
const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot5);
const REPOSITORY = 'git+https://github.com/tidings-events/tidings.git';

const namesOf = ({ components }: Sbom) => components.map(({ name, version }) => `${name}@${version}`).sort();

describe('the packages that one needs', () => {
  for (const name of PACKAGES) {
    test(`are laid out for ${name} such that each finds the version that it finds here`, () => {
      const tree = treeOf(lock, `packages/${name}`);
      for (const [at, folder] of tree) {
        for (const need of needsOf(lock[folder] ?? {})) {
          const entry = (where: string) => (lock[where]?.link === true ? lock[where].resolved : lock[where] && where);
          assert.equal(
            foundFrom(at, need.name, (where) => tree.get(where)),
            foundFrom(folder, need.name, entry),
            `${need.name}, which ${folder} needs`,
          );
        }
      }
    });
  }

  const madeUp: Lock = {
    'packages/app': { dependencies: { a: '1.0.0', b: '1.0.0' }, optionalDependencies: { absent: '1.0.0' } },
    'packages/app/node_modules/b': { version: '1.0.0' },
    'node_modules/a': { version: '1.0.0', dependencies: { b: '2.0.0', c: '1.0.0' } },
    'node_modules/b': { version: '2.0.0' },
    'node_modules/c': {
      version: '1.0.0',
      peerDependencies: { b: '2.0.0', d: '1.0.0' },
      peerDependenciesMeta: { d: { optional: true } },
    },
    'node_modules/d': { version: '1.0.0' },
  };

  test('lie below whoever needs another version than the rest', () => {
    assert.deepEqual(
      [...treeOf(madeUp, 'packages/app')],
      [
        ['', 'packages/app'],
        ['node_modules/a', 'node_modules/a'],
        ['node_modules/b', 'packages/app/node_modules/b'],
        ['node_modules/a/node_modules/b', 'node_modules/b'],
        ['node_modules/c', 'node_modules/c'],
        ['node_modules/c/node_modules/b', 'node_modules/b'],
      ],
    );
  });

  test('are all in the lock, or nothing is packed', () => {
    const { 'node_modules/c': _, ...without } = madeUp;
    assert.throws(() => treeOf(without, 'packages/app'), /node_modules\/a needs c/);
  });
});

describe('the bill of materials', () => {
  for (const name of PACKAGES) {
    test(`of ${name} is valid CycloneDX, and lists what runs with it: all of it, and nothing else`, async () => {
      const sbom = sbomOf(lock, name, { '@tidings/protocol': `sha512-${Buffer.alloc(64).toString('base64')}` });
      assert.equal(await validator.validate(JSON.stringify(sbom)), null);
      const wanted = [...treeOf(withConsole(lock), `packages/${name}`)].filter(([at]) => at !== '');
      const versioned = wanted.map(([at, from]) => `${at.replace(/^.*node_modules\//, '')}@${lock[from]?.version}`);
      assert.deepEqual(namesOf(sbom), [...new Set(versioned)].sort());
      assert.equal(sbom.metadata.component.name, `@tidings/${name}`);
      const unhashed = sbom.components.filter(({ name: each, hashes }) => !isOurs(each) && hashes?.length !== 1);
      assert.deepEqual(unhashed, []);
    });
  }

  test('of the service has what the tests need too, and not what they alone need', () => {
    const names = sbomOf(lock, 'service').components.map(({ name }) => name);
    for (const name of ['pg', 'undici', 'fastify', '@tidings/protocol']) assert.ok(names.includes(name), name);
    for (const name of ['typescript', 'fast-check', '@types/node']) assert.ok(!names.includes(name), name);
  });

  test('of the service has what its console bundles, and not what only builds it', () => {
    const names = sbomOf(lock, 'service').components.map(({ name }) => name);
    for (const name of ['react-dom', '@tanstack/router-core', 'uplot']) assert.ok(names.includes(name), name);
    for (const name of ['vite', 'openapi-typescript']) assert.ok(!names.includes(name), name);
  });

  test('is found out when it is none', async () => {
    const { components: _, ...sbom } = sbomOf(lock, 'protocol');
    assert.equal(await validator.validate(JSON.stringify(sbom)), null);
    assert.notEqual(await validator.validate(JSON.stringify({ ...sbom, components: [{ name: 'x' }] })), null);
    assert.notEqual(await validator.validate(JSON.stringify({ ...sbom, colour: 'blue' })), null);
  });
});

describe('each package', () => {
  for (const name of PACKAGES) {
    const home = `packages/${name}`;
    const manifest: Record<string, unknown> = JSON.parse(readFileSync(`${home}/package.json`, 'utf8'));

    test(`says where its source is: ${name}`, () => {
      assert.deepEqual(manifest['repository'], { type: 'git', url: REPOSITORY, directory: home });
    });

    test(`has a README under its name, and shares the CHANGELOG: ${name}`, () => {
      assert.match(readFileSync(`${home}/README.md`, 'utf8'), new RegExp(`^# @tidings/${name}\n\n[A-Z]`));
      assert.ok(readFileSync('CHANGELOG.md', 'utf8').includes(`\`@tidings/${name}\``));
      assert.ok(!existsSync(`${home}/CHANGELOG.md`), 'one for all: the pack script puts it into each');
    });

    test(`names one version of each package that it needs: ${name}`, () => {
      const needs = Object.entries(manifest['dependencies'] ?? {});
      assert.ok(needs.length > 0);
      for (const [each, version] of needs) {
        assert.match(String(version), /^\d+\.\d+\.\d+$/, each);
        if (isProgram(name) || isOurs(each)) continue;
        assert.deepEqual(needsOf(lock[`node_modules/${each}`] ?? {}), [], `${each} would bring versions that float`);
      }
    });
  }
});
