import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, type TestContext, test } from 'node:test';
import { listenTls } from '@tidings/testing';
import { systemClock } from '../../src/base/clock.ts';
import type { Finding } from '../../src/cli/doctor/finding.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { assertTold, type Installation, install, loopback, stranger } from '../support/installation.ts';
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts';
import { openInstance } from '../support/postgres-stores.ts';

const ofStore = (findings: readonly Finding[]) =>
  findings.filter(({ check }) => check === 'database' || check === 'migrations').map(({ what }) => what);

/** An installation with a store that was made and closed. */
async function installWithStore(t: TestContext): Promise<Installation & { readonly store: string }> {
  const it = install(t);
  const store = join(it.folder, 'store', 'tidings.db');
  await openSqliteStore({ file: store }).close();
  return { ...it, store };
}

const snapshot = (it: Installation) =>
  readdirSync(join(it.folder, 'store')).map((name) => {
    const file = join(it.folder, 'store', name);
    return { name, mtimeMs: statSync(file).mtimeMs, bytes: readFileSync(file).toString('base64') };
  });

describe('the SQLite store', () => {
  test('that does not exist yet is good, and is not made', async (t) => {
    const it = install(t);
    assert.match(ofStore(await it.findings())[0] ?? '', /does not exist yet; the service creates it/);
    assert.equal(existsSync(join(it.folder, 'store')), false);
  });

  test('at rest is good, and not a byte of its folder changes', async (t) => {
    const it = await installWithStore(t);
    const before = snapshot(it);
    const findings = ofStore(await it.findings({ isIntegrityChecked: true }));
    assert.match(findings.join('\n'), /is intact\.\n.*bytes free\.\nThe store has schema \d+, the current one\./);
    assert.deepEqual(snapshot(it), before);
  });

  test('in a folder that cannot be written', async (t) => {
    const it = install(t);
    it.write('store', 'in the way of the folder');
    assertTold(await it.faults(), {
      ...{ check: 'database', severity: 'error', what: /The folder \S+store of "store\.file" cannot be written/ },
      remedy: /install -d .*correct "store\.file"/,
    });
  });

  test('on a disk that is nearly full', async (t) => {
    const it = install(t);
    it.set('publishing', { diskFreeBytesMin: 1_099_511_627_776 });
    assertTold(await it.faults(), {
      ...{
        check: 'database',
        severity: 'error',
        what: /bytes free, less than "publishing\.diskFreeBytesMin" \(1099511627776\)/,
      },
      remedy: /Free disk space.*"retention"/,
    });
  });

  test('that another process has open is reported, and that one goes on', async (t) => {
    const it = install(t);
    const store = openSqliteStore({ file: join(it.folder, 'store', 'tidings.db') });
    t.after(() => store.close());
    assertTold(await it.faults(), {
      ...{ check: 'database', severity: 'error', what: /in use by another process/, remedy: /fuser \S+tidings\.db/ },
    });
    assert.deepEqual(readdirSync(join(it.folder, 'store')).sort(), ['tidings.db', 'tidings.db-wal']);
    await store.check();
  });

  test('of the service that runs is good', async (t) => {
    const it = install(t);
    const store = openSqliteStore({ file: join(it.folder, 'store', 'tidings.db') });
    t.after(() => store.close());
    const [cert, key] = ['api.pem', 'api.key'].map((name) => readFileSync(join(it.folder, name), 'utf8'));
    const { port } = await listenTls(t, (socket) => socket.resume(), { cert, key });
    it.set('operator.port', port);
    assert.deepEqual(await it.faults(), []);
  });

  test('with the log of a crash is read through it, and is as it was afterwards', async (t) => {
    const it = install(t);
    const store = openSqliteStore({ file: join(it.folder, 'store', 'tidings.db') });
    const [file, log] = ['tidings.db', 'tidings.db-wal'].map((name) => readFileSync(join(it.folder, 'store', name)));
    await store.close();
    for (const [name, bytes] of Object.entries({ 'tidings.db': file, 'tidings.db-wal': log })) {
      writeFileSync(join(it.folder, 'store', name), bytes ?? '');
    }
    const before = snapshot(it).map(({ name, bytes }) => ({ name, bytes }));
    assert.match(
      ofStore(await it.findings({ isIntegrityChecked: true })).join('\n'),
      /is intact.*schema \d+, the current one/s,
    );
    assert.deepEqual(
      snapshot(it).map(({ name, bytes }) => ({ name, bytes })),
      before,
    );
  });

  test('that is another file', async (t) => {
    const it = await installWithStore(t);
    writeFileSync(it.store, 'text '.repeat(100));
    assertTold(await it.faults(), {
      ...{ check: 'database', severity: 'error', what: /not a Tidings store/, remedy: /Correct "store\.file"/ },
    });
  });

  test('that is a database of another program', async (t) => {
    const it = await installWithStore(t);
    const other = join(it.folder, 'other.db');
    new DatabaseSync(other).exec('CREATE TABLE a (b)');
    it.set('store.file', 'other.db');
    assertTold(await it.faults(), {
      ...{
        check: 'database',
        severity: 'error',
        what: /other\.db is not a Tidings store/,
        remedy: /Correct "store\.file"/,
      },
    });
  });

  test('of a newer version', async (t) => {
    const it = await installWithStore(t);
    const database = new DatabaseSync(it.store);
    database.exec('PRAGMA user_version = 99');
    database.close();
    assertTold(await it.faults(), {
      ...{
        check: 'migrations',
        severity: 'error',
        what: /newer version of Tidings \(schema 99; /,
        remedy: /Use that version/,
      },
    });
  });

  test('of an older version is reported as one that is migrated at the start', async (t) => {
    const it = await installWithStore(t);
    const database = new DatabaseSync(it.store);
    database.exec('PRAGMA user_version = 0');
    database.close();
    assert.match(
      ofStore(await it.findings()).join('\n'),
      /has schema 0; the service upgrades it to \d+ when it starts/,
    );
  });

  test('that is damaged, where the whole of it is asked for', async (t) => {
    const it = await installWithStore(t);
    const { size } = statSync(it.store);
    truncateSync(it.store, size - 4096);
    const descriptor = openSync(it.store, 'r+');
    writeSync(descriptor, Buffer.alloc(2000, 0x5a), 0, 2000, 4096 + 100);
    closeSync(descriptor);
    const [first] = await it.faults({ isIntegrityChecked: true });
    assert.equal(first?.check, 'database');
    assert.match(first?.what ?? '', /is damaged: |cannot be read \(/);
    assert.match(first?.remedy ?? '', /[Rr]estore it from a backup/);
  });
});

describe('the PostgreSQL database', async () => {
  const server: PostgresServer = await startPostgres({
    ...{ password: 'sesame', tls: loopback.tls, settings: { max_connections: 30 } },
  });
  after(() => server.stop());
  const [migrated, empty] = [await server.createDatabase('migrated'), await server.createDatabase('empty')];

  /** An installation on a database that is migrated. */
  async function installed(t: TestContext): Promise<Installation> {
    await openInstance(t, migrated, { password: 'sesame' });
    return installedOn(t, migrated);
  }

  function installedOn(t: TestContext, url: string): Installation {
    const it = install(t);
    it.write('password', 'sesame\n');
    it.set('store', { url, passwordFile: 'password', caFile: 'roots.pem' });
    return it;
  }

  /** Changes something until the test ends. */
  async function change(t: TestContext, sql: string, back: string, database?: string): Promise<void> {
    await server.run(sql, database);
    t.after(() => server.run(back, database));
  }
  const told = (check: Finding['check'], severity: 'error' | 'warning', what: RegExp, remedy: RegExp) => ({
    ...{ check, severity, what, remedy },
  });

  test('that is in order is good', async (t) => {
    const it = await installed(t);
    assert.deepEqual(await it.faults(), []);
    const findings = ofStore(await it.findings());
    assert.match(
      findings.join('\n'),
      /PostgreSQL \d+\S* is reachable \(encrypted\) and durable\.\nThe database has schema \d+\./,
    );
  });

  test('in the clear is good over a Unix socket', { skip: process.platform === 'win32' }, async (t) => {
    await openInstance(t, migrated, { password: 'sesame' });
    const it = install(t);
    const folder = encodeURIComponent(dirname(server.dataFolder));
    it.set('store', { url: `postgres://tidings@${folder}:${server.port}/migrated` });
    assert.deepEqual(await it.faults(), []);
  });

  test('that is not migrated', async (t) => {
    const it = installedOn(t, empty);
    const remedy = /^Run: tidings migrate --config \S+tidings\.json$/;
    assertTold(await it.faults(), told('migrations', 'error', /has schema 0, but this version needs \d+/, remedy));
    it.set('store.isMigratedAtStart', true);
    assert.deepEqual(await it.faults(), []);
    const tables = await server.run("SELECT 1 FROM pg_class WHERE relname = 'schema_version'", 'empty');
    assert.deepEqual(tables, [], 'it was changed');
  });

  test('of a newer version', async (t) => {
    const it = await installed(t);
    const later = "INSERT INTO schema_version VALUES (99, 'later', 99)";
    await change(t, later, 'DELETE FROM schema_version WHERE version = 99', 'migrated');
    const what = /brought to schema 99 by a newer version/;
    assertTold(await it.faults(), told('migrations', 'error', what, /newer version/));
  });

  test('that is another program’s', async (t) => {
    const it = installedOn(t, empty);
    await server.run('CREATE TABLE a (b int)', 'empty');
    const what = /holds tables of another program/;
    assertTold(await it.faults(), told('migrations', 'error', what, /a database of its own .*"store\.url"/));
  });

  test('that has fewer connections than the instance may use', async (t) => {
    const it = await installed(t);
    it.set('store.connectionsMax', 30);
    const what = /may use 31 connections \("store\.connectionsMax"\), but the database allows only 27/;
    assertTold(
      await it.faults(),
      told('database', 'error', what, /Lower "store\.connectionsMax", or raise "max_connections"/),
    );
    it.set('store.connectionsMax', 26);
    assert.deepEqual(await it.faults(), []);
  });

  test('that does not wait for its disk', async (t) => {
    const it = await installed(t);
    const name = 'synchronous_commit';
    await change(t, `ALTER DATABASE migrated SET ${name} = off`, `ALTER DATABASE migrated RESET ${name}`);
    const what = /"synchronous_commit" is off: .*can be lost/;
    assertTold(await it.faults(), told('database', 'error', what, /ALTER SYSTEM SET synchronous_commit = on/));
  });

  test('that is read-only', async (t) => {
    const it = await installed(t);
    const name = 'default_transaction_read_only';
    await change(t, `ALTER DATABASE migrated SET ${name} = on`, `ALTER DATABASE migrated RESET ${name}`);
    assertTold(await it.faults(), told('database', 'error', /read-only/, /Use the primary in "store\.url"/));
  });

  test('in which the user may make nothing', async (t) => {
    const it = await installed(t);
    await change(t, 'ALTER DATABASE migrated OWNER TO postgres', 'ALTER DATABASE migrated OWNER TO tidings');
    assertTold(await it.faults(), told('database', 'error', /may not create tables/, /ALTER DATABASE .* OWNER TO/));
  });

  test('whose certificate leads to other roots', async (t) => {
    const it = await installed(t);
    it.write('strange.pem', stranger.certificatePem);
    it.set('store.caFile', 'strange.pem');
    assertTold(await it.faults(), told('database', 'error', /cannot be used \(.*certificate/i, /"store\.caFile"/));
  });

  test('that refuses the password', async (t) => {
    const it = await installed(t);
    it.write('password', 'wrong');
    assertTold(
      await it.faults(),
      told('database', 'error', /password authentication failed/, /"store\.passwordFile" or PGPASSWORD/),
    );
  });

  test('that does not exist', async (t) => {
    const it = installedOn(t, empty);
    it.set('store.url', `postgres://tidings@127.0.0.1:${server.port}/nothing`);
    assertTold(await it.faults(), told('database', 'error', /"nothing" does not exist/, /Create the database/));
  });

  test('at which nobody listens', async (t) => {
    const it = installedOn(t, empty);
    it.set('store.url', 'postgres://tidings@127.0.0.1:1/tidings');
    assertTold(
      await it.faults(),
      told('database', 'error', /ECONNREFUSED/, /Start the server, or correct the host and port/),
    );
  });

  test('whose user is a superuser', async (t) => {
    const it = await installed(t);
    it.set('store.url', `postgres://postgres@127.0.0.1:${server.port}/migrated`);
    assertTold(await it.faults(), told('database', 'warning', /connects as a superuser/, /docs\/postgresql\.md/));
  });

  test('whose clock is not this machine’s', async (t) => {
    const it = await installed(t);
    const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + 60_000 };
    const faults = (await it.faults({ clock })).filter(({ what }) => what.includes('database'));
    assertTold(faults, told('clock', 'warning', /clock of the database is (?:59|60|61) s behind/, /NTP/));
  });
});
