import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { parseEnv } from 'node:util';
import { isJsonObject } from '@tidings/protocol';
import { createHttpClient, listenOn, temporaryFolder, until, unusedPort } from '@tidings/testing';
import { run, start } from '../support/command.ts';

/** The names of the settings of a program, see docs/guides/cookbook.md. */
export interface ProgramSettings {
  readonly BANK_ISSUER: string;
  readonly BANK_ORGANISATION_ID: string;
  readonly BANK_JWKS_URL: string;
  readonly TPP_CLIENT_ID: string;
}

/** The bank of the sandbox, with a TPP of one's own. TLS ends here, in front of the program, as the page says. */
export interface SandboxBank {
  readonly settings: ProgramSettings;
  /** Revokes a consent at the bank, whose notification goes to a program. @returns what is wrong, in words */
  notify(programPort: number): Promise<readonly string[]>;
  close(): Promise<void>;
}

const PATIENCE_MS = 600_000;

/** Starts the sandbox as its user does. */
export async function startSandboxBank(): Promise<SandboxBank> {
  const folder = temporaryFolder();
  const state = join(folder.path, 'state');
  const callbackUrl = `https://localhost:${await unusedPort()}/open-banking/v4.0/event-notifications`;
  const args = ['sandbox', '--json', '--port', '0', '--state', state, '--tpp-callback', callbackUrl];
  const sandbox = start(args, { patienceMs: PATIENCE_MS });
  await sandbox.line(/"console":/);
  const variables = parseEnv(readFileSync(join(state, 'tpps', 'my-tpp', 'tpp.env'), 'utf8'));
  const value = (name: string) => variables[name] ?? fail(`tpp.env has no ${name}`);
  const file = (name: string) => readFileSync(value(name), 'utf8');

  // The programs trust the roots of their machine; so they get the bank's keys from here.
  const bankKeys = new URL(value('BANK_JWKS_URL'));
  const bank = createHttpClient(bankKeys.origin, { ca: file('SANDBOX_CA_FILE') });
  const keystore = createServer((_, response) => {
    bank.send(bankKeys.pathname).then(
      ({ status, body }) => response.writeHead(status, { 'content-type': 'application/json' }).end(body),
      () => response.writeHead(502).end(),
    );
  });
  const jwksUrl = `http://127.0.0.1:${await listenOn(keystore)}/jwks`;

  const statuses = new Map<string, number>();
  let target = 0;
  const tls = { cert: file('TPP_RECEIVER_CERTIFICATE_FILE'), key: file('TPP_RECEIVER_KEY_FILE') };
  const front = createTlsServer(tls, (incoming, outgoing) => {
    forward(incoming, outgoing, target).then(
      ({ set, status }) => statuses.set(jtiOf(set), status),
      () => outgoing.destroy(),
    );
  });
  await new Promise<void>((resolve) => front.listen(Number(new URL(callbackUrl).port), 'localhost', resolve));

  return {
    settings: {
      BANK_ISSUER: value('BANK_ISSUER'),
      BANK_ORGANISATION_ID: value('BANK_ORGANISATION_ID'),
      BANK_JWKS_URL: jwksUrl,
      TPP_CLIENT_ID: value('TPP_CLIENT_ID'),
    },
    notify: async (programPort) => {
      target = programPort;
      const { code, stdout, stderr } = await run(['trigger', 'consent-revoked', '--state', state, '--json']);
      if (code !== 0) return [`the trigger ended with ${code}: ${stderr}`];
      const triggered: unknown = JSON.parse(stdout);
      const jti = isJsonObject(triggered) ? String(triggered['jti']) : '';
      await until(() => statuses.has(jti), `the notification ${jti} of the sandbox is answered`);
      const status = statuses.get(jti);
      return status === 202 ? [] : [`the notification of the sandbox was answered ${status}`];
    },
    close: async () => {
      sandbox.child.kill('SIGTERM');
      await sandbox.ended;
      front.close();
      front.closeAllConnections();
      keystore.close();
      bank.close();
      folder.remove();
    },
  };
}

async function forward(incoming: IncomingMessage, outgoing: ServerResponse, port: number) {
  const body = await buffer(incoming);
  const { host: _, connection: __, ...headers } = incoming.headers;
  const status = await new Promise<number>((resolve, reject) => {
    const target = { host: '127.0.0.1', port, path: incoming.url ?? '', method: incoming.method ?? '', agent: false };
    request({ ...target, headers }, (answer) => {
      const { 'x-fapi-interaction-id': id } = answer.headers;
      outgoing.writeHead(answer.statusCode ?? 0, id === undefined ? {} : { 'x-fapi-interaction-id': id });
      answer.pipe(outgoing);
      resolve(answer.statusCode ?? 0);
    })
      .on('error', reject)
      .end(body);
  });
  return { set: body.toString(), status };
}

function jtiOf(set: string): string {
  const claims: unknown = JSON.parse(Buffer.from(set.split('.')[1] ?? '', 'base64url').toString());
  return isJsonObject(claims) ? String(claims['jti']) : '';
}

function fail(message: string): never {
  throw new Error(message);
}
