import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';
import { createLog, parseConfig, startService } from '@tidings/service';
import { startBank, tppOf } from '../registry/bank-service.ts';
import { runCli } from '../support/cli.ts';
import { resolveTestHost } from '../support/resolve-test-host.ts';

// `tidings backup`, by running the real command against a real service over TLS.

const bank = await startBank();
after(() => bank.stop());
const environment = {
  TIDINGS_OPERATOR_URL: bank.service.operatorUrl,
  TIDINGS_TOKEN_FILE: bank.tokenFile,
  TIDINGS_CA_FILE: bank.pki.root.certificateFile,
};
const backUp = (...args: string[]) => runCli(['backup', ...args], environment);
const fileOf = (name: string) => join(bank.folder, name);
const register = (clientId: string) => bank.call('PUT', `/operator/v1/tpps/${clientId}`, { body: tppOf(bank) });

describe('tidings backup', () => {
  test('the file is a store that a service starts on, with everything that was answered before', async () => {
    await register('before');
    const file = fileOf('a.db');
    const { code, stdout, stderr } = await backUp(file);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /a\.db: [\d.]+ kB, schema \d+, verified\.\n$/);
    await register('afterwards');
    const settings = { ...bank.settings, store: { file } };
    const log = createLog('silent', fileOf('restored.log'));
    const restored = await startService(parseConfig(settings, bank.folder), { log, resolveHost: resolveTestHost });
    const there = (clientId: string) =>
      runCli(['tpps', 'show', clientId], { ...environment, TIDINGS_OPERATOR_URL: restored.operatorUrl });
    try {
      assert.equal((await there('before')).code, 0);
      assert.equal((await there('afterwards')).code, 1);
    } finally {
      await restored.stop();
    }
  });

  test('the file is for its owner only, and nothing is left beside it or beside the store', async () => {
    const file = fileOf('alone.db');
    const { code, stdout } = await backUp(file, '--json');
    assert.equal(code, 0);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const told: unknown = JSON.parse(stdout);
    assert.deepEqual(told, { file, bytes: statSync(file).size, schema: schemaOf(file) });
    assert.deepEqual(
      readdirSync(dirname(file)).filter((name) => /^alone\.db.|backup-/.test(name)),
      [],
    );
  });

  test('a file that exists is not overwritten', async () => {
    writeFileSync(fileOf('kept.db'), 'mine');
    const { code, stderr } = await backUp(fileOf('kept.db'));
    assert.equal(code, 2);
    assert.match(stderr, /kept\.db already exists and is not overwritten; choose another name\.\n$/);
    assert.equal(statSync(fileOf('kept.db')).size, 4);
  });

  test('a backup that is refused leaves no file', async () => {
    writeFileSync(fileOf('no-token'), 'stranger\n');
    const { code, stderr } = await runCli(['backup', fileOf('none.db')], {
      ...environment,
      TIDINGS_TOKEN_FILE: fileOf('no-token'),
    });
    assert.equal(code, 1);
    assert.match(stderr, /token/);
    assert.equal(existsSync(fileOf('none.db')), false);
  });

  test('who took a backup is in the audit, and in the backup', async () => {
    const file = fileOf('audited.db');
    await backUp(file);
    const { body } = await bank.call('GET', '/operator/v1/audit');
    const [entry] = body.entries;
    assert.deepEqual([entry.actor, entry.action, entry.subject], ['alice', 'backup', 'store']);
    const database = new DatabaseSync(file);
    const kept = database.prepare("SELECT count(*) AS n FROM audit WHERE action = 'backup'").get()?.['n'];
    assert.equal(kept, body.entries.filter(({ action }: { action: string }) => action === 'backup').length);
    database.close();
  });

  test('help shows an example', async () => {
    const { stdout } = await backUp('--help');
    assert.match(stdout, /Example:\n {2}tidings backup \/\S+\.db\n/);
  });
});

// The most that may be set; few machines have that much.
const DISK_FREE_BYTES_MIN = 1_099_511_627_776;

test('a disk without room for the copy is left alone', async () => {
  const full = await startBank({ publishing: { diskFreeBytesMin: DISK_FREE_BYTES_MIN } });
  try {
    const { status, body } = await full.call('POST', '/operator/v1/backups');
    const { bavail, bsize } = await statfs(full.folder);
    if (bavail * bsize > 2 * DISK_FREE_BYTES_MIN) return assert.equal(status, 200);
    assert.equal(status, 503);
    assert.match(body.detail, /Make room/);
  } finally {
    await full.stop();
  }
});

function schemaOf(file: string): number {
  const database = new DatabaseSync(file);
  const schema = Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
  database.close();
  return schema;
}
