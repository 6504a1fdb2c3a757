import { createHash, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createSigner, importSigningKeys } from '@tidings/protocol';
import { CLIENT_ID, createOperatorClient, openPki, type SandboxPki, startAuthorisationServer } from '@tidings/sandbox';
import { createBankClient, createTlsFetch } from '@tidings/tpp';
import { seededRandom } from './random.ts';
import { type ReceivingTpp, startReceivingTpp } from './receiving-tpp.ts';
import { type ServiceProcess, startServiceProcess } from './service-process.ts';

/** What a crash run came to. */
export interface CrashReport {
  readonly seed: number;
  readonly kills: number;
  /** Events whose publishing was answered. */
  readonly accepted: number;
  /** Accepted events whose notification never reached the handler: must be empty. */
  readonly lost: readonly string[];
  /** Events that got another notification when they were published again: must be empty. */
  readonly changedNotification: readonly string[];
  /** Notifications that came in more than one spelling: must be empty. */
  readonly changedBytes: readonly string[];
  /** Notifications of events that nobody published: must be empty. */
  readonly unknown: readonly string[];
  /** What the receiver refused: must be empty. */
  readonly refused: readonly string[];
  /** Copies beyond the first; at-least-once allows them. */
  readonly duplicates: number;
  readonly seconds: number;
}

export interface CrashOptions {
  readonly kills: number;
  readonly seed: number;
  readonly onProgress?: (line: string) => void;
}

const ISSUER = 'https://bank.example/';
const AUDIENCE = 'https://bank.example/open-banking';
const UPTIME_MAX_MS = 500;
const BATCH_MAX = 20;
const SETTLE_MAX_MS = 60_000;
const TOKEN = randomUUID();

/**
 * Runs the service as a process, publishes events to it all the time, kills it with SIGKILL at random moments and starts
 * it again; then lets it finish, and compares what it accepted with what reached the TPP.
 *
 * A killed process loses nothing that the operating system has taken over; that the disk has it too (synchronous=FULL)
 * is not shown by this: it would take a power cut.
 */
export async function crashRun(options: CrashOptions): Promise<CrashReport> {
  const began = performance.now();
  const random = seededRandom(options.seed);
  const folder = mkdtempSync(join(tmpdir(), 'tidings-crash-'));
  const pki = await openPki({ folder: join(folder, 'pki'), nowMs: Date.now() });
  const { certificatePem, keyPem } = pki.bank.transport;
  const authorisationServer = await startAuthorisationServer({
    host: '127.0.0.1',
    port: 0,
    tls: { certificatePem, keyPem, caPem: pki.root.certificatePem },
    signingKey: pki.bank.signing,
    audience: AUDIENCE,
    clients: [{ clientId: CLIENT_ID, certificateSubjectDn: pki.tpp.transport.subjectDn, scopes: ['accounts'] }],
  });
  const keys = await importSigningKeys({ keys: [pki.bank.signing.publicJwk] });
  const tpp = await startReceivingTpp({ pki, keys, issuer: ISSUER, clientId: CLIENT_ID, chance: random.fraction });
  const configFile = writeConfig(folder, pki, authorisationServer);
  const running: { service: ServiceProcess | undefined } = { service: await startServiceProcess(configFile) };
  try {
    await register(pki, running.service, authorisationServer.issuer, tpp.callbackUrl);
    const publisher = publishAllTheTime(pki, running, random);
    for (let kill = 1; kill <= options.kills; kill += 1) {
      await pause(random.whole(1, UPTIME_MAX_MS));
      const killed = running.service;
      running.service = undefined;
      await killed?.kill();
      running.service = await startServiceProcess(configFile);
      const { accepted } = publisher;
      options.onProgress?.(`kill ${kill}/${options.kills}: ${accepted.size} accepted, ${tpp.handled.size} handled`);
    }
    await publisher.stop();
    const settled = tpp.untilHandled(new Set(publisher.accepted.values()));
    await Promise.race([settled, pause(SETTLE_MAX_MS, undefined, { ref: false })]);
    return { ...compare(publisher, tpp), ...options, seconds: Math.round((performance.now() - began) / 100) / 10 };
  } finally {
    await running.service?.terminate();
    await Promise.all([tpp.close(), authorisationServer.close()]);
    rmSync(folder, { recursive: true });
  }
}

function writeConfig(folder: string, pki: SandboxPki, server: { issuer: string; jwksUri: string }): string {
  const { certificateFile, keyFile } = pki.bank.transport;
  const caFile = pki.root.certificateFile;
  const file = join(folder, 'tidings.json');
  const config = {
    issuer: ISSUER,
    organisationId: pki.bank.organisationId,
    signing: { kid: pki.bank.signing.kid, keyFile: pki.bank.signing.keyFile },
    store: { file: 'tidings.db' },
    api: { host: '127.0.0.1', port: 0, tls: { certificateFile, keyFile, clientCaFile: caFile } },
    accessTokens: {
      ...{ issuer: server.issuer, audience: AUDIENCE, jwksUrl: server.jwksUri },
      ...{ caFile, certificateFile, keyFile },
    },
    operator: {
      port: 0,
      tls: { certificateFile, keyFile },
      tokens: [{ name: 'crash', sha256: createHash('sha256').update(TOKEN).digest('hex') }],
    },
    delivery: { caFile, callbackAddressesAllowed: ['127.0.0.0/8', '::1/128'], timeoutMs: 2000, leaseMs: 5000 },
    retry: { delayMs: 20, delayMaxMs: 200, retriesMax: 100 },
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

async function register(
  pki: SandboxPki,
  service: ServiceProcess | undefined,
  issuer: string,
  callbackUrl: string,
): Promise<void> {
  if (service === undefined) throw new Error('the service does not run');
  const { organisationId, softwareStatementId, signing, transport } = pki.tpp;
  const caPem = pki.root.certificatePem;
  const bank = createOperatorClient({ url: service.operatorUrl, token: TOKEN, caPem });
  await bank.registerTpp(CLIENT_ID, { organisationId, softwareStatementId, jwks: { keys: [signing.publicJwk] } });
  bank.close();
  const identity = { kid: signing.kid, iss: `${organisationId}/${softwareStatementId}`, tan: 'openbanking.org.uk' };
  const client = createBankClient({
    ...{ clientId: CLIENT_ID, issuer, baseUrl: `${service.apiUrl}/open-banking/v4.0` },
    transport: { ...transport, caPem },
    signer: await createSigner(identity, signing.keyPem),
    bank: {
      signer: pki.bank.organisationId,
      keys: await importSigningKeys({ keys: [pki.bank.signing.publicJwk] }),
    },
  });
  await client.eventSubscriptions.create({ callbackUrl, version: '4.0' });
  client.close();
}

interface Publisher {
  /** jti by event id, of every event whose publishing was answered. */
  readonly accepted: ReadonlyMap<string, string>;
  /** Every event id that was ever sent. */
  readonly sent: ReadonlySet<string>;
  readonly changedNotification: readonly string[];
  /** Resolves when the last batch was answered. */
  stop(): Promise<void>;
}

/** Publishes batch after batch; one that was not answered is sent again, unchanged, until it is. */
function publishAllTheTime(
  pki: SandboxPki,
  running: { service: ServiceProcess | undefined },
  random: ReturnType<typeof seededRandom>,
): Publisher {
  const accepted = new Map<string, string>();
  const sent = new Set<string>();
  const changedNotification: string[] = [];
  const tlsFetch = createTlsFetch({ transport: { caPem: pki.root.certificatePem }, keepAlive: false });
  let stopping = false;
  async function tryToPublish(batch: readonly object[]): Promise<boolean> {
    if (running.service === undefined) return false;
    try {
      const response = await tlsFetch(`${running.service.operatorUrl}/operator/v1/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        body: JSON.stringify(batch),
      });
      if (response.status !== 200) throw new Error(`publishing was answered ${response.status}`);
      const answer: { outcomes: { id: string; jti: string }[] } = JSON.parse(await response.text());
      for (const { id, jti } of answer.outcomes) {
        if ((accepted.get(id) ?? jti) !== jti) changedNotification.push(id);
        accepted.set(id, jti);
      }
      return true;
    } catch (error) {
      if (error instanceof Error && error.name === 'TlsFetchError') return false;
      throw error;
    }
  }
  async function publishBatch(batch: readonly { id: string }[]): Promise<void> {
    for (const { id } of batch) sent.add(id);
    while (!(await tryToPublish(batch))) await pause(10);
    // What is published again is the same event: the answer must name the same notification.
    if (random.fraction() < 0.1) await tryToPublish(batch);
  }
  const done = (async () => {
    while (!stopping) {
      await publishBatch(Array.from({ length: random.whole(1, BATCH_MAX) }, makeEvent));
      await pause(random.whole(0, 10));
    }
  })();
  return {
    ...{ accepted, sent, changedNotification },
    stop: async () => {
      stopping = true;
      await done;
      tlsFetch.close();
    },
  };
}

function makeEvent() {
  const id = randomUUID();
  const uri = `https://bank.example/${id}`;
  const links = [{ version: 'v4.0', link: uri }];
  return {
    ...{ id, clientId: CLIENT_ID, transactionId: id, occurredAt: new Date().toISOString() },
    resource: { id, type: 'domestic-payment', version: '4.0', uri, links },
    events: [{ type: 'UK.OBIE.Resource-Update' }],
  };
}

function compare(publisher: Publisher, tpp: ReceivingTpp) {
  const { accepted, sent, changedNotification } = publisher;
  const copies = [...tpp.sets.values()];
  return {
    accepted: accepted.size,
    lost: [...accepted].filter(([, jti]) => !tpp.handled.has(jti)).map(([id]) => id),
    changedNotification,
    changedBytes: [...tpp.sets].filter(([, sets]) => new Set(sets).size > 1).map(([jti]) => jti),
    unknown: [...tpp.handled.values()].map(({ claims }) => claims.txn).filter((id) => !sent.has(id)),
    refused: tpp.refused,
    duplicates: copies.reduce((sum, sets) => sum + sets.length - 1, 0),
  };
}
