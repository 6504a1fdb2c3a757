import { createPrivateKey, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSigner, type JwsSigner, signDetached } from '@tidings/protocol';
import { openPki, type SandboxPki, startAuthorisationServer } from '@tidings/sandbox';
import { Agent, request } from 'undici';
import { startServiceProcess } from '../test/support/service-process.ts';
import { AUDIENCE, freePort, writeConfig } from './bank-config.ts';
import { type BenchStore, openBenchStore, type StoreKind } from './bench-store.ts';
import { makeEvent } from './event.ts';
import { startBenchSigner } from './signer.ts';

/** A bank under load: the real service in its own process, an authorisation server, and registered TPPs. */
export interface BenchBank {
  readonly tpps: readonly BenchTpp[];
  readonly pki: SandboxPki;
  readonly store: BenchStore;
  /** Folder of its files. */
  readonly folder: string;
  readonly servicePid: number;
  readonly operatorUrl: string;
  readonly apiUrl: string;
  readonly operatorToken: string;
  /** Publishes one event for each given TPP, in batches of at most 1,000. */
  publish(clientIds: readonly string[]): Promise<void>;
  /** Sends a request as a TPP. */
  call(tpp: BenchTpp, method: Method, path: string, body?: string, signature?: string): Promise<Answer>;
  sign(body: string): Promise<string>;
  /** Calls the operator API. @returns the body of the response. @throws unless the status is 2xx */
  operate(method: Method, path: string, body?: unknown): Promise<string>;
  /** Stops the service, works on its store, and restarts it on the same ports. */
  restart(work: (store: BenchStore, folder: string) => Promise<void>): Promise<void>;
  /** Stops only the service; {@link BenchBank.stop} must still be called. */
  endService(): Promise<void>;
  stop(): Promise<void>;
}

export interface BenchTpp {
  readonly clientId: string;
  readonly accessToken: string;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

const BATCH = 1000;
const CONNECT_TIMEOUT_MS = 120_000;

export interface BankOptions {
  readonly store?: StoreKind;
  readonly logLevel?: string;
  /** Fills the store, whose schema exists, while no service runs. @param folder folder of the database file */
  readonly fill?: (store: BenchStore, folder: string, clientIds: readonly string[]) => Promise<void>;
  /** The `retention` section of the configuration. */
  readonly retention?: object;
  /** Duration of a signature by a provider of the signing key; undefined: the key is in a file. */
  readonly signerMs?: number | undefined;
  /** Node.js options of the service, such as --cpu-prof. */
  readonly nodeArguments?: readonly string[];
}

/** Starts a bank. All TPPs share one certificate and key; each has its own client_id, token and registration. */
export async function startBank(tppCount: number, options: BankOptions = {}): Promise<BenchBank> {
  const operatorToken = randomUUID();
  const folder = mkdtempSync(join(tmpdir(), 'tidings-bench-'));
  const pki = await openPki({ folder: join(folder, 'pki'), nowMs: Date.now() });
  const { certificatePem, keyPem } = pki.bank.transport;
  const clientIds = Array.from({ length: tppCount }, (_, at) => `tpp-${String(at).padStart(4, '0')}`);
  const authorisationServer = await startAuthorisationServer({
    host: '127.0.0.1',
    port: 0,
    audience: AUDIENCE,
    accessTokenTtlSeconds: 86_400,
    tls: { certificatePem, keyPem, caPem: pki.root.certificatePem },
    signingKey: pki.bank.signing,
    clients: clientIds.map((clientId) => ({
      clientId,
      certificateSubjectDn: pki.tpp.transport.subjectDn,
      scopes: ['accounts'],
    })),
  });
  const ports = { api: await freePort(), operator: await freePort() };
  const store = await openBenchStore(options.store ?? 'sqlite', folder);
  const logLevel = options.logLevel ?? 'warn';
  const { retention = {}, signerMs } = options;
  const { kid, keyFile, keyPem: signingPem } = pki.bank.signing;
  const key = { kid, privateKey: createPrivateKey(signingPem) };
  const provider = signerMs === undefined ? undefined : await startBenchSigner({ key, delayMs: signerMs, folder });
  const signing = provider?.settings ?? { kid, keyFile };
  const config = {
    folder,
    pki,
    authorisationServer,
    ports,
    operatorToken,
    store: store.settings,
    logLevel,
    retention,
    signing,
  };
  const start = async () => {
    if (options.fill === undefined) return startServiceProcess(writeConfig(config), ports, options.nodeArguments);
    const first = await startServiceProcess(writeConfig(config), ports);
    await first.terminate();
    await options.fill(store, folder, clientIds);
    return startServiceProcess(writeConfig(config), ports, options.nodeArguments);
  };
  let service = await start().catch(async (error) => {
    await Promise.all([store.stop(), provider?.stop()]);
    throw error;
  });
  // The service ends with the bench, however that ends.
  const killService = () => void service.kill();
  process.once('exit', killService);
  const { transport, signing: tppSigning, organisationId, softwareStatementId } = pki.tpp;
  // A hundred concurrent handshakes take long, because client and server share the machine.
  const connect = {
    timeout: CONNECT_TIMEOUT_MS,
    ca: pki.root.certificatePem,
    cert: transport.certificatePem,
    key: transport.keyPem,
  };
  const agent = new Agent({ connect, connections: tppCount, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });
  const identity = { kid: tppSigning.kid, iss: `${organisationId}/${softwareStatementId}`, tan: 'openbanking.org.uk' };
  const signer = await createSigner(identity, tppSigning.keyPem);

  async function operate(method: Method, path: string, body?: unknown): Promise<string> {
    const headers = {
      authorization: `Bearer ${operatorToken}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    };
    const url = `${service.operatorUrl}/operator/v1/${path}`;
    const text = body === undefined ? null : JSON.stringify(body);
    const answer = await request(url, { method, headers, body: text, dispatcher: agent });
    const said = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`${method} ${path} returned ${answer.statusCode}: ${said}`);
    return said;
  }

  async function tokenFor(clientId: string): Promise<string> {
    const body = `grant_type=client_credentials&scope=accounts&client_id=${clientId}`;
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const answer = await request(authorisationServer.tokenEndpoint, {
      method: 'POST',
      headers,
      body,
      dispatcher: agent,
    });
    const { access_token: token } = (await answer.body.json()) as { access_token: string };
    return token;
  }

  const tpps: BenchTpp[] = [];
  for (const clientId of clientIds) {
    const jwks = { keys: [tppSigning.publicJwk] };
    await operate('PUT', `tpps/${clientId}`, { organisationId, softwareStatementId, jwks });
    tpps.push({ clientId, accessToken: await tokenFor(clientId) });
  }
  return {
    tpps,
    pki,
    store,
    operate,
    operatorToken,
    folder,
    restart: async (work) => {
      await service.terminate();
      await work(store, folder);
      service = await startServiceProcess(writeConfig(config), ports, options.nodeArguments);
    },
    endService: async () => void (await service.terminate()),
    get servicePid() {
      return service.pid;
    },
    operatorUrl: service.operatorUrl,
    apiUrl: service.apiUrl,
    publish: async (owners) => {
      for (let at = 0; at < owners.length; at += BATCH) {
        await operate('POST', 'events', owners.slice(at, at + BATCH).map(makeEvent));
      }
    },
    call: async ({ accessToken }, method, path, body, signature) => {
      const headers = {
        authorization: `Bearer ${accessToken}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(signature !== undefined && { 'x-jws-signature': signature }),
      };
      const url = `${service.apiUrl}/open-banking/v4.0${path}`;
      const answer = await request(url, { method, headers, body: body ?? null, dispatcher: agent });
      return { status: answer.statusCode, body: await answer.body.text() };
    },
    sign: (body) => signBody(signer, body),
    stop: async () => {
      await agent.destroy();
      await service.terminate();
      process.off('exit', killService);
      await provider?.stop();
      await store.stop();
      await authorisationServer.close();
      rmSync(folder, { recursive: true });
    },
  };
}

function signBody(signer: JwsSigner, body: string): Promise<string> {
  return signDetached(new TextEncoder().encode(body), signer, Math.floor(Date.now() / 1000));
}
