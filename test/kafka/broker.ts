import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Admin } from '@platformatic/kafka';
import { Deadline, type Identity, makeAuthority, until } from '@tidings/testing';

/** A real Apache Kafka broker in KRaft mode, alone, in a folder of its own, on the loopback. */
export interface Broker {
  /** `host:port` of its listeners: in clear text, for SCRAM-SHA-512 over TLS, and for client certificates. */
  readonly plain: string;
  readonly scram: string;
  readonly mutualTls: string;
  /** PEM of the root that its certificates lead to. */
  readonly caPem: string;
  /** A client that the listener for certificates knows. */
  readonly client: Identity;
  /** @param messageBytesMax `max.message.bytes`; by default that of the broker, 1 MiB */
  createTopics(topics: readonly string[], partitions: number, messageBytesMax?: number): Promise<void>;
  addPartitions(topic: string, count: number): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again, on the same ports and data. */
  start(): Promise<void>;
  /** Ends it for good, with its folder. */
  stop(): void;
}

/** Who signs in with SCRAM. */
export const SCRAM_USER = { user: 'tidings', password: 'a password of the tests' };

const STARTS_WITHIN_MS = 90_000;
const JARS = join('node_modules', '.cache', 'kafka-broker');
const HEAP = ['-Xmx512m', '-Xms128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dlog4j2.level=ERROR'];

/** Why no broker can be started on this machine; undefined: it can. Fetches the broker with Maven, the first time. */
export function whyNoBroker(): string | undefined {
  if (!answers('java', '-version')) return 'there is no Java';
  if (existsSync(JARS)) return undefined;
  if (!answers('mvn', '--version')) return 'there is no Maven';
  const fetched = mkdtempSync(join(tmpdir(), 'tidings-kafka-jars-'));
  const copy = ['-B', '-q', '-f', 'test/kafka/pom.xml', 'dependency:copy-dependencies', `-DoutputDirectory=${fetched}`];
  try {
    execFileSync('mvn', [...copy, '-DincludeScope=runtime'], { stdio: 'ignore', timeout: 240_000 });
  } catch {
    return 'Maven cannot fetch Apache Kafka';
  }
  mkdirSync(join('node_modules', '.cache'), { recursive: true });
  // All at once: a run that is ended leaves no half of it.
  execFileSync('cp', ['-a', fetched, `${JARS}.new`]);
  rmSync(fetched, { recursive: true, force: true });
  if (!existsSync(JARS)) renameSync(`${JARS}.new`, JARS);
  return undefined;
}

function answers(program: string, flag: string): boolean {
  try {
    execFileSync(program, [flag], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Starts a broker. It ends with this process, unless that is killed. */
export async function startBroker(): Promise<Broker> {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-kafka-'));
  const [plainPort, scramPort, mutualPort, controllerPort] = await freePorts(4);
  const authority = await makeAuthority('Kafka root');
  const [server, client] = await Promise.all([
    authority.issue({ name: 'kafka' }),
    authority.issue({ name: 'tidings', isForClients: true }),
  ]);
  const [storeFile, rootFile] = [join(folder, 'server.pem'), join(folder, 'root.pem')];
  writeFileSync(storeFile, `${server.keyPem}\n${server.certificatePem}\n`, { mode: 0o600 });
  writeFileSync(rootFile, authority.certificatePem);
  const tls = (listener: string) => ({
    [`listener.name.${listener}.ssl.keystore.type`]: 'PEM',
    [`listener.name.${listener}.ssl.keystore.location`]: storeFile,
    [`listener.name.${listener}.ssl.truststore.type`]: 'PEM',
    [`listener.name.${listener}.ssl.truststore.location`]: rootFile,
  });
  const listeners = [
    `PLAIN://localhost:${plainPort}`,
    `SCRAM://localhost:${scramPort}`,
    `MUTUAL://localhost:${mutualPort}`,
  ].join();
  const propertiesFile = join(folder, 'server.properties');
  const properties = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@localhost:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `${listeners},CONTROLLER://localhost:${controllerPort}`,
    'advertised.listeners': listeners,
    'inter.broker.listener.name': 'PLAIN',
    'listener.security.protocol.map': 'PLAIN:PLAINTEXT,SCRAM:SASL_SSL,MUTUAL:SSL,CONTROLLER:PLAINTEXT',
    'listener.name.scram.sasl.enabled.mechanisms': 'SCRAM-SHA-512',
    'listener.name.scram.scram-sha-512.sasl.jaas.config':
      'org.apache.kafka.common.security.scram.ScramLoginModule required;',
    ...tls('scram'),
    ...tls('mutual'),
    'listener.name.mutual.ssl.client.auth': 'required',
    'log.dirs': join(folder, 'data'),
    'auto.create.topics.enable': false,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 1,
    // A member that is killed is noticed quickly.
    'group.min.session.timeout.ms': 500,
    'group.initial.rebalance.delay.ms': 0,
    // So that it may come back at once after it was killed.
    'broker.session.timeout.ms': 1000,
    'broker.heartbeat.interval.ms': 200,
    'controller.quorum.election.timeout.ms': 200,
    'controller.quorum.election.backoff.max.ms': 100,
    // A broker that is killed loses what its page cache held only if the machine goes too.
    'log.flush.interval.messages': 1,
  };
  const text = Object.entries(properties).map(([name, value]) => `${name}=${value}`);
  writeFileSync(propertiesFile, `${text.join('\n')}\n`);
  const scram = `SCRAM-SHA-512=[name=${SCRAM_USER.user},password="${SCRAM_USER.password}"]`;
  const format = ['format', '-t', 'AAAAAAAAAAAAAAAAAAAAAA', '-c', propertiesFile, '-S', scram];
  java('kafka.tools.StorageTool', format);
  let running: ChildProcess | undefined;
  const start = async () => {
    const command = [...HEAP, '-cp', classpath(), 'kafka.Kafka', propertiesFile];
    running = spawn('java', command, { stdio: 'ignore' });
    await until(() => isServing(`localhost:${plainPort}`), 'the broker to start', new Deadline(STARTS_WITHIN_MS));
  };
  const endWithUs = () => void running?.kill('SIGKILL');
  process.once('exit', endWithUs);
  await start();
  return {
    ...{ plain: `localhost:${plainPort}`, scram: `localhost:${scramPort}`, mutualTls: `localhost:${mutualPort}` },
    ...{ caPem: authority.certificatePem, client, start },
    createTopics: (topics, partitions, messageBytesMax) =>
      withAdmin(`localhost:${plainPort}`, async (admin) => {
        const configs =
          messageBytesMax === undefined ? [] : [{ name: 'max.message.bytes', value: String(messageBytesMax) }];
        await admin.createTopics({ topics: [...topics], partitions, replicas: 1, configs });
      }),
    addPartitions: (topic, count) =>
      withAdmin(`localhost:${plainPort}`, async (admin) => {
        await admin.createPartitions({ topics: [{ name: topic, count }] });
      }),
    kill: async () => {
      if (running === undefined || !running.kill('SIGKILL')) return;
      await once(running, 'exit');
    },
    stop: () => {
      process.off('exit', endWithUs);
      endWithUs();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function isServing(broker: string): Promise<boolean> {
  return withAdmin(broker, async (admin) => (await admin.metadata({ topics: [] })).brokers.size > 0).catch(() => false);
}

async function withAdmin<T>(broker: string, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Admin({ clientId: 'tests', bootstrapBrokers: [broker], retries: 0, connectTimeout: 1000 });
  try {
    return await work(admin);
  } finally {
    await admin.close();
  }
}

function java(main: string, given: readonly string[]): void {
  execFileSync('java', [...HEAP, '-cp', classpath(), main, ...given], { stdio: ['ignore', 'ignore', 'pipe'] });
}

function classpath(): string {
  return [join(JARS, '*')].join(delimiter);
}

/** Ports that are free now, all different. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return address.port;
  });
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}
