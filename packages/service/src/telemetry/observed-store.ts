import type { Clock } from '../base/clock.ts';
import type { Store } from '../store/store.ts';

/** Observer of each operation of the store once it is done. */
export type OnStoreOperation = (operation: string, durationMs: number, hasFailed: boolean) => void;

/** The same store, each of whose operations is timed. */
export function observedStore(store: Store, clock: Pick<Clock, 'monotonicMs'>, onOperation: OnStoreOperation): Store {
  const timed = new Map<string | symbol, unknown>();
  return new Proxy(store, {
    get: (target, name) => {
      const known = timed.get(name);
      if (known !== undefined) return known;
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function' || typeof name === 'symbol') return member;
      const call = (...values: unknown[]): unknown => {
        const beganMs = clock.monotonicMs();
        const answer: unknown = Reflect.apply(member, target, values);
        if (!(answer instanceof Promise)) return answer;
        const done = (hasFailed: boolean) => () => onOperation(name, clock.monotonicMs() - beganMs, hasFailed);
        answer.then(done(false), done(true));
        return answer;
      };
      timed.set(name, call);
      return call;
    },
  });
}
