import { Command } from 'commander';
import { print, printJson } from '../base/output.ts';
import { environment } from '../base/process.ts';
import { StartUpError } from '../base/start-up-error.ts';
import { printable } from '../base/terminal-text.ts';
import type { EffectiveSetting } from '../config/effective.ts';
import { CliError, EXIT_FAILED } from './cli-error.ts';
import { readNamedFile } from './input.ts';
import { printTable, type TableFlags, withTableFlags } from './output.ts';
import type { Column } from './table.ts';

interface Flags {
  readonly config: string;
  readonly json?: boolean;
}

const GROUP_HELP = `
Examples:
  tidings config reference
  tidings config check --config /etc/tidings/tidings.json
  tidings config effective --config /etc/tidings/tidings.json

"check" validates the settings alone. "tidings doctor" also checks the files, certificates and hosts that they name.

In the file, \${env:NAME} and \${file:PATH} stand for a variable and for the text of a file. Each setting can also be given by a
variable of its own, such as TIDINGS_API_PORT for "api.port", which overrides the file: "reference" lists them.

Exit codes: 0 done; 1 the configuration is invalid; 2 wrong usage, or the file cannot be read.`;

/** `tidings config`: the settings, and a configuration file. */
export function define(command: Command): void {
  command
    .addCommand(referenceCommand())
    .addCommand(checkCommand())
    .addCommand(effectiveCommand())
    .addHelpText('after', GROUP_HELP);
}

function referenceCommand(): Command {
  return new Command('reference')
    .description('Print all settings with their defaults and ranges, as a Markdown table.')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples('tidings config reference', 'tidings config reference --json', 'Exit codes: 0 done.'),
    )
    .action((flags: { json?: boolean }) => printReference(flags.json === true));
}

function checkCommand(): Command {
  const codes =
    'Exit codes: 0 the configuration is valid; 1 it is invalid, and every fault is listed; 2 wrong usage, or the file cannot be read.';
  return new Command('check')
    .description('Validate a configuration file as "tidings serve" does, but without reading the files that it names.')
    .requiredOption('-c, --config <file>', 'configuration file (JSON)')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('tidings config check --config tidings.json', codes))
    .action((flags: Flags) => checkConfig(flags.config, flags.json === true));
}

function effectiveCommand(): Command {
  const codes = 'Exit codes: 0 done; 1 the configuration is invalid; 2 wrong usage, or the file cannot be read.';
  const about = 'Show every setting with its value and where it comes from; secrets are redacted.';
  return withTableFlags(new Command('effective').description(about))
    .requiredOption('-c, --config <file>', 'configuration file (JSON)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples(
        'tidings config effective --config tidings.json',
        `tidings config effective --config tidings.json --json | jq '.settings[] | select(.source == "file")'`,
        codes,
      ),
    )
    .action((flags: Flags & TableFlags) => printEffective(flags));
}

/** @param lines the examples, followed by the exit codes */
function examples(...lines: readonly string[]): string {
  const shown = lines.slice(0, -1).map((line) => `  ${line}\n`);
  return `\nExamples:\n${shown.join('')}\n${lines.at(-1)}`;
}

/** `tidings config reference` */
async function printReference(asJson: boolean): Promise<void> {
  const { configurationReference, configurationTable } = await import('../config/reference.ts');
  if (asJson) printJson({ settings: configurationReference() });
  else print(configurationTable());
}

/** `tidings config check` */
async function checkConfig(file: string, asJson: boolean): Promise<void> {
  readNamedFile('--config', file);
  const faults = await faultsOf(file);
  if (faults.length > 0) process.exitCode = EXIT_FAILED;
  if (asJson) {
    printJson({ isGood: faults.length === 0, faults });
    return;
  }
  const verdict = faults.length === 0 ? ['The configuration is valid.'] : faults;
  print(verdict.map((line) => `${printable(line)}\n`).join(''));
}

async function faultsOf(file: string): Promise<readonly string[]> {
  const { examineConfig } = await import('../config/load.ts');
  try {
    return examineConfig(file, environment()).faults.map((fault) => fault.charAt(0).toUpperCase() + fault.slice(1));
  } catch (error) {
    if (error instanceof StartUpError) return [error.message];
    throw error;
  }
}

/** `tidings config effective` */
async function printEffective(flags: Flags & TableFlags): Promise<void> {
  const { effectiveSettings } = await import('../config/effective.ts');
  const { config: file } = flags;
  readNamedFile('--config', file);
  try {
    const settings = effectiveSettings(file, environment());
    if (flags.json === true) {
      printJson({ settings });
      return;
    }
    printTable(COLUMNS, settings, { flags, empty: 'There are no settings.' });
  } catch (error) {
    if (error instanceof StartUpError) throw new CliError(EXIT_FAILED, error.message);
    throw error;
  }
}

const COLUMNS: readonly Column<EffectiveSetting>[] = [
  { head: 'SETTING', cell: ({ setting }) => setting, charsMin: 20 },
  { head: 'SOURCE', cell: ({ source, from }) => (from === undefined ? source : `${source} ${from}`) },
  { head: 'VALUE', cell: ({ value }) => (value === undefined ? undefined : textOf(value)), charsMin: 20 },
];

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
