import { Command } from 'commander';
import { printJson } from '../base/output.ts';
import { CliError, EXIT_CONFIGURATION, EXIT_FAILED } from './cli-error.ts';
import { type CommonFlags, operatorCommand, withOperatorClient } from './operator-flags.ts';

const EXPORT_HELP = `
Examples:
  tidings evidence 190364f8-4f9c-420e-b4d1-76a6b5317fab --out evidence.json
  tidings verify-evidence evidence.json --jwks our-jwks.json
`;

const VERIFY_HELP = `
Example:
  tidings verify-evidence evidence.json --jwks our-jwks.json

It needs no network. Take the JWKS from where you trust it, not from whoever gave you the file: the key in the file is
compared with it and never trusted.

What it proves: that the SET was signed with that key, and for whom, about what and when the event was published. What it
does not prove: when it was sent, and what the TPP answered. Those are the bank's own records, which the TPP has not
signed; they are checked to fit each other and the SET.

Exit codes: 0 every check passed; 1 one did not; 2 wrong use, or a file cannot be read.`;

/** `tidings evidence`: what a running service can show about a notification, as a file. */
export function evidenceCommand(): Command {
  return operatorCommand(
    'evidence',
    'Export what is known of a notification, and proves it, as one JSON file.',
    EXPORT_HELP,
  )
    .argument('<jti>')
    .option('--out <file>', 'file to write, which must not exist (default: standard output)')
    .action(async (jti: string, flags: CommonFlags & { out?: string }) => {
      const [{ shapeOf }, { Evidence }] = await Promise.all([
        import('@tidings/protocol'),
        import('../operator/evidence.ts'),
      ]);
      const call = { method: 'GET', path: `/operator/v1/notifications/${encodeURIComponent(jti)}/evidence` } as const;
      const { value: evidence } = await withOperatorClient(flags, (client) => client.read(call, shapeOf(Evidence)));
      if (flags.out === undefined) printJson(evidence);
      else await writeNew(flags.out, `${JSON.stringify(evidence, undefined, 2)}\n`);
    });
}

/** `tidings verify-evidence`: checks such a file without a service. */
export function verifyEvidenceCommand(): Command {
  return new Command('verify-evidence')
    .description('Check an evidence file offline, against a JWKS of the bank that you trust.')
    .argument('<file>', 'the evidence (- reads standard input)')
    .requiredOption('--jwks <file>', 'JWKS of the bank, as a file')
    .option('--json', 'print JSON')
    .addHelpText('after', VERIFY_HELP)
    .action(async (file: string, flags: { jwks: string; json?: boolean }) => {
      const [{ readNamedFile }, { verifyEvidence }, { printChecks }, { systemClock }] = await Promise.all([
        import('./read-file.ts'),
        import('./evidence/verify.ts'),
        import('./evidence/print.ts'),
        import('../base/clock.ts'),
      ]);
      const evidence = readNamedFile('the argument', file);
      const jwks = readNamedFile('--jwks', flags.jwks);
      const checks = await verifyEvidence(evidence, jwks, systemClock.nowMs());
      printChecks(checks, flags.json === true);
      if (checks.some(({ outcome }) => outcome === 'failed')) process.exitCode = EXIT_FAILED;
    });
}

async function writeNew(file: string, text: string): Promise<void> {
  const [{ writeFile }, { systemErrorCode }] = await Promise.all([
    import('node:fs/promises'),
    import('../base/start-up-error.ts'),
  ]);
  try {
    await writeFile(file, text, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    const code = systemErrorCode(error) ?? 'unknown';
    const why = code === 'EEXIST' ? 'exists, and is not overwritten' : `cannot be written (${code})`;
    throw new CliError(EXIT_CONFIGURATION, `The file ${file}, named by --out, ${why}.`);
  }
}
