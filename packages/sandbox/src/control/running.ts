/** Where a running sandbox is found: a file in its state folder. */

import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { isJsonObject } from '@tidings/protocol';
import { PRIVATE_FILE_MODE, writeStateFile } from '../pki/state-folder.ts';

const RUNNING_FILE = 'running.json';

/** How to call a running sandbox. */
export interface RunningSandbox {
  readonly controlUrl: string;
  readonly token: string;
  readonly caPem: string;
}

/** Notes that a sandbox runs. @returns a function that removes the note */
export async function noteRunning(stateFolder: string, controlUrl: string): Promise<() => Promise<void>> {
  const text = `${JSON.stringify({ controlUrl }, undefined, 2)}\n`;
  await writeStateFile(stateFolder, RUNNING_FILE, { text, mode: PRIVATE_FILE_MODE });
  return () => rm(path.join(stateFolder, RUNNING_FILE), { force: true });
}

/** Finds the sandbox that runs with a state folder. @returns undefined when none does, as far as its folder tells */
export async function findRunning(stateFolder: string): Promise<RunningSandbox | undefined> {
  const read = (...names: string[]) => readFile(path.join(stateFolder, ...names), 'utf8');
  try {
    const json: unknown = JSON.parse(await read(RUNNING_FILE));
    const controlUrl = isJsonObject(json) ? json['controlUrl'] : undefined;
    if (typeof controlUrl !== 'string') return undefined;
    return { controlUrl, token: (await read('operator-token')).trim(), caPem: await read('pki', 'root.pem') };
  } catch {
    return undefined;
  }
}
