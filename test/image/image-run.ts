import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Deadline, until as untilSoon } from '@tidings/testing';
import { startPostgres } from '../support/postgres-server.ts';
import { Brand, DATABASE_PASSWORD, postgresStore } from './brand.ts';
import { Container } from './container.ts';
import { readDockerfile } from './dockerfile.ts';

const HEALTH = readDockerfile().healthCheck;
const GRACE_MS = 10_000;
// A bound against waiting for ever, on a machine with far more to do than it can.
const WITHIN_MS = 120_000;
/** For what surrounds the grace time: the process itself, and a machine that is busy. */
const EXIT_MORE_MS = 10_000;

/** A service that runs in the tree. */
interface Running {
  readonly container: Container;
  readonly apiUrl: string;
  readonly operatorUrl: string;
}

/** Assembles the file tree of the image and runs it on both stores, and for two brands. @throws what is wrong with it */
export async function imageRun(onProgress: (line: string) => void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-image-'));
  // The service in the tree is not root, and has to get to what is mounted.
  chmodSync(folder, 0o755);
  const opened: (() => unknown)[] = [() => rmSync(folder, { recursive: true })];
  try {
    const tree = join(folder, 'tree');
    execFileSync('bash', ['deploy/docker/tree.sh', tree], { stdio: 'inherit' });
    onProgress(`the tree has ${execFileSync('du', ['-sm', tree], { encoding: 'utf8' }).split('\t')[0]} MB`);
    const database = await startPostgres({ password: DATABASE_PASSWORD });
    opened.push(() => database.stop());
    const [one, two] = [await database.createDatabase('brand_one'), await database.createDatabase('brand_two')];
    const brandOf = async (name: string, store: object) => {
      const brand = await Brand.open(`https://${name}.example/`, tree, join(folder, name), store);
      opened.push(() => brand.close());
      return brand;
    };
    const alone = await brandOf('alone', { file: '/var/lib/tidings/tidings.db' });
    await exercise(alone, onProgress);
    const brands = [await brandOf('one', postgresStore(one)), await brandOf('two', postgresStore(two))];
    for (const brand of brands) {
      const [code, output] = await Container.run(brand.mounts, ['migrate', '--config', '/etc/tidings/tidings.json']);
      assert.equal(code, 0, output);
      onProgress(`${brand.issuer}: migrated`);
    }
    // Both at once, on one database server.
    await Promise.all(brands.map((brand) => exercise(brand, onProgress)));
    for (const { issuer, received } of [alone, ...brands]) {
      assert.deepEqual(new Set(received.map(({ claims }) => claims.iss)), new Set([issuer]));
      assert.equal(received.length, 2, `${issuer}: each notification came once`);
    }
  } finally {
    for (const end of opened.reverse()) await end();
  }
}

async function exercise(brand: Brand, onProgress: (line: string) => void): Promise<void> {
  const say = (line: string) => onProgress(`${brand.issuer}: ${line}`);
  const first = await start(brand);
  try {
    assertConfined(first.container);
    await assertReadOnly(brand);
    say('runs as process 1, not as root, without capabilities, on a read-only root');
    assert.deepEqual(await health(brand, first), [0, '']);
    say('is healthy: /readyz answers 200');
    await brand.introduce(first.apiUrl, first.operatorUrl);
    await brand.publish(first.operatorUrl);
    await until(() => brand.received.length === 1, 'a notification');
    say('delivered a notification');

    const held = Promise.withResolvers<void>();
    brand.gate = held.promise;
    const jti = await brand.publish(first.operatorUrl);
    await until(() => brand.received.length === 2, 'a second notification');
    const beganMs = performance.now();
    const stopped = first.container.stop();
    await until(async () => (await health(brand, first))[0] === 1, 'a service that is not ready any more');
    held.resolve();
    assert.equal(await stopped, 0, first.container.lines.join('\n'));
    const tookMs = Math.round(performance.now() - beganMs);
    assert.ok(tookMs < GRACE_MS + EXIT_MORE_MS, `the service took ${tookMs} ms to stop`);
    say('SIGTERM: let the attempt in progress finish, and ended with 0');

    const second = await start(brand);
    try {
      const operator = brand.operator(second.operatorUrl);
      const { state, attempts } = await operator.notification(jti);
      operator.close();
      assert.equal(state, 'acknowledged');
      assert.deepEqual(
        attempts.map(({ outcome, status }) => ({ outcome, status })),
        [{ outcome: 'acknowledged', status: 202 }],
      );
      assert.equal(await second.container.stop(), 0);
      say('has the acknowledgement after a restart');
    } finally {
      second.container.kill();
    }
  } finally {
    first.container.kill();
  }
}

async function start({ mounts }: Brand): Promise<Running> {
  const container = new Container(mounts);
  const { apiUrl, operatorUrl } = JSON.parse(await container.untilPrinted('"Tidings runs"'));
  return { container, apiUrl, operatorUrl };
}

function assertConfined(container: Container): void {
  const status = container.status();
  const [uid, gid] = readDockerfile().user.split(':');
  assert.equal(status.get('Uid'), new Array(4).fill(uid).join('\t'));
  assert.equal(status.get('Gid'), new Array(4).fill(gid).join('\t'));
  assert.match(status.get('NSpid') ?? '', /\t1$/);
  assert.equal(Number.parseInt(status.get('CapEff') ?? 'none', 16), 0);
  assert.equal(status.get('NoNewPrivs'), '1');
}

/** Writes wherever the service may not, and where it may. */
async function assertReadOnly({ mounts }: Brand): Promise<void> {
  const write = (folder: string) =>
    `try { require('node:fs').writeFileSync('${folder}/probe', ''); console.log('written'); } catch (error) { console.log(error.code); }`;
  for (const [folder, expected] of Object.entries({
    ...{ '/opt/tidings': 'EROFS', '/etc/tidings': 'EROFS', '/run/secrets': 'EROFS', '/dev': 'EROFS' },
    ...{ '/tmp': 'written', '/var/lib/tidings': 'written' },
  })) {
    const [, output] = await Container.run(mounts, ['node', '-e', write(folder)], { hasEntrypoint: false });
    assert.equal(output, expected, folder);
  }
}

/** The health check of the image. @returns its exit code, and what it printed */
function health({ mounts }: Brand, { operatorUrl }: Running): Promise<[number | null, string]> {
  const environment = [`TIDINGS_OPERATOR_URL=${operatorUrl}`];
  return Container.run(mounts, HEALTH, { hasEntrypoint: false, environment });
}

function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  return untilSoon(holds, what, new Deadline(WITHIN_MS));
}
