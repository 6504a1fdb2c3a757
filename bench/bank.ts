import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSigner, type JwsSigner, signDetached } from '@tidings/protocol';
import { openPki, type SandboxPki, startAuthorisationServer } from '@tidings/sandbox';
import { Agent, request } from 'undici';
import { startServiceProcess } from '../test/crash/service-process.ts';

/** A bank under load: the real service as its own process, an authorisation server, and TPPs that are registered. */
export interface BenchBank {
  readonly tpps: readonly BenchTpp[];
  /** Publishes one event each, in batches of at most 1,000. */
  publish(clientIds: readonly string[]): Promise<void>;
  /** Sends a request as a TPP. */
  call(tpp: BenchTpp, method: Method, path: string, body?: string, signature?: string): Promise<Answer>;
  sign(body: string): Promise<string>;
  /** Bytes of the store's files. */
  storeBytes(): number;
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

const AUDIENCE = 'https://bank.example/open-banking';
const BATCH = 1000;
const CONNECT_TIMEOUT_MS = 120_000;
const OPERATOR_TOKEN = randomUUID();

/** Starts it. All TPPs share one certificate and key, each has its own client_id, token and registration. */
export async function startBank(tppCount: number): Promise<BenchBank> {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-bench-'));
  const pki = await openPki({ folder: join(folder, 'pki'), nowMs: Date.now() });
  const { certificatePem, keyPem } = pki.bank.transport;
  const clientIds = Array.from({ length: tppCount }, (_, at) => `tpp-${String(at).padStart(4, '0')}`);
  const authorisationServer = await startAuthorisationServer({
    ...{ host: '127.0.0.1', port: 0, audience: AUDIENCE, accessTokenTtlSeconds: 86_400 },
    tls: { certificatePem, keyPem, caPem: pki.root.certificatePem },
    signingKey: pki.bank.signing,
    clients: clientIds.map((clientId) => ({
      clientId,
      certificateSubjectDn: pki.tpp.transport.subjectDn,
      scopes: ['accounts'],
    })),
  });
  const ports = { api: await freePort(), operator: await freePort() };
  const service = await startServiceProcess(writeConfig(folder, pki, authorisationServer, ports), ports);
  const { transport, signing, organisationId, softwareStatementId } = pki.tpp;
  // A hundred handshakes at once, on the machine that also answers them, take their time.
  const connect = {
    timeout: CONNECT_TIMEOUT_MS,
    ca: pki.root.certificatePem,
    cert: transport.certificatePem,
    key: transport.keyPem,
  };
  const agent = new Agent({ connect, connections: tppCount, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });
  const identity = { kid: signing.kid, iss: `${organisationId}/${softwareStatementId}`, tan: 'openbanking.org.uk' };
  const signer = await createSigner(identity, signing.keyPem);

  async function operator(method: 'POST' | 'PUT', path: string, body: unknown): Promise<void> {
    const headers = { authorization: `Bearer ${OPERATOR_TOKEN}`, 'content-type': 'application/json' };
    const url = `${service.operatorUrl}/operator/v1/${path}`;
    const answer = await request(url, { method, headers, body: JSON.stringify(body), dispatcher: agent });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`${method} ${path} was answered ${answer.statusCode}: ${text}`);
  }

  async function tokenFor(clientId: string): Promise<string> {
    const body = `grant_type=client_credentials&scope=accounts&client_id=${clientId}`;
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const answer = await request(authorisationServer.tokenEndpoint, {
      ...{ method: 'POST', headers, body, dispatcher: agent },
    });
    const { access_token: token } = (await answer.body.json()) as { access_token: string };
    return token;
  }

  const tpps: BenchTpp[] = [];
  for (const clientId of clientIds) {
    const jwks = { keys: [signing.publicJwk] };
    await operator('PUT', `tpps/${clientId}`, { organisationId, softwareStatementId, jwks });
    tpps.push({ clientId, accessToken: await tokenFor(clientId) });
  }
  return {
    tpps,
    publish: async (owners) => {
      for (let at = 0; at < owners.length; at += BATCH) {
        await operator('POST', 'events', owners.slice(at, at + BATCH).map(makeEvent));
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
    storeBytes: () =>
      ['tidings.db', 'tidings.db-wal'].reduce(
        (sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0),
        0,
      ),
    stop: async () => {
      await agent.destroy();
      await service.terminate();
      await authorisationServer.close();
      rmSync(folder, { recursive: true });
    },
  };
}

function signBody(signer: JwsSigner, body: string): Promise<string> {
  return signDetached(new TextEncoder().encode(body), signer, Math.floor(Date.now() / 1000));
}

function makeEvent(clientId: string) {
  const id = randomUUID();
  const uri = `https://bank.example/open-banking/v4.0/pisp/domestic-payments/${id}`;
  return {
    ...{ id, clientId, transactionId: id, occurredAt: new Date().toISOString() },
    resource: { id, type: 'domestic-payment', version: '4.0', uri, links: [{ version: 'v4.0', link: uri }] },
    events: [{ type: 'UK.OBIE.Resource-Update' }],
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}

function writeConfig(
  folder: string,
  pki: SandboxPki,
  server: { issuer: string; jwksUri: string },
  ports: { api: number; operator: number },
): string {
  const { certificateFile, keyFile } = pki.bank.transport;
  const caFile = pki.root.certificateFile;
  const file = join(folder, 'tidings.json');
  const config = {
    issuer: 'https://bank.example/',
    organisationId: pki.bank.organisationId,
    signing: { kid: pki.bank.signing.kid, keyFile: pki.bank.signing.keyFile },
    store: { file: 'tidings.db' },
    api: {
      ...{ host: '127.0.0.1', port: ports.api, requestsPerMinutePerTppMax: 1_000_000 },
      tls: { certificateFile, keyFile, clientCaFile: caFile },
    },
    accessTokens: {
      ...{ issuer: server.issuer, audience: AUDIENCE, jwksUrl: server.jwksUri },
      ...{ caFile, certificateFile, keyFile },
    },
    operator: {
      port: ports.operator,
      tls: { certificateFile, keyFile },
      tokens: [{ name: 'bench', sha256: createHash('sha256').update(OPERATOR_TOKEN).digest('hex') }],
    },
    polling: { maxEventsMax: 100 },
    log: { level: 'warn' },
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}
