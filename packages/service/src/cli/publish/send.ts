import { isJsonObject, shapeOf } from '@tidings/protocol';
import type { Clock } from '../../base/clock.ts';
import { CLOUD_EVENT_BATCH_TYPE } from '../../operator/cloud-events.ts';
import { PublishAnswer } from '../../operator/events.ts';
import type { OperatorClient, OperatorReply } from '../operator-client.ts';
import type { BadLine, EventLine } from './input.ts';

/** Events that have been published so far, and those that have not. */
export interface Tally {
  /** Events that the service took, in this run. */
  published: number;
  notifications: number;
  /** Those of them that had been published before. */
  repeated: number;
  /** Events that made no notification, by the reason. */
  readonly none: Map<string, number>;
}

export interface SenderOptions {
  readonly client: Pick<OperatorClient, 'ask' | 'read' | 'refused'>;
  readonly clock: Pick<Clock, 'after'>;
  /** Goes on behind lines that are not good. */
  readonly isContinuing: boolean;
  /** When it is aborted nothing new is sent: Ctrl-C, or the service cannot be reached. */
  readonly halted: AbortSignal;
  /** When it is aborted what is under way is broken off. */
  readonly brokenOff: AbortSignal;
  /** The service wants to be left alone for a while. */
  readonly onWait: (seconds: number, why: string) => void;
  /** The service took events. */
  readonly onPublished: (tally: Tally) => void;
  readonly onBadLine: (line: BadLine) => void;
}

/** The result of a batch. */
export interface SentBatch {
  /** The first line that is neither published nor rejected; undefined: there is none. */
  readonly firstLeft: EventLine | BadLine | undefined;
  /** Why it was given up, unless it was because of a line. */
  readonly failure: { readonly error: unknown } | undefined;
  /** Those that are rejected before it, in their order. */
  readonly rejected: readonly BadLine[];
}

type Line = EventLine | BadLine;

/** Lines of a batch by their numbers, as they come to their end. */
interface Outcome {
  readonly published: Set<number>;
  readonly rejected: Map<number, BadLine>;
}
type Refusal = Pick<OperatorReply, 'status' | 'body' | 'detail'>;

const WAIT_SECONDS = 5;
const WAIT_SECONDS_MAX = 300;
const LATER = new Set([429, 503]);
const OF_SOME_LINE = new Set([400, 409, 413]);
// As the service writes it: `[3].resource.id`.
const AT = /^\[(\d+)\]\.?/;
const OPENING = Buffer.from('[');
const COMMA = Buffer.from(',');
const CLOSING = Buffer.from(']');
const shapeAnswer = shapeOf(PublishAnswer);

/**
 * Publishes batches. What is refused because of one line is narrowed to that line: the service keeps nothing of a request
 * that it refuses, so that each line is in one accepted request.
 */
export class Sender {
  readonly tally: Tally = { published: 0, notifications: 0, repeated: 0, none: new Map() };
  readonly #options: SenderOptions;
  /** The first line that is not good: neither it nor what is behind it is sent. Infinity while there is none. */
  #stopAt = Number.POSITIVE_INFINITY;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** Publishes lines in their order; when several parts are needed, one after the other. */
  async send(lines: readonly Line[]): Promise<SentBatch> {
    const outcome: Outcome = { published: new Set(), rejected: new Map() };
    const failure = await this.#publish(lines, outcome).then(
      () => undefined,
      // The service cannot be reached, or refuses for another reason than a line.
      (error: unknown) => ({ error }),
    );
    const { published, rejected } = outcome;
    const firstLeft = lines.find(({ number }) => !published.has(number) && !rejected.has(number));
    const before = firstLeft?.number ?? Number.POSITIVE_INFINITY;
    const counted = [...rejected.values()].filter(({ number }) => number < before);
    return { firstLeft, failure, rejected: counted.toSorted((one, other) => one.number - other.number) };
  }

  async #publish(all: readonly Line[], outcome: Outcome): Promise<void> {
    const lines = all.filter(({ number }) => number < this.#stopAt);
    if (lines.length === 0) return;
    const events = lines.filter((line) => line.kind !== 'bad');
    const [bad] = lines.filter((line) => line.kind === 'bad');
    if (bad !== undefined) return this.#without(bad, lines, outcome);
    const reply = await this.#ask(events);
    if (reply === undefined) return;
    if (reply.status !== 200) return this.#narrow(events, reply, outcome);
    for (const { number } of events) outcome.published.add(number);
  }

  /** Leaves a line out, or stops in front of it. */
  #without(bad: BadLine, lines: readonly Line[], outcome: Outcome): Promise<void> {
    this.#options.onBadLine(bad);
    if (this.#options.isContinuing) {
      outcome.rejected.set(bad.number, bad);
      return this.#publish(
        lines.filter(({ number }) => number !== bad.number),
        outcome,
      );
    }
    this.#stopAt = Math.min(this.#stopAt, bad.number);
    return this.#publish(lines, outcome);
  }

  /** Nothing of these lines was kept, because of one of them. */
  async #narrow(lines: readonly EventLine[], refusal: Refusal, outcome: Outcome): Promise<void> {
    const [first] = lines;
    const at = indexNamed(refusal);
    const named = at === undefined ? undefined : lines[at];
    if (named !== undefined) return this.#without(badLineOf(named, refusal), lines, outcome);
    if (first !== undefined && lines.length === 1) return this.#without(badLineOf(first, refusal), lines, outcome);
    // Which of two with one id is the wrong one shows when the first is published without the other.
    const conflict = refusal.status === 409 ? firstOfIds(lines, refusal) : -1;
    const cutAt = conflict === -1 ? Math.ceil(lines.length / 2) : Math.max(conflict, 1);
    await this.#publish(lines.slice(0, cutAt), outcome);
    return this.#publish(lines.slice(cutAt), outcome);
  }

  /** Sends until it is not told to come later. @returns undefined when it was not sent, or broken off */
  async #ask(lines: readonly EventLine[]): Promise<OperatorReply | undefined> {
    const { client, halted, brokenOff, onWait } = this.#options;
    const type = lines[0]?.kind === 'cloud-event' ? CLOUD_EVENT_BATCH_TYPE : 'application/json';
    const sent = { type, bytes: arrayOf(lines) };
    for (;;) {
      // All of a batch is behind a line of another one that turned out not to be good, or nothing of it is.
      if (halted.aborted || (lines[0]?.number ?? 0) > this.#stopAt) return undefined;
      const call = { method: 'POST', path: '/operator/v1/events', sent, signal: brokenOff } as const;
      const reply = await client.ask(call).catch((error: unknown) => {
        if (brokenOff.aborted) return undefined;
        throw error;
      });
      if (reply === undefined) return undefined;
      const { status, detail, retryAfterSeconds = WAIT_SECONDS } = reply;
      if (status === 200) this.#count(reply, lines);
      else if (!LATER.has(status) && !OF_SOME_LINE.has(status)) throw client.refused(status, detail);
      if (!LATER.has(status)) return reply;
      const seconds = Math.min(Math.max(retryAfterSeconds, 1), WAIT_SECONDS_MAX);
      onWait(seconds, detail ?? `it answered ${status}`);
      await this.#pause(seconds * 1000);
    }
  }

  #count({ status, body }: OperatorReply, lines: readonly EventLine[]): void {
    const shaped = shapeAnswer(body);
    if (!shaped.ok || shaped.value.outcomes.length !== lines.length) {
      throw this.#options.client.refused(status, undefined);
    }
    const { tally } = this;
    for (const outcome of shaped.value.outcomes) {
      tally.published += 1;
      if (outcome.repeated) tally.repeated += 1;
      if (outcome.outcome === 'notification') tally.notifications += 1;
      else tally.none.set(outcome.reason, (tally.none.get(outcome.reason) ?? 0) + 1);
    }
    this.#options.onPublished(tally);
  }

  /** Ends early when nothing is to be sent any more. */
  #pause(delayMs: number): Promise<void> {
    const { clock, halted } = this.#options;
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        halted.removeEventListener('abort', end);
        resolve();
      };
      const cancel = clock.after(delayMs, end);
      if (halted.aborted) end();
      else halted.addEventListener('abort', end);
    });
  }
}

function arrayOf(lines: readonly EventLine[]): Uint8Array {
  const parts = lines.flatMap(({ sent }, at) => [at === 0 ? OPENING : COMMA, sent]);
  return Buffer.concat([...parts, CLOSING]);
}

/** The place in the batch that a refusal names: 3 in `[3].resource.id`. */
function indexNamed({ status, body }: Refusal): number | undefined {
  const at = status === 400 ? AT.exec(fieldOf(body) ?? '')?.[1] : undefined;
  return at === undefined ? undefined : Number(at);
}

function fieldOf(body: unknown): string | undefined {
  return isJsonObject(body) && typeof body['field'] === 'string' ? body['field'] : undefined;
}

/** The first line whose id was used for other content; -1 where none is known to have it. */
function firstOfIds(lines: readonly EventLine[], { body }: Refusal): number {
  const ids = isJsonObject(body) && Array.isArray(body['ids']) ? new Set<unknown>(body['ids']) : new Set();
  return lines.findIndex(({ eventId }) => eventId !== undefined && ids.has(eventId));
}

/** Turns the service's message about an element of a batch into one about a line. */
function badLineOf({ number, bytes, start, eventId }: EventLine, { status, body, detail }: Refusal): BadLine {
  const line = { kind: 'bad', number, bytes, start } as const;
  if (status === 409) {
    const why = `Other content was published under its id (${eventId}); give each event an id of its own.`;
    return { ...line, why, field: 'id' };
  }
  const said = (detail ?? ` was answered ${status}.`).replace(AT, '');
  const field = fieldOf(body)?.replace(AT, '');
  const why = said.startsWith(' ') ? `The line${said}` : said;
  return { ...line, why, ...(field !== undefined && field !== '' && { field }) };
}
