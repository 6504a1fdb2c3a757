import { once } from 'node:events';
import { createServer } from 'node:https';
import type { KeySource } from '@tidings/protocol';
import type { SandboxPki } from '@tidings/sandbox';
import { createReceiver, type EventNotification, nodeListener } from '@tidings/tpp';

/** What reached a TPP. */
export interface ReceivingTpp {
  readonly callbackUrl: string;
  /** The SETs that came, by `jti`: every copy, in the order of arrival. */
  readonly sets: ReadonlyMap<string, readonly string[]>;
  /** Notifications that the handler got, each once, by `jti`. */
  readonly handled: ReadonlyMap<string, EventNotification>;
  /** Requests that the receiver did not accept. */
  readonly refused: readonly string[];
  /** Resolves when everything that `wanted` holds has been handled; at once if it has. */
  untilHandled(wanted: ReadonlySet<string>): Promise<void>;
  close(): Promise<void>;
}

/**
 * A TPP with a ledger, over real TLS. It verifies what comes; before that, it fails now and then as TPPs do: it answers
 * 500, or cuts the connection, or acknowledges and cuts the connection before the bank can know.
 */
export async function startReceivingTpp(options: {
  pki: SandboxPki;
  keys: KeySource;
  issuer: string;
  clientId: string;
  /** From 0 up to but without 1. */
  chance: () => number;
}): Promise<ReceivingTpp> {
  const { pki, keys, issuer, clientId, chance } = options;
  const sets = new Map<string, string[]>();
  const handled = new Map<string, EventNotification>();
  const refused: string[] = [];
  let onHandled: () => void = () => undefined;
  const receiver = createReceiver({
    ...{ issuer, clientId, keys },
    signer: pki.bank.organisationId,
    onNotification: (notification) => {
      handled.set(notification.jti, notification);
      onHandled();
    },
    onRefused: ({ code, message }) => void refused.push(`${code}: ${message}`),
  });
  const noting = {
    handle: async (request: Request) => {
      const set = await request.clone().text();
      const response = await receiver.handle(request);
      const jti = jtiOf(set);
      sets.set(jti, [...(sets.get(jti) ?? []), set]);
      return response;
    },
  };
  const listener = nodeListener(noting);
  const server = createServer(
    { cert: pki.tpp.transport.certificatePem, key: pki.tpp.transport.keyPem },
    (request, response) => {
      const fate = chance();
      if (fate < 0.05) return void response.writeHead(500).end();
      if (fate < 0.08) return void request.socket.destroy();
      // The answer is lost on the way: the TPP has it, the bank must send it again.
      if (fate < 0.11) response.writeHead = () => response.destroy();
      listener(request, response);
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    callbackUrl: `https://localhost:${port}/open-banking/v4.0/event-notifications`,
    ...{ sets, handled, refused },
    untilHandled: (wanted) =>
      new Promise((resolve) => {
        onHandled = () => {
          if ([...wanted].every((jti) => handled.has(jti))) resolve();
        };
        onHandled();
      }),
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function jtiOf(set: string): string {
  const payload = Buffer.from(set.split('.')[1] ?? '', 'base64url').toString();
  const claims: { jti: string } = JSON.parse(payload);
  return claims.jti;
}
