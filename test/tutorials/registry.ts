import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { listenOn } from '@tidings/testing';

const run = promisify(execFile);

/**
 * Starts a registry of npm on the loopback, which has the packages that are installed here and nothing else: a tutorial
 * installs as its reader does, and the tests need no network.
 *
 * @param modules the node_modules folder
 * @returns the URL of the registry
 */
export async function startRegistry(t: TestContext, modules: string): Promise<string> {
  const server = createServer((request, response) => {
    answer(modules, request, response).catch(() => response.writeHead(500).end());
  });
  const port = await listenOn(server);
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${port}/`;
}

async function answer(modules: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = decodeURIComponent(request.url ?? '').slice(1);
  const [name = '', file] = path.split('/-/');
  const home = join(modules, name);
  if (!/^(@[\w.-]+\/)?[\w-][\w.-]*$/.test(name) || !existsSync(join(home, 'package.json'))) {
    response.writeHead(404).end('{}');
  } else if (file === undefined) {
    const manifest: { version: string } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8'));
    const tarball = `http://${request.headers.host}/${name}/-/package.tgz`;
    const versions = { [manifest.version]: { ...manifest, dist: { tarball } } };
    response.end(JSON.stringify({ name, 'dist-tags': { latest: manifest.version }, versions }));
  } else {
    // In a package file everything is below one folder.
    const options = { encoding: 'buffer', maxBuffer: 50_000_000 } as const;
    const { stdout } = await run('tar', ['-cz', '-C', join(home, '..'), name.replace(/^.*\//, '')], options);
    response.end(stdout);
  }
}
