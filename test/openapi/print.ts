import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '../support/cli.ts';
import type { Json } from './documented.ts';

/** The configuration that docs/portal-notes.md is made with. */
export const EXAMPLE = 'scripts/portal-notes-example.json';

/** What `tidings openapi` prints for a configuration: the example, with sections replaced. */
export async function printDocument(name: 'tpp-facing' | 'operator', changed: object = {}): Promise<Json> {
  return JSON.parse(await printWith(changed, (config) => ['openapi', '--config', config, name]));
}

/** What `tidings portal-notes` prints for a configuration: the example, with sections replaced. */
export function printPortalNotes(changed: object = {}): Promise<string> {
  return printWith(changed, (config) => ['portal-notes', '--config', config]);
}

async function printWith(changed: object, argsFor: (config: string) => string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-openapi-'));
  try {
    const config = join(folder, 'tidings.json');
    writeFileSync(config, JSON.stringify({ ...JSON.parse(readFileSync(EXAMPLE, 'utf8')), ...changed }));
    const { code, stdout, stderr } = await runCli(argsFor(config));
    if (code !== 0) throw new Error(stderr);
    return stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
