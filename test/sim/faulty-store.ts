import {
  type Claim,
  type ClaimedNotification,
  type DecideFanOut,
  type Store,
  type StoreChange,
  StoreError,
} from '../../packages/service/test/support/parts.ts';
import type { Chance } from './chance.ts';
import type { Asked } from './claim-rules.ts';
import type { Grant, Life } from './ledger.ts';
import type { Made, Oracle } from './oracle.ts';
import type { Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';

/** How the way to the store is for one instance: the parts of its operations that go wrong. */
export interface Weather {
  /** Refused, and not applied. */
  readonly refused: number;
  /** Applied long after they were asked for. */
  readonly stalled: number;
  /** Applied, and the answer is lost: as when a database fails over. */
  readonly lost: number;
}

export const FAIR: Weather = { refused: 0, stalled: 0, lost: 0 };

export interface FaultyStoreOptions {
  readonly store: Store;
  readonly life: Life;
  readonly oracle: Oracle;
  readonly timeline: Timeline;
  readonly chance: Chance;
  readonly trace: Trace;
  readonly weather: () => Weather;
  /** Tells whose operation is being applied. */
  readonly applying: (life: Life | undefined) => void;
  readonly onChange: (listener: (change: StoreChange) => void) => () => void;
}

const STALL_MAX_MS = 15_000;

/** The store as one instance reaches it: over a way that takes time and may fail, under the eyes of the oracle. */
export function faultyStore(options: FaultyStoreOptions): Store {
  const way = new Way(options);
  const { store, life, oracle, timeline } = options;
  const watched: Partial<Store> = {
    publish: (events, decide, nowMs, handOver) => {
      const made = new Map<string, Made>();
      const asked: Asked = { atMs: timeline.nowMs, nowMs, leaseMs: handOver?.leaseMs ?? 0 };
      let grants: Grant[] = [];
      return way.call('publish', () => store.publish(events, noting(decide, made), nowMs, handOver), {
        committed: (result) => {
          grants = oracle.published(life, events, result, made, asked);
        },
        answered: () => oracle.handed(life, grants),
        says: (result) => (result.kind === 'published' ? jtis(result.claimed) : result.kind),
      });
    },
    claimDue: (claim) => {
      const asked: Asked = { atMs: timeline.nowMs, nowMs: claim.nowMs, leaseMs: claim.leaseMs };
      let grants: Grant[] = [];
      return way.call('claimDue', () => store.claimDue(claim), {
        committed: ({ claimed }) => {
          oracle.looked(claim.nowMs);
          if (claimed.length > claim.limit) oracle.fail(`${claimed.length} were claimed, not ${claim.limit} at most`);
          grants = claimed.flatMap((one) => oracle.granted(life, one, asked));
        },
        answered: () => oracle.handed(life, grants),
        says: (result: Claim) => `at ${claim.nowMs} ${jtis(result.claimed)} next ${result.nextDueAtMs}`,
      });
    },
    keepSets: (sets) =>
      way.call('keepSets', () => store.keepSets(sets), { committed: (kept) => oracle.keptSets(sets, kept) }),
    recordAttempts: (records, nowMs) =>
      way.call('recordAttempts', () => store.recordAttempts(records, nowMs), {
        committed: ({ results }) => oracle.recorded(life, records, results, nowMs),
        answered: () => {
          const claimed = records.map((record) => record.claimed);
          oracle.unheld(life, claimed);
        },
        says: ({ results }) =>
          records.map((one, at) => `${one.claimed.jti} ${one.next.kind}: ${results[at]}`).join(', '),
      }),
    release: (claimed, nowMs) => {
      oracle.unheld(life, claimed);
      return way.call('release', () => store.release(claimed, nowMs), {
        committed: () => oracle.released(claimed, nowMs),
        says: () => jtis(claimed),
      });
    },
    onChange: options.onChange,
  };
  return Object.assign(Object.create(store), watched);
}

interface Hooks<T> {
  /** At the commit, before anything else happens. */
  readonly committed: (result: T) => void;
  /** Just before the instance has the answer. */
  readonly answered?: (result: T) => void;
  readonly says?: (result: T) => string;
}

class Way {
  readonly #options: FaultyStoreOptions;

  constructor(options: FaultyStoreOptions) {
    this.#options = options;
  }

  /** An instance that has crashed gets no answer any more, and what had not reached the store by then never does. */
  call<T>(name: string, apply: () => Promise<T>, hooks: Hooks<T>): Promise<T> {
    const { life, oracle, timeline, chance, trace } = this.#options;
    return new Promise((resolve, reject) => {
      const fate = this.#fate();
      const ended = fate === 'fair' ? () => undefined : oracle.disturbing();
      if (fate !== 'fair') trace(() => `${life.name} ${name} is ${fate}`);
      const answer = (give: () => void) => {
        timeline.after(chance.between(0.1, 2), () => {
          ended();
          if (life.isAlive) give();
        });
      };
      if (fate === 'refused') return answer(() => reject(new StoreError('simulated')));
      timeline.after(fate === 'stalled' ? chance.between(100, STALL_MAX_MS) : chance.between(0.1, 2), () => {
        if (!life.isAlive) return ended();
        const applied = this.#apply(apply).then(
          (result) => {
            hooks.committed(result);
            trace(() => `${life.name} ${name} ${hooks.says?.(result) ?? ''}`);
            if (fate === 'lost') return answer(() => reject(new StoreError('simulated: the answer is lost')));
            answer(() => {
              hooks.answered?.(result);
              resolve(result);
            });
          },
          (error) => {
            oracle.fail(`the store failed in ${name}: ${error instanceof Error ? error.stack : error}`);
            answer(() => reject(error));
          },
        );
        void timeline.hold(applied);
      });
    });
  }

  async #apply<T>(apply: () => Promise<T>): Promise<T> {
    const { life, applying } = this.#options;
    applying(life);
    try {
      return await apply();
    } finally {
      applying(undefined);
    }
  }

  #fate(): 'fair' | 'refused' | 'stalled' | 'lost' {
    const { refused, stalled, lost } = this.#options.weather();
    const drawn = this.#options.chance.fraction();
    if (drawn < refused) return 'refused';
    if (drawn < refused + stalled) return 'stalled';
    return drawn < refused + stalled + lost ? 'lost' : 'fair';
  }
}

function noting(decide: DecideFanOut, made: Map<string, Made>): DecideFanOut {
  return (event, tpp, registration) => {
    const fanOut = decide(event, tpp, registration);
    if (fanOut.kind === 'notification') {
      made.set(event.id, { claims: JSON.stringify(fanOut.claims), set: fanOut.set });
    }
    return fanOut;
  };
}

function jtis(claimed: readonly ClaimedNotification[]): string {
  return claimed.map(({ jti, leaseToken }) => `${jti.slice(0, 8)}#${leaseToken}`).join(' ');
}
