import type { Command } from 'commander';
import { type Clock, systemClock } from '../base/clock.ts';
import { colors, onOutputClosed, print, printError, printJsonLine } from '../base/output.ts';
import { untilSignal } from '../base/process.ts';
import { printable } from '../base/terminal-text.ts';
import { CliError, EXIT_FAILED } from './cli-error.ts';
import { readDuration } from './input.ts';
import type { OperatorClient } from './operator-client.ts';
import { type CommonFlags, defineOperatorCommand, queryOf, withOperatorClient } from './operator-flags.ts';

/** Flags of `tail`. */
interface TailFlags extends CommonFlags {
  readonly client?: string;
  /** Separated by commas. */
  readonly kind?: string;
  /** How far back it begins, in milliseconds. */
  readonly since?: number;
}

const EXAMPLES = `
Examples:
  tidings tail
  tidings tail --client tpp-1 --kind accepted,acknowledged
  tidings tail --since 10m --json | jq -c 'select(.kind == "unresponsive")'

It goes on until Ctrl-C. When the connection is lost it connects again and goes on where it was; behind a load balancer
that may be another instance. What was lost in between, if anything, is told as "missed".
`;

/** `tidings tail`: follows what happens at a running service. */
export function define(command: Command): void {
  defineOperatorCommand(command, EXAMPLES)
    .option('--client <id>', 'only what is of this TPP')
    .option(
      '--kind <list>',
      'only these: accepted, attempted, acknowledged, reported-error, unresponsive, back, redelivered, withdrawn, expired',
    )
    .option('--since <time>', 'begin that long ago, such as 10m', readDuration)
    .action(tail);
}

const PAUSE_MS = 250;
const PAUSE_MAX_MS = 15_000;

/** `tidings tail`: ends with the first signal, or when nobody reads what it prints any more. */
async function tail(flags: TailFlags): Promise<void> {
  const abort = new AbortController();
  void untilSignal().then(() => abort.abort());
  onOutputClosed(() => abort.abort());
  await withOperatorClient(flags, (client) => follow(client, flags, abort.signal, systemClock));
}

async function follow(client: OperatorClient, flags: TailFlags, abort: AbortSignal, clock: Clock): Promise<void> {
  const { TemporaryError } = await import('./operator-client.ts');
  const since = flags.since === undefined ? undefined : new Date(clock.nowMs() - flags.since).toISOString();
  const path = `/operator/v1/stream?${queryOf({ clientId: flags.client, kind: flags.kind, since })}`;
  const place: Place = { lastId: undefined, pauseMs: PAUSE_MS };
  while (!abort.aborted) {
    await followOnce(client, { path, place, abort, isJson: flags.json === true }).catch((error: unknown) => {
      // What does not even begin is told at once; later it may be a restart.
      const isOver = !(error instanceof TemporaryError) || place.lastId === undefined;
      if (isOver && !abort.aborted) throw error;
    });
    if (abort.aborted) return;
    printError('tidings: the connection was lost; it connects again\n');
    await pause(clock, place.pauseMs, abort);
    place.pauseMs = Math.min(place.pauseMs * 2, PAUSE_MAX_MS);
  }
}

/** Where to go on, and how long to wait before. */
interface Place {
  lastId: string | undefined;
  pauseMs: number;
}

/** One connection, until it ends. @throws {CliError} */
async function followOnce(
  client: OperatorClient,
  { path, place, abort, isJson }: { path: string; place: Place; abort: AbortSignal; isJson: boolean },
): Promise<void> {
  const body = await client.open(path, place.lastId, abort);
  for await (const { id, data } of serverSentEvents(body)) {
    place.lastId = id ?? place.lastId;
    place.pauseMs = PAUSE_MS;
    if (data !== undefined) await printActivity(id, data, isJson);
  }
}

function pause(clock: Clock, delayMs: number, abort: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(delayMs, resolve);
    abort.addEventListener('abort', () => {
      cancel();
      resolve();
    });
  });
}

async function printActivity(id: string | undefined, data: string, isJson: boolean): Promise<void> {
  const { isJsonObject, parseStrictJson } = await import('@tidings/protocol');
  const activity: unknown = parseStrictJson(new TextEncoder().encode(data), { acceptsUnfitTexts: true });
  if (!isJsonObject(activity)) {
    throw new CliError(EXIT_FAILED, 'What it is told is no activity; use the "tidings" of the version of the service.');
  }
  if (isJson) printJsonLine({ id, ...activity });
  else print(`${lineOf(activity)}\n`);
}

const KIND_WIDTH = 14;

/** One line for people: when, what, whose, which one, and the rest as it stands. */
function lineOf({ at, kind, clientId, jti, ...rest }: Record<string, unknown>): string {
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
  back: colors.green,
  unresponsive: colors.red,
  missed: colors.red,
  'reported-error': colors.yellow,
  expired: colors.yellow,
};

/** An event of a stream, or, without data, only the place to go on after. */
interface ServerSentEvent {
  /** The last id that the stream gave, with this event or before. */
  readonly id: string | undefined;
  readonly data: string | undefined;
}

// Nothing that we are sent is nearly as long.
const LINE_CHARS_MAX = 1_000_000;

/**
 * Reads server-sent events (WHATWG HTML, section 9.2.6). Names of events are left aside: what they are stands in their
 * data.
 *
 * @throws {RangeError} when a line has no end
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

/** Lines that have ended, without their end. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LINE_CHARS_MAX) throw new RangeError('a line of the stream has no end');
    yield* lines.map((line) => line.replace(/\r$/, ''));
  }
}
