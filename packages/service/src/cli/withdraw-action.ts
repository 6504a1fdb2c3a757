import { shapeOf } from '@tidings/protocol';
import { print, printJson } from '../base/output.ts';
import { WithdrawalAnswer } from '../operator/bulk.ts';
import { ask } from './ask.ts';
import { CliError, EXIT_CONFIGURATION } from './cli-error.ts';
import type { OperatorClient } from './operator-client.ts';
import { withOperatorClient } from './operator-flags.ts';
import type { WithdrawFlags } from './withdraw.ts';

const shapeAnswer = shapeOf(WithdrawalAnswer);

/** `tidings withdraw` */
export async function withdraw(jtis: readonly string[], flags: WithdrawFlags): Promise<void> {
  const { client: clientId, from: publishedFrom, before: publishedBefore, only } = flags;
  const isDryRun = flags.dryRun === true;
  if (jtis.length === 0 && clientId === undefined && publishedFrom === undefined && publishedBefore === undefined) {
    throw new CliError(EXIT_CONFIGURATION, 'Say which ones are meant: a jti, --client, --from or --before.');
  }
  const which = { ...(jtis.length > 0 && { jtis }), clientId, publishedFrom, publishedBefore, only };
  const isAsked = !isDryRun && flags.yes !== true;
  if (isAsked && !process.stdin.isTTY) {
    throw new CliError(EXIT_CONFIGURATION, 'Add --yes to withdraw without being asked, or --dry-run to only count.');
  }
  const count = await withOperatorClient(flags, async (client) => {
    if (isAsked) await askFirst(await allParts(client, { ...which, isDryRun: true }));
    return allParts(client, { ...which, isDryRun });
  });
  if (flags.json === true) return printJson({ count, isDryRun });
  print(`${isDryRun ? 'Nothing was changed; it would do this: ' : ''}${saying(count)} withdrawn.\n`);
}

function saying(count: number): string {
  return count === 1 ? '1 notification is' : `${count} notifications are`;
}

async function askFirst(count: number): Promise<void> {
  const answer = await ask(`${saying(count)} withdrawn for good. Go on? [y/N] `);
  if (/^y(es)?$/i.test(answer.trim())) return;
  throw new CliError(EXIT_CONFIGURATION, 'Nothing was withdrawn.');
}

/** A large withdrawal is answered part by part. @returns how many in all */
async function allParts(client: OperatorClient, body: object): Promise<number> {
  let count = 0;
  let after: string | undefined;
  do {
    const call = { method: 'POST', path: '/operator/v1/withdrawals', body: { ...body, after } } as const;
    const part: WithdrawalAnswer = (await client.read(call, shapeAnswer).catch(afterSome(count))).value;
    count += part.count;
    after = part.next;
  } while (after !== undefined);
  return count;
}

/** What was done before a part failed stays done, so that has to be said. */
function afterSome(count: number): (error: unknown) => never {
  return (error) => {
    if (count === 0 || !(error instanceof CliError)) throw error;
    throw new CliError(error.exitCode, `${error.message} Before that ${count} notifications were withdrawn.`);
  };
}
