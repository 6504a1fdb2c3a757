import { isJsonObject, shapeOf } from '@tidings/protocol';
import { pause } from '../../base/async.ts';
import type { Clock } from '../../base/clock.ts';
import { CLOUD_EVENT_BATCH_TYPE } from '../../operator/cloud-events.ts';
import { PublishAnswer } from '../../operator/events.ts';
import type { OperatorClient, OperatorReply } from '../operator-client.ts';
import type { EventLine, InvalidLine } from './input.ts';

/** Counts of one run. */
export interface Tally {
  /** Events that the service accepted. */
  published: number;
  notifications: number;
  /** Accepted events that had been published before. */
  repeated: number;
  /** Accepted events that created no notification, by reason. */
  readonly none: Map<string, number>;
}

export interface SenderOptions {
  readonly client: Pick<OperatorClient, 'ask' | 'read' | 'refused'>;
  readonly clock: Pick<Clock, 'after'>;
  /** Skip invalid lines and continue. */
  readonly isContinuing: boolean;
  /** Once aborted nothing more is sent: Ctrl-C, or the service cannot be reached. */
  readonly halted: AbortSignal;
  /** Once aborted requests in progress are aborted too. */
  readonly abort: AbortSignal;
  /** The service asks for a pause. */
  readonly onWait: (seconds: number, why: string) => void;
  /** The service accepted events. */
  readonly onPublished: (tally: Tally) => void;
  readonly onInvalidLine: (line: InvalidLine) => void;
}

/** The result of a batch. */
export interface SentBatch {
  /** The first line that is neither published nor rejected, if any. */
  readonly firstLeft: EventLine | InvalidLine | undefined;
  /** The error that stopped the batch, other than an invalid line. */
  readonly failure: { readonly error: unknown } | undefined;
  /** The rejected lines before it, in order. */
  readonly rejected: readonly InvalidLine[];
}

type Line = EventLine | InvalidLine;

/** The lines of a batch that are published or rejected so far, by number. */
interface Outcome {
  readonly published: Set<number>;
  readonly rejected: Map<number, InvalidLine>;
}
type Refusal = Pick<OperatorReply, 'status' | 'body' | 'detail'>;

const WAIT_SECONDS = 5;
const WAIT_SECONDS_MAX = 300;
const RETRY_STATUSES = new Set([429, 503]);
const STATUSES_OF_A_LINE = new Set([400, 409, 413]);
// The element that a refusal names, as in `[3].resource.id`.
const ELEMENT = /^\[(\d+)\]\.?/;
const OPENING = Buffer.from('[');
const COMMA = Buffer.from(',');
const CLOSING = Buffer.from(']');
const shapeAnswer = shapeOf(PublishAnswer);

/**
 * Publishes batches. If the service refuses a request because of one line, finds that line and sends the others again: the
 * service keeps nothing of a request that it refuses, so each line is in exactly one accepted request.
 */
export class Sender {
  readonly tally: Tally = { published: 0, notifications: 0, repeated: 0, none: new Map() };
  readonly #options: SenderOptions;
  /** The first invalid line: neither it nor later lines are sent. Infinity while there is none. */
  #stopAt = Number.POSITIVE_INFINITY;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** Publishes lines in order; if several requests are needed, one after the other. */
  async send(lines: readonly Line[]): Promise<SentBatch> {
    const outcome: Outcome = { published: new Set(), rejected: new Map() };
    const failure = await this.#publish(lines, outcome).then(
      () => undefined,
      // The service cannot be reached, or refuses for a reason other than a line.
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
    const events = lines.filter((line) => line.kind !== 'invalid');
    const [invalid] = lines.filter((line) => line.kind === 'invalid');
    if (invalid !== undefined) return this.#without(invalid, lines, outcome);
    const reply = await this.#request(events);
    if (reply === undefined) return;
    if (reply.status !== 200) return this.#narrow(events, reply, outcome);
    for (const { number } of events) outcome.published.add(number);
  }

  /** Skips an invalid line, or stops before it. */
  #without(invalid: InvalidLine, lines: readonly Line[], outcome: Outcome): Promise<void> {
    this.#options.onInvalidLine(invalid);
    if (this.#options.isContinuing) {
      outcome.rejected.set(invalid.number, invalid);
      return this.#publish(
        lines.filter(({ number }) => number !== invalid.number),
        outcome,
      );
    }
    this.#stopAt = Math.min(this.#stopAt, invalid.number);
    return this.#publish(lines, outcome);
  }

  /** Finds the line because of which the service refused a request. */
  async #narrow(lines: readonly EventLine[], refusal: Refusal, outcome: Outcome): Promise<void> {
    const [first] = lines;
    const at = indexNamed(refusal);
    const named = at === undefined ? undefined : lines[at];
    if (named !== undefined) return this.#without(invalidLineOf(named, refusal), lines, outcome);
    if (first !== undefined && lines.length === 1) return this.#without(invalidLineOf(first, refusal), lines, outcome);
    // Of two lines with the same id, the wrong one shows once the first is published without the other.
    const conflict = refusal.status === 409 ? firstOfIds(lines, refusal) : -1;
    const cutAt = conflict === -1 ? Math.ceil(lines.length / 2) : Math.max(conflict, 1);
    await this.#publish(lines.slice(0, cutAt), outcome);
    return this.#publish(lines.slice(cutAt), outcome);
  }

  /** Sends a request, again after each pause that the service asks for. @returns undefined if not sent, or aborted */
  async #request(lines: readonly EventLine[]): Promise<OperatorReply | undefined> {
    const { client, halted, abort, onWait } = this.#options;
    const type = lines[0]?.kind === 'cloud-event' ? CLOUD_EVENT_BATCH_TYPE : 'application/json';
    const sent = { type, bytes: arrayOf(lines) };
    for (;;) {
      // A line of an earlier batch may have turned out to be invalid in the meantime.
      if (halted.aborted || (lines[0]?.number ?? 0) > this.#stopAt) return undefined;
      const call = { method: 'POST', path: '/operator/v1/events', sent, signal: abort } as const;
      const reply = await client.ask(call).catch((error: unknown) => {
        if (abort.aborted) return undefined;
        throw error;
      });
      if (reply === undefined) return undefined;
      const { status, detail, retryAfterSeconds = WAIT_SECONDS } = reply;
      if (status === 200) this.#count(reply, lines);
      else if (!RETRY_STATUSES.has(status) && !STATUSES_OF_A_LINE.has(status)) throw client.refused(status, detail);
      if (!RETRY_STATUSES.has(status)) return reply;
      const seconds = Math.min(Math.max(retryAfterSeconds, 1), WAIT_SECONDS_MAX);
      onWait(seconds, detail ?? `the service answered with status ${status}`);
      // Not once nothing more is to be sent.
      await pause(this.#options.clock, seconds * 1000, this.#options.halted);
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
}

function arrayOf(lines: readonly EventLine[]): Uint8Array {
  const parts = lines.flatMap(({ sent }, at) => [at === 0 ? OPENING : COMMA, sent]);
  return Buffer.concat([...parts, CLOSING]);
}

/** The index of the line that a refusal names: 3 in `[3].resource.id`. */
function indexNamed({ status, body }: Refusal): number | undefined {
  const at = status === 400 ? ELEMENT.exec(fieldOf(body) ?? '')?.[1] : undefined;
  return at === undefined ? undefined : Number(at);
}

function fieldOf(body: unknown): string | undefined {
  return isJsonObject(body) && typeof body['field'] === 'string' ? body['field'] : undefined;
}

/** The index of the first line whose id was used for other content; -1 if unknown. */
function firstOfIds(lines: readonly EventLine[], { body }: Refusal): number {
  const ids = isJsonObject(body) && Array.isArray(body['ids']) ? new Set<unknown>(body['ids']) : new Set();
  return lines.findIndex(({ eventId }) => eventId !== undefined && ids.has(eventId));
}

/** Turns a refusal of an element of a batch into the fault of a line. */
function invalidLineOf({ number, bytes, start, eventId }: EventLine, { status, body, detail }: Refusal): InvalidLine {
  const line = { kind: 'invalid', number, bytes, start } as const;
  if (status === 409) {
    const why = `Another event was published with this id (${eventId}); give each event its own id.`;
    return { ...line, why, field: 'id' };
  }
  const said = (detail ?? ` was refused with status ${status}.`).replace(ELEMENT, '');
  const field = fieldOf(body)?.replace(ELEMENT, '');
  const why = said.startsWith(' ') ? `The line${said}` : said;
  return { ...line, why, ...(field !== undefined && field !== '' && { field }) };
}
