import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AuthorisationServer, startAuthorisationServer } from '@tidings/sandbox';
import {
  type Clock,
  type Config,
  createLog,
  parseConfig,
  type RunningService,
  type ServiceDependencies,
  startService,
  systemClock,
} from '@tidings/service';
import {
  type Authority,
  createHttpClient,
  daysFromNow,
  type HttpClient,
  type Identity,
  makeAuthority,
  makeSigningKey,
  type SigningKey,
  sha256Hex,
} from '@tidings/testing';
import { documentedBy } from '../openapi/documented.ts';
import { resolveTestHost } from './resolve-test-host.ts';

/** The clock of the machine, which a test may put forward. Timers run at the machine's pace. */
export interface MovableClock extends Clock {
  /** How far it goes ahead of the machine's. */
  aheadMs: number;
  /** Timers of the service that have neither fired nor been cancelled. */
  timers(): number;
}

/** The Notification Service on its real listeners, with a real authorisation server, in a folder of its own. */
export interface Bank {
  readonly folder: string;
  readonly authority: Authority;
  /** As the service was started with it. */
  readonly config: Config;
  /** The bank's own transport certificate. */
  readonly transport: Identity;
  /** The one that the service was started with. */
  readonly signingKey: SigningKey;
  /** File that the service reads its signing key from. */
  readonly signingKeyFile: string;
  /** What the service reads the kid from with it; a test may change it, as it may change the file. */
  readonly signing: SigningFiles;
  /** Sections of the configuration that are other ones when the service reads it again; a test may set them. */
  readonly reread: { operator?: Config['operator'] };
  readonly tokenIssuer: string;
  /** Signs the authorisation server's tokens. */
  readonly tokenKey: SigningKey;
  readonly clock: MovableClock;
  readonly service: RunningService;
  /** Sends to the operator API as it is, without a token. */
  readonly operator: HttpClient;
  /** In front of every path of the API. */
  readonly prefix: string;
  /** The transport certificate of a TPP that the authorisation server knows. */
  transportOf(clientId: string): Identity;
  /** Calls the operator API as the bank does. @returns the parsed body */
  operate(method: string, path: string, body?: unknown): Promise<{ status: number; body: Record<string, unknown> }>;
  /** Publishes an event for a TPP. @returns its jti; undefined when it made no notification */
  publish(clientId: string, event?: EventOptions): Promise<string | undefined>;
  /** As {@link Bank.publish}, all at once. */
  publishAll(clientIds: readonly string[]): Promise<(string | undefined)[]>;
  /** What the operator sees of a notification. */
  notification(jti: string): Promise<Record<string, unknown>>;
  readonly logFile: string;
  log(): string;
  /**
   * Starts another instance of the service, with the same settings, keys and files; it is stopped with the bank.
   *
   * @param signing what it reads of its keys; a test may change it. Default: those of all
   * @param changed sections of its configuration that are other ones
   */
  another(signing?: SigningFiles, changed?: Partial<Config>): Promise<RunningService>;
  stop(): Promise<void>;
}

/** What an instance reads its signing keys from; left out: the key file of the bank. */
export type SigningFiles = {
  -readonly [Name in keyof Config['signing']]?: Config['signing'][Name];
} & { kid: string };

/** What of an event matters to a test. */
export interface EventOptions {
  readonly id?: string;
  readonly types?: readonly string[];
  readonly version?: string;
}

export interface BankOptions {
  /** client_ids that the authorisation server knows. */
  readonly clients: readonly string[];
  /** client_ids that use the certificate of another one. */
  readonly certificateOf?: (clientId: string) => string;
  /** Settings that differ; sections are merged member by member, and what is undefined is taken out. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Files that the settings name, by their names in the folder. */
  readonly files?: Readonly<Record<string, string>>;
  /** False: TLS ends at a gateway. */
  readonly isTls?: boolean;
  /** Key that the bank signs with. Default: a new one. */
  readonly signingKey?: SigningKey;
  /** Loads the package of a signing provider. */
  readonly importPackage?: NonNullable<ServiceDependencies['importPackage']>;
}

export const AUDIENCE = 'https://bank.example/open-banking';
export const ISSUER = 'https://bank.example/';
export const ORGANISATION_ID = '0015800001TESTBANK';
export const EVENT_TYPES_URL = 'https://bank.example/event-types';
/** What the operator API lets in. */
export const OPERATOR_TOKEN = 'operator-token-of-the-tests-0123456789';
const SCOPES = ['accounts', 'payments', 'fundsconfirmations'];
const HOST = '127.0.0.1';
/** How long access tokens live. */
export const TOKEN_TTL_SECONDS = 864_000;
const SIGNING_KEY_FILE = 'signing.key';
const SIGNING_KID = 'bank-signing-1';

/** For tests that are about what is refused, not about how much of it. */
export const UNLIMITED = {
  unauthenticatedPerMinutePerCertificateMax: 1_000_000,
  unauthenticatedPerMinutePerAddressMax: 1_000_000,
};

/** Starts the service and its authorisation server; stop it in `after`. */
export async function startBank(options: BankOptions): Promise<Bank> {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-test-bank-'));
  const authority = await makeAuthority('Test root');
  const { signingKey = makeSigningKey(SIGNING_KID) } = options;
  const tokenKey = makeSigningKey('access-tokens-1');
  const transport = await authority.issue({ name: 'bank' });
  const transportOf = await issueTransports(authority, options);
  const rootPem = authority.certificatePem;
  const { clients } = options;
  const authorisationServer = await startAuthorisation({ transport, rootPem, tokenKey, transportOf, clients });
  const files = writeMaterial(folder, { transport, rootPem, signingPem: signingKey.keyPem });
  const { api, ...settings } = settingsOf(files, authorisationServer);
  const { tls: _, ...plainApi } = api;
  for (const [name, text] of Object.entries(options.files ?? {}))
    writeFileSync(join(folder, name), text, { mode: 0o600 });
  const config = parseConfig(
    merged({ ...settings, api: options.isTls === false ? plainApi : api }, options.settings ?? {}),
    folder,
  );
  const logFile = join(folder, 'service.log');
  const clock = movableClock();
  const signing: SigningFiles = { kid: signingKey.kid };
  const reread: Bank['reread'] = {};
  const start = (own = signing, changed: Partial<Config> = {}) =>
    startService(
      // The very object that was parsed is known to have been.
      Object.keys(changed).length === 0 ? config : { ...config, ...changed },
      {
        log: createLog('debug', logFile),
        clock,
        resolveHost: resolveTestHost,
        ...(options.importPackage !== undefined && { importPackage: options.importPackage }),
        readConfig: () => ({ ...config, ...changed, ...reread, signing: { ...config.signing, ...own } }),
      },
    );
  const service = await start();
  const others: RunningService[] = [];
  const operator = createHttpClient(service.operatorUrl, { ca: rootPem });
  const operate = operateOf(operator);
  return {
    ...{ config, reread, folder, authority, transport, signingKey, tokenKey, signing, clock, service, transportOf },
    ...{ operator, operate, ...publisher(operate) },
    logFile,
    signingKeyFile: join(folder, SIGNING_KEY_FILE),
    tokenIssuer: authorisationServer.issuer,
    prefix: config.api.prefix,
    notification: async (jti) => (await operate('GET', `/operator/v1/notifications/${jti}`)).body,
    log: () => readFileSync(logFile, 'utf8'),
    another: async (own, changed) => {
      const other = await start(own, changed);
      others.push(other);
      return other;
    },
    stop: async () => {
      operator.close();
      await Promise.all([service, ...others].map((each) => each.stop()));
      await authorisationServer.close();
      rmSync(folder, { recursive: true });
    },
  };
}

function movableClock(): MovableClock {
  const timers = new Set<object>();
  const clock: MovableClock = {
    aheadMs: 0,
    nowMs: () => systemClock.nowMs() + clock.aheadMs,
    monotonicMs: () => systemClock.monotonicMs() + clock.aheadMs,
    after: (delayMs, callback) => {
      const timer = {};
      timers.add(timer);
      const cancel = systemClock.after(delayMs, () => {
        timers.delete(timer);
        callback();
      });
      return () => {
        timers.delete(timer);
        cancel();
      };
    },
    timers: () => timers.size,
  };
  return clock;
}

async function issueTransports(authority: Authority, { clients, certificateOf = (id) => id }: BankOptions) {
  const transports = new Map<string, Identity>();
  // Longer than the others of the tests, which live for an hour: those of TPPs are told of before they expire.
  const validity = daysFromNow(-1, 90);
  for (const name of new Set(clients.map(certificateOf))) {
    transports.set(name, await authority.issue({ name, ...validity }));
  }
  return (clientId: string): Identity => {
    const found = transports.get(certificateOf(clientId));
    if (found === undefined) throw new Error(`name ${clientId} when the bank is started`);
    return found;
  };
}

function startAuthorisation(options: {
  transport: Identity;
  rootPem: string;
  tokenKey: SigningKey;
  transportOf: (clientId: string) => Identity;
  clients: readonly string[];
}): Promise<AuthorisationServer> {
  const { transport, rootPem, tokenKey, transportOf, clients } = options;
  return startAuthorisationServer({
    host: HOST,
    port: 0,
    tls: { ...transport, caPem: rootPem },
    signingKey: tokenKey,
    audience: AUDIENCE,
    // Longer than any test puts the clock forward, which the authorisation server does not follow.
    accessTokenTtlSeconds: TOKEN_TTL_SECONDS,
    clients: clients.map((clientId) => {
      return { clientId, certificateSubjectDn: transportOf(clientId).subjectDn, scopes: SCOPES };
    }),
  });
}

/** Writes what the service needs as files, as an operator would have them. @returns their names */
export function writeMaterial(folder: string, material: { transport: Identity; rootPem: string; signingPem: string }) {
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return name;
  };
  return {
    certificateFile: write('transport.pem', material.transport.certificatePem),
    keyFile: write('transport.key', material.transport.keyPem),
    rootFile: write('root.pem', material.rootPem),
    signingKeyFile: write(SIGNING_KEY_FILE, material.signingPem),
  };
}

/** The settings of a service on free ports of loopback whose material lies in the folder of the configuration. */
export function settingsOf(
  { rootFile: caFile, signingKeyFile, ...identity }: ReturnType<typeof writeMaterial>,
  accessTokens: { issuer: string; jwksUri: string },
) {
  return {
    issuer: ISSUER,
    organisationId: ORGANISATION_ID,
    eventTypesUrl: EVENT_TYPES_URL,
    signing: { kid: SIGNING_KID, keyFile: signingKeyFile },
    store: { file: 'store/tidings.db' },
    api: {
      ...{ host: HOST, port: 0, requestsPerMinutePerTppMax: 1_000_000, registrationChangesPerHourPerTppMax: 1_000_000 },
      ...UNLIMITED,
      tls: { ...identity, clientCaFile: caFile },
    },
    accessTokens: {
      issuer: accessTokens.issuer,
      audience: AUDIENCE,
      jwksUrl: accessTokens.jwksUri,
      caFile,
      ...identity,
    },
    operator: { port: 0, tokens: [{ name: 'tests', sha256: sha256Hex(OPERATOR_TOKEN), role: 'administrator' }] },
    delivery: { caFile, callbackAddressesAllowed: ['127.0.0.0/8', '::1/128'] },
    retry: { delayMs: 10, delayMaxMs: 10, retriesMax: 2, jitter: 0 },
  };
}

/** Every answer is checked against the OpenAPI document. */
function operateOf(operator: HttpClient): Bank['operate'] {
  const headers = { authorization: `Bearer ${OPERATOR_TOKEN}`, 'content-type': 'application/json' };
  const assertDocumented = documentedBy(async () => {
    const { body } = await operator.send('/operator/v1/openapi/operator.json');
    return JSON.parse(body.toString());
  });
  return async (method, path, body) => {
    const sent = body === undefined ? undefined : JSON.stringify(body);
    const answer = await operator.send(path, { method, headers, body: sent });
    const text = answer.body.toString();
    await assertDocumented(method, path, { status: answer.status, headers: answer.headers, text });
    return { status: answer.status, body: text === '' ? {} : JSON.parse(text) };
  };
}

function merged(settings: Record<string, unknown>, changes: Readonly<Record<string, unknown>>) {
  const result = { ...settings };
  for (const [name, value] of Object.entries(changes)) {
    const isSection = typeof value === 'object' && !Array.isArray(value);
    const members = isSection ? { ...(result[name] as object | undefined), ...value } : undefined;
    const isGiven = ([, member]: [string, unknown]) => member !== undefined;
    result[name] = members === undefined ? value : Object.fromEntries(Object.entries(members).filter(isGiven));
  }
  return result;
}

function publisher(operate: Bank['operate']): Pick<Bank, 'publish' | 'publishAll'> {
  let published = 0;
  const eventOf = (clientId: string, { id, types = ['UK.OBIE.Resource-Update'], version = '4.0' }: EventOptions) => {
    published += 1;
    const uri = `https://bank.example/open-banking/v${version}/pisp/domestic-payments/${published}`;
    return {
      id: id ?? `event-${published}`,
      clientId,
      occurredAt: new Date().toISOString(),
      resource: {
        id: `${published}`,
        type: 'domestic-payment',
        version,
        uri,
        links: [{ version: `v${version}`, link: uri }],
      },
      events: types.map((type) => ({ type })),
    };
  };
  const send = async (body: unknown): Promise<(string | undefined)[]> => {
    const answer = await operate('POST', '/operator/v1/events', body);
    if (answer.status !== 200)
      throw new Error(`publishing was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return (answer.body['outcomes'] as { jti?: string }[]).map(({ jti }) => jti);
  };
  return {
    publish: async (clientId, event = {}) => (await send(eventOf(clientId, event)))[0],
    publishAll: (clientIds) => send(clientIds.map((clientId) => eventOf(clientId, {}))),
  };
}
