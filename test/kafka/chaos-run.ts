import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Deadline, until } from '@tidings/testing';
import { type SeededRandom, seededRandom } from '../chaos/random.ts';
import { eventOf } from '../publish/events.ts';
import { type BankWithTpps, startBankWithTpps } from '../support/bank-with-tpps.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { type SpawnedService, spawnService } from '../support/service-process.ts';
import { type Broker, startBroker } from './broker.ts';
import { deadLettersIn } from './dead-letters.ts';
import { binaryRecord, plainRecord, structuredRecord, type Written, write } from './records.ts';

export interface KafkaChaosOptions {
  readonly kills: number;
  /** Processes of the service, which share the topic. */
  readonly instances: number;
  readonly seed: number;
  readonly onProgress: (line: string) => void;
}

export interface KafkaChaosReport {
  readonly events: number;
  readonly records: number;
  readonly poison: number;
  /** How often each thing was done. */
  readonly strikes: Readonly<Record<string, number>>;
  /** Records that were read again after their event had been stored, which is what idempotence is for. */
  readonly repeated: number;
  /** What must not be: each list must be empty. */
  readonly findings: Readonly<Record<'lost' | 'changed' | 'tooMany' | 'poisonLost' | 'wrongDead', readonly string[]>>;
  readonly seconds: number;
}

const TOPIC = 'consents';
const DEAD = 'consents-dead';
const CLIENT = 'tpp-1';
const PARTITIONS = 4;
const WRITTEN_EACH = 12;
// A record of each step: joined the group; published and not committed; anywhere.
const MOMENTS = ['"the intake reads"', '"records were taken"', undefined, undefined] as const;
const ONE_BROKER_IN = 20;
const ONE_ORDERLY_IN = 8;
const SETTLED_WITHIN_MS = 120_000;

/**
 * Kills instances and the broker while the bank's systems write, and counts notifications in the end: one for each event id,
 * whatever was written twice or read again; and every poison record in the dead-letter topic.
 */
export async function kafkaChaosRun(options: KafkaChaosOptions): Promise<KafkaChaosReport> {
  const { kills, seed, onProgress } = options;
  const beganMs = performance.now();
  const random = seededRandom(seed);
  const [broker, database] = await Promise.all([startBroker(), startPostgres()]);
  await broker.createTopics([TOPIC, DEAD], PARTITIONS);
  const bank = await startBankWithTpps({
    clients: [CLIENT],
    settings: {
      store: { file: undefined, url: database.url, isMigratedAtStart: true },
      realTime: { isOffered: false },
    },
  });
  const instances = new Instances(options.instances, intakeConfig(bank, broker));
  const writer = new Writer(broker, random);
  const strikes: Record<string, number> = {};
  try {
    await bank.tpp(CLIENT).subscribe({ Version: '4.0' });
    for (let done = 0; done < kills; ) {
      const writing = writer.write();
      const strike = random.whole(1, ONE_BROKER_IN) === 1 ? 'broker' : 'instance';
      if (strike === 'broker') {
        await pause(random.whole(0, 200));
        await broker.kill();
        await broker.start();
        done += 1;
      } else if (random.whole(1, ONE_ORDERLY_IN) === 1) {
        await instances.restart(random);
        strikes['orderly'] = (strikes['orderly'] ?? 0) + 1;
      } else {
        const moment = random.pick(MOMENTS);
        await instances.kill(random, moment);
        strikes[moment ?? 'anywhere'] = (strikes[moment ?? 'anywhere'] ?? 0) + 1;
        done += 1;
      }
      if (strike === 'broker') strikes['broker'] = (strikes['broker'] ?? 0) + 1;
      await writing;
      if (done % 10 === 0) onProgress(`${done} kills, ${writer.ids.size} events`);
    }
    const findings = await checked(bank, broker, writer);
    const { ids, records, poison } = writer;
    const counts = { events: ids.size, records, poison: poison.size, repeated: instances.repeated };
    return { ...counts, strikes, findings, seconds: Math.round((performance.now() - beganMs) / 1000) };
  } finally {
    await instances.end();
    await bank.stop();
    await database.stop();
    broker.stop();
  }
}

/** Waits until nothing new comes, and compares what was written with what is there. */
async function checked(
  bank: BankWithTpps,
  broker: Broker,
  { ids, poison }: Writer,
): Promise<KafkaChaosReport['findings']> {
  const awaiting = async () => Number((await bank.operate('GET', '/operator/v1/status')).body['awaiting']);
  const poisonIn = async () => new Set((await deadLettersIn(broker.plain, DEAD)).map(({ key }) => key));
  const isThere = async () => (await awaiting()) >= ids.size && (await poisonIn()).size >= poison.size;
  await until(isThere, 'all events', new Deadline(SETTLED_WITHIN_MS)).catch(() => undefined);
  const lost: string[] = [];
  const changed: string[] = [];
  const jtis = new Set<string>();
  const all = [...ids];
  for (let from = 0; from < all.length; from += 500) {
    const batch = all.slice(from, from + 500).map((id) => eventOf(CLIENT, id.replace('/core|', ''), { id }));
    const { status, body } = await bank.operate('POST', '/operator/v1/events', batch);
    if (status !== 200) {
      changed.push(JSON.stringify(body));
      continue;
    }
    for (const { id, repeated, jti } of body['outcomes'] as { id: string; repeated: boolean; jti: string }[]) {
      if (!repeated) lost.push(id);
      jtis.add(jti);
    }
  }
  const notifications = (await awaiting()) - lost.length;
  const expected = ids.size - lost.length;
  const dead = await poisonIn();
  return {
    ...{ lost, changed },
    tooMany: notifications === expected && jtis.size === ids.size ? [] : [`${notifications} for ${expected} events`],
    poisonLost: [...poison].filter((key) => !dead.has(key)),
    wrongDead: [...dead].filter((key) => !poison.has(key)),
  };
}

/** Writes records of all forms, some of them twice, and poison among them. */
class Writer {
  /** Ids of events. */
  readonly ids = new Set<string>();
  /** Keys of records that can never be accepted. */
  readonly poison = new Set<string>();
  records = 0;
  readonly #broker: Broker;
  readonly #random: SeededRandom;

  constructor(broker: Broker, random: SeededRandom) {
    this.#broker = broker;
    this.#random = random;
  }

  async write(): Promise<void> {
    const written = Array.from({ length: WRITTEN_EACH }, () => this.#next()).flat();
    this.records += written.length;
    await write(this.#broker.plain, TOPIC, written);
  }

  #next(): readonly Written[] {
    const id = randomUUID();
    switch (this.#random.whole(0, 9)) {
      case 0:
        this.poison.add(id);
        return [{ key: id, value: this.#random.pick(['{', '[]', '"\\ud800"', '{"id":1}', '']) ?? '' }];
      case 1:
        this.poison.add(id);
        return [plainRecord(CLIENT, id, { events: [{ type: 'unknown' }] })];
      case 2:
        this.ids.add(`/core|${id}`);
        return [structuredRecord(CLIENT, id), binaryRecord(CLIENT, id)];
      case 3:
        this.ids.add(id);
        return [plainRecord(CLIENT, id), plainRecord(CLIENT, id)];
      default:
        this.ids.add(id);
        return [plainRecord(CLIENT, id)];
    }
  }
}

/** The processes of the service that read the topic. */
class Instances {
  repeated = 0;
  readonly #config: string;
  readonly #running: { process: SpawnedService; onLine: (line: string) => void }[] = [];

  constructor(count: number, config: string) {
    this.#config = config;
    for (let at = 0; at < count; at += 1) this.#start(at);
  }

  #start(at: number): void {
    const entry = {
      onLine: (_line: string): void => undefined,
      process: spawnService(this.#config, [], (line) => {
        if (line.includes('"records were taken"')) this.repeated += Number(/"repeated":(\d+)/.exec(line)?.[1] ?? 0);
        entry.onLine(line);
      }),
    };
    this.#running[at] = entry;
  }

  /** Kills one when it logs this, or any time. It is started again at once. */
  async kill(random: SeededRandom, moment: string | undefined): Promise<void> {
    const at = random.whole(0, this.#running.length - 1);
    const victim = this.#running[at];
    if (victim === undefined) return;
    await victim.process.running;
    const strike = () => victim.process.signal('SIGKILL');
    const fallback = setTimeout(strike, moment === undefined ? random.whole(0, 1500) : 3000);
    if (moment !== undefined) {
      victim.onLine = (line) => {
        if (line.includes(moment)) strike();
      };
    }
    await victim.process.exited;
    clearTimeout(fallback);
    this.#start(at);
  }

  /** Stops one as an operator does: it leaves the group, and the others go on. */
  async restart(random: SeededRandom): Promise<void> {
    const at = random.whole(0, this.#running.length - 1);
    const chosen = this.#running[at];
    if (chosen === undefined) return;
    await chosen.process.running;
    chosen.process.signal('SIGTERM');
    const { code, lastWords } = await chosen.process.exited;
    if (code !== 0) throw new Error(`an instance that was stopped ended with ${code}: ${lastWords}`);
    this.#start(at);
  }

  async end(): Promise<void> {
    for (const { process } of this.#running) process.signal('SIGKILL');
    await Promise.all(this.#running.map(({ process }) => process.exited));
  }
}

/** @returns the file */
function intakeConfig({ config, folder }: BankWithTpps, broker: Broker): string {
  const file = join(folder, 'intake.json');
  const kafka = {
    ...{ brokers: [broker.plain], topic: TOPIC, deadLetterTopic: DEAD },
    // Small batches, and members that are soon taken for dead: more happens in less time.
    ...{ recordsMax: 5, sessionTimeoutMs: 1000 },
  };
  const { api, operator } = config;
  const settings = { ...config, api: { ...api, port: 0 }, operator: { ...operator, port: 0 }, intake: { kafka } };
  writeFileSync(file, JSON.stringify({ ...settings, log: { level: 'info' } }));
  return file;
}
