import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAuthorisationServer } from '@tidings/sandbox';
import { type Clock, createLog, parseConfig, startService, systemClock } from '@tidings/service';
import {
  createHttpClient,
  type HttpClient,
  type Identity,
  makeAuthority,
  makeSigningKey,
  sha256Hex,
} from '@tidings/testing';
import { documentedBy } from '../openapi/documented.ts';
import { resolveTestHost } from './resolve-test-host.ts';
import { type BankOfTpp, makeTpp, type Tpp } from './tpp.ts';

/** The clock of the machine, which a test may put forward. */
export interface MovableClock extends Clock {
  /** How far it goes ahead of the machine's. */
  aheadMs: number;
}

/** The Notification Service on its real listeners, with a real authorisation server, in a folder of its own. */
export interface TestBank extends BankOfTpp {
  readonly folder: string;
  /** What the service has logged so far lies here. */
  readonly logFile: string;
  readonly organisationId: string;
  readonly operatorUrl: string;
  readonly operatorToken: string;
  readonly operator: HttpClient;
  readonly clock: MovableClock;
  /** A TPP with a certificate, keys, and a client at the authorisation server; registered with the service. */
  tpp(clientId: string): Tpp;
  stop(): Promise<void>;
}

export interface TestBankOptions {
  /** client_ids; those that start with `unregistered` are known to the authorisation server alone. */
  readonly tpps?: readonly string[];
  /** Settings that differ, by section. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Settings of the section `api` that differ. */
  readonly api?: Readonly<Record<string, unknown>>;
  /** Settings of the section `operator` that differ. */
  readonly operator?: Readonly<Record<string, unknown>>;
}

export const AUDIENCE = 'https://bank.example/open-banking';
export const ISSUER = 'https://bank.example/';
export const ORGANISATION_ID = '0015800001TESTBANK';
const OPERATOR_TOKEN = 'operator-token-of-the-tests-0123456789';
const SCOPES = ['accounts', 'payments', 'fundsconfirmations'];

/** For tests that are about what is refused, not about how much of it. */
export const UNLIMITED = {
  unauthenticatedPerMinutePerCertificateMax: 1_000_000,
  unauthenticatedPerMinutePerAddressMax: 1_000_000,
};

/** Writes what the service needs as files, as an operator would have them. */
export function writeMaterial(folder: string, material: { transport: Identity; rootPem: string; signingPem: string }) {
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return name;
  };
  return {
    certificateFile: file('transport.pem', material.transport.certificatePem),
    keyFile: file('transport.key', material.transport.keyPem),
    rootFile: file('root.pem', material.rootPem),
    signingKeyFile: file('signing.key', material.signingPem),
  };
}

/** The settings of a service on free ports of loopback whose material lies in the folder of the configuration. */
export function settingsOf(files: ReturnType<typeof writeMaterial>, accessTokens: { issuer: string; jwksUri: string }) {
  const { certificateFile, keyFile, rootFile, signingKeyFile } = files;
  return {
    issuer: ISSUER,
    organisationId: ORGANISATION_ID,
    eventTypesUrl: 'https://bank.example/event-types',
    signing: { kid: 'bank-signing-1', keyFile: signingKeyFile },
    store: { file: 'store/tidings.db' },
    api: {
      ...{ host: '127.0.0.1', port: 0, registrationChangesPerHourPerTppMax: 1_000_000 },
      tls: { certificateFile, keyFile, clientCaFile: rootFile },
      ...UNLIMITED,
    },
    accessTokens: {
      issuer: accessTokens.issuer,
      audience: AUDIENCE,
      jwksUrl: accessTokens.jwksUri,
      caFile: rootFile,
      certificateFile,
      keyFile,
    },
    operator: { port: 0, tokens: [{ name: 'tests', sha256: sha256Hex(OPERATOR_TOKEN), role: 'administrator' }] },
    delivery: { caFile: rootFile, callbackAddressesAllowed: ['127.0.0.0/8', '::1/128'] },
    retry: { delayMs: 10, delayMaxMs: 10, retriesMax: 2, jitter: 0 },
    shutdown: { graceMs: 500 },
  };
}

/** Starts the service and its authorisation server; stop it in `after`. */
export async function startTestBank(options: TestBankOptions = {}): Promise<TestBank> {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-test-bank-'));
  const authority = await makeAuthority('Test root');
  const [signingKey, tokenKey] = [makeSigningKey('bank-signing-1'), makeSigningKey('access-tokens-1')];
  const transport = await authority.issue({ name: 'bank' });
  const authorisationServer = await startAuthorisationServer({
    host: '127.0.0.1',
    port: 0,
    tls: { ...transport, caPem: authority.certificatePem },
    signingKey: tokenKey,
    audience: AUDIENCE,
    clients: (options.tpps ?? []).map((clientId) => {
      return { clientId, certificateSubjectDn: `CN=${clientId},O=Tests,C=GB`, scopes: SCOPES };
    }),
  });
  const files = writeMaterial(folder, { transport, rootPem: authority.certificatePem, signingPem: signingKey.keyPem });
  const settings = settingsOf(files, authorisationServer);
  const config = {
    ...settings,
    ...options.settings,
    api: { ...settings.api, ...options.api },
    operator: { ...settings.operator, ...options.operator },
  };
  const logFile = join(folder, 'service.log');
  const clock: MovableClock = { ...systemClock, aheadMs: 0, nowMs: () => systemClock.nowMs() + clock.aheadMs };
  const service = await startService(parseConfig(config, folder), {
    log: createLog('debug', logFile),
    clock,
    resolveHost: resolveTestHost,
  });
  const operator = createHttpClient(service.operatorUrl, { ca: authority.certificatePem });
  const tpps = new Map<string, Tpp>();
  const closers = [
    () => operator.close(),
    () => [...tpps.values()].map((tpp) => tpp.close()),
    () => service.stop(),
    () => authorisationServer.close(),
    () => rmSync(folder, { recursive: true }),
  ];
  const bank: TestBank = {
    ...{ folder, logFile, authority, signingKey, clock, operator },
    organisationId: ORGANISATION_ID,
    accessTokens: { ...authorisationServer, audience: AUDIENCE, key: tokenKey },
    apiUrl: service.apiUrl,
    operatorUrl: service.operatorUrl,
    operatorToken: OPERATOR_TOKEN,
    tpp: (clientId) => {
      const tpp = tpps.get(clientId);
      if (tpp === undefined) throw new Error(`name ${clientId} when the bank is started`);
      return tpp;
    },
    operate: operateOf(operator),
    stop: async () => {
      for (const close of closers) await close();
    },
  };
  await Promise.all((options.tpps ?? []).map(async (id) => tpps.set(id, await makeTpp(bank, id))));
  return bank;
}

/** Every answer is checked against the OpenAPI document. */
function operateOf(operator: HttpClient): TestBank['operate'] {
  const headers = { authorization: `Bearer ${OPERATOR_TOKEN}`, 'content-type': 'application/json' };
  const assertDocumented = documentedBy(async () => {
    const { body } = await operator.send('/operator/v1/openapi/operator.json');
    return JSON.parse(body.toString());
  });
  return async (method, path, body) => {
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await operator.send(path, { method, headers, ...sent });
    const text = answer.body.toString();
    await assertDocumented(method, path, { status: answer.status, headers: answer.headers, text });
    return { status: answer.status, body: text === '' ? {} : JSON.parse(text) };
  };
}
