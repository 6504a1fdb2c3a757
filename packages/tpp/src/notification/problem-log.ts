import { systemNowMs } from '../clock.ts';
import { warnOnConsole } from '../output.ts';
import { safeText } from '../safe-text.ts';

/** Something that went wrong and that a person should repair. */
export interface Problem {
  /** The event, such as `a request was refused with status 500`. */
  readonly what: string;
  readonly code: string;
  /** Why, as whole sentences. */
  readonly message: string;
  /** The remedy, as whole sentences; undefined when the message says it. */
  readonly remedy: string | undefined;
  /** The underlying error. Only its name, code, message and place are printed, without what looks like a secret. */
  readonly cause?: unknown;
}

/** Options of {@link createProblemLog}. */
export interface ProblemLogOptions {
  /** Prints one line. Default: `console.warn`. */
  warn?(line: string): void;
  /** Milliseconds since the epoch. Default: the machine's clock. */
  now?(): number;
}

const REPEAT_MS_MIN = 600_000;
const CAUSES_MAX = 50;
const CAUSE_CHARS_MAX = 300;
const MESSAGE_CHARS_MAX = 1_000;

interface Cause {
  readonly printedAtMs: number;
  unprinted: number;
}

/**
 * Creates the log of a TPP that has none of its own: one line for each cause, and again after ten minutes at the earliest
 * while it lasts, with the number of times in between. Two problems have the same cause when their code and the kinds and
 * places of the underlying errors are equal. At most 50 causes are remembered, so nobody can fill the log: beyond them
 * nothing is printed until the oldest is ten minutes old.
 */
export function createProblemLog(options: ProblemLogOptions): (problem: Problem) => void {
  const { warn = warnOnConsole, now = systemNowMs } = options;
  const causes = new Map<string, Cause>();

  /** @returns how often the cause was not printed; undefined when it must not be printed now */
  function admit(key: string, nowMs: number): number | undefined {
    const known = causes.get(key);
    if (known !== undefined && isRecent(known, nowMs)) {
      known.unprinted += 1;
      return undefined;
    }
    if (known === undefined && causes.size >= CAUSES_MAX) {
      for (const [each, cause] of causes) if (!isRecent(cause, nowMs)) causes.delete(each);
      if (causes.size >= CAUSES_MAX) return undefined;
    }
    causes.set(key, { printedAtMs: nowMs, unprinted: 0 });
    return known?.unprinted ?? 0;
  }

  return (problem) => {
    const chain = chainOf(problem.cause);
    const unprinted = admit([problem.code, ...chain.map(keyOf)].join('|'), now());
    if (unprinted !== undefined) warn(lineOf(problem, chain, unprinted));
  };
}

/** False also when the clock was set back, so that the log does not fall silent. */
function isRecent({ printedAtMs }: Cause, nowMs: number): boolean {
  return nowMs >= printedAtMs && nowMs - printedAtMs < REPEAT_MS_MIN;
}

function lineOf({ what, code, message, remedy }: Problem, chain: readonly Error[], unprinted: number): string {
  const causes = chain.map(describe).filter((each) => !message.includes(each.text));
  return [
    `@tidings/tpp: ${what} (${code}).`,
    safeText(message, MESSAGE_CHARS_MAX),
    ...causes.map(({ name, text, place }) => `Cause: ${name}: ${text}${place}.`),
    ...(remedy === undefined ? [] : [remedy]),
    ...(unprinted > 0 ? [`It happened ${unprinted} more times since this was last printed.`] : []),
  ].join(' ');
}

const CHAIN_MAX = 3;

/** An error and the errors that caused it. Anything that is not an error is shown by its type alone. */
function chainOf(cause: unknown): readonly Error[] {
  const chain: Error[] = [];
  for (let each = cause; each !== undefined && chain.length < CHAIN_MAX; ) {
    if (!(each instanceof Error)) return [...chain, new Error(`a value of type ${typeof each} was thrown`)];
    chain.push(each);
    each = each.cause;
  }
  return chain;
}

function describe(error: Error): { name: string; text: string; place: string } {
  const code = codeOf(error);
  const text = safeText(error.message, CAUSE_CHARS_MAX).replace(/\.$/, '');
  const place = placeOf(error);
  return {
    name: safeText(code === undefined ? error.name : `${error.name} (${code})`, CAUSE_CHARS_MAX),
    text,
    place: place === undefined ? '' : `, at ${safeText(place, CAUSE_CHARS_MAX)}`,
  };
}

function keyOf(error: Error): string {
  return [error.name, codeOf(error), placeOf(error)].join(' ');
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** File, line and column of the TPP's own code that threw; undefined when only libraries were involved. */
function placeOf(error: Error): string | undefined {
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const own = frames.find((line) => !/node_modules|node:|\(native|<anonymous>/.test(line));
  return own === undefined ? undefined : /\(?([^\s()]+:\d+:\d+)\)?$/.exec(own)?.[1];
}
