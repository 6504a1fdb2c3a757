import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Serves what `bodyOf` gives for a path as the operator API would, until `use` has ended.
 *
 * @param use is given the environment with which commands find it
 */
export async function servingStub(
  bodyOf: (path: string) => { readonly status: number; readonly body: unknown },
  use: (connection: Readonly<Record<string, string>>) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-commands-'));
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, 'token');
  const server = createServer((request, response) => {
    const { status, body } = bodyOf(new URL(request.url ?? '', 'http://x').pathname);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    await use({ TIDINGS_OPERATOR_URL: `http://127.0.0.1:${port}`, TIDINGS_TOKEN_FILE: tokenFile });
  } finally {
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true });
  }
}
