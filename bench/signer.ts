import { constants, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { isJsonObject, parseStrictJson } from '@tidings/protocol';

const signAsync = promisify(sign);

/** A provider of the bank's signing key that takes its time. */
export interface BenchSigner {
  /** The settings of the section `signing` that name it. */
  readonly settings: object;
  stop(): Promise<void>;
}

/**
 * Starts a transit engine that keeps the bank's key, for `@tidings/signer-vault`: HTTP without TLS, in the process of the bench.
 * A call takes the given time and, beyond it, that of an RSA signature and of the exchange.
 */
export async function startBenchSigner(options: {
  readonly key: { readonly kid: string; readonly privateKey: KeyObject };
  readonly delayMs: number;
  readonly folder: string;
}): Promise<BenchSigner> {
  const { key, delayMs, folder } = options;
  const publicKey = createPublicKey(key.privateKey).export({ type: 'spki', format: 'pem' });
  const pss = { key: key.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    let data: object = { latest_version: 1, keys: { '1': { public_key: publicKey } } };
    if (request.method === 'POST') {
      const body = parseStrictJson(Buffer.concat(chunks));
      const input = isJsonObject(body) ? body['input'] : undefined;
      const [signature] = await Promise.all([
        signAsync('sha256', Buffer.from(String(input), 'base64'), pss),
        pause(delayMs),
      ]);
      data = { signature: `vault:v1:${signature.toString('base64')}` };
    }
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ data }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  const tokenFile = join(folder, 'signer.token');
  writeFileSync(tokenFile, 'bench', { mode: 0o600 });
  const vault = { url: `http://127.0.0.1:${address.port}`, tokenFile };
  return {
    settings: { provider: 'vault', kid: key.kid, key: 'bank/1', vault },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
