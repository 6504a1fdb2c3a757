import type { Command } from 'commander';
import { type Clock, systemClock } from '../base/clock.ts';
import { colors, print, printJson } from '../base/output.ts';
import { NODE_REMEDY, nodeFault } from '../base/process.ts';
import { StartUpError } from '../base/start-up-error.ts';
import { printable } from '../base/terminal-text.ts';
import { examineConfig } from '../config/load.ts';
import type { ResolveHost } from '../net/resolve-host.ts';
import { CliError, EXIT_CONFIGURATION, EXIT_FAILED } from './cli-error.ts';
import { checkCallbackUrl } from './doctor/callback-url.ts';
import { checkCertificates, checkRoots } from './doctor/certificates.ts';
import { checkDirectory, checkEndpoints } from './doctor/endpoints.ts';
import { CHECKS, type Finding, faultFrom, type Inspection, ok, warning } from './doctor/finding.ts';
import { checkListeners } from './doctor/listeners.ts';
import { checkFiles, checkOperatorTokens, checkSigningKey } from './doctor/settings.ts';
import { checkSqlite } from './doctor/sqlite.ts';
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
      const findings = await inspectInstallation({ file, clock: systemClock, callbackUrl, isIntegrityChecked });
      if (printFindings(findings, flags.json === true)) process.exitCode = EXIT_FAILED;
    });
}

const MARKS = { ok: colors.green('✓'), warning: colors.yellow('!'), error: colors.red('✗') } as const;

/** Prints the findings with their remedies, and the verdict. @returns whether there is an error */
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
  const count = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`;
  if (errors > 0) return colors.red(`${count(errors, 'error')}, ${count(warnings, 'warning')}.`);
  return warnings === 0 ? 'No problems found.' : `No errors, ${count(warnings, 'warning')}.`;
}

/** Options of {@link inspectInstallation}. */
export interface InspectionOptions {
  /** The configuration file, which must exist. */
  readonly file: string;
  readonly clock: Clock;
  readonly callbackUrl?: string | undefined;
  readonly isIntegrityChecked?: boolean;
  readonly resolveHost?: ResolveHost;
}

/**
 * Inspects an installation: the settings, and the files, certificates, databases and hosts that they name. Changes nothing.
 * The service need not be running, and is not disturbed if it is. Skips checks that another fault makes impossible.
 *
 * @returns the findings, in the order of {@link CHECKS}
 */
export async function inspectInstallation(options: InspectionOptions): Promise<readonly Finding[]> {
  const { file, clock, callbackUrl, isIntegrityChecked = false, resolveHost } = options;
  const read = readConfig(file);
  if (Array.isArray(read)) return read;
  const inspection: Inspection = { file, config: read, clock, callbackUrl, isIntegrityChecked, resolveHost };
  const found = await Promise.all([
    [ok('configuration', `The settings in ${file} are valid.`)],
    checkFiles(inspection),
    checkCertificates(inspection),
    checkRoots(inspection),
    checkSigningKey(inspection),
    checkOperatorTokens(inspection),
    checkListenersAndStore(inspection),
    checkEndpoints(inspection),
    checkDirectory(inspection),
    checkCallbackUrl(inspection),
    [checkRuntime()],
  ]);
  return found.flat().sort((left, right) => CHECKS.indexOf(left.check) - CHECKS.indexOf(right.check));
}

function checkRuntime(): Finding {
  const fault = nodeFault();
  if (fault !== undefined) return warning('runtime', fault, NODE_REMEDY);
  return ok('runtime', `Node.js ${process.versions.node} is supported.`);
}

/** @returns the configuration, or findings about invalid settings */
function readConfig(file: string): Inspection['config'] | Finding[] {
  const remedy = 'Correct it; "tidings config reference" lists all settings.';
  try {
    const { config, faults } = examineConfig(file);
    return config ?? faults.map((sentence) => faultFrom('configuration', new StartUpError(sentence), remedy));
  } catch (error) {
    return [faultFrom('configuration', error, 'Correct the file: it must be one JSON object.')];
  }
}

async function checkListenersAndStore(inspection: Inspection): Promise<readonly Finding[]> {
  const { findings, isRunning } = await checkListeners(inspection);
  if (inspection.config.store.url === undefined) return [...findings, ...(await checkSqlite(inspection, isRunning))];
  // Loaded only here: SQLite does not need it.
  const { checkPostgres } = await import('./doctor/postgres.ts');
  return [...findings, ...(await checkPostgres(inspection))];
}
