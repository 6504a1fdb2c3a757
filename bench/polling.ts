import { type BenchBank, type BenchTpp, startBank } from './bank.ts';
import { signingLimitPerSecond } from './signing-limit.ts';
import { percentile, rounded } from './statistics.ts';

const TPPS = 100;
const SETS_PER_POLL = 100;
const SIZES = [10_000, 1_000_000];

type Say = (line: string) => void;

/** Figures of polling with one size of the store. */
interface PollingFigures {
  readonly awaiting: number;
  readonly polls: number;
  readonly setsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly storeBytesPerNotification: number;
}

/**
 * 100 TPPs poll 100 SETs at a time, and each acknowledges those of its previous poll. The store keeps its size because
 * as many events are published as are acknowledged. SETs are signed when first returned, as always. The TPPs share the
 * machine with the service.
 */
export async function benchPolling(options: { seconds: number; sizes?: readonly number[]; say: Say }): Promise<object> {
  const { seconds, say } = options;
  const before = await signingLimitPerSecond(2);
  const polling: PollingFigures[] = [];
  for (const awaiting of options.sizes ?? SIZES) polling.push(await measurePolling(awaiting, seconds, say));
  const registering = await measureRegistering(seconds, say);
  const after = await signingLimitPerSecond(2);
  const [small, large] = polling;
  const ratio = (name: 'p99Ms' | 'setsPerSecond') =>
    small && large ? rounded(name === 'p99Ms' ? large[name] / small[name] : small[name] / large[name]) : undefined;
  return {
    bench: 'polling',
    signingLimitPerSecond: { before: rounded(before), after: rounded(after) },
    tpps: TPPS,
    setsPerPoll: SETS_PER_POLL,
    polling,
    growth: { p99: ratio('p99Ms'), setsPerSecond: ratio('setsPerSecond'), allowed: 1.5 },
    registering,
  };
}

async function measurePolling(awaiting: number, seconds: number, say: Say): Promise<PollingFigures> {
  const bank = await startBank(TPPS);
  try {
    await subscribeAll(bank);
    const began = performance.now();
    for (let done = 0; done < awaiting; done += 10_000) {
      await bank.publish(Array.from({ length: 10_000 }, (_, at) => bank.tpps[at % TPPS]?.clientId ?? ''));
      if (done % 100_000 === 0) say(`publishing: ${done + 10_000} of ${awaiting}`);
    }
    say(`${awaiting} published in ${rounded((performance.now() - began) / 1000)} s; polling for ${seconds} s`);
    const storeBytesPerNotification = Math.round(bank.store.bytes() / awaiting);
    const { latenciesMs, sets, elapsedMs } = await pollAll(bank, seconds);
    return {
      awaiting,
      polls: latenciesMs.length,
      setsPerSecond: rounded((sets / elapsedMs) * 1000),
      p50Ms: rounded(percentile(latenciesMs, 0.5)),
      p99Ms: rounded(percentile(latenciesMs, 0.99)),
      storeBytesPerNotification,
    };
  } finally {
    await bank.stop();
  }
}

async function subscribeAll(bank: BenchBank): Promise<void> {
  const body = JSON.stringify({ Data: { Version: '4.0' } });
  for (const tpp of bank.tpps) {
    const answer = await bank.call(tpp, 'POST', '/event-subscriptions', body, await bank.sign(body));
    if (answer.status !== 201) throw new Error(`registering returned ${answer.status}: ${answer.body}`);
  }
}

async function pollAll(bank: BenchBank, seconds: number) {
  const latenciesMs: number[] = [];
  const toReplace: string[] = [];
  let sets = 0;
  let polling = true;
  let began = performance.now();
  const pollAs = async (tpp: BenchTpp) => {
    let ack: string[] = [];
    while (performance.now() - began < seconds * 1000) {
      const body = JSON.stringify({ maxEvents: SETS_PER_POLL, returnImmediately: true, ack });
      const sentMs = performance.now();
      const answer = await bank.call(tpp, 'POST', '/events', body);
      latenciesMs.push(performance.now() - sentMs);
      if (answer.status !== 200) throw new Error(`a poll returned ${answer.status}: ${answer.body}`);
      const { sets: got }: { sets: Record<string, string> } = JSON.parse(answer.body);
      for (const _ of ack) toReplace.push(tpp.clientId);
      ack = Object.keys(got);
      sets += ack.length;
    }
  };
  const keepSize = async () => {
    while (polling) {
      if (toReplace.length >= 1000) await bank.publish(toReplace.splice(0, 1000));
      else await new Promise((resolve) => setImmediate(resolve));
    }
  };
  // Opens the connections before measuring.
  await Promise.all(bank.tpps.map((tpp) => bank.call(tpp, 'GET', '/event-subscriptions')));
  began = performance.now();
  const kept = keepSize();
  await Promise.all(bank.tpps.map(pollAs));
  const elapsedMs = performance.now() - began;
  polling = false;
  await kept;
  return { latenciesMs, sets, elapsedMs };
}

/** Each TPP replaces its event subscription repeatedly: token and signature are verified, the response is signed. */
async function measureRegistering(seconds: number, say: Say): Promise<object> {
  const bank = await startBank(TPPS);
  try {
    await subscribeAll(bank);
    say(`registering for ${seconds} s`);
    let requests = 0;
    const began = performance.now();
    const replaceAs = async (tpp: BenchTpp) => {
      const { body: listed } = await bank.call(tpp, 'GET', '/event-subscriptions');
      const { Data }: { Data: { EventSubscription: { EventSubscriptionId: string }[] } } = JSON.parse(listed);
      const id = Data.EventSubscription[0]?.EventSubscriptionId ?? '';
      const body = JSON.stringify({ Data: { EventSubscriptionId: id, Version: '4.0' } });
      // One signature for all requests: the bench measures the service, not the signing of the TPPs.
      const signature = await bank.sign(body);
      while (performance.now() - began < seconds * 1000) {
        const answer = await bank.call(tpp, 'PUT', `/event-subscriptions/${id}`, body, signature);
        if (answer.status !== 200) throw new Error(`replacing returned ${answer.status}: ${answer.body}`);
        requests += 1;
      }
    };
    await Promise.all(bank.tpps.map(replaceAs));
    const requestsPerSecond = (requests / (performance.now() - began)) * 1000;
    const limit = await signingLimitPerSecond(2);
    return {
      requestsPerSecond: rounded(requestsPerSecond),
      // One signature each; the two verifications are neglected, because each costs about a thirtieth of it.
      signingShareOfMachine: rounded(requestsPerSecond / limit),
    };
  } finally {
    await bank.stop();
  }
}
