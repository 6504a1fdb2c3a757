import { resolve } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { systemClock } from '../../base/clock.ts';
import { errorStream, print, printError, printJson } from '../../base/output.ts';
import { untilSignal } from '../../base/process.ts';
import { CliError, EXIT_CONFIGURATION, EXIT_FAILED } from '../cli-error.ts';
import type { OperatorClient } from '../operator-client.ts';
import { type CommonFlags, withOperatorClient } from '../operator-flags.ts';
import { createDisplay, type Display } from './display.ts';
import { type Input, type InvalidLine, openInput, readBatches, type Start } from './input.ts';
import {
  createRecorder,
  type Progress,
  type ProgressRecorder,
  RejectedFile,
  readProgress,
  removeProgress,
  startOf,
} from './progress.ts';
import { publishAll } from './run.ts';
import { Sender, type Tally } from './send.ts';

/** Flags of `publish`. */
export interface PublishFlags extends CommonFlags {
  /** Lines in one request. */
  readonly batch: number;
  /** Parallel requests. */
  readonly inFlight: number;
  readonly continue?: boolean;
  readonly rejected?: string;
  readonly deriveIds?: boolean;
  readonly restart?: boolean;
}

/** Time that requests in progress may take after Ctrl-C. */
const INTERRUPT_GRACE_MS = 10_000;
const INVALID_LINES_PRINTED_MAX = 20;
const EXIT_OF_SIGNAL = { SIGINT: 130, SIGTERM: 143 } as const;

/** The subject and the dependencies of a run. */
interface RunDependencies {
  readonly flags: PublishFlags;
  readonly input: Input;
  readonly start: Start;
  readonly recorder: ProgressRecorder;
  readonly display: Display;
}

/** `tidings publish` */
export async function publish(file: string, flags: PublishFlags): Promise<void> {
  if (flags.continue === true && flags.rejected === undefined) {
    const remedy = 'give a file for the skipped lines with --rejected';
    throw new CliError(EXIT_CONFIGURATION, `--continue would lose invalid lines; ${remedy}.`);
  }
  if (flags.continue !== true && flags.rejected !== undefined) {
    throw new CliError(
      EXIT_CONFIGURATION,
      '--rejected has no effect without --continue; add --continue, or remove --rejected.',
    );
  }
  const input = openInput(file);
  await withOperatorClient(flags, async (client) => {
    const operatorUrl = new URL(flags.operatorUrl).origin;
    const progress = input.file === undefined || flags.restart === true ? undefined : readProgress(input.file);
    const start = startOf(input, progress, operatorUrl);
    const rejected = openRejected(flags, progress);
    const recorder = createRecorder({ file: input.file, operatorUrl, rejected, start });
    const display = createDisplay({
      ...{ stream: errorStream(), clock: systemClock, sizeBytes: input.sizeBytes },
      startBytes: start.offsetBytes,
    });
    if (input.file === undefined) {
      const again = 'if this is interrupted, send all of it again: nothing is published twice';
      display.print(`No progress is recorded for ${input.name}; ${again}.`);
    }
    try {
      await run(client, { flags, input, start, recorder, display });
    } finally {
      display.end();
      rejected?.close();
    }
  });
}

/** Appends to what an earlier run wrote, if it wrote to the same file. */
function openRejected({ rejected: file }: PublishFlags, progress: Progress | undefined): RejectedFile | undefined {
  if (file === undefined) return undefined;
  const before = progress?.rejected;
  return new RejectedFile(file, before?.file === resolve(file) ? before.bytes : undefined);
}

async function run(client: OperatorClient, dependencies: RunDependencies): Promise<void> {
  const { flags, input, start, recorder, display } = dependencies;
  const reading = new AbortController();
  const sending = new AbortController();
  const requests = new AbortController();
  const ending = endAtSignal({ reading, sending, requests });
  const invalid = collectInvalidLines(input, display);
  const beganMs = systemClock.monotonicMs();
  const sender = new Sender({
    ...{ client, clock: systemClock, halted: sending.signal, abort: requests.signal },
    isContinuing: flags.continue === true,
    onWait: (seconds, why) => display.print(`Waiting ${seconds} s: ${why}`),
    onPublished: ({ published }) => display.update(published, recorder.position().offsetBytes),
    onInvalidLine: invalid.note,
  });
  const stream = addAbortSignal(reading.signal, input.read(start.offsetBytes));
  const isPromptly = input.file === undefined;
  const options = { linesMax: flags.batch, areIdsDerived: flags.deriveIds === true, isPromptly };
  const ended = await publishAll({
    ...{ batches: readBatches(stream, start, options), sender, inFlightMax: flags.inFlight, reading, sending },
    onDone: (end, rejected) => recorder.done(end, rejected),
  }).then(
    (isDone) => ({ isDone, error: undefined }),
    (error: unknown) => ({ isDone: false, error }),
  );
  ending.stop();
  // If nothing is published there is nothing to resume.
  const isOver = ended.isDone || recorder.position().offsetBytes === 0;
  if (isOver && input.file !== undefined) removeProgress(input.file);
  else recorder.save();
  display.update(sender.tally.published, recorder.position().offsetBytes);
  display.end();
  const signal = ending.signal();
  const summary: Summary = {
    state: stateOf(ended, signal),
    input: input.name,
    ...{ fromLine: start.lines + 1, lines: recorder.position().lines, tally: sender.tally },
    ...{ rejected: recorder.rejected(), badLines: invalid.lines },
    durationMs: Math.round(systemClock.monotonicMs() - beganMs),
  };
  if (flags.json === true) printSummaryJson(summary);
  else printSummary(summary);
  if (!ended.isDone) printHowToResume(summary, input);
  if (ended.error !== undefined) throw ended.error;
  if (signal !== undefined && !ended.isDone) process.exitCode = EXIT_OF_SIGNAL[signal];
  else if (invalid.lines.length > 0) process.exitCode = EXIT_FAILED;
}

function stateOf(ended: { isDone: boolean; error: unknown }, signal: string | undefined): Summary['state'] {
  if (ended.isDone) return 'done';
  if (ended.error !== undefined) return 'failed';
  return signal === undefined ? 'stopped' : 'interrupted';
}

/** The first Ctrl-C lets requests in progress end, for a limited time; the second ends the process. */
function endAtSignal(ends: Readonly<Record<'reading' | 'sending' | 'requests', AbortController>>) {
  let got: keyof typeof EXIT_OF_SIGNAL | undefined;
  let cancel: (() => void) | undefined;
  let isOver = false;
  void untilSignal().then((signal) => {
    if (isOver) return;
    got = signal === 'SIGTERM' ? signal : 'SIGINT';
    ends.reading.abort();
    ends.sending.abort();
    cancel = systemClock.after(INTERRUPT_GRACE_MS, () => ends.requests.abort());
  });
  return {
    signal: () => got,
    stop: () => {
      isOver = true;
      cancel?.();
    },
  };
}

function collectInvalidLines(
  input: Input,
  display: Display,
): { note: (line: InvalidLine) => void; lines: readonly InvalidLine[] } {
  const lines: InvalidLine[] = [];
  return {
    lines,
    note: (line) => {
      if (lines.length === INVALID_LINES_PRINTED_MAX) return;
      lines.push(line);
      display.print(`${input.name}:${line.number}: ${line.why}`);
      if (lines.length === INVALID_LINES_PRINTED_MAX) display.print('Further invalid lines are only counted.');
    },
  };
}

function printHowToResume({ lines, state, rejected }: Summary, input: Input): void {
  const how = state === 'interrupted' ? 'Interrupted' : 'Stopped';
  const published = lines === 1 ? 'the first line' : `the first ${lines} lines`;
  const fate = `${lines === 1 ? 'is' : 'are'} published${rejected > 0 ? ' or rejected' : ''}`;
  const until = lines === 0 ? `nothing of ${input.name} is published yet` : `${published} of ${input.name} ${fate}`;
  const repair = state === 'stopped' ? `repair line ${lines + 1}, then ` : '';
  const remedy =
    input.file === undefined
      ? 'send all of it again: nothing is published twice'
      : `${repair}run the same command to resume at line ${lines + 1}`;
  printError(`${how}; ${until}; ${remedy}.\n`);
}

/** The result of a run. */
interface Summary {
  readonly state: 'done' | 'stopped' | 'interrupted' | 'failed';
  readonly input: string;
  /** The first line of this run: 1, unless it resumed an earlier one. */
  readonly fromLine: number;
  /** Lines from the beginning of the input that are published or rejected without a gap, including empty ones. */
  readonly lines: number;
  readonly tally: Tally;
  readonly rejected: number;
  /** The first of the invalid lines. */
  readonly badLines: readonly InvalidLine[];
  readonly durationMs: number;
}

function printSummaryJson({ tally, badLines, ...rest }: Summary): void {
  printJson({
    ...rest,
    ...{ ...tally, none: Object.fromEntries(tally.none) },
    badLines: badLines.map(({ number: line, field, why }) => ({ line, field, why })),
  });
}

function printSummary({ tally, rejected, fromLine }: Summary): void {
  const { published, notifications, repeated, none } = tally;
  const reasons = [...none].map(([reason, count]) => `${reason} ${count}`).join(', ');
  const made = `${notifications} with a notification${reasons === '' ? '' : `, ${published - notifications} with none (${reasons})`}`;
  const facts = [
    ...(fromLine > 1 ? [`Resumed at line ${fromLine}.`] : []),
    `Published ${published} ${published === 1 ? 'event' : 'events'}: ${made}.`,
    ...(repeated > 0 ? [`${repeated} of them had been published before and had no effect.`] : []),
    ...(rejected > 0 ? [`${rejected} ${rejected === 1 ? 'line was' : 'lines were'} rejected.`] : []),
  ];
  print(facts.map((fact) => `${fact}\n`).join(''));
}
