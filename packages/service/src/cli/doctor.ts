import type { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { colors, print, printJson } from '../base/output.ts';
import { printable } from '../base/terminal-text.ts';
import { CliError, EXIT_CONFIGURATION, EXIT_FAILED } from './cli-error.ts';
import type { Finding } from './doctor/finding.ts';
import { readNamedFile } from './files.ts';

interface Flags {
  readonly config: string;
  readonly callbackUrl?: string;
  readonly integrity?: boolean;
  readonly json?: boolean;
}

/** `tidings doctor`: what is wrong with an installation, and what to do about it. */
export function define(command: Command): void {
  command
    .requiredOption('-c, --config <file>', 'configuration file (JSON)')
    .option('--callback-url <url>', 'also look where this callback URL leads; does TLS with it and sends nothing')
    .option('--integrity', 'also read the whole SQLite file for damage')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  tidings doctor --config /etc/tidings/tidings.json
  tidings doctor --config tidings.json --callback-url https://tpp.example/open-banking/v4.0/event-notifications
  tidings doctor --config tidings.json --json | jq '.findings[] | select(.severity == "error")'

Run it as the user of the service, so that it sees what the service may see. The service need not run, and one that runs
is not disturbed. Of the access tokens' issuer only public documents are asked for.

Exit codes: 0 no error, though there may be warnings; 1 there are errors; 2 wrong use, or the file cannot be read.`,
    )
    .action(async (flags: Flags) => {
      const { examine } = await import('./doctor/examine.ts');
      const { config: file, callbackUrl, integrity: isIntegrityChecked = false } = flags;
      readNamedFile('--config', file);
      if (callbackUrl !== undefined && !URL.canParse(callbackUrl)) {
        throw new CliError(EXIT_CONFIGURATION, `--callback-url (${callbackUrl}) is not a URL.`);
      }
      const findings = await examine({ file, clock: systemClock, callbackUrl, isIntegrityChecked });
      if (printFindings(findings, flags.json === true)) process.exitCode = EXIT_FAILED;
    });
}

const MARKS = { ok: colors.green('✓'), warning: colors.yellow('!'), error: colors.red('✗') } as const;

/** Prints what was found, with what to do about it, and what it comes to. @returns whether there is an error */
function printFindings(findings: readonly Finding[], asJson: boolean): boolean {
  const count = (severity: Finding['severity']) => findings.filter((each) => each.severity === severity).length;
  const [errors, warnings] = [count('error'), count('warning')];
  if (asJson) {
    printJson({ isHealthy: errors === 0, errors, warnings, findings });
    return errors > 0;
  }
  const width = Math.max(0, ...findings.map(({ check }) => check.length));
  const lines = findings.map(({ check, severity, what, remedy }) => {
    const line = `${MARKS[severity]} ${check.padEnd(width)}  ${printable(what)}\n`;
    return remedy === undefined ? line : `${line}  ${' '.repeat(width)}  ${colors.bold('→')} ${printable(remedy)}\n`;
  });
  print(`${lines.join('')}\n${verdictOf(errors, warnings)}\n`);
  return errors > 0;
}

function verdictOf(errors: number, warnings: number): string {
  const some = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`;
  if (errors > 0) return colors.red(`${some(errors, 'error')}, ${some(warnings, 'warning')}.`);
  return warnings === 0 ? 'Nothing is wrong.' : `No error, ${some(warnings, 'warning')}.`;
}
