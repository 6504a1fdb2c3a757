import { setTimeout as pause } from 'node:timers/promises';
import { type Backlog, jtiInBacklog } from '../test/support/backlog.ts';
import type { BenchBank, BenchTpp } from './bank.ts';
import type { Receiver } from './receiver.ts';

/** The TPP of an operation, and its backlog. */
export interface World {
  readonly bank: BenchBank;
  readonly tpp: BenchTpp;
  readonly receiver: Receiver;
  readonly notifications: number;
}

/** An operation on all awaiting notifications of a TPP. */
export interface Operation {
  readonly name: string;
  /** Deviations of the backlog from that of other operations. */
  readonly backlog?: (nowMs: number) => Partial<Backlog>;
  /** True when the callback URL responds 202; otherwise it never responds. */
  readonly isHealthy?: true;
  /** Resolves when the operation has its response, or has happened by itself. */
  readonly run: (world: World) => Promise<void>;
}

const DAY_MS = 86_400_000;
const HAPPENS_AFTER_MS = 14_000;
const HAPPENS_BEFORE_MS = 120_000;
const REPORTED = 10_000;
const SUBSCRIPTIONS = '/event-subscriptions';

/** `retention` with an age that only the operations about retention reach. */
export const RETENTION = { awaitingMs: 60 * DAY_MS, notificationsMs: 60 * DAY_MS, sweepMs: 3000 };

/** All operations whose work grows with the backlog of one TPP. The first does nothing, as a baseline. */
export const OPERATIONS: readonly Operation[] = [
  { name: 'nothing', run: () => pause(1000) },
  { name: 'suspend the TPP', run: (world) => operate(world, 'suspend') },
  { name: 'resume the TPP', backlog: () => ({ isSuspended: true }), run: (world) => operate(world, 'resume') },
  { name: 'PUT: another callback URL', run: (world) => replace(world, { CallbackUrl: otherUrl(world) }) },
  {
    name: 'PUT: other event types',
    run: (world) =>
      replace(world, { CallbackUrl: urlOf(world), EventTypes: ['urn:uk:org:openbanking:events:resource-update'] }),
  },
  {
    name: 'recover: responsive',
    backlog: unresponsive(DAY_MS),
    run: (world) => operate(world, 'callback-url/recover', { how: 'responsive' }),
  },
  {
    name: 'recover: probe now',
    backlog: unresponsive(DAY_MS),
    run: (world) => operate(world, 'callback-url/recover', { how: 'probe-now' }),
  },
  {
    name: 'recover by a probe',
    backlog: unresponsive(DAY_MS),
    isHealthy: true,
    run: async (world) => {
      await operate(world, 'callback-url/recover', { how: 'probe-now' });
      await until(async () => !(await isUnresponsive(world)));
    },
  },
  {
    name: 'become unresponsive',
    backlog: (nowMs) => ({ publishedAtMs: nowMs - 30 * DAY_MS, atMs: nowMs + HAPPENS_AFTER_MS }),
    run: (world) => until(() => isUnresponsive(world)),
  },
  { name: 'redeliver what is awaiting', run: (world) => inPortions(world, 'redeliveries', { only: 'awaiting' }) },
  { name: 'redeliver what has failed', run: (world) => inPortions(world, 'redeliveries', { only: 'failed' }) },
  {
    name: 'redeliver what is acknowledged',
    backlog: (nowMs) => ({ state: 'acknowledged', atMs: nowMs }),
    run: (world) => inPortions(world, 'redeliveries', {}),
  },
  { name: 'withdraw what is awaiting', run: (world) => inPortions(world, 'withdrawals', {}) },
  { name: `poll: acknowledge ${REPORTED}`, backlog: offered, run: (world) => poll(world, { ack: reported(world) }) },
  {
    name: `poll: report ${REPORTED} errors`,
    backlog: offered,
    run: (world) =>
      poll(world, {
        setErrs: Object.fromEntries(reported(world).map((jti) => [jti, { err: 'jwtAud', description: 'x' }])),
      }),
  },
  { name: 'poll for what was offered before', backlog: offeredBefore, run: (world) => poll(world, {}) },
  {
    name: 'expire',
    backlog: (nowMs) => ({ publishedAtMs: nowMs - 61 * DAY_MS }),
    run: (world) =>
      until(
        async () => (await isIn(world, 1)) !== 'awaiting' && (await isIn(world, world.notifications)) !== 'awaiting',
      ),
  },
  {
    name: 'drop by age',
    backlog: (nowMs) => ({ state: 'acknowledged', publishedAtMs: nowMs - 62 * DAY_MS, atMs: nowMs - 61 * DAY_MS }),
    run: (world) =>
      until(async () => (await isIn(world, 1)) === undefined && (await isIn(world, world.notifications)) === undefined),
  },
  {
    name: 'DELETE the registration',
    run: async (world) =>
      expectStatus(204, await world.bank.call(world.tpp, 'DELETE', `${SUBSCRIPTIONS}/${await subscriptionOf(world)}`)),
  },
  { name: 'remove the TPP', run: async ({ bank, tpp }) => void (await bank.operate('DELETE', `tpps/${tpp.clientId}`)) },
];

function unresponsive(probeInMs: number): NonNullable<Operation['backlog']> {
  return (nowMs) => ({ probeAtMs: nowMs + probeInMs });
}

function offered(nowMs: number): Partial<Backlog> {
  return { state: 'offered', atMs: nowMs + DAY_MS };
}

function offeredBefore(nowMs: number): Partial<Backlog> {
  return { state: 'offered', atMs: nowMs };
}

async function operate({ bank, tpp }: World, what: string, body?: object): Promise<void> {
  await bank.operate('POST', `tpps/${tpp.clientId}/${what}`, body);
}

async function subscriptionOf({ bank, tpp }: World): Promise<string> {
  const { body } = await bank.call(tpp, 'GET', SUBSCRIPTIONS);
  const { Data }: { Data: { EventSubscription: { EventSubscriptionId: string }[] } } = JSON.parse(body);
  return Data.EventSubscription[0]?.EventSubscriptionId ?? '';
}

async function replace(world: World, changed: object): Promise<void> {
  const { bank, tpp } = world;
  const id = await subscriptionOf(world);
  const body = JSON.stringify({ Data: { EventSubscriptionId: id, Version: '4.0', ...changed } });
  expectStatus(200, await bank.call(tpp, 'PUT', `${SUBSCRIPTIONS}/${id}`, body, await bank.sign(body)));
}

function urlOf({ receiver }: World): string {
  const [url = ''] = receiver.callbackUrls;
  return url;
}

function otherUrl(world: World): string {
  return urlOf(world).replace('/open-banking/', '/other/open-banking/');
}

/** Repeats a bulk operation until nothing is left. */
async function inPortions({ bank, tpp }: World, what: string, filter: object): Promise<void> {
  let after: string | undefined;
  do {
    const order = { clientId: tpp.clientId, ...filter, ...(after !== undefined && { after }) };
    ({ next: after } = JSON.parse(await bank.operate('POST', what, order)) as { next?: string });
  } while (after !== undefined);
}

function reported({ notifications }: World): string[] {
  return Array.from({ length: Math.min(REPORTED, notifications) }, (_, at) => jtiInBacklog(at + 1));
}

async function poll({ bank, tpp }: World, body: object): Promise<void> {
  expectStatus(
    200,
    await bank.call(tpp, 'POST', '/events', JSON.stringify({ maxEvents: 100, returnImmediately: true, ...body })),
  );
}

async function isUnresponsive({ bank, tpp }: World): Promise<boolean> {
  const { target }: { target?: { unresponsiveSince?: string } } = JSON.parse(
    await bank.operate('GET', `tpps/${tpp.clientId}`),
  );
  return target?.unresponsiveSince !== undefined;
}

/** @returns the state of the notification; undefined when it no longer exists */
async function isIn({ bank }: World, at: number): Promise<string | undefined> {
  try {
    const { state }: { state: string } = JSON.parse(await bank.operate('GET', `notifications/${jtiInBacklog(at)}`));
    return state;
  } catch (error) {
    if (error instanceof Error && error.message.includes('returned 404')) return undefined;
    throw error;
  }
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const began = performance.now();
  while (!(await isSo())) {
    if (performance.now() - began > HAPPENS_BEFORE_MS) throw new Error('the expected change did not happen');
    await pause(100);
  }
}

function expectStatus(status: number, answer: { readonly status: number; readonly body: string }): void {
  if (answer.status !== status) throw new Error(`the response was ${answer.status}: ${answer.body}`);
}
