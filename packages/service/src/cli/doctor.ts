import type { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { environment } from '../base/process.ts';
import { CliError, EXIT_CONFIGURATION, EXIT_FAILED } from './cli-error.ts';
import { readNamedFile } from './input.ts';

interface Flags {
  readonly config: string;
  readonly callbackUrl?: string;
  readonly integrity?: boolean;
  readonly json?: boolean;
}

/** `tidings doctor`: finds what is wrong with an installation, with the remedies. */
export function define(command: Command): void {
  command
    .requiredOption('-c, --config <file>', 'configuration file (JSON)')
    .option('--callback-url <url>', 'also check this callback URL of a TPP: address, port and TLS; sends no request')
    .option('--integrity', 'also check the whole SQLite file for damage; slow for a large file')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  tidings doctor --config /etc/tidings/tidings.json
  tidings doctor --config tidings.json --callback-url https://tpp.example/open-banking/v4.0/event-notifications
  tidings doctor --config tidings.json --json | jq '.findings[] | select(.severity == "error")'

Use it before the first start, after a change of the configuration, and when something does not work. Every finding is ok, a
warning or an error; warnings and errors come with a remedy. Run it as the user of the service, so that it has the same
permissions. The service may be running or not, and is not disturbed. The check of the URLs in the configuration sends only
GET requests without a token.

Exit codes: 0 no errors, possibly warnings; 1 errors; 2 wrong usage, or the configuration file cannot be read.`,
    )
    .action(async (flags: Flags) => {
      const { config: file, callbackUrl, integrity: isIntegrityChecked = false } = flags;
      readNamedFile('--config', file);
      if (callbackUrl !== undefined && !URL.canParse(callbackUrl)) {
        throw new CliError(EXIT_CONFIGURATION, `--callback-url (${callbackUrl}) is not a URL.`);
      }
      const { inspectInstallation, printFindings } = await import('./doctor/inspect.ts');
      const findings = await inspectInstallation({
        ...{ file, environment: environment(), clock: systemClock, callbackUrl, isIntegrityChecked },
      });
      if (printFindings(findings, flags.json === true)) process.exitCode = EXIT_FAILED;
    });
}
