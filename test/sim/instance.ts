import { EventTypeCatalogue, type JwsSigner } from '@tidings/protocol';
import { ISSUER } from '../../packages/service/test/support/bank-events.ts';
import {
  type CallbackClient,
  type Clock,
  createPublisher,
  createSetSigner,
  Engine,
  type EngineOptions,
  type Publish,
  pino,
  type Random,
  SigningQueue,
  type Store,
} from '../../packages/service/test/support/parts.ts';
import { Chance } from './chance.ts';
import type { Life } from './ledger.ts';
import type { Oracle } from './oracle.ts';
import type { Settings } from './settings.ts';
import type { Timeline } from './timeline.ts';

// As the service has it.
const RECORD_LINGER_MS = 20;

/** A fault that is put in on purpose, to see that the oracle finds it. */
export interface Mutation {
  readonly engine?: (options: EngineOptions) => EngineOptions;
  /** Between the oracle and the store, one for the whole world. */
  readonly store?: (store: Store) => Store;
  readonly client?: (client: CallbackClient) => CallbackClient;
  readonly clock?: (clock: Clock) => Clock;
  readonly onCrash?: (store: Store, life: Life) => Promise<void>;
}

/** How signatures fail and are slow until all is well. By choices of its own, apart from those of the world. */
export class SigningFaults {
  readonly #chance: Chance;
  readonly #timeline: Timeline;
  /** The part of the signatures that cannot be made. */
  #failing: number;
  /** Some are made in time for the commit of their notification, others are not. 0 where no TPP may wait. */
  #delayMaxMs: number;

  constructor(seed: number, { isRoomy }: Settings, timeline: Timeline) {
    this.#timeline = timeline;
    this.#chance = new Chance(~seed);
    this.#failing = this.#chance.happens(0.1) ? this.#chance.between(0.02, 0.3) : 0;
    this.#delayMaxMs = isRoomy ? 0 : this.#chance.between(0, 100);
  }

  heal(): void {
    this.#failing = 0;
    this.#delayMaxMs = 0;
  }

  fails(): boolean {
    return this.#chance.happens(this.#failing);
  }

  async delay(): Promise<void> {
    const delayMs = this.#chance.between(0, this.#delayMaxMs);
    if (delayMs > 0) await new Promise<void>((resolve) => this.#timeline.after(delayMs, resolve));
  }
}

/** The service as far as it delivers: an engine and a way in for events. */
export interface Instance {
  readonly life: Life;
  readonly engine: Engine;
  readonly publish: Publish;
}

const catalogue = new EventTypeCatalogue();

export function startInstance(parts: {
  life: Life;
  store: Store;
  client: CallbackClient;
  settings: Settings;
  chance: Chance;
  oracle: Oracle;
  mutation: Mutation;
  signing: SigningFaults;
}): Instance {
  const { life, store, settings, chance, oracle, mutation } = parts;
  const clock = mutation.clock?.(life.clock) ?? life.clock;
  const client = mutation.client?.(parts.client) ?? parts.client;
  const random: Random = { uuid: () => chance.uuid(), fraction: () => chance.fraction() };
  const { concurrencyMax, concurrencyPerTppMax, queueMax, queuePerTppMax } = settings;
  const { policy, breaker, unresponsive, leaseMs, timeoutMs, pollMs } = settings;
  const setSigner = createSetSigner({ signer: signerWith(parts), queue: new SigningQueue(), clock });
  const options: EngineOptions = {
    ...{ concurrencyMax, concurrencyPerTppMax, queueMax, queuePerTppMax },
    ...{ policy, breaker, unresponsive, leaseMs, timeoutMs, pollMs },
    recordLingerMs: RECORD_LINGER_MS,
    ...{ store, client, clock, random, financialId: undefined },
    signSet: (claims) =>
      setSigner.forDelivery(claims).catch((error) => {
        oracle.unsigned(life, claims.jti);
        throw error;
      }),
    log: complainingLog(oracle),
  };
  const engine = new Engine(mutation.engine?.(options) ?? options);
  const publish = createPublisher({
    store,
    issuer: ISSUER,
    catalogue,
    setSigner,
    clock,
    random,
    dispatcher: engine,
  });
  return { life, engine, publish };
}

/** Makes other bytes each time, as PS256 does, unless the key is away. */
function signerWith({ chance, signing }: Parameters<typeof startInstance>[0]): JwsSigner {
  return {
    ...{ kid: 'bank-key', iss: '0015800000jfQ9aAAE', tan: 'openbanking.org.uk' },
    sign: async () => {
      await signing.delay();
      if (signing.fails()) throw new SigningError('simulated');
      return Buffer.from(chance.uuid());
    },
  };
}

class SigningError extends Error {
  override readonly name = 'SigningError';
}

/** An error that the engine only logs is a breach too, unless it is the store's or the key's. */
function complainingLog(oracle: Oracle) {
  const write = (line: string) => {
    const { err }: { err?: { type: string; stack: string } } = JSON.parse(line);
    if (err !== undefined && !['StoreError', 'SigningError'].includes(err.type))
      oracle.fail(`the engine logged ${err.stack}`);
  };
  return pino({ level: 'error', base: null, timestamp: false }, { write });
}
