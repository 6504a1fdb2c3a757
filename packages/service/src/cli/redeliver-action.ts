import { shapeOf } from '@tidings/protocol';
import { print, printJson } from '../base/output.ts';
import { RedeliveryAnswer } from '../operator/bulk.ts';
import { CliError, EXIT_CONFIGURATION } from './cli-error.ts';
import type { OperatorClient } from './operator-client.ts';
import { withOperatorClient } from './operator-flags.ts';
import type { RedeliverFlags } from './redeliver.ts';

const shapeAnswer = shapeOf(RedeliveryAnswer);

/** `tidings redeliver` */
export async function redeliver(jtis: readonly string[], flags: RedeliverFlags): Promise<void> {
  const { client: clientId, from: publishedFrom, before: publishedBefore, only, rate: ratePerSecond } = flags;
  const isDryRun = flags.dryRun === true;
  if (jtis.length === 0 && clientId === undefined && publishedFrom === undefined && publishedBefore === undefined) {
    throw new CliError(EXIT_CONFIGURATION, 'Say which ones are meant: a jti, --client, --from or --before.');
  }
  const which = { clientId, publishedFrom, publishedBefore, only };
  const body = { ...(jtis.length > 0 && { jtis }), ...which, isDryRun, ratePerSecond };
  const { count, lastDueAt } = await withOperatorClient(flags, (client) => allParts(client, body));
  if (flags.json === true) return printJson({ count, isDryRun, lastDueAt });
  const what = count === 1 ? '1 notification is' : `${count} notifications are`;
  const until = lastDueAt === undefined ? '' : `, the last at ${lastDueAt}`;
  print(`${isDryRun ? 'Nothing was changed; it would do this: ' : ''}${what} sent again${until}.\n`);
}

/** A large redelivery is answered part by part. */
async function allParts(client: OperatorClient, body: object): Promise<{ count: number; lastDueAt?: string }> {
  let count = 0;
  let lastDueAt: string | undefined;
  let after: string | undefined;
  do {
    const call = { method: 'POST', path: '/operator/v1/redeliveries', body: { ...body, after } } as const;
    const part: RedeliveryAnswer = (await client.read(call, shapeAnswer).catch(afterSome(count))).value;
    count += part.count;
    lastDueAt = part.lastDueAt ?? lastDueAt;
    after = part.next;
  } while (after !== undefined);
  return { count, ...(lastDueAt !== undefined && { lastDueAt }) };
}

/** What was done before a part failed stays done, so that has to be said. */
function afterSome(count: number): (error: unknown) => never {
  return (error) => {
    if (count === 0 || !(error instanceof CliError)) throw error;
    throw new CliError(
      error.exitCode,
      `${error.message} Before that ${count} notifications were made due; they stay so.`,
    );
  };
}
