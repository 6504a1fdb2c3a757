import type {
  AttemptRecord,
  CallbackClient,
  ClaimedNotification,
  Clock,
  Exchange,
  Store,
} from '../../packages/service/test/support/parts.ts';
import type { Mutation } from './instance.ts';

/** A fault put in on purpose, and what the oracle must say about it. */
export interface Mutant {
  readonly name: string;
  readonly breach: RegExp;
  /** True where tens of worlds pass before one in which it shows: seconds of CPU time. */
  readonly isRare?: true;
  /** Makes it again for each world, as it may remember things. */
  readonly make: () => Mutation;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'a store that forgets an acknowledgement now and then',
    breach: /granted .*: it is acknowledged|is awaiting, not acknowledged/,
    make: () => ({ store: forgetting }),
  },
  {
    name: 'a store that heeds a record whose claim was taken over',
    isRare: true,
    breach: /the record of .* was (applied|became-unresponsive)|before its lease ends/,
    make: () => ({ store: withoutFencing }),
  },
  {
    name: 'a store in which what ceases in an older round makes a callback URL unresponsive',
    breach: /ceased in another round: became-unresponsive/,
    make: () => ({ store: (store) => withoutRounds(store, ({ claimed }) => claimed.probe === undefined) }),
  },
  {
    name: 'a store that heeds a probe of an older round',
    breach: /probe: \d+, not \d+|a probe too early/,
    make: () => ({ store: (store) => withoutRounds(store, ({ claimed }) => claimed.probe !== undefined) }),
  },
  {
    name: 'a store that leases for less than it was asked to',
    breach: /before its lease ends/,
    make: () => ({
      store: (store) =>
        around(store, { claimDue: (claim) => store.claimDue({ ...claim, leaseMs: claim.leaseMs / 4 }) }),
    }),
  },
  {
    name: 'a store that keeps whichever SET it was given last',
    isRare: true,
    breach: /another SET of|without the SET that is kept/,
    make: () => ({ store: (store) => around(store, { keepSets: keepingTheLast(store) }) }),
  },
  {
    name: 'a store that settles what an instance held when it crashed',
    isRare: true,
    // What it settles of an unresponsive callback URL makes that responsive.
    breach: /was never delivered|has no evidence|is acknowledged, not awaiting|probe: undefined, not \d+/,
    make: () => ({
      onCrash: async (store, life) => {
        const records = [...life.held].map(({ claimed }) => acknowledgedRecord(claimed));
        if (records.length > 0) await store.recordAttempts(records, life.clock.nowMs());
      },
    }),
  },
  {
    name: 'a client that sends twice',
    breach: /twice on one/,
    make: () => ({ client: (client) => posting(client, twice) }),
  },
  {
    name: 'a client whose TPPs share the connections of their host',
    // What waits for a connection is sent late: for its TPP, or for its lease.
    breach: /waited|before its lease ends/,
    make: () => ({ client: sharingConnections }),
  },
  {
    name: 'a client to which 200 acknowledges',
    breach: /recorded acknowledged .* not 200/,
    make: () => ({ client: (client) => answering(client, (answer) => ({ ...answer, status: ok(answer.status) })) }),
  },
  {
    name: 'an engine that is deaf to Retry-After',
    isRare: true,
    breach: /a retry after .* ms, not/,
    make: () => ({ client: (client) => answering(client, (answer) => ({ ...answer, header: notRetryAfter(answer) })) }),
  },
  {
    name: 'an engine that retries too early',
    breach: /a retry after .* ms, not/,
    make: () => ({
      engine: (options) => ({ ...options, policy: { ...options.policy, delayMs: options.policy.delayMs / 2 } }),
    }),
  },
  {
    name: 'an engine that makes one attempt too many',
    breach: /was followed by a retry/,
    make: () => ({
      engine: (options) => ({ ...options, policy: { ...options.policy, retriesMax: options.policy.retriesMax + 1 } }),
    }),
  },
  {
    name: 'an engine that gives up too early',
    breach: /attempts cease after/,
    make: () => ({ engine: (options) => ({ ...options, policy: { ...options.policy, retriesMax: 0 } }) }),
  },
  {
    name: 'an engine that probes too often',
    breach: /a probe .* ms after an attempt/,
    make: () => ({
      engine: (options) => ({ ...options, unresponsive: { ...options.unresponsive, probeDelayMaxMs: 500 } }),
    }),
  },
  {
    name: 'an engine that does not ramp up',
    breach: /faster than it ramps up/,
    make: () => ({ engine: (options) => ({ ...options, unresponsive: { ...options.unresponsive, rampMs: 0 } }) }),
  },
  {
    name: 'an engine that claims more than it has room for',
    breach: /holds \d+/,
    make: () => ({ engine: (options) => ({ ...options, queueMax: options.queueMax * 4, queuePerTppMax: 1000 }) }),
  },
  {
    name: 'an engine that has too many attempts under way',
    breach: /POSTs under way|has \d+ to/,
    make: () => ({
      engine: (options) => ({ ...options, concurrencyMax: 500, concurrencyPerTppMax: options.concurrencyMax + 1 }),
    }),
  },
  {
    name: 'an engine in which a slow TPP makes others wait',
    isRare: true,
    breach: /of a steady TPP waited/,
    make: () => ({
      engine: (options) => ({ ...options, concurrencyMax: Math.min(options.concurrencyMax, 2) }),
    }),
  },
  {
    name: 'an engine that begins attempts when the lease is nearly over',
    breach: /before its lease ends, with/,
    make: () => ({ engine: (options) => ({ ...options, timeoutMs: 0 }) }),
  },
  {
    name: 'an engine that sleeps through what falls due',
    breach: /was never delivered/,
    make: () => ({
      clock: (clock) => timing(clock, (delayMs, ring) => clock.after(delayMs, delayMs > 900 ? idle : ring)),
    }),
  },
  {
    name: 'an engine that leaves timers behind',
    breach: /left \d+ timers/,
    make: () => ({
      clock: (clock) => timing(clock, neverCancelled(clock)),
    }),
  },
];

const idle = (): void => undefined;

function twice(post: () => Promise<Exchange>): Promise<Exchange> {
  void post();
  return post();
}

function neverCancelled(clock: Clock): Clock['after'] {
  return (delayMs, ring) => {
    clock.after(delayMs, ring);
    return idle;
  };
}

function around(store: Store, changed: Partial<Store>): Store {
  return Object.assign(Object.create(store), changed);
}

function forgetting(store: Store): Store {
  let count = 0;
  const isKept = ({ next }: AttemptRecord) => {
    if (next.kind === 'acknowledged') count += 1;
    return next.kind !== 'acknowledged' || count % 7 !== 0;
  };
  return around(store, {
    recordAttempts: async (records, nowMs) => {
      const kept = records.filter(isKept);
      const { results, turns } = await store.recordAttempts(kept, nowMs);
      return { results: records.map((record) => results[kept.indexOf(record)] ?? 'applied'), turns };
    },
  });
}

function withoutFencing(store: Store): Store {
  const tokens = new Map<string, number>();
  const note = ({ jti, leaseToken }: ClaimedNotification) => tokens.set(jti, leaseToken);
  return around(store, {
    ...noting(store, note),
    recordAttempts: (records, nowMs) => {
      const newest = records.map((record) => {
        const leaseToken = tokens.get(record.claimed.jti) ?? record.claimed.leaseToken;
        return { ...record, claimed: { ...record.claimed, leaseToken } };
      });
      return store.recordAttempts(newest, nowMs);
    },
  });
}

/** Takes claims for those of the newest round that it has seen. */
function withoutRounds(store: Store, isTaken: (record: AttemptRecord) => boolean): Store {
  const rounds = new Map<string, number>();
  const note = ({ clientId, round }: ClaimedNotification) => rounds.set(clientId, round);
  const ofNow = (record: AttemptRecord) => {
    const { claimed } = record;
    return { ...record, claimed: { ...claimed, round: rounds.get(claimed.clientId) ?? claimed.round } };
  };
  return around(store, {
    ...noting(store, note),
    recordAttempts: (records, nowMs) =>
      store.recordAttempts(
        records.map((record) => (isTaken(record) ? ofNow(record) : record)),
        nowMs,
      ),
  });
}

/** Tells of each claim. */
function noting(store: Store, note: (claimed: ClaimedNotification) => void): Pick<Store, 'publish' | 'claimDue'> {
  return {
    publish: async (...given) => {
      const result = await store.publish(...given);
      if (result.kind === 'published') result.claimed.forEach(note);
      return result;
    },
    claimDue: async (claim) => {
      const result = await store.claimDue(claim);
      result.claimed.forEach(note);
      return result;
    },
  };
}

function keepingTheLast(store: Store): Store['keepSets'] {
  return async (sets) => {
    await store.keepSets(sets);
    return sets.map(({ set }) => set);
  };
}

function acknowledgedRecord(claimed: AttemptRecord['claimed']): AttemptRecord {
  const outcome = { kind: 'acknowledged', status: 202, interactionIdEchoed: true } as const;
  const { callbackUrl, publishedAtMs: startedAtMs } = claimed;
  const attempt = { startedAtMs, durationMs: 1, interactionId: 'mutant', callbackUrl, outcome };
  return { claimed, attempt, next: { kind: 'acknowledged' } };
}

function posting(client: CallbackClient, change: (post: () => Promise<Exchange>) => Promise<Exchange>): CallbackClient {
  return { close: () => client.close(), post: (...given) => change(() => client.post(...given)) };
}

/** As where connections are pooled by origin alone, and all callback URLs are on one. */
function sharingConnections(client: CallbackClient): CallbackClient {
  let isTaken = false;
  const waiting: (() => void)[] = [];
  return posting(client, async (post) => {
    while (isTaken) await new Promise<void>((resolve) => waiting.push(resolve));
    isTaken = true;
    try {
      return await post();
    } finally {
      isTaken = false;
      waiting.shift()?.();
    }
  });
}

type Answer = Exchange & { readonly kind: 'answered' };

function answering(client: CallbackClient, change: (answer: Answer) => Answer): CallbackClient {
  return posting(client, async (post) => {
    const exchange = await post();
    return exchange.kind === 'answered' ? change(exchange) : exchange;
  });
}

function ok(status: number): number {
  return status === 200 ? 202 : status;
}

function notRetryAfter({ header }: Answer): Answer['header'] {
  return (name) => (name === 'retry-after' ? undefined : header(name));
}

function timing(clock: Clock, after: Clock['after']): Clock {
  return { nowMs: () => clock.nowMs(), monotonicMs: () => clock.monotonicMs(), after };
}
