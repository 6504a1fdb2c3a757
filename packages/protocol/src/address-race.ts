/** Callbacks of an attempt to connect to one address. */
export interface AddressAttempt<Connection> {
  /** The address accepted the connection, which is not usable yet: a TLS handshake may follow. */
  reached(): void;
  connected(connection: Connection): void;
  failed(error: unknown): void;
}

/** Dependencies of {@link raceAddresses}. */
export interface AddressRace<Address, Connection> {
  /** At least one, in the order of preference. */
  readonly addresses: readonly Address[];
  /** Time left for all addresses together. */
  readonly timeoutMs: number;
  /** Starts an attempt, which reports to `attempt`. @returns cancels the attempt; a no-op once it is over */
  begin(address: Address, attempt: AddressAttempt<Connection>): () => void;
  connected(connection: Connection): void;
  /** @param errors one per address, in the order in which they failed; at least one */
  failed(errors: readonly unknown[]): void;
  /** Calls back once after the delay. @returns cancels the timer */
  after(delayMs: number, callback: () => void): () => void;
  /** Milliseconds of a monotonic clock; only differences are meaningful. */
  monotonicMs(): number;
}

// RFC 8305 section 5: the recommended Connection Attempt Delay.
const ATTEMPT_DELAY_MS = 250;

/**
 * Connects to one of several addresses of a host (RFC 8305 section 5). The next address is started when an attempt
 * fails, after 250 ms without an answer, or when an address has accepted the connection and then used up its share of
 * the remaining time. Earlier attempts go on: the first to connect wins, and only then are the others cancelled. The
 * race fails when every attempt has failed. `timeoutMs` is used to divide the time and is not enforced: the caller
 * holds the deadline.
 *
 * Neither looks up the host nor sorts the addresses.
 *
 * @returns cancels the race and its attempts; no callback is called afterwards
 */
export function raceAddresses<Address, Connection>(race: AddressRace<Address, Connection>): () => void {
  const running = new Running(race);
  running.beginNext();
  return () => running.finish();
}

/** A race in progress. */
class Running<Address, Connection> {
  readonly #race: AddressRace<Address, Connection>;
  readonly #deadlineMs: number;
  /** Cancels the attempts that have no outcome yet. */
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
    // Only the first outcome of an attempt counts.
    end = begin(address, {
      reached: () => {
        // The delay belongs to the attempt that was started last.
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

  /** The remaining time, divided among the address that was reached and those not started yet. */
  #shareMs(): number {
    const { addresses, monotonicMs } = this.#race;
    return Math.floor(Math.max(this.#deadlineMs - monotonicMs(), 0) / (addresses.length - this.#begun + 1));
  }
}
