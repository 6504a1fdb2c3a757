import type { Clock } from './clock.ts';
import type { Check, CheckResult, Exchange, Outcome, Report } from './model.ts';
import { redactExchange } from './redact.ts';

/** The part of a check's context that the runner itself provides. */
export interface CheckScope {
  /** The id of the check that runs. */
  readonly checkId: string;
  /** Keeps an exchange for the report, without its secrets. Calls after the end of the check are ignored. */
  record(exchange: Exchange): void;
  /** Aborted at the end of the check's time, or when the run is stopped. Everything that waits has to end then. */
  readonly signal: AbortSignal;
}

/** One step of a run, for whoever shows its progress. `index` counts from 0; `count` checks run in all. */
export type RunProgress =
  | {
      readonly kind: 'started';
      readonly id: string;
      readonly title: string;
      readonly index: number;
      readonly count: number;
    }
  | { readonly kind: 'finished'; readonly result: CheckResult; readonly index: number; readonly count: number };

/** Options of {@link runChecks}. */
export interface RunOptions<Context> extends Pick<Report, 'side' | 'target' | 'version'> {
  /** In the order in which they run. */
  readonly checks: readonly Check<Context>[];
  /** Makes the context of one check. */
  readonly contextOf: (scope: CheckScope) => Context | Promise<Context>;
  readonly clock: Clock;
  /** Longest time for a check that has no limit of its own. Default: one minute. */
  readonly timeLimitMs?: number | undefined;
  readonly onProgress?: ((progress: RunProgress) => void) | undefined;
  /** Stops the run: the check that runs ends with the outcome `error`, and those after it are skipped. */
  readonly signal?: AbortSignal | undefined;
}

/** A selection that names no check. `message` says which part, and what can be named. */
export class SelectionError extends Error {
  override readonly name = 'SelectionError';
}

const TIME_LIMIT_MS = 60_000;
/** How long a check whose time is over may take to end before the next one begins. */
const GRACE_MS = 5000;
const EXCHANGES_MAX = 60;
const BODY_CHARS_MAX = 16_384;

/**
 * Selects checks by id (`POLL-04`) or by area (`Aggregated polling`), without regard to case. Nothing named selects all.
 *
 * @throws {SelectionError} when a name is neither
 */
export function selectChecks<Context>(
  checks: readonly Check<Context>[],
  only: readonly string[],
): readonly Check<Context>[] {
  if (only.length === 0) return checks;
  const names = ({ id, area }: Check<Context>) => [id.toLowerCase(), area.toLowerCase()];
  const known = new Set(checks.flatMap(names));
  const unknown = only.find((each) => !known.has(each.toLowerCase()));
  if (unknown !== undefined) {
    const areas = [...new Set(checks.map(({ area }) => area))].join(', ');
    throw new SelectionError(
      `There is no check or area "${unknown}". Name ids, as "list" shows them, or areas: ${areas}.`,
    );
  }
  const wanted = new Set(only.map((each) => each.toLowerCase()));
  return checks.filter((check) => names(check).some((name) => wanted.has(name)));
}

/**
 * Runs checks one after the other, each within its time, and records what goes over the wire meanwhile: at most 60 exchanges a
 * check (the first half and the last), bodies of at most 16,384 characters, without secrets. A check that throws, or does not
 * end in time, has the outcome `error`, and the run goes on.
 */
export async function runChecks<Context>(options: RunOptions<Context>): Promise<Report> {
  const { checks, clock, side, target, version, onProgress, signal } = options;
  const startedAtMs = clock.nowMs();
  const beganMs = clock.monotonicMs();
  const results: CheckResult[] = [];
  for (const [index, check] of checks.entries()) {
    onProgress?.({ kind: 'started', id: check.id, title: check.title, index, count: checks.length });
    const result = signal?.aborted === true ? stopped(check, clock) : await runCheck(check, options);
    results.push(result);
    onProgress?.({ kind: 'finished', result, index, count: checks.length });
  }
  return { side, target, version, startedAtMs, durationMs: clock.monotonicMs() - beganMs, results };
}

async function runCheck<Context>(check: Check<Context>, options: RunOptions<Context>): Promise<CheckResult> {
  const { clock, contextOf } = options;
  const startedAtMs = clock.nowMs();
  const beganMs = clock.monotonicMs();
  const exchanges = new BoundedExchanges();
  const limit = limitOf(check.timeLimitMs ?? options.timeLimitMs ?? TIME_LIMIT_MS, options);
  const scope = { checkId: check.id, record: (each: Exchange) => exchanges.add(each), signal: limit.signal };
  const outcome = await outcomeOf(async () => check.run(await contextOf(scope)), limit.signal, clock);
  limit.end();
  return {
    ...aboutOf(check),
    ...{ outcome, startedAtMs },
    durationMs: clock.monotonicMs() - beganMs,
    ...exchanges.close(),
  };
}

/** A signal that is aborted when the time is over, or with the run. */
function limitOf(limitMs: number, { clock, signal }: Pick<RunOptions<never>, 'clock' | 'signal'>) {
  const controller = new AbortController();
  const cancel = clock.after(limitMs, () =>
    controller.abort(new Error(`The check did not end within ${limitMs / 1000} s.`)),
  );
  const stop = () => controller.abort(new Error('The run was stopped.'));
  signal?.addEventListener('abort', stop);
  const end = () => {
    cancel();
    signal?.removeEventListener('abort', stop);
  };
  return { signal: controller.signal, end };
}

async function outcomeOf(run: () => Promise<Outcome>, signal: AbortSignal, clock: Clock): Promise<Outcome> {
  const running = run().catch((error: unknown): Outcome => {
    // What was aborted fails in many ways; the cause is that the time was over.
    return { kind: 'error', message: messageOf(signal.aborted ? signal.reason : error) };
  });
  let cancel: () => void = () => undefined;
  const overdue = new Promise<Outcome>((resolve) => {
    signal.addEventListener('abort', () => {
      cancel = clock.after(GRACE_MS, () => resolve({ kind: 'error', message: messageOf(signal.reason) }));
    });
  });
  const outcome = await Promise.race([running, overdue]);
  cancel();
  return outcome;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The parts of a check that its result repeats. */
function aboutOf<Context>({ run: _run, timeLimitMs: _timeLimitMs, ...about }: Check<Context>) {
  return about;
}

function stopped<Context>(check: Check<Context>, clock: Clock): CheckResult {
  const outcome = { kind: 'skipped', reason: 'The run was stopped before.' } as const;
  return {
    ...aboutOf(check),
    outcome,
    startedAtMs: clock.nowMs(),
    durationMs: 0,
    exchanges: [],
  };
}

/** Keeps the first exchanges and the last, so that a check that polls for long does not fill the memory. */
class BoundedExchanges {
  readonly #first: Exchange[] = [];
  readonly #last: Exchange[] = [];
  #omitted = 0;
  #isClosed = false;

  add(exchange: Exchange): void {
    if (this.#isClosed) return;
    const redacted = redactExchange(exchange, BODY_CHARS_MAX);
    if (this.#first.length < EXCHANGES_MAX / 2) {
      this.#first.push(redacted);
      return;
    }
    this.#last.push(redacted);
    if (this.#last.length <= EXCHANGES_MAX / 2) return;
    this.#last.shift();
    this.#omitted += 1;
  }

  close(): Pick<CheckResult, 'exchanges' | 'exchangesOmitted'> {
    this.#isClosed = true;
    const exchanges = [...this.#first, ...this.#last];
    return { exchanges, ...(this.#omitted > 0 && { exchangesOmitted: this.#omitted }) };
  }
}
