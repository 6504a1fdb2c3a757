import { resolve } from 'node:path';
import { addAbortSignal } from 'node:stream';
import type { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { errorStream, print, printError, printJson } from '../base/output.ts';
import { untilSignal } from '../base/process.ts';
import { CliError, EXIT_CONFIGURATION, EXIT_FAILED } from './cli-error.ts';
import { wholeNumber } from './input.ts';
import type { OperatorClient } from './operator-client.ts';
import { type CommonFlags, defineOperatorCommand, withOperatorClient } from './operator-flags.ts';
import { createDisplay, type Display } from './publish/display.ts';
import { type BadLine, type Input, openInput, readBatches, type Start } from './publish/input.ts';
import {
  createSaver,
  type Progress,
  RejectedFile,
  readProgress,
  removeProgress,
  type Saver,
  startOf,
} from './publish/progress.ts';
import { publishAll } from './publish/run.ts';
import { Sender, type Tally } from './publish/send.ts';

const BATCH_LINES = 500;
const BATCH_LINES_MAX = 1000;
const IN_FLIGHT = 4;
const IN_FLIGHT_MAX = 16;

const HELP = `
Examples:
  tidings publish events.ndjson
  tidings publish events.ndjson --continue --rejected rejected.ndjson
  export-events | tidings publish - --json

One event a line, as POST /operator/v1/events takes it, or one CloudEvent a line (it has "specversion"); empty lines are
skipped. The service checks each. At a line that is not good it says file:line, field and remedy, and sends no more: all
lines before it are published, and of those behind it at most the batches that were under way at that moment; with
--in-flight 1 none. Batches that are under way together may be published in any order; --in-flight 1 keeps that of the file.

FILE.tidings-progress keeps how many lines are published, so that the same command goes on where it ended: at the bad line
once it is repaired, after Ctrl-C, after a crash. It is removed at the end. Whatever is sent twice is published once, since each event has its id. Standard input has no
such file: send all of it again.

--derive-ids gives a line without an id one that is made of its content and its number: the same line at the same place of
a file is the same event, and one that moved is another.

Exit codes of publish: 0 all is published; 1 stopped at a line, lines were rejected, refused, or the service cannot be
reached; 2 wrong use, or FILE was changed where it was published already; 130 Ctrl-C, 143 SIGTERM.
`;

/** `tidings publish`: publishes a file of events. */
export function define(command: Command): void {
  defineOperatorCommand(command, HELP)
    .argument('[file]', 'the events; - is standard input', '-')
    .option('--batch <lines>', 'most lines in one request', wholeNumber(BATCH_LINES_MAX), BATCH_LINES)
    .option('--in-flight <requests>', 'most requests at once', wholeNumber(IN_FLIGHT_MAX), IN_FLIGHT)
    .option('--continue', 'leave lines that are not good out, and go on; needs --rejected')
    .option('--rejected <file>', 'where --continue writes them, as they are')
    .option('--derive-ids', 'make an id for lines that have none')
    .option('--restart', 'begin at the first line, whatever was published before')
    .action(publish);
}

/** How long what is under way may take after Ctrl-C. */
const INTERRUPT_GRACE_MS = 10_000;
const BAD_LINES_SAID_MAX = 20;
const EXIT_OF_SIGNAL = { SIGINT: 130, SIGTERM: 143 } as const;

/** Flags that say how a file is published. */
interface PublishFlags extends CommonFlags {
  /** Lines in one request. */
  readonly batch: number;
  /** Requests at once. */
  readonly inFlight: number;
  readonly continue?: boolean;
  readonly rejected?: string;
  readonly deriveIds?: boolean;
  readonly restart?: boolean;
}

/** The subject and the dependencies of a run. */
interface RunDependencies {
  readonly flags: PublishFlags;
  readonly input: Input;
  readonly start: Start;
  readonly saver: Saver;
  readonly display: Display;
}

/** `tidings publish` */
async function publish(file: string, flags: PublishFlags): Promise<void> {
  if (flags.continue === true && flags.rejected === undefined) {
    const remedy = 'name a file for the lines that are left out with --rejected';
    throw new CliError(EXIT_CONFIGURATION, `--continue loses lines; ${remedy}.`);
  }
  if (flags.continue !== true && flags.rejected !== undefined) {
    throw new CliError(EXIT_CONFIGURATION, 'Without --continue no line is rejected; leave out --rejected, or add it.');
  }
  const input = openInput(file);
  await withOperatorClient(flags, async (client) => {
    const operatorUrl = new URL(flags.operatorUrl).origin;
    const progress = input.file === undefined || flags.restart === true ? undefined : readProgress(input.file);
    const start = startOf(input, progress, operatorUrl);
    const rejected = openRejected(flags, progress);
    const saver = createSaver({ file: input.file, operatorUrl, rejected, start });
    const display = createDisplay({
      ...{ stream: errorStream(), clock: systemClock, sizeBytes: input.sizeBytes },
      startBytes: start.offsetBytes,
    });
    if (input.file === undefined) {
      const again = 'should this be broken off, send all of it again: nothing is published twice';
      display.say(`Of ${input.name} no progress is kept; ${again}.`);
    }
    try {
      await run(client, { flags, input, start, saver, display });
    } finally {
      display.end();
      rejected?.close();
    }
  });
}

/** Goes on behind what the earlier run wrote there, when it is the same file. */
function openRejected({ rejected: file }: PublishFlags, progress: Progress | undefined): RejectedFile | undefined {
  if (file === undefined) return undefined;
  const before = progress?.rejected;
  return new RejectedFile(file, before?.file === resolve(file) ? before.bytes : undefined);
}

async function run(client: OperatorClient, dependencies: RunDependencies): Promise<void> {
  const { flags, input, start, saver, display } = dependencies;
  const reading = new AbortController();
  const sending = new AbortController();
  const brokenOff = new AbortController();
  const ending = endAtSignal({ reading, sending, brokenOff });
  const bad = noteBadLines(input, display);
  const beganMs = systemClock.monotonicMs();
  const sender = new Sender({
    ...{ client, clock: systemClock, halted: sending.signal, brokenOff: brokenOff.signal },
    isContinuing: flags.continue === true,
    onWait: (seconds, why) => display.say(`Waiting ${seconds} s: ${why}`),
    onPublished: ({ published }) => display.update(published, saver.position().offsetBytes),
    onBadLine: bad.note,
  });
  const stream = addAbortSignal(reading.signal, input.read(start.offsetBytes));
  const isPromptly = input.file === undefined;
  const options = { linesMax: flags.batch, areIdsDerived: flags.deriveIds === true, isPromptly };
  const ended = await publishAll({
    ...{ batches: readBatches(stream, start, options), sender, inFlightMax: flags.inFlight, reading, sending },
    onDone: (end, rejected) => saver.done(end, rejected),
  }).then(
    (isDone) => ({ isDone, error: undefined }),
    (error: unknown) => ({ isDone: false, error }),
  );
  ending.stop();
  // Where nothing is published there is nothing to go on from.
  const isOver = ended.isDone || saver.position().offsetBytes === 0;
  if (isOver && input.file !== undefined) removeProgress(input.file);
  else saver.save();
  display.update(sender.tally.published, saver.position().offsetBytes);
  display.end();
  const signal = ending.signal();
  const summary: Summary = {
    state: stateOf(ended, signal),
    input: input.name,
    ...{ fromLine: start.lines + 1, lines: saver.position().lines, tally: sender.tally },
    ...{ rejected: saver.rejected(), badLines: bad.lines },
    durationMs: Math.round(systemClock.monotonicMs() - beganMs),
  };
  if (flags.json === true) printSummaryJson(summary);
  else printSummary(summary);
  if (!ended.isDone) sayHowToGoOn(summary, input);
  if (ended.error !== undefined) throw ended.error;
  if (signal !== undefined && !ended.isDone) process.exitCode = EXIT_OF_SIGNAL[signal];
  else if (bad.lines.length > 0) process.exitCode = EXIT_FAILED;
}

function stateOf(ended: { isDone: boolean; error: unknown }, signal: string | undefined): Summary['state'] {
  if (ended.isDone) return 'done';
  if (ended.error !== undefined) return 'failed';
  return signal === undefined ? 'stopped' : 'interrupted';
}

/** The first Ctrl-C lets what is under way end, for a while; the second ends the process. */
function endAtSignal(ends: Readonly<Record<'reading' | 'sending' | 'brokenOff', AbortController>>) {
  let got: keyof typeof EXIT_OF_SIGNAL | undefined;
  let cancel: (() => void) | undefined;
  let isOver = false;
  void untilSignal().then((signal) => {
    if (isOver) return;
    got = signal === 'SIGTERM' ? signal : 'SIGINT';
    ends.reading.abort();
    ends.sending.abort();
    cancel = systemClock.after(INTERRUPT_GRACE_MS, () => ends.brokenOff.abort());
  });
  return {
    signal: () => got,
    stop: () => {
      isOver = true;
      cancel?.();
    },
  };
}

function noteBadLines(input: Input, display: Display): { note: (line: BadLine) => void; lines: readonly BadLine[] } {
  const lines: BadLine[] = [];
  return {
    lines,
    note: (line) => {
      if (lines.length === BAD_LINES_SAID_MAX) return;
      lines.push(line);
      display.say(`${input.name}:${line.number}: ${line.why}`);
      if (lines.length === BAD_LINES_SAID_MAX) display.say('Further lines that are not good are counted only.');
    },
  };
}

function sayHowToGoOn({ lines, state, rejected }: Summary, input: Input): void {
  const said = state === 'interrupted' ? 'Interrupted' : 'Stopped';
  const published = lines === 1 ? 'the first line' : `the first ${lines} lines`;
  const fate = `${lines === 1 ? 'is' : 'are'} published${rejected > 0 ? ' or rejected' : ''}`;
  const until = lines === 0 ? `nothing of ${input.name} is published yet` : `${published} of ${input.name} ${fate}`;
  const repair = state === 'stopped' ? `, once line ${lines + 1} is repaired` : '';
  const how =
    input.file === undefined
      ? 'send all of it again to go on: what was published is not published twice'
      : `the same command goes on at line ${lines + 1}${repair}`;
  printError(`${said}; ${until}; ${how}.\n`);
}

/** How a run ended. */
interface Summary {
  readonly state: 'done' | 'stopped' | 'interrupted' | 'failed';
  readonly input: string;
  /** The line that this run began at: 1, unless it went on from an earlier one. */
  readonly fromLine: number;
  /** Lines of the input that are published, or rejected, from the first one on without a gap, empty ones included. */
  readonly lines: number;
  readonly tally: Tally;
  readonly rejected: number;
  /** The first of the lines that are not good. */
  readonly badLines: readonly BadLine[];
  readonly durationMs: number;
}

/** Prints it for scripts. */
function printSummaryJson({ tally, badLines, ...rest }: Summary): void {
  printJson({
    ...rest,
    ...{ ...tally, none: Object.fromEntries(tally.none) },
    badLines: badLines.map(({ number: line, field, why }) => ({ line, field, why })),
  });
}

/** Prints it for people. */
function printSummary({ tally, rejected, fromLine }: Summary): void {
  const { published, notifications, repeated, none } = tally;
  const reasons = [...none].map(([reason, count]) => `${reason} ${count}`).join(', ');
  const made = `${notifications} with a notification${reasons === '' ? '' : `, ${published - notifications} with none (${reasons})`}`;
  const facts = [
    ...(fromLine > 1 ? [`It went on at line ${fromLine}.`] : []),
    `Published ${published} ${published === 1 ? 'event' : 'events'}: ${made}.`,
    ...(repeated > 0 ? [`${repeated} of them had been published before, and made nothing anew.`] : []),
    ...(rejected > 0 ? [`${rejected} ${rejected === 1 ? 'line was' : 'lines were'} rejected.`] : []),
  ];
  print(facts.map((fact) => `${fact}\n`).join(''));
}
