import type { Command } from 'commander';
import { print, printJson } from '../base/output.ts';
import { type CommonFlags, defineOperatorCommand, withOperatorClient } from './operator-flags.ts';
import { formatFacts, timeFact } from './output.ts';

const HELP = `
Example:
  tidings status --operator-url https://localhost:8444

Shows the number of awaiting notifications, the age of the oldest, the number of unresponsive callback URLs, whether the
service accepts events (and if not, why), and a problem of the signing key, if there is one.
`;

/** `tidings status`: the status of a running service. */
export function define(command: Command): void {
  defineOperatorCommand(command, HELP).action(async (flags: CommonFlags) => {
    const { Status } = await import('../operator/status.ts');
    const call = { method: 'GET', path: '/operator/v1/status' } as const;
    const { value: status } = await withOperatorClient(flags, (client) => client.read(call, Status));
    if (flags.json === true) return printJson(status);
    print(
      formatFacts({
        awaiting: String(status.awaiting),
        'oldest awaiting': timeFact(status.oldestAwaitingAt),
        'failing callback URLs': String(status.tpps.failing),
        'unresponsive callback URLs': String(status.tpps.unresponsive),
        publishing: status.publishing,
        'closed because': status.publishingClosedBecause,
        'signing key problem': status.signingKeyProblem,
      }),
    );
  });
}
