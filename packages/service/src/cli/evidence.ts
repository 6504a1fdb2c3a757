import type { Command } from 'commander';
import { printJson } from '../base/output.ts';
import { systemErrorCode } from '../base/start-up-error.ts';
import { CliError, EXIT_CONFIGURATION } from './cli-error.ts';
import { createFile } from './input.ts';
import { type CommonFlags, defineOperatorCommand, withOperatorClient } from './operator-flags.ts';
import { readJti } from './subjects.ts';

const EXPORT_HELP = `
Examples:
  tidings evidence 190364f8-4f9c-420e-b4d1-76a6b5317fab --out evidence.json
  tidings verify-evidence evidence.json --jwks our-jwks.json

Use it when a TPP disputes a notification. The file holds the SET, the public key that signed it, every attempt with the
answer of the TPP, and the errors that it reported. Anybody can verify it without the service.
`;

/** `tidings evidence`: exports the evidence for a notification. */
export function define(command: Command): void {
  defineOperatorCommand(command, EXPORT_HELP)
    .argument('<jti>', 'id of the notification', readJti)
    .option('--out <file>', 'file to create (default: standard output)')
    .action(async (jti: string, flags: CommonFlags & { out?: string }) => {
      const { Evidence } = await import('../operator/evidence.ts');
      const call = { method: 'GET', path: `/operator/v1/notifications/${encodeURIComponent(jti)}/evidence` } as const;
      const { value: evidence } = await withOperatorClient(flags, (client) => client.read(call, Evidence));
      if (flags.out === undefined) printJson(evidence);
      else await writeNew(flags.out, `${JSON.stringify(evidence, undefined, 2)}\n`);
    });
}

async function writeNew(file: string, text: string): Promise<void> {
  const handle = await createFile(file, '--out');
  try {
    await handle.writeFile(text);
  } catch (error) {
    throw new CliError(
      EXIT_CONFIGURATION,
      `The file ${file}, given by --out, cannot be written (${systemErrorCode(error) ?? 'unknown'}).`,
    );
  } finally {
    await handle.close();
  }
}
