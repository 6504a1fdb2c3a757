import { systemClock } from '../../base/clock.ts';
import { isLoopback } from '../../base/ip-address.ts';
import { printError } from '../../base/output.ts';
import { untilSignal } from '../../base/process.ts';
import { messageOf } from '../../base/start-up-error.ts';
import { printable } from '../../base/terminal-text.ts';
import { type DatabaseServer, DatabaseUrlError, parseDatabaseUrl } from '../../config/database-url.ts';
import { CliError, EXIT_CONFIGURATION } from '../cli-error.ts';
import { readNamedFile, readPemFile } from '../input.ts';
import { type OperatorClient, ServerError, TemporaryError } from '../operator-client.ts';
import { type OperatorFlags, withOperatorClient } from '../operator-flags.ts';
import { BATCH_BYTES_MAX, readLoneEvent } from './input.ts';
import { isDatabaseAway, Outbox, type Relayed, type Row } from './outbox.ts';
import { Sender, type SentBatch } from './send.ts';
import { Suspects } from './suspects.ts';

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
/** Rows at which alone the service fails, and none that it accepts: then the fault is in the service. */
const FAILED_ALONE_MAX = 8;

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
  const remote = serversOf(flags.follow).find(({ host }) => !host.startsWith('/') && !isLoopback(host));
  if (flags.databaseCaFile === undefined && remote !== undefined) {
    const what = `The host of --follow (${remote.host}) is not this machine, so events would cross the network in clear text`;
    throw new CliError(EXIT_CONFIGURATION, `${what}; give --database-ca-file.`);
  }
}

function serversOf(url: string): readonly DatabaseServer[] {
  try {
    return parseDatabaseUrl(url).servers;
  } catch (error) {
    if (!(error instanceof DatabaseUrlError)) throw error;
    const remedy = / the password$/.test(error.message)
      ? ', which others can see; put it into a file and give that with --password-file, or set the variable PGPASSWORD'
      : '';
    throw new CliError(EXIT_CONFIGURATION, `--follow ${error.message}${remedy}.`);
  }
}

/** Goes on while the database or the service is away. @throws {CliError} when the service refuses for good */
async function relay(client: OperatorClient, outbox: Outbox, flags: FollowFlags, ending: AbortSignal): Promise<void> {
  let failures = 0;
  const suspects = new Suspects(systemClock, flags.poll);
  while (!ending.aborted) {
    let waitMs: number;
    try {
      const { taken, waitSeconds } = await relayOnce(client, outbox, suspects, flags.batch);
      failures = 0;
      waitMs = taken === flags.batch ? 0 : flags.poll;
      if (waitSeconds !== undefined) waitMs = waitSeconds * 1000;
    } catch (error) {
      const isTemporary = error instanceof TemporaryError || error instanceof ServerError || isDatabaseAway(error);
      if (!isTemporary) throw error;
      waitMs = Math.min(WAIT_MIN_MS * 2 ** failures, WAIT_MAX_MS);
      failures += 1;
      const why = messageOf(error);
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
  suspects: Suspects,
  rowsMax: number,
): Promise<{ readonly taken: number; readonly waitSeconds: number | undefined }> {
  let waitSeconds: number | undefined;
  const taken = await outbox.take(rowsMax, suspects.setAside(), async (rows) => {
    const halted = new AbortController();
    const sender = new Sender({
      ...{ client, clock: systemClock, isContinuing: true },
      ...{ halted: halted.signal, abort: new AbortController().signal },
      // Not with rows locked: they are taken again after it.
      onWait: (seconds, why) => {
        waitSeconds = seconds;
        printError(`Waiting ${seconds} s: ${printable(why)}\n`);
        halted.abort();
      },
      onPublished: () => undefined,
      onInvalidLine: () => undefined,
    });
    const relayed = await publishRows(sender, rows, suspects);
    for (const { id, why } of relayed.refused) printError(`Row ${id} is refused: ${printable(why)}\n`);
    return relayed;
  });
  return { taken, waitSeconds };
}

/**
 * Publishes rows in order, up to one that could not be sent. Where the service fails with 500, finds the rows at which it does
 * so alone, and goes on without them: one that the store can never hold would stop the others forever.
 */
async function publishRows(sender: Sender, rows: readonly Row[], suspects: Suspects): Promise<Relayed> {
  const refused: { readonly id: string; readonly why: string }[] = [];
  const published: Row[] = [];
  const groups = groupsOf(rows, suspects);
  let failedAlone = 0;
  for (let group = groups.shift(); group !== undefined; group = groups.shift()) {
    const sent = await sender.send(group.map(({ line }) => line));
    const { failure } = sent;
    const { accepted, rejected, left } = fatesOf(group, sent);
    published.push(...accepted);
    refused.push(...rejected);
    suspects.accepted(accepted.map(({ id }) => id));
    const [first] = left;
    if (failure === undefined && first !== undefined) break;
    if (failure === undefined || first === undefined) continue;
    const { error } = failure;
    if (!(error instanceof ServerError) || error.status !== 500) return { published, refused, failure };
    if (left.length > 1) {
      const half = Math.ceil(left.length / 2);
      groups.unshift(left.slice(0, half), left.slice(half));
      continue;
    }
    const { id } = first.row;
    const pauseMs = suspects.failed(id);
    if (pauseMs === undefined) refused.push({ id, why: `${error.message} It failed at this event time and again.` });
    else printError(`Row ${id}: ${printable(error.message)} Trying it again in ${pauseMs / 1000} s.\n`);
    failedAlone += 1;
    if (failedAlone === FAILED_ALONE_MAX && published.length === 0) return { published, refused, failure };
  }
  return { published, refused };
}

/** Sorts the rows of a request by what became of them. */
function fatesOf(group: readonly RowLine[], { firstLeft, rejected }: SentBatch) {
  const why = new Map(rejected.map((line) => [line.number, line.why]));
  const end = firstLeft?.number ?? Number.POSITIVE_INFINITY;
  const done = group.filter(({ line }) => line.number < end);
  return {
    accepted: done.filter(({ line }) => !why.has(line.number)).map(({ row }) => row),
    rejected: done.flatMap(({ line, row }) => {
      const reason = why.get(line.number);
      return reason === undefined ? [] : [{ id: row.id, why: reason }];
    }),
    left: group.slice(done.length),
  };
}

interface RowLine {
  readonly line: ReturnType<typeof readLoneEvent>;
  readonly row: Row;
}

/** The rows as lines, in order: a request has one form of events, and {@link BATCH_BYTES_MAX}. Suspects are alone. */
function groupsOf(rows: readonly Row[], suspects: Suspects) {
  const groups: RowLine[][] = [];
  let bytes = 0;
  for (const [at, row] of rows.entries()) {
    const line = readLoneEvent(at + 1, row.event);
    const last = groups.at(-1);
    bytes += line.bytes.length;
    const [first] = last ?? [];
    const isAlone = suspects.has(row.id) || (first !== undefined && suspects.has(first.row.id));
    if (first?.line.kind === line.kind && bytes <= BATCH_BYTES_MAX && !isAlone) {
      last?.push({ line, row });
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
