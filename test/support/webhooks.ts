import { once } from 'node:events';
import { createServer } from 'node:https';
import { listenOn, testPki } from '@tidings/testing';

/** A message as it came. */
export interface Posted {
  readonly path: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** A system of the bank that alerts are posted to. */
export interface Webhooks {
  readonly origin: string;
  /** Root of its certificate, PEM. */
  readonly caPem: string;
  readonly posted: readonly Posted[];
  /** The status that it answers with from now on. */
  status: number;
  /** The messages at a path. */
  at(path: string): readonly Posted[];
  close(): Promise<void>;
}

/** Starts a system over TLS that accepts every message. */
export async function startWebhooks(): Promise<Webhooks> {
  const { server: identity, caPem } = await testPki();
  const posted: Posted[] = [];
  const server = createServer(identity.tls, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    posted.push({ path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString() });
    response.writeHead(webhooks.status).end();
  });
  const webhooks: Webhooks = {
    ...{ origin: `https://localhost:${await listenOn(server)}`, caPem, posted, status: 200 },
    at: (path) => posted.filter((each) => each.path === path),
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return webhooks;
}
