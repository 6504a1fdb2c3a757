import type { Clock } from '../../base/clock.ts';
import type { ImportPackage } from '../../base/optional-package.ts';
import { colors, print, printJson } from '../../base/output.ts';
import { type Environment, NODE_REMEDY, nodeFault } from '../../base/process.ts';
import { StartUpError } from '../../base/start-up-error.ts';
import { printable } from '../../base/terminal-text.ts';
import { examineConfig } from '../../config/load.ts';
import type { ResolveHost } from '../../net/resolve-host.ts';
import { checkCallbackUrl } from './callback-url.ts';
import { checkCertificates, checkRoots } from './certificates.ts';
import { checkDirectory, checkEndpoints } from './endpoints.ts';
import { CHECKS, type Finding, faultFrom, type Inspection, ok, warning } from './finding.ts';
import { checkIntake } from './intake.ts';
import { checkListeners } from './listeners.ts';
import { checkDestinations, checkFiles, checkOperatorTokens, checkSigningKey } from './settings.ts';
import { checkSqlite } from './sqlite.ts';

const MARKS = { ok: colors.green('✓'), warning: colors.yellow('!'), error: colors.red('✗') } as const;

/** Prints the findings with their remedies, and the verdict. @returns whether there is an error */
export function printFindings(findings: readonly Finding[], asJson: boolean): boolean {
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
  readonly environment?: Environment;
  readonly clock: Clock;
  readonly callbackUrl?: string | undefined;
  readonly isIntegrityChecked?: boolean;
  readonly resolveHost?: ResolveHost;
  readonly importPackage?: ImportPackage;
}

/**
 * Inspects an installation: the settings, and the files, certificates, databases and hosts that they name. Changes nothing.
 * The service need not be running, and is not disturbed if it is. Skips checks that another fault makes impossible.
 *
 * @returns the findings, in the order of {@link CHECKS}
 */
export async function inspectInstallation(options: InspectionOptions): Promise<readonly Finding[]> {
  const { file, clock, callbackUrl, isIntegrityChecked = false, resolveHost, importPackage } = options;
  const read = readConfig(file, options.environment);
  if (Array.isArray(read)) return read;
  const inspection: Inspection = {
    ...{ file, config: read, clock, callbackUrl, isIntegrityChecked, resolveHost, importPackage },
  };
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
    checkIntake(inspection),
    checkDestinations(inspection),
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
function readConfig(file: string, environment?: Environment): Inspection['config'] | Finding[] {
  const remedy = 'Correct it; "tidings config reference" lists all settings.';
  try {
    const { config, faults } = examineConfig(file, environment);
    return config ?? faults.map((sentence) => faultFrom('configuration', new StartUpError(sentence), remedy));
  } catch (error) {
    return [faultFrom('configuration', error, 'Correct the file: it must be one JSON object.')];
  }
}

async function checkListenersAndStore(inspection: Inspection): Promise<readonly Finding[]> {
  const { findings, isRunning } = await checkListeners(inspection);
  if (inspection.config.store.url === undefined) return [...findings, ...(await checkSqlite(inspection, isRunning))];
  // Loaded only here: SQLite does not need it.
  const { checkPostgres } = await import('./postgres.ts');
  return [...findings, ...(await checkPostgres(inspection))];
}
