import { isJsonObject, parseStrictJson } from '@tidings/protocol';
import { type Clock, systemClock } from '../base/clock.ts';
import { colors, onOutputClosed, print, printError, printJsonLine } from '../base/output.ts';
import { untilSignal } from '../base/signals.ts';
import { printable } from '../base/terminal-text.ts';
import { CliError, EXIT_FAILED } from './cli-error.ts';
import { type OperatorClient, TemporaryError } from './operator-client.ts';
import { withOperatorClient } from './operator-flags.ts';
import { queryOf } from './query.ts';
import { serverSentEvents } from './server-sent-events.ts';
import type { TailFlags } from './tail.ts';

const PAUSE_MS = 250;
const PAUSE_MAX_MS = 15_000;

/** `tidings tail`: ends with the first signal, or when nobody reads what it prints any more. */
export async function tail(flags: TailFlags): Promise<void> {
  const abort = new AbortController();
  void untilSignal().then(() => abort.abort());
  onOutputClosed(() => abort.abort());
  await withOperatorClient(flags, (client) => follow(client, flags, abort.signal, systemClock));
}

async function follow(client: OperatorClient, flags: TailFlags, abort: AbortSignal, clock: Clock): Promise<void> {
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
    if (data !== undefined) printActivity(id, data, isJson);
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

function printActivity(id: string | undefined, data: string, isJson: boolean): void {
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
