// A promise that is settled may go on in microtasks and start the next; a few turns without any are rest.
const QUIET_TURNS = 3;

/** Knows when everything asynchronous that it watches has come to rest, so that no test has to sleep on a guess. */
export class Quiet {
  readonly #calls = new Map<string, number>();
  #pending = 0;

  /** The same object, whose methods are counted, and whose promises are waited for by {@link settle}. */
  watch<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (object, name) => {
        const member: unknown = Reflect.get(object, name);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]) => {
          this.#calls.set(String(name), this.calls(String(name)) + 1);
          return this.#track(Reflect.apply(member, object, args));
        };
      },
    });
  }

  /** How often a method of this name was called. */
  calls(name: string): number {
    return this.#calls.get(name) ?? 0;
  }

  async settle(): Promise<void> {
    for (let turns = 0; turns < QUIET_TURNS; turns += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#pending > 0) turns = -1;
    }
  }

  #track(result: unknown): unknown {
    if (!(result instanceof Promise)) return result;
    this.#pending += 1;
    return result.finally(() => {
      this.#pending -= 1;
    });
  }
}
