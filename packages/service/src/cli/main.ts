import { Command, CommanderError, Help } from 'commander';
import { print, printError } from '../base/output.ts';
import { StartUpError } from '../base/start-up-error.ts';
import { printable } from '../base/terminal-text.ts';
import { VERSION } from '../base/version.ts';
import { CliError, EXIT_CONFIGURATION, EXIT_FAILED } from './cli-error.ts';

/** The file of a command. */
interface CommandFile {
  /**
   * Adds arguments, flags, help and action to the command.
   *
   * @param loadAll loads every other command as well; only `completion` needs them
   */
  readonly define: (command: Command, loadAll: () => Promise<Command>) => void | Promise<void>;
}

/** Entry of `tidings --help` for a command, shown without loading its file. */
interface TableRow {
  readonly name: string;
  /** The arguments, as the usage shows them. */
  readonly takes: string;
  readonly summary: string;
  readonly load: () => Promise<CommandFile>;
}

const COMMANDS: readonly TableRow[] = [
  {
    name: 'serve',
    takes: '[options]',
    summary: 'Run the ASPSP Notification Service until SIGTERM or Ctrl-C.',
    load: () => import('./serve.ts'),
  },
  {
    name: 'migrate',
    takes: '[options]',
    summary: 'Upgrade the schema of the PostgreSQL database to the one that this version needs.',
    load: () => import('./migrate.ts'),
  },
  {
    name: 'config',
    takes: '',
    summary: 'List all settings, check a configuration file, or show the effective configuration.',
    load: () => import('./config.ts'),
  },
  {
    name: 'doctor',
    takes: '[options]',
    summary: 'Check an installation (configuration, keys, certificates, database, ports) without changing it.',
    load: () => import('./doctor.ts'),
  },
  {
    name: 'backup',
    takes: '[options] <file>',
    summary: 'Back up the SQLite store of a running service to a file.',
    load: () => import('./backup.ts'),
  },
  {
    name: 'tpps',
    takes: '',
    summary: 'List, register, change, suspend and remove TPPs.',
    load: () => import('./tpps.ts'),
  },
  {
    name: 'registrations',
    takes: '',
    summary: 'List the registrations of TPPs, and show the health of a callback URL.',
    load: () => import('./registrations.ts'),
  },
  {
    name: 'keys',
    takes: '',
    summary: 'List, announce, rotate and retire the signing keys of the service.',
    load: () => import('./keys.ts'),
  },
  {
    name: 'status',
    takes: '[options]',
    summary: 'Show the backlog, the unresponsive callback URLs, and whether the service accepts events.',
    load: () => import('./status.ts'),
  },
  {
    name: 'alerts',
    takes: '',
    summary: 'List what is wrong now, and send a test message to a destination of alerts.',
    load: () => import('./alerts.ts'),
  },
  {
    name: 'statistics',
    takes: '[options]',
    summary: 'Show events, attempts, acknowledgements and latencies per minute or hour.',
    load: () => import('./statistics.ts'),
  },
  {
    name: 'tail',
    takes: '[options]',
    summary: 'Follow the activity of all instances as it happens.',
    load: () => import('./tail.ts'),
  },
  {
    name: 'publish',
    takes: '[options] [file]',
    summary: 'Publish events from a file or standard input, one per line (NDJSON).',
    load: () => import('./publish.ts'),
  },
  {
    name: 'notifications',
    takes: '',
    summary: 'Find notifications, or show one with its SET and its attempts.',
    load: () => import('./notifications.ts'),
  },
  {
    name: 'redeliver',
    takes: '[options] [jti...]',
    summary: 'Send notifications again, selected by jti, TPP or time of publication.',
    load: () => import('./redeliver.ts'),
  },
  {
    name: 'withdraw',
    takes: '[options] [jti...]',
    summary: 'Withdraw awaiting notifications, selected by jti, TPP or time of publication.',
    load: () => import('./withdraw.ts'),
  },
  {
    name: 'audit',
    takes: '[options]',
    summary: 'Show the audit trail: changes by operators, TPPs and the service, newest first.',
    load: () => import('./audit.ts'),
  },
  {
    name: 'evidence',
    takes: '[options] <jti>',
    summary: 'Export the evidence for a notification as one JSON file.',
    load: () => import('./evidence.ts'),
  },
  {
    name: 'verify-evidence',
    takes: '[options] <file>',
    summary: 'Verify an evidence file offline, against a JWKS of the bank that you trust.',
    load: () => import('./verify-evidence.ts'),
  },
  {
    name: 'data',
    takes: '',
    summary: 'Export and erase the data of a TPP or about a resource.',
    load: () => import('./data.ts'),
  },
  {
    name: 'portal-notes',
    takes: '[options]',
    summary: 'Print the page about event notifications for your developer portal, as Markdown.',
    load: () => import('./portal-notes.ts'),
  },
  {
    name: 'openapi',
    takes: '[options] <document>',
    summary: 'Print the OpenAPI 3.1 document of an API of the service, as JSON.',
    load: () => import('./openapi.ts'),
  },
  {
    name: 'sandbox',
    takes: '[options]',
    summary: isSandboxInstalled()
      ? 'Run the complete flow between a bank and a TPP on this machine, then keep it running.'
      : 'Run the complete flow on this machine (requires the package @tidings/sandbox).',
    load: () => import('./sandbox.ts'),
  },
  {
    name: 'trigger',
    takes: '[options] <kind>',
    summary: isSandboxInstalled()
      ? 'Make something happen at the bank of a running sandbox, such as the revocation of a consent.'
      : 'Make something happen at the bank of a running sandbox (requires the package @tidings/sandbox).',
    load: () => import('./trigger.ts'),
  },
  {
    name: 'completion',
    takes: '<shell>',
    summary: 'Print a script with which a shell completes commands, flags and their values.',
    load: () => import('./completion.ts'),
  },
];

/** Runs the command line. @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  const { program, load } = lazyProgram();
  try {
    // Commander shows the help of another command without a hook in between.
    if (args[0] === 'help') await load(args[1]);
    await program.parseAsync([...args], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return reportError(error);
  }
}

/** The program with all of its commands loaded; those of the sandbox only if it is installed. */
export function buildProgram(): Promise<Command> {
  return lazyProgram().loadAll();
}

/** A program that knows its commands by name and loads the file of one when it is called. */
interface LazyProgram {
  readonly program: Command;
  /** Loads the command with this name, once; does nothing if there is none. */
  readonly load: (name: string | undefined) => Promise<void>;
  readonly loadAll: () => Promise<Command>;
}

function lazyProgram(): LazyProgram {
  const program = new Command('tidings')
    .description('The event notification system for UK Open Banking.')
    .version(VERSION)
    .configureHelp({ showGlobalOptions: true, subcommandTerm: termOf })
    // An option belongs to the command that it follows: "audit" and "audit archive" each have their own.
    .enablePositionalOptions()
    .addHelpText('after', PROGRAM_HELP);
  for (const { name, summary } of COMMANDS) program.addCommand(new Command(name).description(summary));
  prepare(program);
  const unloaded = new Map(COMMANDS.map((row) => [row.name, row]));
  const load = async (name = '') => {
    const row = unloaded.get(name);
    const command = program.commands.find((each) => each.name() === name);
    if (row === undefined || command === undefined) return;
    unloaded.delete(name);
    const { define } = await row.load();
    await define(command, loadAll);
    prepare(command);
  };
  const loadAll = async () => {
    for (const { name } of COMMANDS) await load(name);
    return program;
  };
  program.hook('preSubcommand', (_, command) => load(command.name()));
  return { program, load, loadAll };
}

/** Resolves the package without loading it. */
function isSandboxInstalled(): boolean {
  try {
    return import.meta.resolve('@tidings/sandbox/cli') !== '';
  } catch {
    return false;
  }
}

/** How the list of commands shows one. */
function termOf(command: Command): string {
  const { takes } = COMMANDS.find(({ name }) => name === command.name()) ?? {};
  return takes === undefined ? new Help().subcommandTerm(command) : `${command.name()} ${takes}`.trimEnd();
}

const PROGRAM_HELP = `
Examples:
  tidings sandbox --once                        run the complete flow on this machine
  tidings doctor --config tidings.json          check an installation
  tidings serve --config tidings.json           run the service
  tidings tpps --help                           show the commands of a group, with examples

Exit codes: 0 done; 1 failed or refused; 2 wrong usage or invalid configuration. The help of each command gives the details.
If the reader of its output exits early, as in "tidings audit | head", a command still runs to its end with the same exit
code. Only "tail", and a sandbox that keeps running, stop.
Output is coloured only on a terminal, and never if NO_COLOR is set.`;

/** Commander must neither end the process nor write except through {@link print}. */
function prepare(command: Command): void {
  command.exitOverride().configureOutput({ writeOut: print, writeErr: printError, outputError: printCommanderError });
  for (const inner of command.commands) prepare(inner);
}

/** Every error has the same prefix, also those of Commander. */
function printCommanderError(text: string, write: (text: string) => void): void {
  write(text.replace(/^error: /, 'tidings: '));
}

/** Prints what failed. @returns the exit code */
function reportError(error: unknown): number {
  // Commander has already written its message, or the requested help.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_CONFIGURATION;
  if (error instanceof CliError) {
    printError(`tidings: ${printable(error.message)}\n`);
    return error.exitCode;
  }
  if (error instanceof StartUpError || (error instanceof Error && error.name === 'StateFolderError')) {
    printError(`tidings: ${printable(error.message)}\n`);
    return EXIT_CONFIGURATION;
  }
  printError(`tidings: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return EXIT_FAILED;
}
