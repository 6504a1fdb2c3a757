import { generateKeyPair } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  type AccessTokenVerifier,
  createAccessTokenVerifier,
  createLog,
  type RunningService,
  StartUpError,
  startService,
  systemClock,
} from '@tidings/service';
import type { EventNotification, Refusal } from '@tidings/tpp';
import { type AuthorisationServer, startAuthorisationServer } from './authorisation-server/authorisation-server.ts';
import { createOperatorClient, type OperatorClient } from './bank/operator-client.ts';
import { type ConsoleListener, listenForConsole } from './console/listener.ts';
import { type IdentityProvider, startIdentityProvider } from './identity-provider/identity-provider.ts';
import { openPki, type SandboxPki, StateFolderError } from './pki/pki.ts';
import { Ledger } from './resource-server/ledger.ts';
import { startResourceServer } from './resource-server/resource-server.ts';
import { type BankFacts, type SampleTpp, startSampleTpp } from './sample-tpp/sample-tpp.ts';
import {
  BANK_ISSUER,
  CONSOLE_CLIENT_ID,
  STAFF_AUDIENCE,
  TOKEN_AUDIENCE,
  writeServiceConfig,
} from './service-config.ts';
import { openRunFolder, type RunFolder } from './state.ts';

/** client_id of the sample TPP. */
export const CLIENT_ID = 'tidings-sample-tpp';
/** client_id of the TPP whose endpoint is down, which the console's sandbox adds. */
export const FAILING_CLIENT_ID = 'tidings-failing-tpp';

export interface SandboxOptions {
  /** State folder; created if it does not exist. */
  readonly folder: string;
  /** True for a temporary store, removed at the end. */
  readonly once: boolean;
  /** First of the consecutive ports; 0 for any free ports. */
  readonly port: number;
  /** Number of instances of the Notification Service; more than one requires `postgresUrl`. Default 1. */
  readonly instances?: number;
  /** PostgreSQL database shared by the instances, migrated at the start. Default: SQLite. */
  readonly postgresUrl?: string | undefined;
  /** Port for the console; 0 for any free one. Left out: the console is for nobody. */
  readonly consolePort?: number;
  readonly onReceived?: (notification: EventNotification) => void;
  readonly onRefused?: (refusal: Refusal) => void;
}

/** The four running participants. */
export interface Sandbox {
  readonly pki: SandboxPki;
  readonly folder: RunFolder;
  readonly addresses: SandboxAddresses;
  /** The bank's resources. */
  readonly ledger: Ledger;
  /** The bank's client of the operator API. */
  readonly bank: OperatorClient;
  readonly tpp: SampleTpp;
  /** Facts about the bank that its TPPs know. */
  readonly facts: BankFacts;
  /** Where the bank's staff reach the console; undefined: nobody does. */
  readonly staff: StaffAccess | undefined;
  readonly authorisationServer: AuthorisationServer;
  /** Stops all participants in an order that loses nothing. May be called more than once. */
  stop(): Promise<void>;
}

/** The way of the bank's staff to the console. */
export interface StaffAccess {
  readonly listener: ConsoleListener;
  readonly identityProvider: IdentityProvider;
}

export interface SandboxAddresses {
  readonly authorisationServer: string;
  readonly resourceServer: string;
  readonly api: string;
  readonly operator: string;
  readonly callbackUrl: string;
  /** The bank's keys; needs a client certificate, as all of the API. */
  readonly jwks: string;
  /** Addresses of further instances of the service; empty if there is only one. */
  readonly instances: readonly { readonly api: string; readonly operator: string }[];
}

/** The address of all listeners. */
export const HOST = '127.0.0.1';
/** Scopes of the sandbox's clients. */
export const SCOPES = ['accounts', 'payments', 'fundsconfirmations'];
const FETCH_TIMEOUT_MS = 5000;

/** Opens the PKI in the state folder, which it creates if necessary. @throws {StartUpError} if the folder cannot be used */
export async function openSandboxPki(folder: string): Promise<SandboxPki> {
  try {
    return await openPki({ folder: join(folder, 'pki'), nowMs: systemClock.nowMs() });
  } catch (error) {
    if (error instanceof StateFolderError) throw new StartUpError(error.message, { cause: error });
    throw error;
  }
}

/**
 * Starts the bank (authorisation server, Notification Service, resource server) and the TPP, each on its own loopback port,
 * connected only through their public interfaces. Either all of them run or none.
 *
 * @throws {StartUpError} if a port is in use or the state folder cannot be used
 */
export async function startSandbox(pki: SandboxPki, options: SandboxOptions): Promise<Sandbox> {
  const folder = openRunFolder(options.folder, options.once);
  // Closed from last to first: the TPP stops before the service.
  const running: (() => void | Promise<void>)[] = [() => folder.cleanUp()];
  const stop = stopInReverse(running);
  try {
    return { ...(await startParticipants(pki, folder, options, running)), pki, folder, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Closers = (() => void | Promise<void>)[];

async function startParticipants(pki: SandboxPki, folder: RunFolder, options: SandboxOptions, running: Closers) {
  const port = (offset: number) => (options.port === 0 ? 0 : options.port + offset);
  const authorisationServer = await explainPortInUse(() => startAuthorisation(pki, port(0)));
  running.push(() => authorisationServer.close());

  const staff = await startStaffAccess(pki, options, running);
  const { service, others } = await startInstances({ pki, folder, options, authorisationServer, staff, running });

  const ledger = new Ledger();
  const accessTokens = verifierFor(pki, authorisationServer);
  running.push(() => accessTokens.close());
  const tls = mutualTls(pki);
  const resourceServer = await explainPortInUse(() =>
    startResourceServer({ host: HOST, port: port(3), tls, accessTokens, ledger }),
  );
  running.push(() => resourceServer.close());

  const bank = createOperatorClient({
    // With several instances the bank's systems use the last and the TPP the first, to show that they share a database.
    url: (others.at(-1) ?? service).operatorUrl,
    token: folder.operatorToken,
    caPem: pki.root.certificatePem,
  });
  running.push(() => bank.close());

  const jwks = `${service.apiUrl}/.well-known/jwks.json`;
  const api = `${service.apiUrl}/open-banking`;
  const facts = {
    issuer: BANK_ISSUER,
    organisationId: pki.bank.organisationId,
    authorisationServer: authorisationServer.issuer,
    apiUrl: api,
    jwksUrl: jwks,
    resourceOrigin: resourceServer.origin,
  };
  const tpp = await explainPortInUse(() =>
    startSampleTpp({ ...options, host: HOST, port: port(4), clientId: CLIENT_ID, pki, bank: facts }),
  );
  running.push(() => tpp.close());
  const addresses: SandboxAddresses = {
    authorisationServer: authorisationServer.issuer,
    resourceServer: resourceServer.origin,
    api: `${api}/v4.0`,
    operator: service.operatorUrl,
    callbackUrl: tpp.callbackUrl,
    jwks,
    instances: others.map(({ apiUrl, operatorUrl }) => ({ api: `${apiUrl}/open-banking/v4.0`, operator: operatorUrl })),
  };
  return { addresses, ledger, bank, tpp, facts, staff, authorisationServer };
}

/** Starts the instances of the Notification Service; the first uses the ports of the sandbox, the others any free ones. */
async function startInstances({ pki, folder, options, authorisationServer, staff, running }: InstanceOptions) {
  const { postgresUrl: url } = options;
  // Acceptable here: the data is fictitious, and the user named this database.
  const store = url === undefined ? undefined : { url, isMigratedAtStart: true, isClearTextAllowed: true };
  const common = { folder, pki, host: HOST, authorisationServer, staff, store };
  const start = async (instance: number, ports: { api: number; operator: number }) => {
    const config = writeServiceConfig({ ...common, ports, instance });
    const file = instance === 1 ? 'service.log' : `service-${instance}.log`;
    const log = createLog('info', join(folder.serviceFolder, file));
    const started = await explainPortInUse(() => startService(config, { log }));
    running.push(() => started.stop());
    return started;
  };
  const first = options.port === 0 ? { api: 0, operator: 0 } : { api: options.port + 1, operator: options.port + 2 };
  const service = await start(1, first);
  const others: RunningService[] = [];
  for (let instance = 2; instance <= (options.instances ?? 1); instance += 1) {
    others.push(await start(instance, { api: 0, operator: 0 }));
  }
  return { service, others };
}

interface InstanceOptions {
  readonly pki: SandboxPki;
  readonly folder: RunFolder;
  readonly options: SandboxOptions;
  readonly authorisationServer: AuthorisationServer;
  readonly staff: StaffAccess | undefined;
  readonly running: Closers;
}

/** Starts what the service's settings for staff refer to: the listener of the console, and the identity provider. */
async function startStaffAccess(
  pki: SandboxPki,
  { consolePort }: SandboxOptions,
  running: Closers,
): Promise<StaffAccess | undefined> {
  if (consolePort === undefined) return undefined;
  const listener = await explainPortInUse(() => listenForConsole(HOST, consolePort));
  running.push(() => listener.close());
  const identityProvider = await startIdentityProvider({
    ...{ host: HOST, port: 0, tls: pki.bank.transport, redirectUrl: `${listener.origin}/console/sign-in/callback` },
    ...{ clientId: CONSOLE_CLIENT_ID, audience: STAFF_AUDIENCE },
    signingKey: { keyPem: await newSigningKey(), kid: 'staff' },
  });
  running.push(() => identityProvider.close());
  return { listener, identityProvider };
}

/** A separate key for this run: tokens live for minutes, and a key must not sign two kinds of object. */
async function newSigningKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

async function startAuthorisation(pki: SandboxPki, port: number): Promise<AuthorisationServer> {
  return startAuthorisationServer({
    host: HOST,
    port,
    tls: mutualTls(pki),
    signingKey: { keyPem: await newSigningKey(), kid: 'access-tokens' },
    audience: TOKEN_AUDIENCE,
    clients: [CLIENT_ID, FAILING_CLIENT_ID].map((clientId) => {
      return { clientId, certificateSubjectDn: pki.tpp.transport.subjectDn, scopes: SCOPES };
    }),
  });
}

function verifierFor(pki: SandboxPki, authorisationServer: AuthorisationServer): AccessTokenVerifier {
  const { certificatePem, keyPem } = pki.bank.transport;
  return createAccessTokenVerifier({
    issuer: authorisationServer.issuer,
    audience: TOKEN_AUDIENCE,
    jwksUrl: authorisationServer.jwksUri,
    tls: { ca: pki.root.certificatePem, cert: certificatePem, key: keyPem },
    clockSkewSeconds: 10,
    timeoutMs: FETCH_TIMEOUT_MS,
    clock: systemClock,
  });
}

function mutualTls(pki: SandboxPki) {
  const { certificatePem, keyPem } = pki.bank.transport;
  return { certificatePem, keyPem, caPem: pki.root.certificatePem };
}

/**
 * Replaces the error about a port in use: that of the service names settings that the user of the sandbox never wrote.
 *
 * @throws {StartUpError}
 */
export async function explainPortInUse<T>(start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    const cause = error instanceof StartUpError ? error.cause : error;
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE' && 'port' in cause)) throw error;
    throw new StartUpError(
      `Port ${cause.port} is in use; stop the process that uses it, or choose other ports with --port.`,
    );
  }
}

function stopInReverse(running: Closers): () => Promise<void> {
  let stopped: Promise<void> | undefined;
  async function stopAll(): Promise<void> {
    for (const close of running.toReversed()) await close();
  }
  return () => {
    stopped ??= stopAll();
    return stopped;
  };
}
