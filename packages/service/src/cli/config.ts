import { Command } from 'commander';

interface Flags {
  readonly config: string;
  readonly json?: boolean;
}

const GROUP_HELP = `
Examples:
  tidings config reference
  tidings config check --config /etc/tidings/tidings.json
  tidings config effective --config /etc/tidings/tidings.json

"tidings doctor" also looks at what the configuration names.

Exit codes: 0 done; 1 the configuration is not good; 2 wrong use, or the file cannot be read.`;

// Loaded only when a command of the group is run: the help of others need not wait for it.
const loadActions = () => import('./config-actions.ts');

/** `tidings config`: what can be set, and what is. */
export function define(command: Command): void {
  command
    .addCommand(referenceCommand())
    .addCommand(checkCommand())
    .addCommand(effectiveCommand())
    .addHelpText('after', GROUP_HELP);
}

function referenceCommand(): Command {
  return new Command('reference')
    .description('Print all settings with defaults and ranges, as a table in Markdown.')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples('tidings config reference', 'tidings config reference --json', 'Exit codes: 0 done.'),
    )
    .action(async (flags: { json?: boolean }) => (await loadActions()).printReference(flags.json === true));
}

function checkCommand(): Command {
  const codes = 'Exit codes: 0 it is good; 1 it is not, and all that is wrong is told; 2 the file cannot be read.';
  return new Command('check')
    .description('Check a configuration file as "tidings serve" does; files that it names are not looked at.')
    .requiredOption('-c, --config <file>', 'configuration file (JSON)')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('tidings config check --config tidings.json', codes))
    .action(async (flags: Flags) => (await loadActions()).checkConfig(flags.config, flags.json === true));
}

function effectiveCommand(): Command {
  const codes = 'Exit codes: 0 done; 1 the configuration is not good; 2 wrong use, or the file cannot be read.';
  return new Command('effective')
    .description('Show every setting, its value, and whether the file or the default gives it; secrets are redacted.')
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
    .action(async (flags: Flags) => (await loadActions()).printEffective(flags.config, flags.json === true));
}

/** @param lines the examples, and at last the exit codes */
function examples(...lines: readonly string[]): string {
  const shown = lines.slice(0, -1).map((line) => `  ${line}\n`);
  return `\nExamples:\n${shown.join('')}\n${lines.at(-1)}`;
}
