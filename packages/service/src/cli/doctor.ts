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
import { CHECKS, type Finding, type Inspection, ok, refusal, warning } from './doctor/finding.ts';
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

/** Options of an inspection. */
export interface InspectionOptions {
  /** The configuration file, which must be there. */
  readonly file: string;
  readonly clock: Clock;
  readonly callbackUrl?: string | undefined;
  readonly isIntegrityChecked?: boolean;
  readonly resolveHost?: ResolveHost;
}

/**
 * Examines an installation: what the configuration says, names and leads to. Changes nothing and needs no service that
 * runs; one that does takes no notice. What cannot be told because of another fault is left out.
 *
 * @returns what was found, in the order of {@link CHECKS}
 */
export async function inspectInstallation(options: InspectionOptions): Promise<readonly Finding[]> {
  const { file, clock, callbackUrl, isIntegrityChecked = false, resolveHost } = options;
  const read = readConfig(file);
  if (Array.isArray(read)) return read;
  const inspection: Inspection = { file, config: read, clock, callbackUrl, isIntegrityChecked, resolveHost };
  const found = await Promise.all([
    [ok('configuration', `The settings in ${file} are good.`)],
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
  return ok('runtime', `Node.js ${process.versions.node} runs it.`);
}

/** @returns what is wrong with the settings, where something is */
function readConfig(file: string): Inspection['config'] | Finding[] {
  const remedy = 'Correct it; "tidings config reference" lists all settings.';
  try {
    const { config, faults } = examineConfig(file);
    return config ?? faults.map((sentence) => refusal('configuration', new StartUpError(sentence), remedy));
  } catch (error) {
    return [refusal('configuration', error, 'Correct the file: it must be one JSON object.')];
  }
}

async function checkListenersAndStore(inspection: Inspection): Promise<readonly Finding[]> {
  const { findings, isRunning } = await checkListeners(inspection);
  if (inspection.config.store.url === undefined) return [...findings, ...(await checkSqlite(inspection, isRunning))];
  // Loaded only here: with SQLite nothing of it is needed.
  const { checkPostgres } = await import('./doctor/postgres.ts');
  return [...findings, ...(await checkPostgres(inspection))];
}
