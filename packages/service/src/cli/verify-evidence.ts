import type { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { colors, print, printJson } from '../base/output.ts';
import { printable } from '../base/terminal-text.ts';
import { EXIT_FAILED } from './cli-error.ts';
import type { Check } from './evidence/verify.ts';
import { readNamedFile } from './input.ts';

const HELP = `
Examples:
  tidings verify-evidence evidence.json --jwks our-jwks.json
  tidings verify-evidence evidence.json --jwks our-jwks.json --set copy.jwt

Works without a network. Take the JWKS from a source that you trust, not from whoever gave you the file: the key in the file
is only compared with it, never trusted.

The signature proves that the bank signed the SET, for which TPP, about which event, and when the event was published. It does
not prove when the SET was sent or what the TPP answered: those are the bank's own records, which the TPP has not signed. The
command checks that they are consistent with each other and with the SET.

The file has no SET if its content was erased ("tidings data erase"), only its SHA-256. Give the copy that the TPP kept with
--set: it must have that SHA-256, and is verified in its place.

Exit codes: 0 no check failed; 1 a check failed; 2 wrong usage, or a file cannot be read.`;

/** `tidings verify-evidence`: verifies the file of `tidings evidence` without a service. */
export function define(command: Command): void {
  command
    .argument('<file>', 'the evidence file; - reads standard input')
    .requiredOption('--jwks <file>', 'file with the JWKS of the bank')
    .option('--set <file>', 'copy of the SET (compact JWS), to be verified instead of the one in the evidence')
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .action(async (file: string, flags: { jwks: string; set?: string; json?: boolean }) => {
      const evidence = readNamedFile(undefined, file);
      const jwks = readNamedFile('--jwks', flags.jwks);
      const copy = flags.set === undefined ? undefined : readNamedFile('--set', flags.set).trim();
      const { verifyEvidence } = await import('./evidence/verify.ts');
      const checks = await verifyEvidence(evidence, jwks, systemClock.nowMs(), copy);
      printChecks(checks, flags.json === true);
      if (checks.some(({ outcome }) => outcome === 'failed')) process.exitCode = EXIT_FAILED;
    });
}

const PAINTED = { passed: colors.green('passed'), failed: colors.red('failed'), none: colors.dim('none  ') } as const;

/** Prints the checks, one per line, and the verdict. */
function printChecks(checks: readonly Check[], asJson: boolean): void {
  const failures = checks.filter(({ outcome }) => outcome === 'failed').length;
  if (asJson) {
    printJson({ isVerified: failures === 0, checks });
    return;
  }
  const width = Math.max(...checks.map(({ check }) => check.length));
  const lines = checks.map(({ check, outcome, detail }) => {
    return `${PAINTED[outcome]}  ${check.padEnd(width)}  ${printable(detail)}\n`;
  });
  print(lines.join(''));
  const verdict =
    failures === 0 ? 'No check failed' : `Do not rely on this file: ${failures} of ${checks.length} checks failed`;
  print(`${verdict}.\n`);
}
