import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSigner, importSigningKeys } from '@tidings/protocol';
import { createOperatorClient, openPki, type SandboxPki, startAuthorisationServer } from '@tidings/sandbox';
import { type BankClient, createBankClient } from '@tidings/tpp';
import { BIN } from '../support/service-process.ts';
import { type ChaosStore, openChaosStore, type WithoutSync } from './database.ts';
import { type Delays, measureDelays } from './delays.ts';
import { Door } from './door.ts';
import { Instance } from './instance.ts';
import { Ledger } from './ledger.ts';
import { type PollTpp, startPollTpp } from './poll-tpp.ts';
import { type PushTpp, startPushTpp, type TppOptions } from './push-tpp.ts';
import type { SeededRandom } from './random.ts';
import type { StoreKind } from './schedule.ts';
import { AUDIENCE, ISSUER, TIMEOUT_MS, writeServiceConfig } from './service-config.ts';

/** A bank whose service runs in so many instances, its TPPs, and the network between all of them. */
export interface World {
  readonly instances: readonly Instance[];
  readonly store: ChaosStore;
  readonly ledger: Ledger;
  readonly delays: Delays;
  readonly pushTpps: readonly PushTpp[];
  readonly pollTpp: PollTpp;
  readonly clientIds: readonly string[];
  /** Each connection through it leads to an instance at random, and there to the TPP-facing listener. */
  readonly apiDoor: Door;
  /** The same, to the operator's listener. */
  readonly operatorDoor: Door;
  readonly operatorUrl: string;
  readonly operatorToken: string;
  readonly caPem: string;
  /** How long the end of the run waits for what makes no progress. */
  readonly settleMaxMs: number;
  /** Ends all of it, whatever runs. */
  close(): Promise<void>;
}

const PUSH_TPPS = 4;
// A TPP that hangs does so for longer than the bank waits.
const HANG_MS = TIMEOUT_MS * 1.5;
const END_MAX_MS = 10_000;
const SETTLE_MAX_MS = 90_000;
// A store that lost commits may be damaged in whatever way: what it does not answer soon never comes.
const SETTLE_WITHOUT_SYNC_MAX_MS = 15_000;

/** Starts it, with every TPP registered. */
export async function startWorld(options: {
  readonly store: StoreKind;
  readonly instances: number;
  /** Whether the power of the store's machine can be cut. */
  readonly hasDisk: boolean;
  readonly withoutSync: WithoutSync;
  readonly random: SeededRandom;
  /** The command line that the next process of an instance runs. Default: that of this checkout. */
  readonly programOf?: (instance: number) => string;
}): Promise<World> {
  const { random, programOf = () => BIN } = options;
  const opened: (() => unknown)[] = [];
  const close = async () => {
    for (const end of opened.reverse()) await end();
  };
  try {
    const folder = mkdtempSync(join(tmpdir(), 'tidings-chaos-'));
    opened.push(() => rmSync(folder, { recursive: true }));
    const pki = await openPki({ folder: join(folder, 'pki'), nowMs: Date.now() });
    const caPem = pki.root.certificatePem;
    const clientIds = Array.from({ length: PUSH_TPPS + 1 }, (_, at) => `tpp-${at}`);
    const authorisationServer = await startBankLogin(pki, clientIds);
    opened.push(authorisationServer.close);
    const store = await openChaosStore({ ...options, kind: options.store, folder });
    opened.push(store.close);

    const ledger = new Ledger();
    const operatorToken = randomUUID();
    const instances = Array.from({ length: options.instances }, (_, at) => {
      const name = `instance-${at}`;
      const settings = { folder, name, pki, authorisationServer, operatorToken, store: store.settings };
      return new Instance(name, (run) => writeServiceConfig({ ...settings, run }), {
        wasStoreAwaySince: store.wasAwaySince,
        delayMs: (...asked) => delays.between(...asked),
        nodeArguments: store.nodeArguments,
        program: () => programOf(at),
        onLine: (line) => ledger.readLog(line),
      });
    });
    const delays: Delays = measureDelays(() => new Map(instances.map(({ current }) => current)));
    opened.push(delays.stop);
    opened.push(() => Promise.all(instances.map((instance) => instance.end(END_MAX_MS))));
    endWithThisProcess(instances, folder);
    const running = () => random.pick(instances.flatMap(({ ports }) => ports ?? []));
    const [apiDoor, operatorDoor] = [await Door.open(() => running()?.api), await Door.open(() => running()?.operator)];
    opened.push(apiDoor.close.bind(apiDoor), operatorDoor.close.bind(operatorDoor));
    await Promise.all(instances.map((instance) => instance.untilRunning()));

    const keys = await importSigningKeys({ keys: [pki.bank.signing.publicJwk] });
    const tpps = clientIds.map((clientId): TppOptions => ({ clientId, pki, keys, issuer: ISSUER, ledger, random }));
    const pushTpps = await Promise.all(tpps.slice(1).map((tpp) => startPushTpp({ ...tpp, hangMs: HANG_MS })));
    opened.push(...pushTpps.map((tpp) => tpp.close));
    const operatorUrl = `https://localhost:${operatorDoor.port}`;
    await introduce(pki, clientIds, { url: operatorUrl, token: operatorToken, caPem });
    const clientOf = (clientId: string) => createClient(pki, clientId, authorisationServer.issuer, apiDoor.port);
    for (const { clientId, callbackUrl } of pushTpps) await register(await clientOf(clientId), callbackUrl);
    const [polling] = tpps;
    if (polling === undefined) throw new Error('there are no TPPs');
    const client = await clientOf(polling.clientId);
    opened.push(() => client.close());
    await client.eventSubscriptions.create({ version: '4.0' });
    const pollTpp = startPollTpp({ ...polling, client });
    opened.push(pollTpp.stop);
    return {
      ...{ instances, store, ledger, delays, pushTpps, pollTpp, clientIds, apiDoor, operatorDoor },
      ...{ operatorUrl, operatorToken, caPem, close },
      settleMaxMs: options.withoutSync === 'never' ? SETTLE_MAX_MS : SETTLE_WITHOUT_SYNC_MAX_MS,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function startBankLogin(pki: SandboxPki, clientIds: readonly string[]) {
  const { certificatePem, keyPem } = pki.bank.transport;
  return startAuthorisationServer({
    ...{ host: '127.0.0.1', port: 0, audience: AUDIENCE, accessTokenTtlSeconds: 86_400 },
    tls: { certificatePem, keyPem, caPem: pki.root.certificatePem },
    signingKey: pki.bank.signing,
    clients: clientIds.map((clientId) => ({
      ...{ clientId, scopes: ['accounts'] },
      certificateSubjectDn: pki.tpp.transport.subjectDn,
    })),
  });
}

/** A run that is interrupted leaves neither processes nor files behind. */
function endWithThisProcess(instances: readonly Instance[], folder: string): void {
  process.once('exit', () => {
    for (const instance of instances) instance.killNow();
    rmSync(folder, { recursive: true, force: true });
  });
}

async function introduce(
  { tpp }: SandboxPki,
  clientIds: readonly string[],
  operator: { url: string; token: string; caPem: string },
): Promise<void> {
  const bank = createOperatorClient(operator);
  const { organisationId, softwareStatementId, signing } = tpp;
  const jwks = { keys: [signing.publicJwk] };
  for (const clientId of clientIds) await bank.registerTpp(clientId, { organisationId, softwareStatementId, jwks });
  bank.close();
}

async function createClient(pki: SandboxPki, clientId: string, issuer: string, port: number): Promise<BankClient> {
  const { organisationId, softwareStatementId, signing, transport } = pki.tpp;
  const identity = { kid: signing.kid, iss: `${organisationId}/${softwareStatementId}`, tan: 'openbanking.org.uk' };
  return createBankClient({
    ...{ clientId, issuer, baseUrl: `https://localhost:${port}/open-banking/v4.0` },
    transport: { ...transport, caPem: pki.root.certificatePem },
    signer: await createSigner(identity, signing.keyPem),
    bank: {
      signer: pki.bank.organisationId,
      keys: await importSigningKeys({ keys: [pki.bank.signing.publicJwk] }),
    },
  });
}

async function register(client: BankClient, callbackUrl: string): Promise<void> {
  await client.eventSubscriptions.create({ callbackUrl, version: '4.0' });
  client.close();
}
