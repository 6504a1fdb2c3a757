import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { SandboxPki } from '@tidings/sandbox';

export const AUDIENCE = 'https://bank.example/open-banking';

/** Allows callback URLs on this machine, where the receiver is. */
const CALLBACK_ADDRESSES = { callbackAddressesAllowed: ['127.0.0.0/8', '::1/128'] };

export interface Ports {
  readonly api: number;
  readonly operator: number;
}

/** Writes the configuration of a service under load: the defaults, except where they would prevent the bench. */
export function writeConfig(options: {
  folder: string;
  pki: SandboxPki;
  authorisationServer: { readonly issuer: string; readonly jwksUri: string };
  ports: Ports;
  operatorToken: string;
  store: object;
  logLevel: string;
  retention: object;
  /** The section `signing`. */
  signing: object;
}): string {
  const { folder, pki, authorisationServer, ports, operatorToken, store, logLevel, retention, signing } = options;
  const { certificateFile, keyFile } = pki.bank.transport;
  const caFile = pki.root.certificateFile;
  const file = join(folder, 'tidings.json');
  const config = {
    issuer: 'https://bank.example/',
    organisationId: pki.bank.organisationId,
    signing,
    store,
    retention,
    api: {
      host: '127.0.0.1',
      port: ports.api,
      requestsPerMinutePerTppMax: 1_000_000,
      registrationChangesPerHourPerTppMax: 10_000,
      // All TPPs of a bench share one certificate: abuse under it would be counted against the others.
      unauthenticatedPerMinutePerCertificateMax: 1_000_000,
      tls: { certificateFile, keyFile, clientCaFile: caFile },
    },
    accessTokens: {
      issuer: authorisationServer.issuer,
      audience: AUDIENCE,
      jwksUrl: authorisationServer.jwksUri,
      caFile,
      certificateFile,
      keyFile,
    },
    operator: {
      port: ports.operator,
      tls: { certificateFile, keyFile },
      tokens: [
        { name: 'bench', sha256: createHash('sha256').update(operatorToken).digest('hex'), role: 'administrator' },
      ],
    },
    polling: { maxEventsMax: 100 },
    delivery: { caFile, ...CALLBACK_ADDRESSES },
    log: { level: logLevel },
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}
