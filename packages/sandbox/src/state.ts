import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StartUpError } from '@tidings/service';

/** The files of a run in the state folder. */
export interface RunFolder {
  /** Folder of the configuration, store and log of the Notification Service. */
  readonly serviceFolder: string;
  /** File with the operator token, for curl. */
  readonly operatorTokenFile: string;
  readonly operatorToken: string;
  /** SHA-256 of the token, hexadecimal, as in the configuration. */
  readonly operatorTokenHash: string;
  /** Removes the files that only this run needed. */
  cleanUp(): void;
}

/**
 * Prepares the state folder, which must exist. A run with `once` has its own store, so that it can run beside another
 * sandbox; keys are shared.
 *
 * @throws {StartUpError}
 */
export function openRunFolder(folder: string, once: boolean): RunFolder {
  try {
    const operatorTokenFile = join(folder, 'operator-token');
    const serviceFolder = once ? mkdtempSync(join(folder, 'once-')) : folder;
    const operatorToken = keptToken(operatorTokenFile);
    return {
      serviceFolder,
      operatorTokenFile,
      operatorToken,
      operatorTokenHash: createHash('sha256').update(operatorToken).digest('hex'),
      cleanUp: () => {
        if (once) rmSync(serviceFolder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    throw new StartUpError(
      `The state folder ${folder} cannot be written (${error.code}); choose another one with --state.`,
    );
  }
}

function keptToken(file: string): string {
  if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString('base64url'), { mode: 0o600 });
  return readFileSync(file, 'utf8').trim();
}
