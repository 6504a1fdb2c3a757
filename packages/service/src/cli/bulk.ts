import { type Command, Option } from 'commander';
import { CliError, EXIT_CONFIGURATION } from './cli-error.ts';
import type { OperatorClient } from './operator-client.ts';
import { type CommonFlags, defineOperatorCommand } from './operator-flags.ts';
import { assertNotifications, assertTpp, readJtis } from './subjects.ts';

/** Flags that select notifications. */
export interface BulkFlags extends CommonFlags {
  readonly client?: string;
  readonly from?: string;
  readonly before?: string;
  readonly only?: string;
  readonly dryRun?: boolean;
}

/** Defines a command that changes many notifications. @param only the choices of `--only`, with their description */
export function defineBulkCommand(
  command: Command,
  examples: string,
  only: { readonly choices: readonly string[]; readonly about: string },
): Command {
  return defineOperatorCommand(command, examples)
    .argument('[jti...]', 'ids of notifications', readJtis)
    .option('--client <id>', 'notifications for this TPP')
    .option('--from <time>', 'published at or after this time (ISO 8601 with time zone)')
    .option('--before <time>', 'published before this time')
    .addOption(new Option('--only <which>', only.about).choices([...only.choices]))
    .option('--dry-run', 'only count the selected notifications; change nothing');
}

/** The filter in the form of the operator API. @throws {CliError} if it would select all notifications */
export function filterOf(jtis: readonly string[], flags: BulkFlags) {
  const { client: clientId, from: publishedFrom, before: publishedBefore, only } = flags;
  if (jtis.length === 0 && clientId === undefined && publishedFrom === undefined && publishedBefore === undefined) {
    throw new CliError(EXIT_CONFIGURATION, 'Select notifications with at least one jti, --client, --from or --before.');
  }
  return { ...(jtis.length > 0 && { jtis }), clientId, publishedFrom, publishedBefore, only };
}

/** Checks that the TPP and the notifications that are named exist. @throws {CliError} */
export async function assertSelectable(
  client: OperatorClient,
  { jtis = [], clientId }: { readonly jtis?: readonly string[]; readonly clientId: string | undefined },
): Promise<void> {
  if (clientId !== undefined) await assertTpp(client, clientId);
  await assertNotifications(client, jtis);
}

/** The flags that set fields of the filter. */
export const FILTER_FLAG_NAMES = {
  clientId: '--client',
  publishedFrom: '--from',
  publishedBefore: '--before',
  ratePerSecond: '--rate',
};

/** Formats a number of notifications as the subject of a sentence. */
export const formatCount = (count: number) => (count === 1 ? '1 notification is' : `${count} notifications are`);

/** The answer of the operator API to one portion of a large change. */
interface Portion {
  readonly count: number;
  /** Where the next portion begins; undefined: this was the last. */
  readonly next?: string;
}

/**
 * Carries out a large change portion by portion. If one fails, the error says how many notifications the earlier ones
 * have changed, because those changes remain.
 *
 * @param done past participle for that sentence, such as `withdrawn`
 * @returns the answers to all portions
 */
export async function changePortions<P extends Portion>(
  call: (after: string | undefined) => Promise<{ readonly value: P }>,
  done: string,
): Promise<readonly P[]> {
  const portions: P[] = [];
  let after: string | undefined;
  do {
    const { value: portion } = await call(after).catch((error: unknown) => {
      const count = countOf(portions);
      if (count === 0 || !(error instanceof CliError)) throw error;
      throw new CliError(error.exitCode, `${error.message} Before that, ${count} notifications were ${done}.`);
    });
    portions.push(portion);
    after = portion.next;
  } while (after !== undefined);
  return portions;
}

/** The number of notifications in all portions. */
export const countOf = (portions: readonly Portion[]) => portions.reduce((sum, { count }) => sum + count, 0);
