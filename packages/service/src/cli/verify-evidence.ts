import type { Command } from 'commander';
import { EXIT_FAILED } from './cli-error.ts';

const HELP = `
Example:
  tidings verify-evidence evidence.json --jwks our-jwks.json

It needs no network. Take the JWKS from where you trust it, not from whoever gave you the file: the key in the file is
compared with it and never trusted.

What it proves: that the SET was signed with that key, and for whom, about what and when the event was published. What it
does not prove: when it was sent, and what the TPP answered. Those are the bank's own records, which the TPP has not
signed; they are checked to fit each other and the SET.

Exit codes: 0 every check passed; 1 one did not; 2 wrong use, or a file cannot be read.`;

/** `tidings verify-evidence`: checks the file of `tidings evidence` without a service. */
export function define(command: Command): void {
  command
    .argument('<file>', 'the evidence (- reads standard input)')
    .requiredOption('--jwks <file>', 'JWKS of the bank, as a file')
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
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
