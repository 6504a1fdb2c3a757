import type { Command } from 'commander';
import { CliError, EXIT_CONFIGURATION, EXIT_FAILED } from './cli-error.ts';

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
      const [{ readNamedFile }, { examine }, { printFindings }, { systemClock }] = await Promise.all([
        import('./read-file.ts'),
        import('./doctor/examine.ts'),
        import('./doctor/print.ts'),
        import('../base/clock.ts'),
      ]);
      const { config: file, callbackUrl, integrity: isIntegrityChecked = false } = flags;
      readNamedFile('--config', file);
      if (callbackUrl !== undefined && !URL.canParse(callbackUrl)) {
        throw new CliError(EXIT_CONFIGURATION, `--callback-url (${callbackUrl}) is not a URL.`);
      }
      const findings = await examine({ file, clock: systemClock, callbackUrl, isIntegrityChecked });
      if (printFindings(findings, flags.json === true)) process.exitCode = EXIT_FAILED;
    });
}
