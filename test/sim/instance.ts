import { EventTypeCatalogue, type JwsSigner } from '@tidings/protocol';
import { ISSUER } from '../../packages/service/test/support/bank-events.ts';
import {
  type CallbackClient,
  type Clock,
  createPublisher,
  Engine,
  type EngineOptions,
  type Publish,
  pino,
  type Random,
  SigningQueue,
  type Store,
} from '../../packages/service/test/support/parts.ts';
import type { Chance } from './chance.ts';
import type { Life } from './ledger.ts';
import type { Oracle } from './oracle.ts';
import type { Settings } from './settings.ts';

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
  /** Whether the next signature cannot be made. */
  failsToSign: () => boolean;
}): Instance {
  const { life, store, settings, chance, oracle, mutation } = parts;
  const clock = mutation.clock?.(life.clock) ?? life.clock;
  const client = mutation.client?.(parts.client) ?? parts.client;
  const random: Random = { uuid: () => chance.uuid(), fraction: () => chance.fraction() };
  const { concurrencyMax, concurrencyPerTppMax, queueMax, queuePerTppMax } = settings;
  const { policy, breaker, unresponsive, leaseMs, timeoutMs, pollMs } = settings;
  const options: EngineOptions = {
    ...{ concurrencyMax, concurrencyPerTppMax, queueMax, queuePerTppMax },
    ...{ policy, breaker, unresponsive, leaseMs, timeoutMs, pollMs },
    recordLingerMs: RECORD_LINGER_MS,
    ...{ store, client, clock, random, financialId: undefined },
    signer: signerWith(parts),
    signingQueue: new SigningQueue(),
    log: complainingLog(oracle),
  };
  const engine = new Engine(mutation.engine?.(options) ?? options);
  const publish = createPublisher({ store, issuer: ISSUER, catalogue, clock, random, dispatcher: engine });
  return { life, engine, publish };
}

/** Makes other bytes each time, as PS256 does, unless the key is away. */
function signerWith({ life, chance, oracle, failsToSign }: Parameters<typeof startInstance>[0]): JwsSigner {
  return {
    ...{ kid: 'bank-key', iss: '0015800000jfQ9aAAE', tan: 'openbanking.org.uk' },
    sign: async (signingInput) => {
      if (!failsToSign()) return Buffer.from(chance.uuid());
      const payload = Buffer.from(signingInput).toString().split('.')[1] ?? '';
      const { jti }: { jti: string } = JSON.parse(Buffer.from(payload, 'base64url').toString());
      oracle.unsigned(life, jti);
      throw new SigningError('simulated');
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
