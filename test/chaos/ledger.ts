import type { EventNotification } from '@tidings/tpp';
import type { Passage } from './door.ts';

/** A POST that came whole to a callback URL. Times are `performance.now()`. */
export interface Arrival {
  readonly jti: string;
  readonly clientId: string;
  /** The instance that sent it. */
  readonly instance: string;
  /** Its process: an instance that was killed goes on as another one. */
  readonly process: string;
  readonly interactionId: string;
  /** The connection it came through; undefined when that is gone already. */
  readonly passage: Passage | undefined;
  readonly arrivedMs: number;
  /** When it was answered or its connection ended; undefined while neither is so. */
  readonly endedMs: number | undefined;
  /** The status that was sent; undefined when none was. */
  readonly status: number | undefined;
  /** When the next one came on the same connection: then the bank had read the answer to this one. */
  readonly nextOnPassageMs: number | undefined;
}

/** An attempt of which the service's log says that it was recorded. */
export interface RecordedAttempt {
  readonly jti: string;
  readonly isAcknowledged: boolean;
  /** By the machine's wall clock: the line is written once the record is in the store. */
  readonly loggedAtMs: number;
}

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

/** What reached the TPPs, push and poll alike. */
export class Ledger {
  readonly arrivals: Arrival[] = [];
  /** Notifications that a TPP's handler took, by `jti`. */
  readonly handled = new Map<string, EventNotification>();
  /** The first spelling of each SET, by `jti`. */
  readonly sets = new Map<string, string>();
  /** jtis of SETs that came in another spelling. */
  readonly changedBytes = new Set<string>();
  /** What a verifying receiver or poller did not accept, though it came whole. */
  readonly refused: string[] = [];
  /** Attempts that the logs call recorded, by interaction id. */
  readonly recorded = new Map<string, RecordedAttempt>();
  /** What an answered poll had acknowledged. */
  readonly acknowledgedByPoll = new Set<string>();
  /** SETs that a poll offered although an earlier poll, which was answered, had acknowledged them. */
  readonly offeredAgain: string[] = [];
  readonly #lastOnPassage = new WeakMap<Passage, Writable<Arrival>>();

  /** Notes a SET, however it came. @returns its jti */
  noteSet(set: string): string {
    const jti = jtiOf(set);
    const first = this.sets.get(jti);
    if (first === undefined) this.sets.set(jti, set);
    else if (first !== set) this.changedBytes.add(jti);
    return jti;
  }

  /** Reads a line of an instance's log. */
  readLog(line: string): void {
    if (!line.includes('"interactionId"')) return;
    const { jti, interactionId, next, kind, time }: Partial<LogLine> = JSON.parse(line);
    if (jti === undefined || interactionId === undefined || time === undefined || next === undefined) return;
    this.recorded.set(interactionId, { jti, isAcknowledged: kind === 'acknowledged', loggedAtMs: time });
  }

  /** Notes a POST. @returns what notes how it ended; only the first call counts */
  arrive(
    post: Pick<Arrival, 'clientId' | 'instance' | 'process' | 'interactionId' | 'passage'> & { readonly set: string },
  ): (status: number | undefined) => void {
    const { set, ...rest } = post;
    const arrivedMs = performance.now();
    const open = { endedMs: undefined, status: undefined, nextOnPassageMs: undefined };
    const arrival: Writable<Arrival> = { ...rest, jti: this.noteSet(set), arrivedMs, ...open };
    this.arrivals.push(arrival);
    if (post.passage !== undefined) {
      const before = this.#lastOnPassage.get(post.passage);
      if (before !== undefined) before.nextOnPassageMs = arrivedMs;
      this.#lastOnPassage.set(post.passage, arrival);
    }
    return (status) => {
      if (arrival.endedMs !== undefined) return;
      arrival.endedMs = performance.now();
      arrival.status = status;
    };
  }

  handle(notification: EventNotification): void {
    this.handled.set(notification.jti, notification);
  }
}

interface LogLine {
  readonly jti: string;
  readonly interactionId: string;
  /** Kind of the outcome. */
  readonly kind: string;
  /** What follows the attempt; only the line of a recorded attempt has it. */
  readonly next: string;
  readonly time: number;
}

/** What cannot be read is refused by the TPP, and stays in the ledger under no name. */
function jtiOf(set: string): string {
  try {
    const payload = Buffer.from(set.split('.')[1] ?? '', 'base64url').toString();
    const { jti }: { jti: string } = JSON.parse(payload);
    return jti;
  } catch {
    return '';
  }
}
