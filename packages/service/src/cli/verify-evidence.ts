import type { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { colors, print, printJson } from '../base/output.ts';
import { printable } from '../base/terminal-text.ts';
import { EXIT_FAILED } from './cli-error.ts';
import type { Check } from './evidence-checks.ts';
import { readNamedFile } from './files.ts';

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
      const { verifyEvidence } = await import('./evidence-checks.ts');
      const evidence = readNamedFile('the argument', file);
      const jwks = readNamedFile('--jwks', flags.jwks);
      const checks = await verifyEvidence(evidence, jwks, systemClock.nowMs());
      printChecks(checks, flags.json === true);
      if (checks.some(({ outcome }) => outcome === 'failed')) process.exitCode = EXIT_FAILED;
    });
}

const PAINTED = { passed: colors.green('passed'), failed: colors.red('failed'), none: colors.dim('none  ') } as const;

/** Prints what was checked, a line each, and what it comes to. */
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
  const verdict = failures === 0 ? 'Every check passed' : `Not to be relied on: ${failures} of the checks failed`;
  print(`${verdict}.\n`);
}
