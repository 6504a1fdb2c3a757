import type { Clock } from '../../base/clock.ts';
import { NODE_REMEDY, nodeFault } from '../../base/node-version.ts';
import { StartUpError } from '../../base/start-up-error.ts';
import { examineConfig } from '../../config/faults.ts';
import type { ResolveHost } from '../../net/resolve-host.ts';
import { checkCallbackUrl } from './callback-url.ts';
import { checkCertificates, checkRoots } from './certificates.ts';
import { checkDirectory, checkEndpoints } from './endpoints.ts';
import { CHECKS, type Examination, type Finding, ok, refusal, warning } from './finding.ts';
import { checkListeners } from './listeners.ts';
import { checkOperatorTokens, checkSigningKey } from './secrets.ts';
import { checkFiles } from './settings.ts';
import { checkSqlite } from './sqlite.ts';

/** Options of an examination. */
export interface ExamineOptions {
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
export async function examine(options: ExamineOptions): Promise<readonly Finding[]> {
  const { file, clock, callbackUrl, isIntegrityChecked = false, resolveHost } = options;
  const read = readConfig(file);
  if (Array.isArray(read)) return read;
  const examination: Examination = { file, config: read, clock, callbackUrl, isIntegrityChecked, resolveHost };
  const found = await Promise.all([
    [ok('configuration', `The settings in ${file} are good.`)],
    checkFiles(examination),
    checkCertificates(examination),
    checkRoots(examination),
    checkSigningKey(examination),
    checkOperatorTokens(examination),
    checkListenersAndStore(examination),
    checkEndpoints(examination),
    checkDirectory(examination),
    checkCallbackUrl(examination),
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
function readConfig(file: string): Examination['config'] | Finding[] {
  const remedy = 'Correct it; "tidings config reference" lists all settings.';
  try {
    const { config, faults } = examineConfig(file);
    return config ?? faults.map((sentence) => refusal('configuration', new StartUpError(sentence), remedy));
  } catch (error) {
    return [refusal('configuration', error, 'Correct the file: it must be one JSON object.')];
  }
}

async function checkListenersAndStore(examination: Examination): Promise<readonly Finding[]> {
  const { findings, isRunning } = await checkListeners(examination);
  if (examination.config.store.url === undefined) return [...findings, ...(await checkSqlite(examination, isRunning))];
  // Loaded only here: with SQLite nothing of it is needed.
  const { checkPostgres } = await import('./postgres.ts');
  return [...findings, ...(await checkPostgres(examination))];
}
