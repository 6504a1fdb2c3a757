import { type Command, Option } from 'commander';
import { CliError, EXIT_CONFIGURATION } from './cli-error.ts';
import { type CommonFlags, defineOperatorCommand } from './operator-flags.ts';

/** Flags that say which notifications are meant. */
export interface BulkFlags extends CommonFlags {
  readonly client?: string;
  readonly from?: string;
  readonly before?: string;
  readonly only?: string;
  readonly dryRun?: boolean;
}

/** A command that changes many notifications of a running service. @param only the choices of `--only`, and what they mean */
export function defineBulkCommand(
  command: Command,
  examples: string,
  only: { readonly choices: readonly string[]; readonly about: string },
): Command {
  return defineOperatorCommand(command, examples)
    .argument('[jti...]', 'these notifications')
    .option('--client <id>', 'those of this TPP')
    .option('--from <time>', 'those published at or after this time (ISO 8601 with zone)')
    .option('--before <time>', 'those published before this time')
    .addOption(new Option('--only <which>', only.about).choices([...only.choices]))
    .option('--dry-run', 'change nothing, only count');
}

/** The filter, as the operator API takes it. @throws {CliError} when that would be all notifications */
export function filterOf(jtis: readonly string[], flags: BulkFlags) {
  const { client: clientId, from: publishedFrom, before: publishedBefore, only } = flags;
  if (jtis.length === 0 && clientId === undefined && publishedFrom === undefined && publishedBefore === undefined) {
    throw new CliError(EXIT_CONFIGURATION, 'Say which ones are meant: a jti, --client, --from or --before.');
  }
  return { ...(jtis.length > 0 && { jtis }), clientId, publishedFrom, publishedBefore, only };
}

/** How many, as the subject of a sentence. */
export const countedNotifications = (count: number) =>
  count === 1 ? '1 notification is' : `${count} notifications are`;

/** The answer of the operator API to a portion. */
interface Part {
  readonly count: number;
  /** Where the next part begins; undefined: this was the last. */
  readonly next?: string;
}

/**
 * Calls for part after part: a large change is answered in parts.
 *
 * @param done what became of a notification. What was done before a part failed stays done, so that the error says it
 * @returns every part
 */
export async function allParts<P extends Part>(
  call: (after: string | undefined) => Promise<{ readonly value: P }>,
  done: string,
): Promise<readonly P[]> {
  const parts: P[] = [];
  let after: string | undefined;
  do {
    const { value: part } = await call(after).catch((error: unknown) => {
      const count = countOf(parts);
      if (count === 0 || !(error instanceof CliError)) throw error;
      throw new CliError(error.exitCode, `${error.message} Before that ${count} notifications were ${done}.`);
    });
    parts.push(part);
    after = part.next;
  } while (after !== undefined);
  return parts;
}

/** How many notifications parts are about. */
export const countOf = (parts: readonly Part[]) => parts.reduce((sum, { count }) => sum + count, 0);
