import { setTimeout as pause } from 'node:timers/promises';
import { Pool } from 'undici';
import { machineNowMs } from './clock.ts';
import { makeEvent } from './event.ts';
import { speakToParent } from './ipc.ts';
import { type FromPublisher, LEDGER_CHUNK, type Load, type ToPublisher } from './messages.ts';

/** The bank's systems under load: publishes over the operator API, and records the times of requests and responses. */
const CONNECTIONS = 16;
// Enough concurrent batches to keep the service busy while it responds.
const BATCHES_UNDER_WAY_MAX = 4;
const PROGRESS_EVERY_MS = 50;
const POSTPONED_MS = 1000;

const jtis: string[] = [];
const tpps: number[] = [];
const sentMs: number[] = [];
const acceptedMs: number[] = [];
const underWay = new Set<Promise<void>>();
let pool: Pool | undefined;
let headers: Record<string, string> = {};
let clientIds: readonly string[] = [];
let nextTpp = 0;
let eventsUnderWay = 0;
let delivered = 0;
let postponed = 0;
let loading = 0;
let wakeUp: () => void = () => undefined;

const say = speakToParent<ToPublisher, FromPublisher>((message) => {
  if (message.kind === 'connect') connect(message);
  else if (message.kind === 'load') void run(message.load).catch(reportFailure);
  else if (message.kind === 'delivered') delivered = message.count;
  else if (message.kind === 'stop') loading += 1;
  else report();
  wakeUp();
});

function connect({ url, token, caPem, ...others }: Extract<ToPublisher, { kind: 'connect' }>): void {
  pool = new Pool(url, { connections: CONNECTIONS, pipelining: 1, connect: { ca: caPem } });
  headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  clientIds = others.clientIds;
  setInterval(() => say({ kind: 'progress', accepted: jtis.length }), PROGRESS_EVERY_MS).unref();
  say({ kind: 'connected' });
}

async function run(load: Load): Promise<void> {
  loading += 1;
  const mine = loading;
  const isOn = () => loading === mine;
  if (load.kind === 'saturate') await saturate(load, isOn);
  else if (load.kind === 'pace') await keepPace(load, isOn);
  else await publishCount(load, isOn);
  await Promise.all(underWay);
  say({ kind: 'idle', accepted: jtis.length, postponed });
}

async function saturate({ batch, outstandingMax }: { batch: number; outstandingMax: number }, isOn: () => boolean) {
  while (isOn()) {
    const outstanding = jtis.length + eventsUnderWay - delivered;
    if (underWay.size < BATCHES_UNDER_WAY_MAX && outstanding + batch <= outstandingMax) begin(batch);
    else await untilWoken();
  }
}

async function publishCount({ batch, events }: { batch: number; events: number }, isOn: () => boolean) {
  for (let left = events; left > 0 && isOn(); ) {
    if (underWay.size >= BATCHES_UNDER_WAY_MAX) {
      await untilWoken();
      continue;
    }
    begin(Math.min(batch, left));
    left -= batch;
  }
}

async function keepPace({ perSecond, everyMs }: { perSecond: number; everyMs: number }, isOn: () => boolean) {
  const beganMs = performance.now();
  let begun = 0;
  for (let beat = 1; isOn(); beat += 1) {
    const due = Math.floor((beat * everyMs * perSecond) / 1000) - begun;
    if (due > 0) begin(due);
    begun += due;
    await pause(Math.max(beganMs + beat * everyMs - performance.now(), 0));
  }
}

function untilWoken(): Promise<void> {
  return new Promise((resolve) => {
    wakeUp = resolve;
  });
}

function begin(events: number): void {
  eventsUnderWay += events;
  const done = publish(events)
    .catch(reportFailure)
    .finally(() => {
      eventsUnderWay -= events;
      underWay.delete(done);
      wakeUp();
    });
  underWay.add(done);
}

async function publish(events: number): Promise<void> {
  const owners = Array.from({ length: events }, () => {
    nextTpp = (nextTpp + 1) % clientIds.length;
    return nextTpp;
  });
  const body = JSON.stringify(owners.map((tpp) => makeEvent(clientIds[tpp] ?? '')));
  const beganMs = machineNowMs();
  const { outcomes } = await untilAccepted(body);
  const answeredMs = machineNowMs();
  for (const [at, { jti }] of outcomes.entries()) {
    if (jti === undefined) throw new Error('an event created no notification');
    jtis.push(jti);
    tpps.push(owners[at] ?? 0);
    sentMs.push(beganMs);
    acceptedMs.push(answeredMs);
  }
}

/** Publishes a batch; retries with the same body when the service responds 429 or 503. */
async function untilAccepted(body: string): Promise<{ outcomes: { jti?: string }[] }> {
  for (;;) {
    if (pool === undefined) throw new Error('not connected');
    const answer = await pool.request({ path: '/operator/v1/events', method: 'POST', headers, body });
    if (answer.statusCode === 200) return (await answer.body.json()) as { outcomes: { jti?: string }[] };
    const text = await answer.body.text();
    if (answer.statusCode !== 429 && answer.statusCode !== 503) {
      throw new Error(`publishing returned ${answer.statusCode}: ${text}`);
    }
    postponed += 1;
    await pause(Number(answer.headers['retry-after']) * 1000 || POSTPONED_MS);
  }
}

function reportFailure(error: unknown): void {
  say({ kind: 'failed', why: error instanceof Error ? error.message : String(error) });
}

function report(): void {
  for (let at = 0; at < jtis.length; at += LEDGER_CHUNK) {
    const to = at + LEDGER_CHUNK;
    say({
      kind: 'ledger',
      jtis: jtis.slice(at, to),
      tpps: Uint16Array.from(tpps.slice(at, to)),
      sentMs: Float64Array.from(sentMs.slice(at, to)),
      acceptedMs: Float64Array.from(acceptedMs.slice(at, to)),
    });
  }
  say({ kind: 'reported' });
}
