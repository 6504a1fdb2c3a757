import { hostname } from 'node:os';
import { EventTypeCatalogue } from '@tidings/protocol';
import { createDestinations, type Destination } from './alerts/destinations.ts';
import { openAlerts } from './alerts/open-alerts.ts';
import { buildApi } from './api/server.ts';
import { once, startInterval } from './base/async.ts';
import { type Clock, systemClock } from './base/clock.ts';
import { listen } from './base/http-server.ts';
import type { Log } from './base/log.ts';
import type { ImportPackage } from './base/optional-package.ts';
import { NODE_REMEDY, nodeFault } from './base/process.ts';
import { type Random, systemRandom } from './base/random.ts';
import { type Components, reloadComponents, stopComponents } from './components.ts';
import type { Config } from './config/schema.ts';
import { type PreparedIntake, prepareIntake } from './intake/open-intake.ts';
import { type AddressGuard, createAddressGuard, whyNotTo } from './net/address-guard.ts';
import { createCallbackClient } from './net/callback-client.ts';
import { createResolveHost, type ResolveHost } from './net/resolve-host.ts';
import { Engine } from './notify/engine.ts';
import { createPublisher } from './notify/publish.ts';
import { createSetSigner, createSigning, type SetSigner } from './notify/sign.ts';
import { OperatorTokens } from './operator/access.ts';
import { startDirectoryRefresh } from './operator/directory-refresh.ts';
import type { Inspect } from './operator/options.ts';
import { buildOperatorApi, openPublishingGate } from './operator/server.ts';
import { openSweeper } from './retention/sweeper.ts';
import { type BackUp, openStore } from './store/open-store.ts';
import type { Store } from './store/store.ts';
import { createMetrics, type Metrics, observedStore } from './telemetry/metrics.ts';
import { type Observer, observers } from './telemetry/observer.ts';
import { createTelemetry, type Telemetry } from './telemetry/telemetry.ts';
import { createTracing } from './telemetry/tracing.ts';
import { createAccessTokenVerifier } from './trust/access-tokens.ts';
import { createCertificateReader, firstExpiriesMs } from './trust/certificates.ts';
import { createClientCertificateReader } from './trust/client-certificate.ts';
import { openDirectoryKeys } from './trust/directory.ts';
import { createAddressList } from './trust/gateway-addresses.ts';
import type { OnFetchFailed } from './trust/jwks-cache.ts';
import { type Material, readMaterial, reportExpiredLists } from './trust/material.ts';
import { createOidcSignIn } from './trust/oidc-sign-in.ts';
import { createOidcVerifier } from './trust/oidc-tokens.ts';
import { loadSigningKeys } from './trust/signing-key.ts';
import { createSigningKeys, type SigningKeys } from './trust/signing-keys.ts';
import { createSigningProviders, type SigningProviders } from './trust/signing-providers.ts';
import { SigningQueue } from './trust/signing-queue.ts';
import { createSoftwareStatementVerifier } from './trust/software-statement.ts';
import { PresentedCertificates } from './trust/tpp-certificates.ts';
import { createTppKeys, type TppKeys } from './trust/tpp-keys.ts';

// Deliveries do not wait for it. A crash repeats only attempts that ended within this time.
const RECORD_LINGER_MS = 20;

/** A running service. */
export interface RunningService {
  /** Where TPPs reach the API, without prefix and version. */
  readonly apiUrl: string;
  /** Where the bank's systems reach the operator API. */
  readonly operatorUrl: string;
  /** How many long polls are held now. */
  longPollsHeld(): number;
  /**
   * Reloads the signing keys, the certificates, keys, client roots and revocation lists of the listeners, the operator
   * tokens, the mapped roles and the destinations of alerts. From then on signatures are made with the new key, new connections get the new
   * certificates, and a token or role that was removed is refused, on live streams too. Other settings and files are not
   * reloaded.
   *
   * @throws {StartUpError} when any of it is invalid; nothing is changed then
   */
  reload(): Promise<void>;
  /**
   * Stops cleanly: takes no more work, answers the long polls, lets work under way finish within `shutdown.graceMs`,
   * releases the rest, closes the store. May be called more than once.
   */
  stop(): Promise<void>;
}

/** Dependencies of the service that a test may replace. */
export interface ServiceDependencies {
  readonly log: Log;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Looks up the hosts of callback URLs and of TPPs' JWKS URLs. Default: DNS, with the servers of `delivery.dnsServers`. */
  readonly resolveHost?: ResolveHost;
  /** Reloads the configuration, for the kid of a new signing key. Default: the one that the service started with. */
  readonly readConfig?: () => Config;
  /** Inspects the installation, for the operator API. Default: it cannot be inspected there. */
  readonly inspect?: Inspect;
  /** Loads the package of a signing provider. Default: one that is installed beside the service. */
  readonly importPackage?: ImportPackage;
}

/**
 * Starts the Notification Service: the listener for TPPs, the one for the operator, and, where real time is offered, the
 * delivery engine. When the promise rejects, nothing is left running.
 *
 * @throws {StartUpError} with one sentence on what to change
 */
export async function startService(config: Config, dependencies: ServiceDependencies): Promise<RunningService> {
  const { log, clock: local = systemClock } = dependencies;
  const providers = createSigningProviders({ clock: local, log, importPackage: dependencies.importPackage });
  try {
    return await startWith(providers, config, { ...dependencies, clock: local });
  } catch (error) {
    await providers.close();
    throw error;
  }
}

async function startWith(
  providers: SigningProviders,
  config: Config,
  dependencies: ServiceDependencies & { readonly clock: Clock },
): Promise<RunningService> {
  const { log, clock: local, random = systemRandom, readConfig = () => config } = dependencies;
  const material = await readMaterial(config, providers);
  // Before the store is opened, so that a wrong setting leaves nothing behind.
  const destinations = createDestinations(config.notify, local);
  const clientCertificate = createClientCertificateReader(config.api.gateway, local);
  const intake = await prepareIntake(config);
  const opened = await openStore(config.store, { clock: local, log });
  const { clock, place, backUp } = opened;
  const metrics = createMetrics({ ...config.metrics, clock });
  providers.observe(metrics.onProviderCall);
  const store = observedStore(opened.store, clock, metrics.onStoreOperation);
  const telemetry = createTelemetry({ ...config, store, clock, log, instance: random.uuid() });
  const components = await assemble({
    ...{ config, telemetry, material, providers, destinations, clientCertificate, intake },
    store,
    backUp,
    log,
    clock,
    random,
    readConfig,
    inspect: dependencies.inspect,
    guard: createGuard(config, dependencies.resolveHost),
    metrics,
    observer: observers([metrics, createTracing(), telemetry.observer]),
  }).catch(async (error) => {
    await store.close();
    throw error;
  });
  const stop = once(() => stopComponents(components, store, config.shutdown.graceMs));
  try {
    const apiUrl = urlOf(material.apiTls, await listen(components.api.server, 'api', config.api));
    components.setPublicUrl(config.api.publicUrl?.replace(/\/$/, '') ?? apiUrl);
    const operatorUrl = urlOf(material.operatorTls, await listen(components.operator, 'operator', config.operator));
    components.wake();
    intake.start();
    components.alerts.start(`${hostname()}:${new URL(operatorUrl).port}`);
    warnOfRuntime(log);
    log.info({ apiUrl, operatorUrl, store: place }, 'Tidings runs');
    reportExpiredLists(material, { log, clock });
    const started = { config, material, providers, store, clock, local, log };
    const reload = async () => reloadComponents(components, started, readConfig());
    return { apiUrl, operatorUrl, longPollsHeld: components.api.longPollsHeld, reload, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function warnOfRuntime(log: Log): void {
  const fault = nodeFault();
  if (fault !== undefined) log.warn(`${fault} ${NODE_REMEDY}`);
}

/** The parts of the service that are made first, and its configuration. */
interface AssemblyOptions {
  readonly config: Config;
  readonly telemetry: Telemetry;
  readonly material: Material;
  readonly providers: SigningProviders;
  readonly destinations: readonly Destination[];
  readonly clientCertificate: ReturnType<typeof createClientCertificateReader>;
  readonly intake: PreparedIntake;
  readonly store: Store;
  readonly backUp: BackUp | undefined;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
  readonly readConfig: () => Config;
  readonly inspect: Inspect | undefined;
  readonly guard: AddressGuard;
  readonly metrics: Metrics;
  readonly observer: Observer;
}

async function assemble(options: AssemblyOptions): Promise<Components> {
  const { config, telemetry, material, store, clock, metrics, observer, intake } = options;
  const catalogue = new EventTypeCatalogue(config.ownEventTypes);
  const keys = await openSigningKeys(options);
  const signingQueue = new SigningQueue();
  const setSigner = createSetSigner({ ...options, signer: keys.signer, queue: signingQueue });
  const { engine, client } = assembleDelivery(options, keys, setSigner);
  const wake = config.realTime.isOffered ? () => engine.wake() : () => undefined;
  let url = '';
  const setPublicUrl = (known: string) => {
    url = known;
  };
  const shared = { keys, signingQueue, setSigner, catalogue, wake, publicUrl: () => url };
  const { api, clients, ...ofTpps } = assembleApi(options, shared);
  const dispatcher = config.realTime.isOffered ? engine : undefined;
  const publish = createPublisher({ ...options, setSigner, issuer: config.issuer, catalogue, dispatcher });
  const gate = openPublishingGate({ ...options, ...config.operator });
  intake.provide({ ...options, publish, catalogue, closedBecause: gate.closedBecause });
  const directory = await openDirectory(options, { ...ofTpps, wake });
  const known = { ...ofTpps, ...directory, keys };
  const identityProvider = createIdentityProvider(options);
  const oidcSignIn = createOidcSignIn(config.operator.oidc, material, clock);
  const operatorTokens = new OperatorTokens(config.operator.tokens);
  const certificates = createCertificateReader(config, clock);
  const alerts = openAlerts({ ...options, ...known, certificates, onSending: metrics.onAlertSending });
  const operator = buildOperatorApi({
    ...options,
    ...config.operator,
    tokens: operatorTokens,
    publish,
    gate,
    catalogue,
    publicUrl: () => url,
    isDelivering: config.realTime.isOffered ? () => engine.isDelivering : undefined,
    tls: material.operatorTls,
    console: { ...config.operator.console, sessionKey: material.consoleSessionKey, oidcSignIn },
    identityProvider,
    signingKeys: keys,
    ...known,
    alerts,
    breakerOf: config.realTime.isOffered ? (clientId) => engine.breakerOf(clientId) : undefined,
    onTppChanged: wake,
    onDue: wake,
  });
  metrics.readFrom({
    ...{ store, longPollsHeld: api.longPollsHeld, signingKeyProblem: keys.problem, canSign: keys.canSign },
    ...{ config, alertDestinations: alerts.destinations, intake: intake.status },
    expiriesMs: () => firstExpiriesMs(certificates(), clock.nowMs()),
  });
  const onExpired = (count: number) => observer.record({ kind: 'expired', atMs: clock.nowMs(), count });
  const sweeper = openSweeper({ ...options, onExpired });
  const optional = [identityProvider, oidcSignIn, directory].filter((each) => each !== undefined);
  const closing = [client, options.providers, ...clients, ...optional];
  const endFollowing = config.store.url
    ? startInterval(clock, { everyMs: config.store.pollMs, work: keys.follow })
    : async () => undefined;
  const operating = { operator, operatorTokens, identityProvider, alerts };
  const working = { engine, sweeper, telemetry, intake };
  return { keys, api, ...operating, ...working, endFollowing, wake, clients: closing, setPublicUrl };
}

function createIdentityProvider(options: AssemblyOptions) {
  const { config, material, clock } = options;
  const { oidc } = config.operator;
  const onFetchFailed = reportFailedFetch(options, 'identity-provider');
  return oidc && createOidcVerifier({ ...oidc, ca: material.operatorOidcCa, clock, onFetchFailed });
}

/** Undefined where no directory is configured. */
async function openDirectory(options: AssemblyOptions, shared: { tppKeys: TppKeys; wake: () => void }) {
  const { config, material, clock } = options;
  const { directory, accessTokens } = config;
  if (directory === undefined) return undefined;
  const { directoryJwks: jwks, directoryTls: tls } = material;
  const onFetchFailed = reportFailedFetch(options, 'directory');
  const keys = await openDirectoryKeys({ directory, jwks, ca: tls.ca, clock, onFetchFailed });
  const { issuer } = directory;
  const { clockSkewSeconds } = accessTokens;
  const softwareStatements = createSoftwareStatementVerifier({ issuer, keys, clockSkewSeconds, clock });
  const { tppKeys, wake: onTppChanged } = shared;
  const directoryRefresh = startDirectoryRefresh({
    ...{ ...options, directory, tls, softwareStatements, tppKeys, onTppChanged },
  });
  const close = async () => {
    await Promise.all([keys.close(), directoryRefresh.close()]);
  };
  return { softwareStatements, directoryRefresh, revokedTpps: directoryRefresh.revoked, close };
}

/** Reports to log and metrics, since cached keys hide a failed fetch, and callers are not told of it. */
function reportFailedFetch(
  { log, clock, observer }: Pick<AssemblyOptions, 'log' | 'clock' | 'observer'>,
  of: 'tpp' | 'authorisation-server' | 'identity-provider' | 'directory',
): OnFetchFailed {
  return (failure) => {
    log.warn({ ...failure, of }, 'keys could not be fetched');
    observer.record({ kind: 'keys-not-fetched', atMs: clock.nowMs(), of });
  };
}

/** The store knows the current key before anything is signed. */
function openSigningKeys({ config, providers, store, log, clock, readConfig }: AssemblyOptions): Promise<SigningKeys> {
  return createSigningKeys({
    load: async () => {
      const { signing, organisationId, trustAnchor } = readConfig();
      return loadSigningKeys({ signing, organisationId, trustAnchor }, providers);
    },
    store,
    clock,
    log,
    formerKeysKeptMs: config.signing.formerKeysKeptMs,
    isAlone: config.store.url === undefined,
  });
}

function createGuard({ delivery }: Config, resolveHost: ResolveHost | undefined): AddressGuard {
  const { callbackAddressesAllowed: allowed, callbackPortsAllowed: ports } = delivery;
  const { dnsServers: servers, dnsTimeoutMs: timeoutMs } = delivery;
  return createAddressGuard({ allowed, ports, resolve: resolveHost ?? createResolveHost({ servers, timeoutMs }) });
}

function assembleDelivery(options: AssemblyOptions, keys: SigningKeys, setSigner: SetSigner) {
  const { config, material, clock, guard } = options;
  const { delivery, retry: policy, breaker, unresponsive, financialId } = config;
  const client = createCallbackClient({
    ...delivery,
    ca: material.deliveryCa,
    connectionsMax: delivery.concurrencyPerTppMax,
    guard,
    clock,
  });
  const engine = new Engine({
    ...options,
    ...delivery,
    recordLingerMs: RECORD_LINGER_MS,
    // The SQLite store is this process's alone: no other instance leaves anything in it.
    pollMs: config.store.url === undefined ? undefined : config.store.pollMs,
    policy,
    breaker,
    unresponsive,
    financialId,
    signSet: setSigner.forDelivery,
    isSigningPaused: keys.isPaused,
    client,
  });
  return { engine, client };
}

function assembleApi(
  options: AssemblyOptions,
  shared: {
    keys: SigningKeys;
    signingQueue: SigningQueue;
    setSigner: SetSigner;
    catalogue: EventTypeCatalogue;
    wake: () => void;
    publicUrl: () => string;
  },
) {
  const { config, material, store, clock, guard } = options;
  const { keys, signingQueue, catalogue, publicUrl } = shared;
  const { accessTokens: tokens, realTime, callbackUrls, trustAnchorsAccepted } = config;
  const { gateway, isUnencodedPayloadAccepted } = config.api;
  const { clockSkewSeconds } = tokens;
  const fetching = (of: 'tpp' | 'authorisation-server') => ({
    clock,
    onFetchFailed: reportFailedFetch(options, of),
  });
  const accessTokens = createAccessTokenVerifier({
    ...tokens,
    tls: material.accessTokensTls,
    ...fetching('authorisation-server'),
  });
  const tppKeys = createTppKeys({ ...config.tppKeys, ca: material.tppKeysCa, guard, ...fetching('tpp') });
  const presentedCertificates = new PresentedCertificates(clock);
  const tppCertificates = () => [...presentedCertificates.latest(), ...tppKeys.signingCertificates()];
  const api = buildApi({
    ...options,
    ...config.api,
    gateway,
    accessTokens,
    signingQueue,
    catalogue,
    publicUrl,
    tls: material.apiTls,
    isGateway: gateway === undefined ? () => false : createAddressList(gateway.addresses),
    signatures: { tppKeys, trustAnchorsAccepted, clockSkewSeconds, isUnencodedPayloadAccepted, clock },
    signer: keys.current,
    publicJwks: keys.publicJwks,
    jwksRevision: keys.revision,
    sign: createSigning({
      store,
      signSet: shared.setSigner.forPoll,
      clock,
      onStoreError: () => undefined,
      giveUp: AbortSignal.abort(),
    }),
    eventTypesUrl: config.eventTypesUrl,
    checkCallbackUrl: (callbackUrl) => whyNotTo(callbackUrl, guard, config.delivery.proxyUrl !== undefined),
    isRealTimeOffered: realTime.isOffered,
    areCallbackUrlsOffered: realTime.isOffered && callbackUrls.isOffered,
    polling: config.polling,
    onAuthenticated: (clientId, certificate) => presentedCertificates.note(clientId, certificate),
    onRegistrationChanged: shared.wake,
  });
  return { api, tppKeys, presentedCertificates, tppCertificates, clients: [accessTokens, tppKeys] };
}

function urlOf(tls: object | undefined, port: number): string {
  return `${tls === undefined ? 'http' : 'https'}://localhost:${port}`;
}
