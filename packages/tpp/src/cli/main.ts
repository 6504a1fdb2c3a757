import { once } from 'node:events';
import { systemNowMs } from '../clock.ts';
import { printLine } from '../output.ts';
import { safeText } from '../safe-text.ts';
import { BAD_USE, type CliEffects, UsageError } from './inputs.ts';
import { INSPECT_USAGE, inspectCommand } from './inspect-command.ts';
import { LISTEN_USAGE, listenCommand } from './listen-command.ts';

const USAGE = `Usage: npx @tidings/tpp COMMAND [options]

Commands:
  listen                receives event notifications on this machine, and shows each decoded and verified, or why not
  inspect TOKEN|FILE    explains an event notification member by member against the rules of the standard

npx @tidings/tpp COMMAND --help lists the options of a command, with examples.`;

interface Command {
  readonly usage: string;
  /** @returns the exit code. @throws {UsageError} */
  run(args: readonly string[], effects: CliEffects): Promise<number>;
}

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ['inspect', { usage: INSPECT_USAGE, run: inspectCommand }],
  ['listen', { usage: LISTEN_USAGE, run: listenCommand }],
]);

const SYSTEM: CliEffects = {
  print: printLine,
  nowMs: systemNowMs,
  untilInterrupted: async () => {
    await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  },
};

/** Runs the command line of the package. @returns the exit code */
export async function main(args: readonly string[], effects: CliEffects = SYSTEM): Promise<number> {
  const [name, ...rest] = args;
  const isHelp = args.includes('--help') || args.includes('-h');
  const command = COMMANDS.get(name ?? '');
  if (name === undefined || (isHelp && command === undefined)) {
    effects.print(USAGE);
    return isHelp ? 0 : BAD_USE;
  }
  try {
    if (command === undefined) {
      const known = [...COMMANDS.keys()].join(' or ');
      throw new UsageError(`There is no command ${safeText(name, 40)}: use ${known}.`);
    }
    if (isHelp) effects.print(command.usage);
    return isHelp ? 0 : await command.run(rest, effects);
  } catch (error) {
    const message = messageOf(error);
    if (message === undefined) throw error;
    effects.print(`tidings-tpp: ${message}`);
    return BAD_USE;
  }
}

/** Undefined when the error is not one of whoever typed the command. */
function messageOf(error: unknown): string | undefined {
  if (error instanceof UsageError) return error.message;
  const isOfParseArgs = error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
  return isOfParseArgs ? error.message : undefined;
}
