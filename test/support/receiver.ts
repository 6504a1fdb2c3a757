import { once } from 'node:events';
import { createServer } from 'node:https';
import { listenOn } from '@tidings/testing';
import type { Bank } from './bank.ts';

/** One event notification as it came. */
export interface Received {
  readonly path: string;
  readonly body: string;
}

/** A TPP's endpoint over TLS. */
export interface Receiver {
  /** In front of every callback URL. */
  readonly origin: string;
  readonly received: readonly Received[];
  /** The status that it answers with from now on. */
  status: number;
  /** The interaction id that it answers with from now on; undefined: the one that came, as it should be. */
  interactionId: string | undefined;
  /** Resolves when this many have come. */
  untilReceived(count: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts an endpoint that answers every event notification with a status. */
export async function startReceiver(bank: Bank, status = 202): Promise<Receiver> {
  const { certificatePem, keyPem } = bank.transport;
  const received: Received[] = [];
  const waiting = new Set<() => void>();
  const server = createServer({ cert: certificatePem, key: keyPem }, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    received.push({ path: request.url ?? '', body: Buffer.concat(chunks).toString() });
    response.writeHead(receiver.status, {
      'x-fapi-interaction-id': receiver.interactionId ?? String(request.headers['x-fapi-interaction-id']),
    });
    response.end(() => {
      for (const look of waiting) look();
    });
  });
  const port = await listenOn(server);
  const receiver: Receiver = {
    ...{ origin: `https://localhost:${port}`, received, status, interactionId: undefined },
    untilReceived: (count) =>
      new Promise((resolve) => {
        const look = () => {
          if (received.length < count) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return receiver;
}
