import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import type { KeySource } from '@tidings/protocol';
import type { SandboxPki } from '@tidings/sandbox';
import { listenOn } from '@tidings/testing';
import { createReceiver, type Receiver } from '@tidings/tpp';
import { Door } from './door.ts';
import type { Ledger } from './ledger.ts';
import type { SeededRandom } from './random.ts';

export interface TppOptions {
  readonly clientId: string;
  readonly pki: SandboxPki;
  readonly keys: KeySource;
  readonly issuer: string;
  readonly ledger: Ledger;
  readonly random: SeededRandom;
}

/** A TPP that is pushed to, with the network before it. */
export interface PushTpp {
  readonly clientId: string;
  readonly callbackUrl: string;
  readonly door: Door;
  /** From now on it does not fail any more. */
  behave(): void;
  close(): Promise<void>;
}

/** How a TPP treats a POST. */
type Manners = 'good' | 'slow' | 'cut-early' | 'cut' | 'error' | 'answer-lost' | 'hang';

const SLOW_MAX_MS = 300;
// Every process of an instance calls itself so, see service-config.ts.
const INSTANCE_HEADER = 'x-fapi-financial-id';

/**
 * A TPP over real TLS. It verifies what comes, and fails now and then as TPPs do: it is slow, answers 500, cuts the
 * connection before, while or after it takes the notification, or never answers.
 */
export async function startPushTpp(options: TppOptions & { readonly hangMs: number }): Promise<PushTpp> {
  const { clientId, pki, keys, issuer, ledger, random, hangMs } = options;
  let isWell = false;
  const receiver = createReceiver({
    ...{ issuer, clientId, keys },
    signer: pki.bank.organisationId,
    onNotification: (notification) => ledger.handle(notification),
    onRefused: ({ code, message }) => void ledger.refused.push(`${clientId}: ${code}: ${message}`),
  });
  const server = createServer(
    { cert: pki.tpp.transport.certificatePem, key: pki.tpp.transport.keyPem },
    (request, response) => {
      const manners = isWell ? 'good' : mannersOf(random.fraction());
      serve(request, response, manners).catch(() => response.destroy());
    },
  );
  const port = await listenOn(server);
  const door = await Door.open(() => port);

  async function serve(request: IncomingMessage, response: ServerResponse, manners: Manners): Promise<void> {
    if (manners === 'cut-early') return void request.socket.destroy();
    const set = await bodyOf(request);
    if (set === undefined) return;
    const ended = ledger.arrive({
      ...{ clientId, set, passage: door.passageFrom(request.socket.remotePort) },
      ...senderOf(request.headers[INSTANCE_HEADER]),
      interactionId: String(request.headers['x-fapi-interaction-id']),
    });
    response.once('finish', () => ended(response.statusCode)).once('close', () => ended(undefined));
    if (manners === 'cut') return void request.socket.destroy();
    if (manners === 'error') return void response.writeHead(500).end();
    if (manners === 'slow') await pause(random.whole(1, SLOW_MAX_MS));
    const answer = await answerOf(receiver, request, set);
    if (manners === 'hang') await pause(hangMs, undefined, { ref: false });
    // The TPP has it; the bank cannot know, and must send it again.
    if (manners === 'hang' || manners === 'answer-lost') return void response.destroy();
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
  }

  return {
    clientId,
    door,
    callbackUrl: `https://localhost:${door.port}/open-banking/v4.0/event-notifications`,
    behave: () => {
      isWell = true;
    },
    close: async () => {
      await door.close();
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** `instance-0.3` is the third process of `instance-0`. */
function senderOf(header: string | string[] | undefined): { instance: string; process: string } {
  const process = String(header);
  return { instance: process.slice(0, process.lastIndexOf('.')), process };
}

function mannersOf(fraction: number): Manners {
  if (fraction < 0.03) return 'error';
  if (fraction < 0.04) return 'cut-early';
  if (fraction < 0.05) return 'cut';
  if (fraction < 0.07) return 'answer-lost';
  if (fraction < 0.075) return 'hang';
  return fraction < 0.15 ? 'slow' : 'good';
}

/** The body as text; undefined when the connection ended before it did. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  } catch {
    return undefined;
  }
}

function answerOf(receiver: Receiver, { headers }: IncomingMessage, set: string): Promise<Response> {
  const single = Object.entries(headers).flatMap(([name, value]): [string, string][] =>
    typeof value === 'string' && name !== 'connection' && name !== 'transfer-encoding' ? [[name, value]] : [],
  );
  return receiver.handle(new Request('https://receiver.invalid/', { method: 'POST', headers: single, body: set }));
}
