import { SingleBar } from 'cli-progress';
import type { Clock } from '../../base/clock.ts';
import { printError } from '../../base/output.ts';
import { printable } from '../../base/terminal-text.ts';

/** Shows the progress of publishing on standard error. */
export interface Display {
  /** @param doneBytes bytes of the input that are published */
  update(events: number, doneBytes: number): void;
  /** Prints a message in between. */
  print(text: string): void;
  end(): void;
}

/** Options of a display. */
export interface DisplayOptions {
  readonly stream: NodeJS.WriteStream;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Offset at which this run begins. */
  readonly startBytes: number;
  /** Undefined: the size is unknown. */
  readonly sizeBytes: number | undefined;
}

const PLAIN_INTERVAL_MS = 5000;

/** A progress bar on a terminal; elsewhere a line from time to time. */
export function createDisplay(options: DisplayOptions): Display {
  return options.stream.isTTY ? barDisplay(options) : plainDisplay(options);
}

function barDisplay(options: DisplayOptions): Display {
  const { stream, startBytes, sizeBytes } = options;
  const pace = paceOf(options);
  const format = sizeBytes === undefined ? '{events}' : '[{bar}] {percentage}%  {events}';
  // Keeps the cursor and line wrapping, because a SIGKILL would leave the terminal without them.
  const bar = new SingleBar({ format, stream, clearOnComplete: true, linewrap: true, forceRedraw: true, barsize: 30 });
  let value = startBytes;
  let payload = { events: pace(0, startBytes) };
  const start = () => bar.start(sizeBytes ?? 0, value, payload);
  start();
  return {
    update: (events, doneBytes) => {
      value = doneBytes;
      payload = { events: pace(events, doneBytes) };
      bar.update(value, payload);
    },
    print: (text) => {
      bar.stop();
      printError(`${printable(text)}\n`);
      start();
    },
    end: () => bar.stop(),
  };
}

function plainDisplay(options: DisplayOptions): Display {
  const { clock, sizeBytes } = options;
  const pace = paceOf(options);
  let printedAtMs = clock.monotonicMs();
  return {
    update: (events, doneBytes) => {
      const nowMs = clock.monotonicMs();
      if (nowMs - printedAtMs < PLAIN_INTERVAL_MS) return;
      printedAtMs = nowMs;
      const part = sizeBytes === undefined ? '' : `${Math.floor((doneBytes / Math.max(sizeBytes, 1)) * 100)}%, `;
      printError(`${part}${pace(events, doneBytes)}\n`);
    },
    print: (text) => printError(`${printable(text)}\n`),
    end: () => undefined,
  };
}

/** Events so far, their rate, and the time left at the rate of this run. */
function paceOf({ clock, startBytes, sizeBytes }: DisplayOptions): (events: number, doneBytes: number) => string {
  const beganMs = clock.monotonicMs();
  return (events, doneBytes) => {
    const seconds = (clock.monotonicMs() - beganMs) / 1000;
    const done = doneBytes - startBytes;
    if (seconds <= 0 || events === 0) return `${events} events`;
    const rate = `${events} events, ${Math.round(events / seconds)}/s`;
    if (sizeBytes === undefined || done <= 0) return rate;
    return `${rate}, ${formatDuration(((sizeBytes - doneBytes) / done) * seconds)} left`;
  };
}

/** Formats hours, minutes and seconds: 1:02:03, or 02:03. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  const two = (number: number) => String(number).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  return `${hours > 0 ? `${hours}:` : ''}${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}
