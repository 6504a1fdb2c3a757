import type { Command } from 'commander';
import { pause } from '../base/async.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { colors, onOutputClosed, print, printError, printJsonLine } from '../base/output.ts';
import { untilSignal } from '../base/process.ts';
import { printable } from '../base/terminal-text.ts';
import { CliError, EXIT_FAILED } from './cli-error.ts';
import { readDuration } from './input.ts';
import type { OperatorClient } from './operator-client.ts';
import { type CommonFlags, defineOperatorCommand, queryOf, withOperatorClient } from './operator-flags.ts';
import { assertTpp } from './subjects.ts';

/** Flags of `tail`. */
interface TailFlags extends CommonFlags {
  readonly client?: string;
  /** Separated by commas. */
  readonly kind?: string;
  /** Milliseconds before now at which to start. */
  readonly since?: number;
}

const EXAMPLES = `
Examples:
  tidings tail
  tidings tail --client tpp-1 --kind accepted,acknowledged
  tidings tail --since 10m --json | jq -c 'select(.kind == "unresponsive")'

Runs until Ctrl-C. If the connection is lost, it reconnects and resumes where it was, possibly at another instance behind a
load balancer. An entry of the kind "missed" says that activities in between were lost.
`;

/** `tidings tail`: follows the activity of a running service. */
export function define(command: Command): void {
  defineOperatorCommand(command, EXAMPLES)
    .option('--client <id>', 'only the activity of this TPP')
    .option(
      '--kind <list>',
      'only these kinds, separated by commas: accepted, attempted, acknowledged, reported-error, unresponsive, recovered, redelivered, withdrawn, expired',
    )
    .option('--since <time>', 'start this long ago, such as 10m', readDuration)
    .action(tail);
}

const FLAG_NAMES = { clientId: '--client', kind: '--kind' };

const PAUSE_MS = 250;
const PAUSE_MAX_MS = 15_000;

/** `tidings tail`: ends with the first signal, or when the reader of its output has exited. */
async function tail(flags: TailFlags): Promise<void> {
  const abort = new AbortController();
  void untilSignal().then(() => abort.abort());
  onOutputClosed(() => abort.abort());
  await withOperatorClient(flags, (client) => follow(client, flags, abort.signal, systemClock));
}

async function follow(client: OperatorClient, flags: TailFlags, abort: AbortSignal, clock: Clock): Promise<void> {
  if (flags.client !== undefined) await assertTpp(client, flags.client);
  const { TemporaryError } = await import('./operator-client.ts');
  const since = flags.since === undefined ? undefined : new Date(clock.nowMs() - flags.since).toISOString();
  const path = `/operator/v1/stream?${queryOf({ clientId: flags.client, kind: flags.kind, since })}`;
  const position: Position = { lastId: undefined, pauseMs: PAUSE_MS };
  while (!abort.aborted) {
    await followOnce(client, { path, position, abort, isJson: flags.json === true }).catch((error: unknown) => {
      // A first connection that fails ends the command; a later one may fail because of a restart.
      const isFatal = !(error instanceof TemporaryError) || position.lastId === undefined;
      if (isFatal && !abort.aborted) throw error;
    });
    if (abort.aborted) return;
    printError('tidings: the connection was lost; reconnecting\n');
    await pause(clock, position.pauseMs, abort);
    position.pauseMs = Math.min(position.pauseMs * 2, PAUSE_MAX_MS);
  }
}

/** Where to resume, and how long to wait before. */
interface Position {
  lastId: string | undefined;
  pauseMs: number;
}

/** One connection, until it ends. @throws {CliError} */
async function followOnce(
  client: OperatorClient,
  { path, position, abort, isJson }: { path: string; position: Position; abort: AbortSignal; isJson: boolean },
): Promise<void> {
  const body = await client.open({ path, flagNames: FLAG_NAMES }, position.lastId, abort);
  for await (const { id, data } of serverSentEvents(body)) {
    position.lastId = id ?? position.lastId;
    position.pauseMs = PAUSE_MS;
    if (data !== undefined) await printActivity(id, data, isJson);
  }
}

async function printActivity(id: string | undefined, data: string, isJson: boolean): Promise<void> {
  const { isJsonObject, parseStrictJson } = await import('@tidings/protocol');
  const activity: unknown = parseStrictJson(new TextEncoder().encode(data), { acceptsUnfitTexts: true });
  if (!isJsonObject(activity)) {
    throw new CliError(
      EXIT_FAILED,
      'The stream contains an entry that is not a JSON object; use the "tidings" command of the same version as the service.',
    );
  }
  if (isJson) printJsonLine({ id, ...activity });
  else print(`${formatActivity(activity)}\n`);
}

const KIND_WIDTH = 14;

/** One line for people: time, kind, client_id, jti, then the other members. */
function formatActivity({ at, kind, clientId, jti, ...rest }: Record<string, unknown>): string {
  const facts = Object.entries(rest).map(
    ([name, value]) => `${name}=${Array.isArray(value) ? value.join(',') : value}`,
  );
  const isFailure = kind === 'attempted' && rest['outcome'] !== 'acknowledged';
  const words = [clientId, jti, ...facts].filter((word) => word !== undefined).map(String);
  const name = printable(String(kind)).padEnd(KIND_WIDTH);
  const colour = isFailure ? colors.yellow : (COLOURS[String(kind)] ?? ((text: string) => text));
  return `${colors.dim(printable(String(at)))}  ${colour(name)}  ${words.map(printable).join('  ')}`;
}

const COLOURS: Readonly<Record<string, (text: string) => string>> = {
  acknowledged: colors.green,
  recovered: colors.green,
  unresponsive: colors.red,
  missed: colors.red,
  'reported-error': colors.yellow,
  expired: colors.yellow,
};

/** An event of a stream; without data, only the id after which to resume. */
interface ServerSentEvent {
  /** The last id in the stream, of this event or an earlier one. */
  readonly id: string | undefined;
  readonly data: string | undefined;
}

// Far longer than any line that the service sends.
const LINE_CHARS_MAX = 1_000_000;

/**
 * Parses server-sent events (WHATWG HTML, section 9.2.6). Ignores the names of events, which their data repeats.
 *
 * @throws {RangeError} for a line that is too long
 */
async function* serverSentEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent, void, undefined> {
  let id: string | undefined;
  let data: string[] = [];
  for await (const line of linesOf(chunks)) {
    const [, field, value = ''] = /^([^:]+):? ?(.*)$/s.exec(line) ?? [];
    if (field === 'id') id = value;
    if (field === 'data') data.push(value);
    if (line !== '') continue;
    yield { id, data: data.length === 0 ? undefined : data.join('\n') };
    data = [];
  }
}

/** Complete lines, without their line ends. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LINE_CHARS_MAX) throw new RangeError('a line of the stream is too long');
    yield* lines.map((line) => line.replace(/\r$/, ''));
  }
}
