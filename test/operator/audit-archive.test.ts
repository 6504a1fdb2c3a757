import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, type TestContext, test } from 'node:test';
import { OPERATOR_TOKEN, startBank } from '../support/bank.ts';
import { runCli } from '../support/cli.ts';
import { BIN, onlyEnvironment } from '../support/command.ts';
import { checkProblem } from '../support/problem.ts';

// `tidings audit archive`, by running the real command against real services, each on a store with old entries.

const bank = await startBank({ clients: [] });
after(() => bank.stop());
// What a service that never had anything in its audit leaves.
await bank.service.stop();
const tokenFile = join(bank.folder, 'operator-token');
writeFileSync(tokenFile, OPERATOR_TOKEN, { mode: 0o600 });

const DAY_MS = 86_400_000;
const PORTION = 500;
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const NO_DIGEST = sha256('');

interface Entry {
  readonly subject: string;
  readonly ageDays: number;
  readonly by?: string;
}

/** As the tests of this file need it; TPPs' own unless it says by whom. */
interface Shown {
  readonly id: string;
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

let stores = 0;

/** Starts a service on a store with entries. */
async function serviceWith(entries: readonly Entry[]) {
  stores += 1;
  const folder = join(bank.folder, `store-${stores}`);
  mkdirSync(folder);
  const file = join(folder, 'tidings.db');
  copyFileSync(join(bank.folder, 'store', 'tidings.db'), file);
  const database = new DatabaseSync(file);
  const insert = database.prepare(
    `INSERT INTO audit (at_ms, actor, authenticated_by, action, subject, detail, became) VALUES (?, ?, ?, 'x', ?, ?, ?)`,
  );
  // A text may hold what some take for the end of a line.
  const [detail, became] = [JSON.stringify({ text: 'ü "\u2028\r\n' }), JSON.stringify({ version: '4.0' })];
  database.exec('BEGIN');
  for (const { subject, ageDays, by = 'access-token' } of entries) {
    const actor = by === 'access-token' ? `tpp:${subject}` : 'ops';
    insert.run(Date.now() - ageDays * DAY_MS, actor, by, subject, detail, became);
  }
  database.exec('COMMIT');
  database.close();
  const { operatorUrl } = await bank.another(undefined, { store: { ...bank.config.store, file } });
  const url = operatorUrl.replace('localhost', '127.0.0.1');
  const call = async (method: string, path: string, body?: object) => {
    const headers = { authorization: `Bearer ${OPERATOR_TOKEN}`, 'content-type': 'application/json' };
    const sent = body === undefined ? null : JSON.stringify(body);
    const answer = await fetch(`${url}/operator/v1/audit${path}`, { method, headers, body: sent });
    // biome-ignore lint/suspicious/noExplicitAny: a test says itself what it expects of an answer
    const told: any = await answer.json();
    return { status: answer.status, body: told };
  };
  const listed = async (): Promise<Shown[]> => (await call('GET', '?limit=1000')).body.entries;
  return { folder, url, call, listed, subjects: async () => (await listed()).map(({ subject }) => subject) };
}

function argumentsOf(file: string, olderThan: string, ...more: string[]): string[] {
  return ['audit', 'archive', '--older-than', olderThan, '--to', file, ...more];
}

function archive(url: string, file: string, olderThan: string, ...more: string[]) {
  return runCli(argumentsOf(file, olderThan, '--yes', ...more), environmentOf(url));
}

const environmentOf = (url: string) => ({ TIDINGS_OPERATOR_URL: url, TIDINGS_TOKEN_FILE: tokenFile });

/** @returns the subjects in an archive, once it is checked by what stands in its last line */
function subjectsIn(file: string): string[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  assert.equal(lines.pop(), '', 'the last line is whole');
  const { archive: told } = JSON.parse(lines.pop() ?? '');
  assert.deepEqual([told.entries, told.sha256], [lines.length, sha256(lines.map((line) => `${line}\n`).join(''))]);
  return lines.map((line) => JSON.parse(line).subject);
}

/** Passes on to a service what is not kept back. @returns its URL */
async function proxyOf(
  t: TestContext,
  url: string,
  keepsBack: (request: IncomingMessage, reply: ServerResponse) => boolean,
) {
  const server = createServer(async (request, reply) => {
    if (keepsBack(request, reply)) return;
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    const { authorization = '', 'content-type': type = 'application/json' } = request.headers;
    const answer = await fetch(`${url}${request.url}`, {
      method: request.method ?? 'GET',
      headers: { authorization, 'content-type': type },
      body: pieces.length === 0 ? null : Buffer.concat(pieces),
    });
    reply.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' });
    reply.end(await answer.text());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : assert.fail();
}

const many = (count: number, ageDays: number): Entry[] =>
  Array.from({ length: count }, (_, at) => ({ subject: `t${at}`, ageDays: ageDays - at / 100_000 }));

describe('tidings audit archive', () => {
  test('moves what TPPs did to a file and leaves what is younger and what others did; that is in the audit', async () => {
    const others = ['token', 'oidc', 'service'].map((by) => ({ subject: by, ageDays: 500, by }));
    const old = many(PORTION + 2, 450);
    const { folder, url, listed, subjects } = await serviceWith([
      ...others,
      ...old,
      { subject: 'young', ageDays: 399 },
    ]);
    const file = join(folder, 'a.jsonl');
    const { code, stdout, stderr } = await archive(url, file, '400d', '--json');
    assert.deepEqual([code, stderr], [0, '']);
    assert.deepEqual(
      subjectsIn(file),
      old.map(({ subject }) => subject),
    );
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const told = JSON.parse(stdout);
    assert.deepEqual(
      (await archive(url, join(folder, 'c.jsonl'), '400d', '--actor', 'tpp:t0')).code,
      2,
      'an option of the list is none here',
    );
    assert.deepEqual([told.file, told.entries, told.dropped], [file, old.length, old.length]);
    assert.deepEqual(await subjects(), ['audit', 'audit', 'young', 'service', 'oidc', 'token']);
    const lines = readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => `${line}\n`);
    const [second, first] = await listed();
    for (const [entry, digest, count] of [
      [first, sha256(lines.slice(0, PORTION).join('')), PORTION],
      [second, sha256(lines.slice(PORTION, -2).join('')), 2],
    ] as const) {
      assert.deepEqual([entry?.actor, entry?.action], ['tests', 'audit-archived']);
      const { before, sha256: archiveSha256 } = told;
      assert.deepEqual(entry?.detail, { count, before, sha256: digest, archiveSha256 });
    }
    const text = (await archive(url, join(folder, 'b.jsonl'), '390d')).stdout;
    assert.match(text, /b\.jsonl: 1 entries before \S+Z, SHA-256 [0-9a-f]{64}; deleted from the audit trail\.\n$/);
    assert.ok(!(await subjects()).includes('young'));
  });

  test('writes nothing when nothing is old, and over no file', async () => {
    const { folder, url, subjects } = await serviceWith(many(1, 100));
    const none = join(folder, 'none.jsonl');
    const { code, stdout } = await archive(url, none, '200d');
    assert.deepEqual([code, existsSync(none)], [0, false]);
    assert.match(stdout, /^There are no changes by TPPs before /);
    const kept = join(folder, 'kept.jsonl');
    writeFileSync(kept, 'mine');
    const refused = await archive(url, kept, '90d');
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /kept\.jsonl already exists and is not overwritten; choose another name\.\n$/);
    assert.equal(readFileSync(kept, 'utf8'), 'mine');
    assert.deepEqual(await subjects(), ['t0']);
  });

  test('is wrong use below 30 days, and without --yes where nobody can be asked; nothing is written', async () => {
    const { folder, url, subjects } = await serviceWith(many(1, 100));
    const file = join(folder, 'a.jsonl');
    const young = await archive(url, file, '29d');
    assert.deepEqual([young.code, young.stderr], [2, 'tidings: --older-than must be at least 30d.\n']);
    const silent = await runCli(argumentsOf(file, '90d'), environmentOf(url));
    assert.equal(silent.code, 2);
    assert.match(silent.stderr, /Add --yes/);
    assert.equal(existsSync(file), false);
    assert.deepEqual(await subjects(), ['t0']);
  });

  test('that fails while it exports leaves no file, and drops nothing', async (t) => {
    const { folder, url, subjects } = await serviceWith(many(PORTION + 1, 100));
    const proxy = await proxyOf(t, url, (request, reply) => {
      const isSecond = request.url?.includes('after=') === true;
      if (isSecond) reply.destroy();
      return isSecond;
    });
    const file = join(folder, 'a.jsonl');
    assert.equal((await archive(proxy, file, '90d')).code, 1);
    assert.equal(existsSync(file), false);
    assert.equal((await subjects()).length, PORTION + 1);
  });

  test('that is killed after the export has dropped nothing, has a whole file, and works the next time', async (t) => {
    const { folder, url, subjects } = await serviceWith(many(3, 100));
    let isAsked: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      isAsked = resolve;
    });
    const proxy = await proxyOf(t, url, ({ method }) => {
      if (method === 'POST') isAsked();
      return method === 'POST';
    });
    const file = join(folder, 'a.jsonl');
    const child = spawn(process.execPath, [BIN, ...argumentsOf(file, '90d', '--yes')], {
      env: onlyEnvironment(environmentOf(proxy)),
    });
    await asked;
    child.kill('SIGKILL');
    await once(child, 'close');
    assert.deepEqual(subjectsIn(file), ['t0', 't1', 't2']);
    assert.equal((await subjects()).length, 3);
    const next = join(folder, 'b.jsonl');
    assert.equal((await archive(url, next, '90d')).code, 0);
    assert.deepEqual([subjectsIn(next), await subjects()], [['t0', 't1', 't2'], ['audit']]);
  });

  test('that fails between two portions says how many are dropped and to keep the file, and goes on the next time', async (t) => {
    const { folder, url, subjects } = await serviceWith(many(PORTION + 3, 100));
    let drops = 0;
    const proxy = await proxyOf(t, url, ({ method }, reply) => {
      if (method === 'POST') drops += 1;
      if (drops < 2) return false;
      reply.destroy();
      return true;
    });
    const file = join(folder, 'a.jsonl');
    const { code, stderr } = await archive(proxy, file, '90d');
    assert.equal(code, 1);
    assert.match(
      stderr,
      /a\.jsonl, which is complete: 500 of its entries were deleted from the audit trail\. Run the command again/,
    );
    assert.equal(subjectsIn(file).length, PORTION + 3);
    const next = join(folder, 'b.jsonl');
    assert.equal((await archive(url, next, '90d')).code, 0);
    assert.deepEqual(subjectsIn(next), ['t500', 't501', 't502']);
    assert.deepEqual(await subjects(), ['audit', 'audit']);
  });

  test('drops nothing when what it exported is not what is there any more', async (t) => {
    const { folder, url, call, subjects } = await serviceWith(many(3, 100));
    const before = new Date(Date.now() - 90 * DAY_MS).toISOString();
    const [first] = (await call('GET', `/archivable?before=${before}`)).body.entries;
    // Somebody else archives one of them between the export and the drop.
    let isTaken = false;
    const proxy = await proxyOf(t, url, ({ method }, reply) => {
      if (method !== 'POST' || isTaken) return false;
      isTaken = true;
      const own = { sha256: sha256(`${JSON.stringify(first)}\n`), archiveSha256: NO_DIGEST };
      void call('POST', '/drops', { ids: [first.id], before, ...own }).finally(() => reply.destroy());
      return true;
    });
    assert.equal((await archive(proxy, join(folder, 'a.jsonl'), '90d')).code, 1);
    assert.deepEqual(await subjects(), ['audit', 't2', 't1']);
  });
});

describe('POST /operator/v1/audit/drops', () => {
  test('is 409 and drops nothing unless all are TPPs’ own, old enough, and exactly what was archived', async () => {
    const entries = [...many(2, 100), { subject: 'ops', ageDays: 100, by: 'token' }, { subject: 'young', ageDays: 40 }];
    const { call, listed, subjects } = await serviceWith(entries);
    const before = new Date(Date.now() - 90 * DAY_MS).toISOString();
    const [young, ops, second, first] = await listed();
    assert.ok(young && ops && second && first);
    const digestOf = (...shown: Shown[]) => sha256(shown.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
    const drop = (meant: readonly Shown[], digest = digestOf(...meant)) => {
      const ids = meant.map(({ id }) => id);
      return call('POST', '/drops', { ids, before, sha256: digest, archiveSha256: NO_DIGEST });
    };
    for (const answer of [
      await drop([first, ops]),
      await drop([ops]),
      await drop([young]),
      await drop([first, second], digestOf(first)),
      await drop([first, second], digestOf(second, first)),
      await drop([{ ...first, detail: {} }]),
      await drop([{ ...first, id: '9999' }]),
    ]) {
      assert.equal(answer.status, 409);
      checkProblem(answer.body, 409, undefined);
    }
    assert.equal((await subjects()).length, 4);
    assert.deepEqual(await drop([second, first]), { status: 200, body: { count: 2 } });
    assert.deepEqual(await subjects(), ['audit', 'young', 'ops']);
    assert.equal((await drop([second, first])).status, 409, 'they are gone');
  });

  test('is 400 that names the field', async () => {
    const { call } = await serviceWith([]);
    const good = { ids: ['1'], before: '2025-01-01T00:00:00Z', sha256: NO_DIGEST, archiveSha256: NO_DIGEST };
    const young = new Date(Date.now() - 29 * DAY_MS).toISOString();
    for (const [changed, field] of [
      [{ ids: [] }, 'ids'],
      [{ ids: ['1', '1'] }, 'ids'],
      [{ ids: ['x'] }, 'ids[0]'],
      [{ ids: Array.from({ length: PORTION + 1 }, (_, at) => String(at + 1)) }, 'ids'],
      [{ before: 'yesterday' }, 'before'],
      [{ before: young }, 'before'],
      [{ sha256: 'x' }, 'sha256'],
      [{ archiveSha256: NO_DIGEST.toUpperCase() }, 'archiveSha256'],
      [{ archiveSha256: undefined }, 'archiveSha256'],
    ] as const) {
      const { status, body } = await call('POST', '/drops', { ...good, ...changed });
      assert.deepEqual([status, body.field], [400, field], JSON.stringify(body));
    }
    for (const query of [
      '',
      '?before=x',
      `?before=${young}`,
      '?before=2025-01-01T00:00:00Z&after=1',
      '?before=2025-01-01T00:00:00Z&limit=501',
    ]) {
      assert.equal((await call('GET', `/archivable${query}`)).status, 400, query);
    }
  });
});
