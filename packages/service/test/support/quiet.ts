import { Deadline } from '@tidings/testing';

// A promise that is settled may go on in microtasks and start the next; a few turns without any are rest.
const QUIET_TURNS = 3;

/** Knows when everything asynchronous that it watches has come to rest, so that no test has to sleep on a guess. */
export class Quiet {
  readonly #calls = new Map<string, number>();
  /** Names of methods whose promises are not settled. */
  readonly #pending: string[] = [];

  /** The same object, whose methods are counted, and whose promises are waited for by {@link settle}. */
  watch<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (object, name) => {
        const member: unknown = Reflect.get(object, name);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]) => {
          this.#calls.set(String(name), this.calls(String(name)) + 1);
          return this.#track(String(name), Reflect.apply(member, object, args));
        };
      },
    });
  }

  /** How often a method of this name was called. */
  calls(name: string): number {
    return this.#calls.get(name) ?? 0;
  }

  /** @throws when there is no rest */
  async settle(): Promise<void> {
    const deadline = new Deadline();
    for (let turns = 0; turns < QUIET_TURNS; turns += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#pending.length === 0) continue;
      deadline.check(() => `rest: ${this.#pending.join(', ')} under way; calls so far: ${this.#callsSoFar()}`);
      turns = -1;
    }
  }

  #callsSoFar(): string {
    return [...this.#calls].map(([name, calls]) => `${calls} of ${name}`).join(', ');
  }

  #track(name: string, result: unknown): unknown {
    if (!(result instanceof Promise)) return result;
    this.#pending.push(name);
    return result.finally(() => {
      this.#pending.splice(this.#pending.indexOf(name), 1);
    });
  }
}
