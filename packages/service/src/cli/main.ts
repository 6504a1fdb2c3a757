import { Command, CommanderError, Help } from 'commander';
import { print, printError } from '../base/output.ts';
import { StartUpError } from '../base/start-up-error.ts';
import { printable } from '../base/terminal-text.ts';
import { CliError, EXIT_CONFIGURATION, EXIT_FAILED } from './cli-error.ts';

/** The file of a command. */
interface CommandFile {
  /**
   * Gives the command its arguments, flags, help and action.
   *
   * @param loadAll loads all the others; for the one that has to know them
   */
  readonly define: (command: Command, loadAll: () => Promise<Command>) => void | Promise<void>;
}

/** The part of a command that is known before its file is loaded, which `tidings --help` shows. */
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
    summary: 'Bring the PostgreSQL database of the store to the schema of this version.',
    load: () => import('./migrate.ts'),
  },
  {
    name: 'config',
    takes: '',
    summary: 'List the settings, check a configuration file, show what it comes to.',
    load: () => import('./config.ts'),
  },
  {
    name: 'doctor',
    takes: '[options]',
    summary: 'Examine an installation: configuration, keys, certificates, database, clock, ports; change nothing.',
    load: () => import('./doctor.ts'),
  },
  {
    name: 'backup',
    takes: '[options] <file>',
    summary: 'Copy the store file of a running service, while it goes on.',
    load: () => import('./backup.ts'),
  },
  {
    name: 'tpps',
    takes: '',
    summary: 'List, register, change, suspend and remove TPPs at a running service.',
    load: () => import('./tpps.ts'),
  },
  {
    name: 'registrations',
    takes: '',
    summary: 'List what the TPPs registered, and show how a callback URL fares.',
    load: () => import('./registrations.ts'),
  },
  {
    name: 'keys',
    takes: '',
    summary: 'List, announce, rotate and retire the signing keys of a running service.',
    load: () => import('./keys.ts'),
  },
  {
    name: 'status',
    takes: '[options]',
    summary: 'Show what is awaiting, how many callback URLs are unresponsive, and whether publishing is open.',
    load: () => import('./status.ts'),
  },
  {
    name: 'statistics',
    takes: '[options]',
    summary: 'Show what was accepted, attempted and acknowledged over time.',
    load: () => import('./statistics.ts'),
  },
  {
    name: 'tail',
    takes: '[options]',
    summary: 'Follow what happens, as it happens, in all instances.',
    load: () => import('./tail.ts'),
  },
  {
    name: 'publish',
    takes: '[options] [file]',
    summary: 'Publish events from a file or standard input, one a line (NDJSON).',
    load: () => import('./publish.ts'),
  },
  {
    name: 'notifications',
    takes: '',
    summary: 'Look for notifications, and look at one, at a running service.',
    load: () => import('./notifications.ts'),
  },
  {
    name: 'redeliver',
    takes: '[options] [jti...]',
    summary: 'Send notifications again: some, all of a TPP, or all of a time.',
    load: () => import('./redeliver.ts'),
  },
  {
    name: 'withdraw',
    takes: '[options] [jti...]',
    summary: 'Withdraw awaiting notifications: some, all of a TPP, or all of a time.',
    load: () => import('./withdraw.ts'),
  },
  {
    name: 'audit',
    takes: '[options]',
    summary: 'List what operators, and the service by itself, changed; the newest first.',
    load: () => import('./audit.ts'),
  },
  {
    name: 'evidence',
    takes: '[options] <jti>',
    summary: 'Export what is known of a notification, and proves it, as one JSON file.',
    load: () => import('./evidence.ts'),
  },
  {
    name: 'verify-evidence',
    takes: '[options] <file>',
    summary: 'Check an evidence file offline, against a JWKS of the bank that you trust.',
    load: () => import('./verify-evidence.ts'),
  },
  {
    name: 'portal-notes',
    takes: '[options]',
    summary: 'Print the text for your developer portal as Markdown, made from the configuration.',
    load: () => import('./portal-notes.ts'),
  },
  {
    name: 'openapi',
    takes: '[options] <document>',
    summary: 'Print an OpenAPI 3.1 document as JSON, made from the configuration.',
    load: () => import('./openapi.ts'),
  },
  {
    name: 'sandbox',
    takes: '[options]',
    summary: isSandboxInstalled()
      ? 'Play the real-time flow with a bank and a TPP on this machine, then stay up.'
      : 'Play the real-time flow on this machine (needs the package @tidings/sandbox).',
    load: () => import('./sandbox.ts'),
  },
  {
    name: 'completion',
    takes: '<shell>',
    summary: 'Print a script that makes a shell complete commands, flags and their choices.',
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
    return sayError(error);
  }
}

/** The program with all of its commands loaded, those of the sandbox where it is installed. */
export function buildProgram(): Promise<Command> {
  return lazyProgram().loadAll();
}

/** A program that knows its commands by their names, and loads one when it is called. */
interface LazyProgram {
  readonly program: Command;
  /** Loads one command, once; nothing when there is none of this name. */
  readonly load: (name: string | undefined) => Promise<void>;
  readonly loadAll: () => Promise<Command>;
}

function lazyProgram(): LazyProgram {
  const program = new Command('tidings')
    .description('The event notification system for UK Open Banking.')
    .version(VERSION)
    .configureHelp({ showGlobalOptions: true, subcommandTerm: termOf })
    // An option belongs to the command that it follows: "audit" and "audit archive" both have options of their own.
    .enablePositionalOptions()
    .addHelpText('after', PROGRAM_HELP);
  for (const { name, summary } of COMMANDS) program.addCommand(new Command(name).description(summary));
  prepare(program);
  const waiting = new Map(COMMANDS.map((row) => [row.name, row]));
  const load = async (name = '') => {
    const row = waiting.get(name);
    const command = program.commands.find((each) => each.name() === name);
    if (row === undefined || command === undefined) return;
    waiting.delete(name);
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

/** Looks for the package without loading it: what it says of itself is in the table. */
function isSandboxInstalled(): boolean {
  try {
    return import.meta.resolve('@tidings/sandbox/cli') !== '';
  } catch {
    return false;
  }
}

/** A command in the list of them. */
function termOf(command: Command): string {
  const { takes } = COMMANDS.find(({ name }) => name === command.name()) ?? {};
  return takes === undefined ? new Help().subcommandTerm(command) : `${command.name()} ${takes}`.trimEnd();
}

const PROGRAM_HELP = `
Examples:
  tidings sandbox --once                        see everything play on this machine
  tidings doctor --config tidings.json          find what is wrong with an installation
  tidings serve --config tidings.json           run the service
  tidings tpps --help                           what a group of commands has, with examples

Exit codes: 0 done; 1 failed, refused, or something is wrong; 2 wrong use or configuration. Each command says its own.
A command whose output nobody reads any more, such as one piped into "head", goes on to its end without a word, and its
exit code is the same; "tail", and a sandbox that stays up, end.
Colours are for terminals alone, and not even there with NO_COLOR set.`;

const VERSION = '0.1.0';

/** Commander must neither end the process by itself nor write past {@link print}. */
function prepare(command: Command): void {
  command.exitOverride().configureOutput({ writeOut: print, writeErr: printError });
  for (const inner of command.commands) prepare(inner);
}

function sayError(error: unknown): number {
  // Commander has written its own message, or the help that was asked for.
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
