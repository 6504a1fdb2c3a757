import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StartUpError } from '@tidings/service';

/** Where the sandbox keeps what it reuses, and what one run of it needs. */
export interface RunFolder {
  /** Configuration, store and log of the Notification Service. */
  readonly serviceFolder: string;
  /** The operator token in clear: for curl. */
  readonly operatorTokenFile: string;
  readonly operatorToken: string;
  /** SHA-256 of the token, hexadecimal: for the configuration. */
  readonly operatorTokenHash: string;
  /** Removes what only this run needed. */
  cleanUp(): void;
}

/**
 * Lays out the state folder, which must exist. A run that plays the flow once has a store of its own, so
 * that it can be played beside a sandbox that is up; its keys are shared.
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
      `The state folder ${folder} cannot be written (${error.code}); choose another with --state.`,
    );
  }
}

function keptToken(file: string): string {
  if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString('base64url'), { mode: 0o600 });
  return readFileSync(file, 'utf8').trim();
}
