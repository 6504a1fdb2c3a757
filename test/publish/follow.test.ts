import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { Deadline, makeAuthority, until } from '@tidings/testing';
import pg from 'pg';
import { seededRandom } from '../chaos/random.ts';
import { cliOf } from '../operator/calling.ts';
import { OPERATOR_TOKEN } from '../support/bank.ts';
import { startBankWithTpps } from '../support/bank-with-tpps.ts';
import { onlyEnvironment } from '../support/command.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { type SpawnedService, spawnService } from '../support/service-process.ts';
import { cloudEventOf, eventOf } from './events.ts';

// `tidings publish --follow` and the service that it publishes to are killed at random moments, while the bank's transactions
// write rows. More of it: TEST_FOLLOW_KILLS=200 npx node --test test/publish/follow.test.ts

const KILLS = Number(process.env['TEST_FOLLOW_KILLS'] ?? 3);
const SEED = Number(process.env['TEST_FOLLOW_SEED'] ?? Date.now() % 1_000_000);
const ROWS_EACH = 15;
const LATE_MS_MAX = 300;

const server = await startPostgres({ isDurable: KILLS > 20 });
const coreUrl = await server.createDatabase('core');
await server.run(readFileSync('docs/examples/outbox.sql', 'utf8'), 'core');
const relayUrl = coreUrl.replace('tidings@', 'tidings_relay@');
const bank = await startBankWithTpps({
  clients: ['tpp-1'],
  settings: {
    store: { file: undefined, url: server.url, isMigratedAtStart: true },
    realTime: { isOffered: false },
  },
});
assert.equal((await bank.tpp('tpp-1').subscribe({ Version: '4.0' })).status, 201);
const core = new pg.Client({ connectionString: coreUrl.replace('tidings@', 'postgres@') });
await core.connect();
const children = new Set<{ end(): Promise<void> }>();
after(async () => {
  await Promise.all([...children].map((child) => child.end()));
  await core.end();
  await bank.stop();
  await server.stop();
});

/** Inserts rows as the bank does: with the change that they tell of, which may be rolled back. */
async function change(events: readonly object[], isRolledBack = false): Promise<void> {
  await core.query('BEGIN');
  for (const event of events) await core.query('INSERT INTO tidings_outbox (event) VALUES ($1)', [event]);
  await core.query(isRolledBack ? 'ROLLBACK' : 'COMMIT');
}

async function left(): Promise<number> {
  const due = 'SELECT count(*)::int AS due FROM tidings_outbox WHERE published_at IS NULL AND refused IS NULL';
  return (await core.query<{ due: number }>(due)).rows[0]?.due ?? 0;
}

/** An instance of the service at the same place each time, as a process of its own. */
class Service {
  readonly #file = join(bank.folder, 'followed.json');
  readonly url: string;
  #process: SpawnedService;

  constructor(port: number) {
    const { api, operator } = bank.config;
    const listeners = { api: { ...api, port: 0 }, operator: { ...operator, port } };
    writeFileSync(this.#file, JSON.stringify({ ...bank.config, ...listeners }));
    this.url = `http://127.0.0.1:${port}`;
    this.#process = spawnService(this.#file);
    children.add(this);
  }

  async killAndStart(): Promise<void> {
    await this.#process.running;
    await this.end();
    this.#process = spawnService(this.#file);
  }

  async end(): Promise<void> {
    this.#process.signal('SIGKILL');
    await this.#process.exited;
  }
}

class Relay {
  readonly #url: string;
  readonly #options: readonly string[];
  #child: ChildProcess;

  constructor(url: string, options: readonly string[] = ['--batch', '5', '--poll', '50']) {
    this.#url = url;
    this.#options = options;
    this.#child = this.#spawn();
    children.add(this);
  }

  #spawn(): ChildProcess {
    const tokenFile = join(bank.folder, 'operator-token');
    writeFileSync(tokenFile, OPERATOR_TOKEN);
    const args = ['publish', '--follow', relayUrl, ...this.#options];
    return spawn(process.execPath, ['packages/service/bin/tidings.js', ...args], {
      env: onlyEnvironment({ TIDINGS_OPERATOR_URL: this.#url, TIDINGS_TOKEN_FILE: tokenFile }),
      stdio: ['ignore', 'ignore', 'ignore'],
    });
  }

  async killAndStart(): Promise<void> {
    await this.end();
    this.#child = this.#spawn();
  }

  /** @returns the exit code */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    await once(this.#child, 'close');
    return this.#child.exitCode;
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || !this.#child.kill('SIGKILL')) return;
    await once(this.#child, 'close');
  }
}

test(`each committed row is one notification, however often relay and service are killed (seed ${SEED})`, async () => {
  const random = seededRandom(SEED);
  const service = new Service(await freePort());
  const relay = new Relay(service.url);
  const ids = new Set<string>();
  for (let kills = 0; kills < KILLS; kills += 1) {
    for (let at = 0; at < ROWS_EACH; at += 3) {
      const [plain, cloud, gone] = ['plain', 'cloud', 'gone'].map((name) => `${name}-${kills}-${at}`);
      await change([eventOf('tpp-1', `${plain}`), cloudEventOf('tpp-1', `${cloud}`)]);
      await change([eventOf('tpp-1', `${gone}`)], true);
      ids.add(`${plain}`).add(`/core|${cloud}`);
    }
    await change([eventOf('tpp-1', `bad-${kills}`, { events: [{ type: 'unknown' }] })]);
    await pause(random.whole(0, LATE_MS_MAX));
    // At last the service: the relay has to wait for it, and nobody starts the relay again.
    const victim = kills === KILLS - 1 ? service : random.pick([relay, relay, service]);
    await victim?.killAndStart();
  }
  await until(async () => (await left()) === 0, 'all rows to be relayed', new Deadline(90_000));
  assert.equal(await relay.stop(), 0);

  const refused = await core.query<{ refused: string }>('SELECT refused FROM tidings_outbox WHERE refused IS NOT NULL');
  assert.equal(refused.rowCount, KILLS);
  assert.match(refused.rows[0]?.refused ?? '', /events\[0\]\.type is not an event type/);
  const { body } = await bank.operate('GET', '/operator/v1/status');
  assert.equal(body['awaiting'], ids.size, 'one notification for each row');
  const all = [...ids].map((id) => eventOf('tpp-1', id.replace('/core|', ''), { id }));
  const jtis = new Set<string>();
  for (let from = 0; from < all.length; from += 1000) {
    const answer = await bank.operate('POST', '/operator/v1/events', all.slice(from, from + 1000));
    for (const { id, repeated, jti } of answer.body['outcomes'] as { id: string; repeated: boolean; jti: string }[]) {
      assert.equal(repeated, true, `${id} was published`);
      jtis.add(jti);
    }
  }
  assert.equal(jtis.size, ids.size);
});

test('what is wrong with the command or the table is said at once', async () => {
  const cli = cliOf(bank);
  for (const [args, told] of [
    [['--follow', 'postgres://user:secret@localhost/core'], /^tidings: --follow must not contain the password/],
    [['--follow', 'postgres://user@db.example/core'], /not this machine, .*give --database-ca-file\./],
    [['--follow', relayUrl, '--continue'], /^tidings: --continue has no meaning with --follow; leave it out\./],
    [['--follow', relayUrl, '--in-flight', '2'], /^tidings: --in-flight has no meaning with --follow; leave it out\./],
    [['-', '--poll', '50'], /^tidings: --poll has no meaning without --follow; leave it out\./],
    [['-', '--table', 'core.outbox'], /^tidings: --table has no meaning without --follow; leave it out\./],
    [['--follow', relayUrl, '--table', 'x; DROP TABLE y'], /^tidings: --table .* must be a name/],
    [['--follow', relayUrl, '--table', 'missing'], /relation "missing" does not exist\); see docs\/guides\/outbox\.md/],
  ] as const) {
    const { code, stderr } = await cli('publish', ...args);
    assert.notEqual(code, 0);
    assert.match(stderr, told);
    assert.ok(!stderr.includes('secret'));
  }
});

test('a gateway that fails is waited for; a row at which alone the service fails is refused, and the others go on', async (t) => {
  const table = 'outbox_of_faults';
  await server.run(
    `CREATE TABLE ${table} (LIKE tidings_outbox INCLUDING ALL); GRANT SELECT, UPDATE ON ${table} TO tidings_relay`,
    'core',
  );
  const insert = `INSERT INTO ${table} (event) VALUES ($1)`;
  const big = 'x'.repeat(900_000);
  const answers = [502, 504, 500];
  const longest = { bytes: 0 };
  const service = createHttpServer(async (request, response) => {
    const body = await text(request);
    longest.bytes = Math.max(longest.bytes, body.length);
    const events = JSON.parse(body) as { id: string }[];
    const status = answers.shift() ?? (events.some(({ id }) => id.startsWith('poison')) ? 500 : 200);
    const outcomes = events.map(({ id }) => ({ id, outcome: 'none', reason: 'unknown-client', repeated: false }));
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(status === 200 ? { outcomes } : { detail: 'Something went wrong here.' }));
  }).listen(0, '127.0.0.1');
  await once(service, 'listening');
  t.after(() => service.close());
  const address = service.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  for (const id of ['poison-1', 'a', 'poison-2', 'b', 'c', 'd', 'e']) await core.query(insert, [eventOf('tpp-1', id)]);
  for (let at = 0; at < 6; at += 1) await core.query(insert, [{ id: `big-${at}`, big }]);
  const relay = new Relay(`http://127.0.0.1:${port}`, ['--batch', '20', '--poll', '1', '--table', table]);
  const rows = async (where: string) =>
    (await core.query<{ id: string }>(`SELECT event->>'id' AS id FROM ${table} WHERE ${where} ORDER BY id`)).rows;
  await until(async () => (await rows('published_at IS NULL AND refused IS NULL')).length === 0, 'all to be settled');
  assert.deepEqual(await rows('refused IS NOT NULL'), [{ id: 'poison-1' }, { id: 'poison-2' }]);
  assert.equal(await relay.stop(), 0);
  assert.ok(longest.bytes > 1_000_000 && longest.bytes < 4_200_000, `${longest.bytes} bytes in one request`);
});

test('what keeps the relay out of the database is said with the options that are about it, and ends it', async (t) => {
  const before = (await server.run('SELECT pg_conf_load_time()::text AS loaded'))[0]?.['loaded'];
  await server.run("CREATE ROLE asked_relay LOGIN PASSWORD 'right'; CREATE ROLE clear_relay LOGIN PASSWORD 'right'");
  const access = join(server.dataFolder, 'pg_hba.conf');
  const ways = 'host all asked_relay all scram-sha-256\nhost all clear_relay all password\n';
  writeFileSync(access, `${ways}${readFileSync(access, 'utf8')}`);
  await server.run('SELECT pg_reload_conf()');
  await until(async () => {
    const [now] = await server.run('SELECT pg_conf_load_time()::text AS loaded');
    return String(now?.['loaded']) !== String(before);
  }, 'the server to read who may come in');
  const [authority, stranger] = [await makeAuthority(), await makeAuthority()];
  const issued = await stranger.issue();
  const imposter = createServer((socket) => {
    socket
      .on('error', () => undefined)
      .once('data', () => {
        socket.write('S');
        new TLSSocket(socket, { isServer: true, ...issued.tls }).on('error', () => undefined);
      });
  }).listen(0, '127.0.0.1');
  await once(imposter, 'listening');
  t.after(() => imposter.close());
  const address = imposter.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const [caFile, wrongFile] = [join(bank.folder, 'database-roots.pem'), join(bank.folder, 'wrong-password')];
  writeFileSync(caFile, authority.certificatePem);
  writeFileSync(wrongFile, 'wrong');
  const as = (user: string) => coreUrl.replace('tidings@', `${user}@`);
  const cli = cliOf(bank);
  for (const [args, told] of [
    [[as('asked_relay')], /password must be .*\); check the user in --follow, and the password in --password-file/],
    [[as('asked_relay'), '--password-file', wrongFile], /authentication failed.*password in --password-file or PGPASS/],
    [
      [as('clear_relay'), '--password-file', wrongFile],
      /in clear, .*; let the server use SCRAM .*--database-ca-file\./,
    ],
    [[relayUrl, '--database-ca-file', caFile], /does not support SSL.*; check --database-ca-file and the host/],
    [
      [`postgres://user@127.0.0.1:${port}/core`, '--database-ca-file', caFile],
      /certificate.*; check --database-ca-file and the host in --follow\./,
    ],
  ] as const) {
    const { code, stderr } = await cli('publish', '--follow', ...args);
    assert.match(stderr, told);
    assert.equal(code, 1);
  }
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  await new Promise((closed) => probe.close(closed));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
