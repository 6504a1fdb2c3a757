import { systemClock } from '../../base/clock.ts';
import { isLoopback } from '../../base/ip-address.ts';
import { printError } from '../../base/output.ts';
import { untilSignal } from '../../base/process.ts';
import { printable } from '../../base/terminal-text.ts';
import { databaseHostOf } from '../../config/derived.ts';
import { CliError, EXIT_CONFIGURATION } from '../cli-error.ts';
import { readNamedFile, readPemFile } from '../input.ts';
import { type OperatorClient, TemporaryError } from '../operator-client.ts';
import { type OperatorFlags, withOperatorClient } from '../operator-flags.ts';
import { BATCH_BYTES_MAX, readLoneEvent } from './input.ts';
import { isDatabaseAway, Outbox, type Relayed, type Row } from './outbox.ts';
import { Sender } from './send.ts';

/** Flags of `publish --follow`. */
export interface FollowFlags extends OperatorFlags {
  readonly follow?: string;
  readonly table: string;
  readonly passwordFile?: string;
  readonly databaseCaFile?: string;
  readonly poll: number;
  /** Rows in one request. */
  readonly batch: number;
}

const TABLE = /^[A-Za-z_][\w$]{0,62}(\.[A-Za-z_][\w$]{0,62})?$/;
const WAIT_MIN_MS = 500;
const WAIT_MAX_MS = 5000;

/** `tidings publish --follow`: publishes the rows of an outbox until a signal comes. */
export async function follow(file: string, flags: FollowFlags & { readonly follow: string }): Promise<void> {
  assertUsage(file, flags);
  const { passwordFile, databaseCaFile: caFile } = flags;
  const outbox = new Outbox({
    url: flags.follow,
    table: flags.table,
    password: passwordFile === undefined ? undefined : readNamedFile('--password-file', passwordFile).trim(),
    ca: caFile === undefined ? undefined : await readPemFile('--database-ca-file', caFile, 'certificate'),
  });
  const ending = new AbortController();
  void untilSignal().then(() => ending.abort());
  try {
    await withOperatorClient(flags, (client) => relay(client, outbox, flags, ending.signal));
  } finally {
    await outbox.close();
  }
}

function assertUsage(file: string, flags: FollowFlags & { readonly follow: string }): void {
  if (file !== '-') throw new CliError(EXIT_CONFIGURATION, 'A file has no meaning with --follow; leave it out.');
  if (!TABLE.test(flags.table)) {
    throw new CliError(EXIT_CONFIGURATION, `--table (${flags.table}) must be a name, such as core.tidings_outbox.`);
  }
  const url = URL.parse(flags.follow);
  const isDatabase = url !== null && /^postgres(ql)?:$/.test(url.protocol) && url.hostname !== '';
  if (!isDatabase || url.username === '' || url.pathname.length < 2 || url.search !== '' || url.hash !== '') {
    throw new CliError(EXIT_CONFIGURATION, '--follow must be like postgres://user@host:5432/database.');
  }
  if (url.password !== '') {
    const remedy = 'put it into a file and give that with --password-file, or set the variable PGPASSWORD';
    throw new CliError(EXIT_CONFIGURATION, `--follow must not contain the password, which others can see; ${remedy}.`);
  }
  const host = databaseHostOf(flags.follow);
  if (flags.databaseCaFile === undefined && !host.startsWith('/') && !isLoopback(host)) {
    const what = `The host of --follow (${host}) is not this machine, so events would cross the network in clear text`;
    throw new CliError(EXIT_CONFIGURATION, `${what}; give --database-ca-file.`);
  }
}

/** Goes on while the database or the service is away. @throws {CliError} when the service refuses for good */
async function relay(client: OperatorClient, outbox: Outbox, flags: FollowFlags, ending: AbortSignal): Promise<void> {
  let failures = 0;
  while (!ending.aborted) {
    let waitMs: number;
    try {
      const { taken, waitSeconds } = await relayOnce(client, outbox, flags.batch);
      failures = 0;
      waitMs = taken === flags.batch ? 0 : flags.poll;
      if (waitSeconds !== undefined) waitMs = waitSeconds * 1000;
    } catch (error) {
      if (!(error instanceof TemporaryError) && !isDatabaseAway(error)) throw error;
      waitMs = Math.min(WAIT_MIN_MS * 2 ** failures, WAIT_MAX_MS);
      failures += 1;
      const why = error instanceof Error ? error.message : String(error);
      printError(`${printable(why)} Trying again in ${waitMs / 1000} s.\n`);
    }
    await wait(waitMs, ending);
  }
}

/**
 * Publishes rows in one transaction, which marks them when the service has answered. If this process ends in between, the
 * rows are published again, which the service recognises by their ids.
 *
 * @returns how many rows there were, and how long the service asks to wait, if it does
 */
async function relayOnce(
  client: OperatorClient,
  outbox: Outbox,
  rowsMax: number,
): Promise<{ readonly taken: number; readonly waitSeconds: number | undefined }> {
  let waitSeconds: number | undefined;
  const taken = await outbox.take(rowsMax, async (rows) => {
    const halted = new AbortController();
    const sender = new Sender({
      ...{ client, clock: systemClock, isContinuing: true },
      ...{ halted: halted.signal, abort: new AbortController().signal },
      // Not with rows locked: they are taken again after it.
      onWait: (seconds) => {
        waitSeconds = seconds;
        halted.abort();
      },
      onPublished: () => undefined,
      onInvalidLine: () => undefined,
    });
    const relayed = await publishRows(sender, rows);
    for (const { id, why } of relayed.refused) printError(`Row ${id} is refused: ${printable(why)}\n`);
    return relayed;
  });
  return { taken, waitSeconds };
}

/** Publishes rows in order, up to one that could not be sent. */
async function publishRows(sender: Sender, rows: readonly Row[]): Promise<Relayed> {
  const refused: { readonly id: string; readonly why: string }[] = [];
  const published: Row[] = [];
  for (const group of groupsOf(rows)) {
    const { firstLeft, failure, rejected } = await sender.send(group.map(({ line }) => line));
    const why = new Map(rejected.map((line) => [line.number, line.why]));
    const end = firstLeft?.number ?? Number.POSITIVE_INFINITY;
    for (const { line, row } of group.filter((each) => each.line.number < end)) {
      const reason = why.get(line.number);
      if (reason === undefined) published.push(row);
      else refused.push({ id: row.id, why: reason });
    }
    if (failure !== undefined) return { published, refused, failure };
    if (firstLeft !== undefined) break;
  }
  return { published, refused };
}

/** The rows as lines, in order: a request has one form of events, and {@link BATCH_BYTES_MAX}. */
function groupsOf(rows: readonly Row[]) {
  const groups: { readonly line: ReturnType<typeof readLoneEvent>; readonly row: Row }[][] = [];
  let bytes = 0;
  for (const [at, row] of rows.entries()) {
    const line = readLoneEvent(at + 1, row.event);
    const last = groups.at(-1);
    bytes += line.bytes.length;
    if (last?.[0]?.line.kind === line.kind && bytes <= BATCH_BYTES_MAX) {
      last.push({ line, row });
      continue;
    }
    groups.push([{ line, row }]);
    bytes = line.bytes.length;
  }
  return groups;
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (ms === 0 || signal.aborted) return resolve();
    const done = () => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = systemClock.after(ms, done);
    signal.addEventListener('abort', done, { once: true });
  });
}
