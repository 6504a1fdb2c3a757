import { isDeepStrictEqual } from 'node:util';
import { EventTypeCatalogue } from '@tidings/protocol';
import type { FastifyInstance } from 'fastify';
import { type Api, buildApi } from './api/server.ts';
import { once, startInterval } from './base/async.ts';
import { type Clock, systemClock } from './base/clock.ts';
import { listen, renewTls } from './base/http-server.ts';
import type { Log } from './base/log.ts';
import { NODE_REMEDY, nodeFault } from './base/process.ts';
import { type Random, systemRandom } from './base/random.ts';
import { StartUpError } from './base/start-up-error.ts';
import type { Config } from './config/schema.ts';
import { BY_SERVICE } from './model/audit.ts';
import { type AddressGuard, createAddressGuard, whyNotTo } from './net/address-guard.ts';
import { createCallbackClient } from './net/callback-client.ts';
import { createResolveHost, type ResolveHost } from './net/resolve-host.ts';
import { Engine } from './notify/engine.ts';
import { createPublisher } from './notify/publish.ts';
import { createSigning } from './notify/sign.ts';
import { OperatorTokens } from './operator/access.ts';
import { buildOperatorApi } from './operator/server.ts';
import { reloadSigningKeys } from './operator/signing-keys.ts';
import { type Sweeper, startSweeper } from './retention/sweeper.ts';
import { type BackUp, openStore } from './store/open-store.ts';
import type { Store } from './store/store.ts';
import { createMetrics, type Metrics, observedStore } from './telemetry/metrics.ts';
import { type Observer, observers } from './telemetry/observer.ts';
import { createWatch, type Watch } from './telemetry/telemetry.ts';
import { createTracing } from './telemetry/tracing.ts';
import { createAccessTokenVerifier } from './trust/access-tokens.ts';
import { createClientCertificateReader } from './trust/client-certificate.ts';
import { createAddressList } from './trust/gateway-addresses.ts';
import type { OnFetchFailed } from './trust/jwks-cache.ts';
import { type Material, readMaterial } from './trust/material.ts';
import { createOidcVerifier, type OidcVerifier } from './trust/oidc-tokens.ts';
import { loadSigningKeys } from './trust/signing-key.ts';
import { createSigningKeys, type SigningKeys } from './trust/signing-keys.ts';
import { SigningQueue } from './trust/signing-queue.ts';
import { createSoftwareStatementVerifier } from './trust/software-statement.ts';
import { createTppKeys } from './trust/tpp-keys.ts';
import { nextUpdateMsOf } from './trust/x509.ts';

// Deliveries do not wait for it, and a crash repeats no more than was under way for that long anyway.
const RECORD_LINGER_MS = 20;

/** A service that runs. */
export interface RunningService {
  /** Where TPPs reach the API, without prefix and version. */
  readonly apiUrl: string;
  /** Where the bank's systems reach the operator API. */
  readonly operatorUrl: string;
  /** How many long polls are held now. */
  longPollsHeld(): number;
  /**
   * Reads the signing key and its kid again, the certificates, keys and client roots of the listeners, and the operator
   * tokens and mapped roles, so that they are renewed without a restart: everything that is signed from then on is signed
   * with the key, connections made from then on get the certificates, and a token or role that was taken away is accepted
   * no longer, by a live stream either. Other settings and files stay as they are.
   *
   * @throws {StartUpError} when any of it is not good; all stays as it was
   */
  reload(): Promise<void>;
  /**
   * Stops cleanly: takes no more work, answers the long polls, lets what is under way finish within `shutdown.graceMs`,
   * hands the rest back, closes the store. May be called more than once.
   */
  stop(): Promise<void>;
}

/** Dependencies that come from outside, so that a test can replace them. */
export interface Surroundings {
  readonly log: Log;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Looks hosts of callback URLs and of TPPs' JWKS URLs up. Default: by DNS, as `delivery.dnsServers` says. */
  readonly resolveHost?: ResolveHost;
  /** Reloads the configuration, for the kid of a new signing key. Default: the one that the service started with. */
  readonly readConfig?: () => Config;
}

/**
 * Starts the Notification Service: the TPP-facing listener, the operator's, and, where real time is offered, the delivery
 * engine on its store. Either all of it runs when the promise resolves, or nothing does.
 *
 * @throws {StartUpError} one sentence on what to change
 */
export async function startService(config: Config, surroundings: Surroundings): Promise<RunningService> {
  const { log, clock: local = systemClock, random = systemRandom, readConfig = () => config } = surroundings;
  const material = await readMaterial(config);
  // Before the store is made: a setting that is wrong leaves nothing behind.
  const clientCertificate = createClientCertificateReader(config.api.gateway, local);
  const opened = await openStore(config.store, { clock: local, log });
  const { clock, place, backUp } = opened;
  const metrics = createMetrics({ ...config.metrics, clock });
  const store = observedStore(opened.store, clock, metrics.onStoreOperation);
  const watch = createWatch({ ...config, store, clock, log, instance: random.uuid() });
  const parts = await assemble({
    ...{ config, watch, material, clientCertificate, store, backUp, log, clock, random, readConfig },
    guard: createGuard(config, surroundings.resolveHost),
    metrics,
    observer: observers([metrics, createTracing(), watch.observer]),
  }).catch(async (error) => {
    await store.close();
    throw error;
  });
  const stop = once(() => stopParts(parts, store, config.shutdown.graceMs));
  try {
    const apiUrl = urlOf(material.apiTls, await listen(parts.api.server, 'api', config.api));
    parts.setPublicUrl(config.api.publicUrl?.replace(/\/$/, '') ?? apiUrl);
    const operatorUrl = urlOf(material.operatorTls, await listen(parts.operator, 'operator', config.operator));
    parts.wake();
    const runtimeFault = nodeFault();
    if (runtimeFault !== undefined) log.warn(`${runtimeFault} ${NODE_REMEDY}`);
    log.info({ apiUrl, operatorUrl, store: place }, 'Tidings runs');
    warnOfPastLists(material, { log, clock });
    const reload = async () => {
      // All that is new is looked at before any of it is used.
      const { operator, ...others } = readConfig();
      const renewed = await readMaterial({ operator, ...others });
      refuseOtherClients(material, renewed);
      refuseOtherProvider(config.operator.oidc, operator.oidc);
      const key = await reloadSigningKeys(parts.keys, { store, clock, log }, BY_SERVICE);
      renewTls(parts.api.server, renewed.apiTls);
      renewTls(parts.operator, renewed.operatorTls);
      warnOfPastLists(renewed, { log, clock });
      if (operator.oidc !== undefined) parts.identityProvider?.useRoles(operator.oidc.roles);
      parts.operatorTokens.replace(operator.tokens);
      const operatorTokens = operator.tokens.map(({ name, role }) => `${name}: ${role}`);
      log.info({ ...key, operatorTokens }, 'signing key, certificates and operator tokens were reloaded');
    };
    return { apiUrl, operatorUrl, longPollsHeld: parts.api.longPollsHeld, reload, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Whether callers must have a certificate is settled when a listener is made: new roots alone would let others in. */
function refuseOtherClients(material: Material, renewed: Material): void {
  if ((material.operatorTls?.ca === undefined) === (renewed.operatorTls?.ca === undefined)) return;
  throw new StartUpError('"operator.tls.clientCaFile" was added or taken away; restart the service for that.');
}

/** Its keys and names are settled at start: what is taken away only in the file would be let in still. */
function refuseOtherProvider(before: Config['operator']['oidc'], after: Config['operator']['oidc']): void {
  const settledOf = (oidc: Config['operator']['oidc']) => oidc && { ...oidc, roles: undefined };
  if (isDeepStrictEqual(settledOf(before), settledOf(after))) return;
  throw new StartUpError('"operator.oidc" changed in more than its roles; restart the service for that.');
}

/** A list that is past closes the listener to all of its authority: the operator must not find that out from them. */
function warnOfPastLists({ apiTls, operatorTls }: Material, { log, clock }: Pick<Ingredients, 'log' | 'clock'>): void {
  for (const [setting, tls] of [
    ['api.tls.clientCrlFile', apiTls],
    ['operator.tls.clientCrlFile', operatorTls],
  ] as const) {
    const nextUpdatesMs = tls?.crl?.map((list) => nextUpdateMsOf(list) ?? Number.POSITIVE_INFINITY) ?? [];
    if (nextUpdatesMs.every((atMs) => clock.nowMs() < atMs)) continue;
    log.error({ setting }, 'a revocation list is past its next update: no certificate of its authority is let in');
  }
}

interface Ingredients {
  readonly config: Config;
  readonly watch: Watch;
  readonly material: Material;
  readonly clientCertificate: ReturnType<typeof createClientCertificateReader>;
  readonly store: Store;
  readonly backUp: BackUp | undefined;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
  readonly readConfig: () => Config;
  readonly guard: AddressGuard;
  readonly metrics: Metrics;
  readonly observer: Observer;
}

interface Parts {
  readonly keys: SigningKeys;
  readonly api: Api;
  readonly operator: FastifyInstance;
  readonly operatorTokens: OperatorTokens;
  readonly identityProvider: OidcVerifier | undefined;
  readonly engine: Engine;
  readonly sweeper: Sweeper;
  readonly watch: Watch;
  /** Ends looking for what other instances did to the signing keys. */
  readonly endFollowing: () => Promise<void>;
  /** Makes the engine look for work; of no effect where real time is not offered. */
  readonly wake: () => void;
  /** Dependencies of the others, closed after them. */
  readonly clients: readonly { close(): Promise<void> }[];
  setPublicUrl(url: string): void;
}

async function assemble(ingredients: Ingredients): Promise<Parts> {
  const { config, watch, material, store, log, clock, random, metrics, observer } = ingredients;
  const catalogue = new EventTypeCatalogue(config.ownEventTypes);
  const keys = await openSigningKeys(ingredients);
  const signingQueue = new SigningQueue();
  const { engine, client } = assembleDelivery(ingredients, keys, signingQueue);
  const wake = config.realTime.isOffered ? () => engine.wake() : () => undefined;
  let url = '';
  const publicUrl = () => url;
  const setPublicUrl = (known: string) => {
    url = known;
  };
  const { api, clients } = assembleApi(ingredients, { keys, signingQueue, catalogue, wake, publicUrl });
  const dispatcher = config.realTime.isOffered ? engine : undefined;
  const publish = createPublisher({
    ...{ store, issuer: config.issuer, catalogue, clock, random, dispatcher, observer },
  });
  const { clockSkewSeconds } = config.accessTokens;
  const identityProvider = createIdentityProvider(ingredients);
  const operatorTokens = new OperatorTokens(config.operator.tokens);
  const operator = buildOperatorApi({
    ...{ ...config.operator, tokens: operatorTokens },
    ...{ config, store, publish, catalogue, publicUrl, clock, random, log, metrics, watch, observer },
    isDelivering: config.realTime.isOffered ? () => engine.isDelivering : undefined,
    tls: material.operatorTls,
    identityProvider,
    softwareStatements:
      material.directory && (await createSoftwareStatementVerifier({ ...material.directory, clockSkewSeconds, clock })),
    backUp: ingredients.backUp,
    signingKeys: keys,
    breakerOf: config.realTime.isOffered ? (clientId) => engine.breakerOf(clientId) : undefined,
    onTppChanged: wake,
    onDue: wake,
  });
  metrics.watch({ store, longPollsHeld: api.longPollsHeld, signingKeyProblem: keys.problem });
  const sweeper = openSweeper(ingredients);
  const closing = [client, ...clients, ...(identityProvider === undefined ? [] : [identityProvider])];
  const isShared = config.store.url !== undefined;
  const endFollowing = isShared
    ? startInterval(clock, { everyMs: config.store.lookMs, work: keys.follow })
    : async () => undefined;
  const operating = { operator, operatorTokens, identityProvider };
  return { keys, api, ...operating, engine, sweeper, watch, endFollowing, wake, clients: closing, setPublicUrl };
}

function openSweeper({ config, store, clock, log, observer }: Ingredients): Sweeper {
  const { activity, statistics, retention } = config;
  const onExpired = (count: number) => observer.record({ kind: 'expired', atMs: clock.nowMs(), count });
  return startSweeper({
    ...{ ...retention, ...statistics, activityKeptMs: activity.keptMs, store, clock, log, onExpired },
  });
}

function createIdentityProvider(ingredients: Ingredients) {
  const { config, material, clock } = ingredients;
  const { oidc } = config.operator;
  const onFetchFailed = tellOfFailedFetch(ingredients, 'identity-provider');
  return oidc && createOidcVerifier({ ...oidc, ca: material.operatorOidcCa, clock, onFetchFailed });
}

/** To log and metrics: old keys, and what callers are told, hide it. */
function tellOfFailedFetch(
  { log, clock, observer }: Pick<Ingredients, 'log' | 'clock' | 'observer'>,
  of: 'tpp' | 'authorisation-server' | 'identity-provider',
): OnFetchFailed {
  return (failure) => {
    log.warn({ ...failure, of }, 'keys could not be fetched');
    observer.record({ kind: 'keys-not-fetched', atMs: clock.nowMs(), of });
  };
}

/** The store knows the current key before anything is signed with it. */
function openSigningKeys({ config, store, log, clock, readConfig }: Ingredients): Promise<SigningKeys> {
  return createSigningKeys({
    load: async () => {
      const { signing, organisationId, trustAnchor } = readConfig();
      return loadSigningKeys({ signing, organisationId, trustAnchor });
    },
    ...{ store, clock, log },
    formerKeysKeptMs: config.signing.formerKeysKeptMs,
    isAlone: config.store.url === undefined,
  });
}

function createGuard({ delivery }: Config, resolveHost: ResolveHost | undefined): AddressGuard {
  const { callbackAddressesAllowed: allowed, callbackPortsAllowed: ports } = delivery;
  const { dnsServers: servers, dnsTimeoutMs: timeoutMs } = delivery;
  return createAddressGuard({ allowed, ports, resolve: resolveHost ?? createResolveHost({ servers, timeoutMs }) });
}

function assembleDelivery(
  { config, material, store, log, clock, random, guard, observer }: Ingredients,
  { signer }: SigningKeys,
  signingQueue: SigningQueue,
) {
  const { delivery, retry: policy, breaker, unresponsive, financialId } = config;
  const client = createCallbackClient({
    ...delivery,
    ca: material.deliveryCa,
    connectionsMax: delivery.concurrencyPerTppMax,
    ...{ guard, clock },
  });
  const engine = new Engine({
    ...delivery,
    recordLingerMs: RECORD_LINGER_MS,
    // The SQLite store is this process's alone: no other instance leaves anything in it.
    pollMs: config.store.url === undefined ? undefined : config.store.lookMs,
    ...{
      policy,
      breaker,
      unresponsive,
      financialId,
      store,
      signer,
      signingQueue,
      client,
      clock,
      random,
      log,
      observer,
    },
  });
  return { engine, client };
}

function assembleApi(
  { config, material, clientCertificate, store, log, clock, random, guard, observer }: Ingredients,
  shared: {
    keys: SigningKeys;
    signingQueue: SigningQueue;
    catalogue: EventTypeCatalogue;
    wake: () => void;
    publicUrl: () => string;
  },
) {
  const { keys, signingQueue, catalogue, publicUrl } = shared;
  const { accessTokens: tokens, realTime, callbackUrls, trustAnchorsAccepted } = config;
  const { gateway, isUnencodedPayloadAccepted } = config.api;
  const { clockSkewSeconds } = tokens;
  const toldOf = (of: 'tpp' | 'authorisation-server') => ({
    clock,
    onFetchFailed: tellOfFailedFetch({ log, clock, observer }, of),
  });
  const accessTokens = createAccessTokenVerifier({
    ...{ ...tokens, tls: material.accessTokensTls },
    ...toldOf('authorisation-server'),
  });
  const tppKeys = createTppKeys({ ...config.tppKeys, ca: material.tppKeysCa, guard, ...toldOf('tpp') });
  const api = buildApi({
    ...config.api,
    ...{ store, accessTokens, signingQueue, gateway, catalogue, publicUrl, clock, random, log, observer },
    tls: material.apiTls,
    clientCertificate,
    isGateway: gateway === undefined ? () => false : createAddressList(gateway.addresses),
    signatures: { tppKeys, trustAnchorsAccepted, clockSkewSeconds, isUnencodedPayloadAccepted, clock },
    signer: keys.current,
    publicJwks: keys.publicJwks,
    jwksRevision: keys.revision,
    sign: createSigning({
      store,
      signer: keys.signer,
      queueOf: (clientId) => (work) => signingQueue.forAnswer(clientId, work),
      clock,
      onStoreError: () => undefined,
      giveUp: AbortSignal.abort(),
      observer,
    }),
    eventTypesUrl: config.eventTypesUrl,
    checkCallbackUrl: (callbackUrl) => whyNotTo(callbackUrl, guard, config.delivery.proxyUrl !== undefined),
    isRealTimeOffered: realTime.isOffered,
    areCallbackUrlsOffered: realTime.isOffered && callbackUrls.isOffered,
    polling: config.polling,
    onRegistrationChanged: shared.wake,
  });
  return { api, clients: [accessTokens, tppKeys] };
}

/** Doors first, then what is under way, then what it was under way on. */
async function stopParts(parts: Parts, store: Store, graceMs: number): Promise<void> {
  const { operator, api, engine, sweeper, watch } = parts;
  await Promise.all([operator.close(), api.server.close(), engine.stop(graceMs), sweeper.stop(), parts.endFollowing()]);
  await Promise.all([watch.stop(), ...parts.clients.map((client) => client.close())]);
  await store.close();
}

function urlOf(tls: object | undefined, port: number): string {
  return `${tls === undefined ? 'http' : 'https'}://localhost:${port}`;
}
