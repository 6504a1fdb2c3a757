/** Reports of an attempt to connect to one address. */
export interface AddressAttempt<Connection> {
  /** The address took the connection; what makes it usable, such as a TLS handshake, is under way. */
  reached(): void;
  connected(connection: Connection): void;
  failed(error: unknown): void;
}

/** Dependencies of {@link raceAddresses}. */
export interface AddressRace<Address, Connection> {
  /** At least one, in the order of preference. */
  readonly addresses: readonly Address[];
  /** Time that is left for all of them together. */
  readonly timeoutMs: number;
  /** Begins an attempt, which tells later what came of it. @returns ends it; harmless when it is over */
  begin(address: Address, attempt: AddressAttempt<Connection>): () => void;
  connected(connection: Connection): void;
  /** @param errors of the addresses, in the order in which they failed; at least one */
  failed(errors: readonly unknown[]): void;
  /** Calls back once after the delay. @returns cancels it */
  after(delayMs: number, callback: () => void): () => void;
  /** Milliseconds of a clock that never goes back; only differences mean something. */
  monotonicMs(): number;
}

// RFC 8305 section 5: the recommended Connection Attempt Delay.
const ATTEMPT_DELAY_MS = 250;

/**
 * Connects to one of several addresses of a host (RFC 8305 section 5). The next address is begun when one fails, after 250 ms
 * of silence, or when one took the connection and has then used its share of the time that is left. None is given up for
 * that: the first that connects wins, and only then are the others ended. It fails when all have failed. `timeoutMs` parts the
 * time and ends nothing: the caller keeps the deadline.
 *
 * Does not look up the host, and does not sort the addresses.
 *
 * @returns ends the race and its attempts; no callback is called afterwards
 */
export function raceAddresses<Address, Connection>(race: AddressRace<Address, Connection>): () => void {
  const running = new Running(race);
  running.beginNext();
  return () => running.finish();
}

/** A race that was begun. */
class Running<Address, Connection> {
  readonly #race: AddressRace<Address, Connection>;
  readonly #deadlineMs: number;
  /** Ends of the attempts that nothing has come of yet. */
  readonly #underWay = new Set<() => void>();
  readonly #errors: unknown[] = [];
  #begun = 0;
  #isOver = false;
  #cancelNext: () => void = () => undefined;

  constructor(race: AddressRace<Address, Connection>) {
    this.#race = race;
    this.#deadlineMs = race.monotonicMs() + race.timeoutMs;
  }

  beginNext(): void {
    const { addresses, begin, connected } = this.#race;
    const address = addresses[this.#begun];
    if (this.#isOver || address === undefined) return;
    this.#begun += 1;
    const number = this.#begun;
    let end: () => void = () => undefined;
    const endThis = () => end();
    this.#underWay.add(endThis);
    this.#waitBeforeNext(ATTEMPT_DELAY_MS);
    // What an attempt tells first is what counts of it: it is under way no longer then.
    end = begin(address, {
      reached: () => {
        // The delay belongs to the address that was begun last.
        if (this.#underWay.has(endThis) && number === this.#begun) this.#waitBeforeNext(this.#shareMs());
      },
      connected: (connection) => {
        if (!this.#underWay.delete(endThis)) return;
        this.finish();
        connected(connection);
      },
      failed: (error) => {
        if (this.#underWay.delete(endThis)) this.#noteFailure(error);
      },
    });
  }

  finish(): void {
    this.#isOver = true;
    this.#cancelNext();
    for (const end of this.#underWay) end();
    this.#underWay.clear();
  }

  #noteFailure(error: unknown): void {
    this.#errors.push(error);
    if (this.#begun < this.#race.addresses.length) {
      this.beginNext();
    } else if (this.#underWay.size === 0) {
      this.finish();
      this.#race.failed(this.#errors);
    }
  }

  #waitBeforeNext(delayMs: number): void {
    const { addresses, after } = this.#race;
    this.#cancelNext();
    this.#cancelNext = this.#begun < addresses.length ? after(delayMs, () => this.beginNext()) : () => undefined;
  }

  /** Of the time that is left, for the address that was reached and each that was not begun. */
  #shareMs(): number {
    const { addresses, monotonicMs } = this.#race;
    return Math.floor(Math.max(this.#deadlineMs - monotonicMs(), 0) / (addresses.length - this.#begun + 1));
  }
}
