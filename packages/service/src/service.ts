import { EventTypeCatalogue } from '@tidings/protocol';
import type { FastifyInstance } from 'fastify';
import { buildApi } from './api/server.ts';
import { type Clock, systemClock } from './base/clock.ts';
import { listen } from './base/listen.ts';
import type { Log } from './base/log.ts';
import { type Random, systemRandom } from './base/random.ts';
import type { Config } from './config/schema.ts';
import { createCallbackClient } from './net/callback-client.ts';
import { Engine } from './notify/engine.ts';
import { createPublisher } from './notify/publish.ts';
import { buildOperatorApi } from './operator/server.ts';
import { openSqliteStore } from './store/sqlite/sqlite-store.ts';
import type { Store } from './store/store.ts';
import { type AccessTokenVerifier, createAccessTokenVerifier } from './trust/access-tokens.ts';
import { type Material, readMaterial } from './trust/material.ts';
import { createTppKeys } from './trust/tpp-keys.ts';

/** A service that runs. */
export interface RunningService {
  /** Where TPPs reach the API, without prefix and version. */
  readonly apiUrl: string;
  /** Where the bank's systems reach the operator API. */
  readonly operatorUrl: string;
  /**
   * Stops cleanly: takes no more work, lets attempts under way finish within `shutdown.graceMs`, hands the rest back,
   * closes the store. May be called more than once.
   */
  stop(): Promise<void>;
}

/** What the service is given from outside, so that a test can hold it. */
export interface Surroundings {
  readonly log: Log;
  readonly clock?: Clock;
  readonly random?: Random;
}

/**
 * Starts the Notification Service: the TPP-facing listener, the operator's, and the delivery engine on its store.
 * Either all of it runs when the promise resolves, or nothing does.
 *
 * @throws {StartUpError} one sentence on what to change
 */
export async function startService(config: Config, surroundings: Surroundings): Promise<RunningService> {
  const { log, clock = systemClock, random = systemRandom } = surroundings;
  const material = await readMaterial(config);
  const store = openSqliteStore({ file: config.store.file, nowMs: clock.nowMs() });
  const parts = assemble({ config, material, store, log, clock, random });
  const stop = stopOnce(() => stopParts(parts, store, config.shutdown.graceMs));
  try {
    const apiPort = await listen(parts.api, 'api', config.api);
    parts.setPublicUrl(config.api.publicUrl?.replace(/\/$/, '') ?? `https://localhost:${apiPort}`);
    const operatorPort = await listen(parts.operator, 'operator', config.operator);
    parts.engine.wake();
    const scheme = material.operatorTls === undefined ? 'http' : 'https';
    const apiUrl = `https://localhost:${apiPort}`;
    const operatorUrl = `${scheme}://localhost:${operatorPort}`;
    log.info({ apiUrl, operatorUrl, store: config.store.file }, 'Tidings runs');
    return { apiUrl, operatorUrl, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Ingredients {
  readonly config: Config;
  readonly material: Material;
  readonly store: Store;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
}

interface Parts {
  readonly api: FastifyInstance;
  readonly operator: FastifyInstance;
  readonly engine: Engine;
  readonly accessTokens: AccessTokenVerifier;
  readonly client: { close(): Promise<void> };
  setPublicUrl(url: string): void;
}

function assemble(ingredients: Ingredients): Parts {
  const { config, material, store, log, clock, random } = ingredients;
  const catalogue = new EventTypeCatalogue(config.ownEventTypes);
  const { signer, publicJwk } = material.signingKey;
  const client = createCallbackClient({
    ...config.delivery,
    ca: material.deliveryCa,
    connectionsPerOriginMax: config.delivery.concurrencyPerTppMax,
    clock,
  });
  const engine = new Engine({
    ...config.delivery,
    policy: config.retry,
    financialId: config.financialId,
    ...{ store, signer, client, clock, random, log },
  });
  const wake = () => engine.wake();
  const accessTokens = createAccessTokenVerifier({
    ...config.accessTokens,
    tls: material.accessTokensTls,
    nowMs: () => clock.nowMs(),
  });
  const publish = createPublisher({ store, issuer: config.issuer, catalogue, clock, random, onPublished: wake });
  let publicUrl = '';
  const api = buildApi({
    ...config.api,
    ...{ store, accessTokens, signer, catalogue, clock, random, log },
    signatures: {
      tppKeys: createTppKeys(),
      trustAnchorsAccepted: config.trustAnchorsAccepted,
      clockSkewSeconds: config.accessTokens.clockSkewSeconds,
      clock,
    },
    publicJwks: [publicJwk],
    eventTypesUrl: config.eventTypesUrl,
    tls: material.apiTls,
    publicUrl: () => publicUrl,
    onRegistrationChanged: wake,
  });
  const operator = buildOperatorApi({
    ...config.operator,
    ...{ store, publish, catalogue, clock, random, log },
    tls: material.operatorTls,
  });
  const setPublicUrl = (url: string) => {
    publicUrl = url;
  };
  return { api, operator, engine, accessTokens, client, setPublicUrl };
}

/** Doors first, then what is under way, then what it was under way on. */
async function stopParts(parts: Parts, store: Store, graceMs: number): Promise<void> {
  await Promise.all([parts.operator.close(), parts.api.close(), parts.engine.stop(graceMs)]);
  await Promise.all([parts.client.close(), parts.accessTokens.close()]);
  await store.close();
}

function stopOnce(stop: () => Promise<void>): () => Promise<void> {
  let stopped: Promise<void> | undefined;
  return () => {
    stopped ??= stop();
    return stopped;
  };
}
