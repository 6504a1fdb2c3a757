import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Json } from './documented.ts';

const BIN = 'packages/service/bin/tidings.js';

/** The configuration that docs/portal-notes.md is made with. */
export const EXAMPLE = 'scripts/portal-notes-example.json';

/** What `tidings openapi` prints for a configuration: the example, with sections replaced. */
export function printDocument(name: 'tpp-facing' | 'operator', changed: object = {}): Json {
  return JSON.parse(printWith(changed, (config) => ['openapi', '--config', config, name]));
}

/** What `tidings portal-notes` prints for a configuration: the example, with sections replaced. */
export function printPortalNotes(changed: object = {}): string {
  return printWith(changed, (config) => ['portal-notes', '--config', config]);
}

function printWith(changed: object, argsFor: (config: string) => string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-openapi-'));
  try {
    const config = join(folder, 'tidings.json');
    writeFileSync(config, JSON.stringify({ ...JSON.parse(readFileSync(EXAMPLE, 'utf8')), ...changed }));
    return execFileSync(process.execPath, [BIN, ...argsFor(config)], { encoding: 'utf8' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
