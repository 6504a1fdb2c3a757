import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { JwsSigner } from '@tidings/protocol';
import { EventTypeCatalogue } from '@tidings/protocol';
import { makeParticipant, temporaryFolder } from '@tidings/testing';
import { pino } from 'pino';
import type { Random } from '../../src/base/random.ts';
import type { RegistrationToStore } from '../../src/model/registration.ts';
import { Engine, type EngineOptions } from '../../src/notify/engine.ts';
import { createPublisher } from '../../src/notify/publish.ts';
import { createSetSigner } from '../../src/notify/sign.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import type { Store } from '../../src/store/store.ts';
import { SigningQueue } from '../../src/trust/signing-queue.ts';
import { bankEvent, ISSUER, jtiOf, notifyAll, subscriptionOf, tppOf } from './bank-events.ts';
import { FakeCallbackClient } from './fake-callback-client.ts';
import { FakeClock, START_MS } from './fake-clock.ts';
import { Quiet } from './quiet.ts';

export const SIGNER_ISS = '0015800000jfQ9aAAE';

/** What the bench signs with, and the public key that verifies it. */
export const { signer: SIGNER, jwk: SIGNER_JWK } = await makeParticipant(SIGNER_ISS, 'bank-key');

/** An engine on a real store, with time and network in the hands of the test. */
export interface EngineBench {
  readonly engine: Engine;
  /** What the engine works on; its calls are counted by {@link quiet}. */
  readonly store: Store;
  readonly client: FakeCallbackClient;
  readonly clock: FakeClock;
  readonly quiet: Quiet;
  /** Log lines, parsed. */
  readonly log: readonly Record<string, unknown>[];
  /** Registers a TPP at its own callback URL. */
  register(clientId: string, changes?: Partial<RegistrationToStore>): Promise<void>;
  /** Publishes and wakes the engine, then waits until all is at rest. @returns the `jti`s */
  publish(clientId: string, ...eventIds: readonly string[]): Promise<string[]>;
  /** Publishes as the service does: with what the engine takes handed over. @returns the `jti`s, at rest */
  publishThrough(clientId: string, ...eventIds: readonly string[]): Promise<string[]>;
  /** A new engine, on the store closed and opened again, as after a restart. The old one must have been stopped. */
  restart(): Promise<EngineBench>;
}

/** What a test may set; the rest are values that are easy to reckon with. */
export type BenchOptions = Partial<Omit<EngineOptions, 'store' | 'clock' | 'client' | 'log' | 'signSet'>> & {
  readonly signer?: JwsSigner;
  /** Stands between the engine and its store. */
  readonly around?: (store: Store) => Store;
};

const DEFAULTS = {
  policy: { delayMs: 1000, delayMaxMs: 60_000, retriesMax: 3, intervalMaxMs: 3_600_000, jitter: 0 },
  financialId: undefined,
  breaker: { attemptsMin: 1000, failureShare: 1, pauseMs: 1000, pauseMaxMs: 60_000 },
  unresponsive: {
    ...{ probeDelayMs: 60_000, probeDelayMaxMs: 3_600_000 },
    ...{ rampPerSecond: 5, rampDoublingMs: 5000, rampMs: 60_000 },
  },
  concurrencyMax: 64,
  concurrencyPerTppMax: 8,
  queueMax: 2048,
  queuePerTppMax: 64,
  leaseMs: 60_000,
  timeoutMs: 10_000,
  recordLingerMs: 0,
  pollMs: undefined,
};

/** Makes a bench whose store is removed when the test ends. */
export function engineBench(t: TestContext, options: BenchOptions = {}): EngineBench {
  const folder = temporaryFolder();
  const quiet = new Quiet();
  const clock = new FakeClock(() => quiet.settle());
  const client = new FakeCallbackClient(() => clock.nowMs());
  const open: Store[] = [];
  t.after(async () => {
    for (const store of open) await store.close();
    folder.remove();
  });
  return benchOn({ file: join(folder.path, 'tidings.db'), quiet, clock, client, open, options });
}

interface Parts {
  readonly file: string;
  readonly quiet: Quiet;
  readonly clock: FakeClock;
  readonly client: FakeCallbackClient;
  readonly open: Store[];
  readonly options: BenchOptions;
}

function benchOn(parts: Parts): EngineBench {
  const { file, quiet, clock, client, open } = parts;
  const { around, ...options } = parts.options;
  const sqlite = openSqliteStore({ file });
  open.push(sqlite);
  const store = quiet.watch(around?.(sqlite) ?? sqlite);
  const lines: Record<string, unknown>[] = [];
  const log = pino({ base: null }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const watched = quiet.watch(options.signer ?? SIGNER);
  const setSigner = createSetSigner({ signer: watched, queue: new SigningQueue(), clock });
  const common = {
    ...DEFAULTS,
    random: countingRandom(),
    ...options,
    signSet: setSigner.forDelivery,
  };
  const engine = new Engine({ ...common, store, client, clock, log });
  return {
    ...{ engine, store, client, clock, quiet, log: lines },
    register: async (clientId, changes) => {
      await sqlite.putTpp(tppOf(clientId), START_MS);
      await sqlite.createRegistration(subscriptionOf(clientId, changes), START_MS);
    },
    publish: async (clientId, ...eventIds) => {
      const events = eventIds.map((id) => bankEvent(clientId, id));
      await sqlite.publish(events, notifyAll, clock.nowMs());
      engine.wake();
      await quiet.settle();
      return eventIds.map(jtiOf);
    },
    publishThrough: async (clientId, ...eventIds) => {
      const catalogue = new EventTypeCatalogue();
      const { random } = common;
      const publisher = {
        store,
        issuer: ISSUER,
        catalogue,
        setSigner,
        clock,
        random,
        dispatcher: engine,
      };
      const result = await createPublisher(publisher)(eventIds.map((id) => bankEvent(clientId, id)));
      await quiet.settle();
      assert(result.kind === 'published');
      return result.outcomes.flatMap((outcome) => (outcome.kind === 'notification' ? [outcome.jti] : []));
    },
    restart: async () => {
      await sqlite.close();
      open.splice(open.indexOf(sqlite), 1);
      return benchOn(parts);
    },
  };
}

/** UUIDs that count up, and fractions of 0. */
export function countingRandom(): Random {
  let count = 0;
  return {
    uuid: () => {
      count += 1;
      return `00000000-0000-4000-8000-${String(count).padStart(12, '0')}`;
    },
    fraction: () => 0,
  };
}
