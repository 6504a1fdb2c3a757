import { print, printJson } from '../base/output.ts';
import { StartUpError } from '../base/start-up-error.ts';
import { printable } from '../base/terminal-text.ts';
import { effectiveSettings } from '../config/effective.ts';
import { examineConfig } from '../config/faults.ts';
import { configurationReference, configurationTable } from '../config/reference.ts';
import { CliError, EXIT_FAILED } from './cli-error.ts';
import { readNamedFile } from './read-file.ts';
import { tableOf } from './table.ts';

/** `tidings config reference` */
export function printReference(asJson: boolean): void {
  if (asJson) printJson({ settings: configurationReference() });
  else print(configurationTable());
}

/** `tidings config check` */
export function checkConfig(file: string, asJson: boolean): void {
  readNamedFile('--config', file);
  const faults = faultsOf(file);
  if (faults.length > 0) process.exitCode = EXIT_FAILED;
  if (asJson) {
    printJson({ isGood: faults.length === 0, faults });
    return;
  }
  const verdict = faults.length === 0 ? ['The configuration is good.'] : faults;
  print(verdict.map((line) => `${printable(line)}\n`).join(''));
}

function faultsOf(file: string): readonly string[] {
  try {
    return examineConfig(file).faults.map((fault) => fault.charAt(0).toUpperCase() + fault.slice(1));
  } catch (error) {
    if (error instanceof StartUpError) return [error.message];
    throw error;
  }
}

/** `tidings config effective` */
export function printEffective(file: string, asJson: boolean): void {
  readNamedFile('--config', file);
  try {
    const settings = effectiveSettings(file, new Set(Object.keys(process.env)));
    if (asJson) {
      printJson({ settings });
      return;
    }
    const rows = settings.map(({ setting, value, source }) => [
      setting,
      source,
      value === undefined ? '' : textOf(value),
    ]);
    print(tableOf(['SETTING', 'SOURCE', 'VALUE'], rows));
  } catch (error) {
    if (error instanceof StartUpError) throw new CliError(EXIT_FAILED, error.message);
    throw error;
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
