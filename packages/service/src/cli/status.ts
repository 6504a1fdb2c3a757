import type { Command } from 'commander';
import { print, printJson } from '../base/output.ts';
import { type CommonFlags, defineOperatorCommand, withOperatorClient } from './operator-flags.ts';
import { factsOf } from './output.ts';

/** `tidings status`: how a running service fares. */
export function define(command: Command): void {
  defineOperatorCommand(command, '\nExample:\n  tidings status --operator-url https://localhost:8444\n').action(
    async (flags: CommonFlags) => {
      const { Status } = await import('../operator/status.ts');
      const call = { method: 'GET', path: '/operator/v1/status' } as const;
      const { value: status } = await withOperatorClient(flags, (client) => client.read(call, Status));
      if (flags.json === true) return printJson(status);
      print(
        factsOf({
          awaiting: String(status.awaiting),
          'oldest awaiting': status.oldestAwaitingAt,
          'unresponsive callback URLs': String(status.unresponsive),
          publishing: status.publishing,
          because: status.publishingClosedBecause,
          'signing key': status.signingKeyProblem,
        }),
      );
    },
  );
}
