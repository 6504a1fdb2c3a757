import type { PublishResult } from '../delivery.ts';
import { StoreError } from '../store.ts';
import type { Database } from './database.ts';
import { isOfContent } from './errors.ts';
import type { EventTypes } from './event-types.ts';
import { type Publication, publishTogether } from './events.ts';

interface Waiting {
  readonly publication: Publication;
  readonly resolve: (result: PublishResult) => void;
  readonly reject: (error: unknown) => void;
}

// One that waits for the disk, and one that is made ready meanwhile.
const UNDER_WAY_MAX = 2;
// Bounds how long one transaction takes, and so how long the next ones wait for it.
const EVENTS_MAX = 1000;

/**
 * Group commit for publishing: requests that arrive while transactions are under way share the next one. Each gets its
 * own answer, as if it had come alone after those before it.
 */
export class Publishing {
  readonly #database: Database;
  readonly #eventTypes: EventTypes;
  readonly #waiting: Waiting[] = [];
  #underWay = 0;

  constructor(database: Database, eventTypes: EventTypes) {
    this.#database = database;
    this.#eventTypes = eventTypes;
  }

  /** @throws {StoreError} when the database refused or is away */
  publish(publication: Publication): Promise<PublishResult> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ publication, resolve, reject });
      this.#next();
    });
  }

  #next(): void {
    if (this.#underWay >= UNDER_WAY_MAX || this.#waiting.length === 0) return;
    this.#underWay += 1;
    void this.#publishAll(this.#take()).then(() => {
      this.#underWay -= 1;
      this.#next();
    });
  }

  /** The oldest, and those behind it as far as they fit. */
  #take(): readonly Waiting[] {
    let events = 0;
    let count = 0;
    for (const { publication } of this.#waiting) {
      events += publication.events.length;
      if (count > 0 && events > EVENTS_MAX) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** Never rejects. What one of them brings upon the transaction must not be held against the others. */
  async #publishAll(group: readonly Waiting[]): Promise<void> {
    try {
      const results = await publishTogether(
        this.#database,
        group.map(({ publication }) => publication),
        this.#eventTypes,
      );
      for (const [at, { resolve }] of group.entries()) resolve(results[at] as PublishResult);
    } catch (error) {
      const isOfOne = !(error instanceof StoreError) || isOfContent(error);
      if (isOfOne && group.length > 1) for (const one of group) await this.#publishAll([one]);
      else for (const { reject } of group) reject(error);
    }
  }
}
