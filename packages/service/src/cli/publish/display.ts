import { SingleBar } from 'cli-progress';
import type { Clock } from '../../base/clock.ts';
import { printError } from '../../base/output.ts';
import { printable } from '../../base/terminal-text.ts';

/** Shows how far publishing is, on standard error. */
export interface Display {
  /** @param doneBytes what of the input is published */
  update(events: number, doneBytes: number): void;
  /** Says something in between. */
  say(text: string): void;
  end(): void;
}

/** Where it is shown. */
export interface DisplayOptions {
  readonly stream: NodeJS.WriteStream;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Where this run begins. */
  readonly startBytes: number;
  /** Undefined: nobody knows how much there is. */
  readonly sizeBytes: number | undefined;
}

const PLAIN_EVERY_MS = 5000;

/** A bar on a terminal, and a line now and then elsewhere. */
export function createDisplay(options: DisplayOptions): Display {
  return options.stream.isTTY ? barDisplay(options) : plainDisplay(options);
}

function barDisplay(options: DisplayOptions): Display {
  const { stream, startBytes, sizeBytes } = options;
  const pace = paceOf(options);
  const format = sizeBytes === undefined ? '{events}' : '[{bar}] {percentage}%  {events}';
  // Neither hides the cursor nor ends line wrapping: a SIGKILL would leave the terminal so.
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
    say: (text) => {
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
  let saidAtMs = clock.monotonicMs();
  return {
    update: (events, doneBytes) => {
      const nowMs = clock.monotonicMs();
      if (nowMs - saidAtMs < PLAIN_EVERY_MS) return;
      saidAtMs = nowMs;
      const part = sizeBytes === undefined ? '' : `${Math.floor((doneBytes / Math.max(sizeBytes, 1)) * 100)}%, `;
      printError(`${part}${pace(events, doneBytes)}\n`);
    },
    say: (text) => printError(`${printable(text)}\n`),
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
    return `${rate}, ${durationOf(((sizeBytes - doneBytes) / done) * seconds)} left`;
  };
}

/** As hours, minutes and seconds: 1:02:03, or 02:03. */
export function durationOf(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  const two = (number: number) => String(number).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  return `${hours > 0 ? `${hours}:` : ''}${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}
