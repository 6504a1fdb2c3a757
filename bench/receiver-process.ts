import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { machineNowMs } from './clock.ts';
import { speakToParent } from './ipc.ts';
import { type FromReceiver, LEDGER_CHUNK, type ToReceiver } from './messages.ts';

/**
 * The TPPs under load, all in one process. Each listener is an origin of one or more TPPs. The process reads each
 * notification, extracts the jti, and responds 202 with the interaction id received. It does not verify signatures
 * during the run, because that is the TPP's work and not the bank's. Samples of the SETs are verified afterwards.
 */
const PROGRESS_EVERY_MS = 50;
const KEEP_ALIVE_MS = 65_000;
const SAMPLE_EVERY = 500;
const SAMPLES_MAX = 200;

/** The 202 responses for one jti. */
interface Entry {
  readonly answeredMs: number;
  count: number;
}

const ledger = new Map<string, Entry>();
const samples: string[] = [];
const hanging = new Set<number>();
const held = new Set<() => void>();
let answers = 0;
let reported = 0;

const say = speakToParent<ToReceiver, FromReceiver>((message) => {
  if (message.kind === 'listen') void listenAll(message);
  else if (message.kind === 'hang') for (const tpp of message.tpps) hanging.add(tpp);
  else if (message.kind === 'heal') heal();
  else report();
});

async function listenAll({ origins, certificatePem, keyPem }: Extract<ToReceiver, { kind: 'listen' }>): Promise<void> {
  const ports: number[] = [];
  for (let origin = 0; origin < origins; origin += 1) {
    const server = createServer({ cert: certificatePem, key: keyPem }, receive);
    server.keepAliveTimeout = KEEP_ALIVE_MS;
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    ports.push(typeof address === 'object' && address !== null ? address.port : 0);
  }
  say({ kind: 'listening', ports });
  setInterval(() => {
    if (answers === reported) return;
    reported = answers;
    say({ kind: 'progress', answered: ledger.size, answers });
  }, PROGRESS_EVERY_MS);
}

function receive(request: IncomingMessage, response: ServerResponse): void {
  const tpp = Number(/^\/tpp-(\d+)\//.exec(request.url ?? '')?.[1]);
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const answer = () => acknowledge(Buffer.concat(chunks).toString('latin1'), request, response);
    if (!hanging.has(tpp)) return answer();
    held.add(answer);
    response.once('close', () => held.delete(answer));
  });
}

function acknowledge(set: string, request: IncomingMessage, response: ServerResponse): void {
  const jti = jtiOf(set);
  response.writeHead(202, { 'x-fapi-interaction-id': request.headers['x-fapi-interaction-id'] ?? '' }).end();
  const entry = ledger.get(jti);
  if (entry === undefined) ledger.set(jti, { answeredMs: machineNowMs(), count: 1 });
  else entry.count += 1;
  answers += 1;
  if (answers % SAMPLE_EVERY === 1 && samples.length < SAMPLES_MAX) samples.push(set);
}

/** Responds to all held requests, like a TPP that recovers. */
function heal(): void {
  hanging.clear();
  const waiting = [...held];
  held.clear();
  for (const answer of waiting) answer();
}

function jtiOf(set: string): string {
  const from = set.indexOf('.') + 1;
  const payload = Buffer.from(set.slice(from, set.indexOf('.', from)), 'base64url').toString();
  const claims: { jti: string } = JSON.parse(payload);
  return claims.jti;
}

function report(): void {
  const entries = [...ledger];
  for (let at = 0; at < entries.length; at += LEDGER_CHUNK) {
    const chunk = entries.slice(at, at + LEDGER_CHUNK);
    say({
      kind: 'ledger',
      jtis: chunk.map(([jti]) => jti),
      answeredMs: Float64Array.from(chunk, ([, entry]) => entry.answeredMs),
      counts: Uint32Array.from(chunk, ([, entry]) => entry.count),
    });
  }
  say({ kind: 'reported', samples });
}
