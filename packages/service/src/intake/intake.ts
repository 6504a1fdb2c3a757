import { pause, startInterval, withTimeout } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import { type Log, LogSampler } from '../base/log.ts';
import { messageOf } from '../base/start-up-error.ts';
import type { BankEvent } from '../model/event.ts';
import type { IntakeCounts, IntakeStatus } from '../model/intake.ts';
import type { Publish } from '../notify/publish.ts';
import { Problem } from '../operator/problem.ts';
import { StoreError } from '../store/store.ts';
import type { Observer } from '../telemetry/observer.ts';
import type { ReadRecord } from './read-record.ts';
import type { DeadRecord, IntakeRecord, IntakeSource, RecordTaker } from './source.ts';

export interface IntakeOptions {
  readonly source: IntakeSource;
  /** Of the source, for the status. */
  readonly about: Pick<IntakeStatus, 'source' | 'topic' | 'group'>;
  readonly read: ReadRecord;
  readonly publish: Publish;
  /** Why publishing is closed; undefined: it is open. */
  readonly closedBecause: () => Promise<string | undefined>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  readonly observer: Observer;
}

/** Publishes what a source has, as long as it runs. */
export interface Intake {
  status(): IntakeStatus;
  /** Ends it. Resolves when nothing of it is under way; what was taken and not committed is read again later. */
  stop(): Promise<void>;
}

const LAG_EVERY_MS = 5000;
const LAG_WITHIN_MS = 3000;
const LEAVE_WITHIN_MS = 5000;
const WAIT_MIN_MS = 500;
const WAIT_MAX_MS = 30_000;
const CLOSED_WAIT_MS = 1000;

/**
 * Starts an intake. It connects by itself, again and again if need be, and never ends of its own accord. A record is committed at
 * the source after its event is committed in the store; since publishing is idempotent by the id of the event, a record that
 * is read again changes nothing.
 */
export function startIntake(options: IntakeOptions): Intake {
  const { source, about, clock } = options;
  const ending = new AbortController();
  const intake = new Taking(options, ending.signal);
  const running = keepRunning(intake, options, ending.signal);
  const measure = async () => {
    intake.lag = await withTimeout(clock, LAG_WITHIN_MS, source.lag());
  };
  // A broker that does not answer is told of as the state.
  const forget = () => {
    intake.lag = undefined;
  };
  const endMeasuring = startInterval(clock, { everyMs: LAG_EVERY_MS, work: measure, onError: forget });
  return {
    status: () => ({ ...about, ...intake.condition(), lag: intake.lag, takenAtMs: intake.takenAtMs }),
    stop: async () => {
      ending.abort();
      // A broker that does not answer notices by itself that we are gone.
      await Promise.all([withTimeout(clock, LEAVE_WITHIN_MS, running).catch(() => undefined), endMeasuring()]);
      await intake.settled();
    },
  };
}

async function keepRunning(intake: Taking, options: IntakeOptions, signal: AbortSignal): Promise<void> {
  const { source, about, clock, log } = options;
  let failures = 0;
  const recovered = () => {
    failures = 0;
    intake.disconnectedBecause = undefined;
  };
  while (!signal.aborted) {
    let endTrial: () => void = () => undefined;
    const taker: RecordTaker = {
      onReading: () => {
        log.info(about, 'the intake reads');
        // After a failure this proves nothing: the same batch may fail again, when its dead letters cannot be written.
        if (failures === 0) recovered();
        else endTrial = clock.after(WAIT_MAX_MS, recovered);
      },
      take: (records) => intake.take(records),
      onCommitted: () => {
        intake.countDead();
        recovered();
      },
    };
    const why = await source.run(taker, signal).then(
      () => 'the source ended',
      (error: unknown) => messageOf(error),
    );
    endTrial();
    if (signal.aborted) return;
    intake.disconnectedBecause = why;
    log.warn({ ...about, why }, 'the intake lost its source, and connects again');
    await pause(clock, backOffMs(failures), signal);
    failures += 1;
  }
}

/** Takes one batch of records at a time. */
class Taking {
  disconnectedBecause: string | undefined = 'it is not connected yet';
  lag: number | undefined;
  takenAtMs: number | undefined;
  readonly #options: IntakeOptions;
  readonly #signal: AbortSignal;
  readonly #sampler: LogSampler;
  #waitingBecause: string | undefined;
  #dead = 0;
  #underWay: Promise<unknown> = Promise.resolve();

  constructor(options: IntakeOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#sampler = new LogSampler(options.clock);
  }

  condition(): Pick<IntakeStatus, 'state' | 'because'> {
    if (this.disconnectedBecause !== undefined) return { state: 'disconnected', because: this.disconnectedBecause };
    return { state: this.#waitingBecause === undefined ? 'reading' : 'waiting', because: this.#waitingBecause };
  }

  /** Waits for the batch that is being taken, of a run that has ended. */
  async settled(): Promise<void> {
    await this.#underWay.catch(() => undefined);
  }

  /** @returns the records that can never be accepted @throws when it is to end */
  take(records: readonly IntakeRecord[]): Promise<readonly DeadRecord[]> {
    // A run that lost its connection may have left one behind.
    const taken = this.settled().then(() => this.#take(records));
    this.#underWay = taken;
    return taken;
  }

  /** Counts the dead records of the last batch, once they are written; a batch that is read again would count them again. */
  countDead(): void {
    const counts = { published: 0, repeated: 0, passedOver: 0, dead: this.#dead };
    if (this.#dead > 0) this.#count(counts);
    this.#dead = 0;
  }

  #count(counts: IntakeCounts): void {
    const { about, clock, observer } = this.#options;
    observer.record({ kind: 'taken', atMs: clock.nowMs(), source: about.source, counts });
  }

  async #take(records: readonly IntakeRecord[]): Promise<readonly DeadRecord[]> {
    const { clock, log, about } = this.#options;
    this.#dead = 0;
    const beganMs = clock.monotonicMs();
    await this.#untilOpen();
    const dead: DeadRecord[] = [];
    const events: { readonly record: IntakeRecord; readonly event: BankEvent }[] = [];
    let passedOver = 0;
    for (const record of records) {
      const read = this.#read(record);
      if (read === undefined) passedOver += 1;
      else if ('event' in read) events.push(read);
      else dead.push(read);
    }
    const { repeated, refused } = await this.#publish(events);
    dead.push(...refused);
    this.takenAtMs = clock.nowMs();
    const published = events.length - refused.length - repeated;
    const counts: IntakeCounts = { published, repeated, passedOver, dead: dead.length };
    this.#dead = dead.length;
    this.#count({ ...counts, dead: 0 });
    for (const { record, why } of dead) this.#report(record, why);
    const durationMs = Math.round(clock.monotonicMs() - beganMs);
    log.info({ ...about, ...counts, durationMs }, 'records were taken');
    return dead;
  }

  #read(record: IntakeRecord): { readonly record: IntakeRecord; readonly event: BankEvent } | DeadRecord | undefined {
    try {
      const event = this.#options.read(record, this.#options.clock.nowMs());
      return event && { record, event };
    } catch (error) {
      if (error instanceof Problem) return { record, why: error.message, field: fieldOf(error) };
      throw error;
    }
  }

  /** All in one transaction; one by one, if that shows that not all can be. */
  async #publish(
    events: readonly { readonly record: IntakeRecord; readonly event: BankEvent }[],
  ): Promise<{ readonly repeated: number; readonly refused: readonly DeadRecord[] }> {
    if (events.length === 0) return { repeated: 0, refused: [] };
    const result = await this.#untilStored(events.map(({ event }) => event));
    if (typeof result === 'number') return { repeated: result, refused: [] };
    const [first, ...others] = events;
    if (first === undefined || others.length === 0) {
      return { repeated: 0, refused: events.map(({ record }) => ({ record, why: result })) };
    }
    let repeated = 0;
    const refused: DeadRecord[] = [];
    for (const each of events) {
      const one = await this.#publish([each]);
      repeated += one.repeated;
      refused.push(...one.refused);
    }
    return { repeated, refused };
  }

  /** @returns how many had been published before; or why not all of them can ever be stored */
  async #untilStored(events: readonly BankEvent[]): Promise<number | string> {
    for (let failures = 0; ; failures += 1) {
      this.#signal.throwIfAborted();
      try {
        const result = await this.#options.publish(events);
        this.#waitingBecause = undefined;
        if (result.kind === 'published') return result.outcomes.filter(({ repeated }) => repeated).length;
        const ids = result.eventIds.join(', ');
        return `Other content was published under the same id (${ids}). Give each event its own id.`;
      } catch (error) {
        if (error instanceof StoreError && error.isLasting) return 'The store cannot hold this event.';
        this.#waitingBecause = `the store cannot be written (${messageOf(error)})`;
        this.#options.log.error({ ...this.#options.about, err: error }, 'the intake waits for the store');
        await pause(this.#options.clock, backOffMs(failures), this.#signal);
      }
    }
  }

  async #untilOpen(): Promise<void> {
    const { closedBecause, clock } = this.#options;
    for (;;) {
      this.#signal.throwIfAborted();
      const why = await closedBecause().catch((error: unknown) => `the store cannot be read (${messageOf(error)})`);
      if (why === undefined) break;
      this.#waitingBecause = `publishing is closed: ${why}`;
      await pause(clock, CLOSED_WAIT_MS, this.#signal);
    }
    this.#waitingBecause = undefined;
  }

  #report({ topic, partition, offset }: IntakeRecord, why: string): void {
    const admitted = this.#sampler.admit('dead');
    if (admitted === undefined) return;
    const place = { topic, partition, offset: String(offset) };
    this.#options.log.warn({ ...place, why, ...admitted }, 'a record can never be accepted');
  }
}

function fieldOf({ members }: Problem): string | undefined {
  const { field } = members;
  return typeof field === 'string' ? field : undefined;
}

function backOffMs(failures: number): number {
  return Math.min(WAIT_MIN_MS * 2 ** failures, WAIT_MAX_MS);
}
