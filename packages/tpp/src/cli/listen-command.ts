import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { nodeListener } from '../receiver/node-listener.ts';
import { safeText } from '../safe-text.ts';
import { describeDelivered, jsonOf } from './delivered-text.ts';
import { createDeliveries, type Delivered } from './deliveries.ts';
import { type CliEffects, UsageError, VALUE_CHARS_MAX } from './inputs.ts';
import { type ListenSettings, listenSettings } from './listen-settings.ts';

/** Help of `listen`. */
export const LISTEN_USAGE = `Usage: npx @tidings/tpp listen [options]

Receives event notifications on this machine: verifies each, acknowledges it, and shows it decoded, or says why it was refused.
What it acknowledges the bank does not send again.

Options:
  --env-file FILE     takes the bank, the TPP and the callback URL from a tpp.env, as tidings sandbox writes it; options go before it
  --jwks FILE|URL     keys of the bank
  --ca-file FILE      certificate authority of the URL, where it is a private one
  --issuer URI        iss claim of the bank
  --signer ID         iss in the JOSE header: the organisation id of the bank
  --client-id ID      aud claim: your client_id
  --trust-anchor NAME tan in the JOSE header; may be repeated (default openbanking.org.uk)
  --tolerate NAME     accepts a mistake of the bank: other-typ or fractional-times; may be repeated
  --tls-cert FILE     serves HTTPS with this certificate (PEM) …
  --tls-key FILE      … and its private key; without them plain HTTP, on the loopback only
  --host HOST         where it listens (default 127.0.0.1)
  --port PORT         port (default 9443; 0 takes a free one)
  --count NUMBER      ends after so many requests
  --json              prints one JSON object for each request

Examples:
  npx @tidings/tpp listen --env-file .tidings/sandbox/tpps/my-tpp/tpp.env
  npx @tidings/tpp listen --port 8080 --issuer https://bank.example/ --signer 0015800001HQQrZAAX --client-id your-client-id \\
    --jwks https://keystore.example/0015800001HQQrZAAX.jwks      (behind a tunnel or proxy that ends TLS)

Any path is a callback URL. Ends with 0 after Ctrl-C or --count, 2 for wrong use.`;

/** Runs `listen` until it is interrupted. @returns the exit code. @throws {UsageError} */
export async function listenCommand(args: readonly string[], effects: CliEffects): Promise<number> {
  const settings = await listenSettings(args);
  const { json, countMax } = settings;
  let shown = 0;
  let isEnough: () => void = () => undefined;
  const enough = new Promise<void>((resolve) => {
    isEnough = resolve;
  });
  const show = (delivered: Delivered) => {
    if (json) effects.print(JSON.stringify(jsonOf(delivered)));
    else for (const line of describeDelivered(delivered)) effects.print(line);
    shown += 1;
    if (shown === countMax) isEnough();
  };
  const server = serverOf(settings, nodeListener(createDeliveries(settings.verification, effects.nowMs, show)));
  server.on('request', (_, response) => {
    response.once('close', () => {
      if (!server.listening) server.closeIdleConnections();
    });
  });
  await listening(server, settings);
  const origin = `${settings.tls === undefined ? 'http' : 'https'}://${hostOf(settings.host)}:${portOf(server)}`;
  if (json) effects.print(JSON.stringify({ listening: origin }));
  else effects.print(`Listening at ${origin} for ${settings.about}. Ctrl-C ends.`);
  await Promise.race([enough, effects.untilInterrupted()]);
  await closed(server);
  return 0;
}

/** Lets the responses that are under way be sent. A client that keeps its connection open does not delay the end. */
async function closed(server: Server): Promise<void> {
  const end = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  await end;
}

function serverOf({ tls }: ListenSettings, listener: RequestListener): Server {
  const limits = { requestTimeout: 10_000, headersTimeout: 10_000 };
  if (tls === undefined) return createHttpServer(limits, listener);
  try {
    return createHttpsServer({ ...limits, minVersion: 'TLSv1.2', ...tls }, listener);
  } catch (error) {
    throw new UsageError(
      `--tls-cert, --tls-key: they are no certificate with its key, as PEM (${safeText(messageOf(error), VALUE_CHARS_MAX)}).`,
    );
  }
}

async function listening(server: Server, { host, port }: ListenSettings): Promise<void> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new UsageError(
      `--host, --port: ${host} port ${port} cannot be listened at (${safeText(messageOf(error), VALUE_CHARS_MAX)}).`,
    );
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}

function hostOf(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
