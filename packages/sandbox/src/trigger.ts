import { Argument, type Command } from 'commander';
import { CHANGES, type Change, titleOf } from './resource-server/ledger.ts';
import { addStateFlag, stateFolderOf } from './state-flag.ts';

interface Flags {
  readonly tpp?: string;
  readonly json?: boolean;
  readonly state: string;
}

/** `tidings trigger`: makes something happen at the bank of the sandbox that runs. */
export function defineTrigger(command: Command): void {
  const width = Math.max(...CHANGES.map((kind) => kind.length));
  const kinds = CHANGES.map((kind) => `  ${kind.padEnd(width)}  ${titleOf(kind)}.`);
  command
    .addArgument(new Argument('<kind>', 'what shall happen').choices(CHANGES))
    .option('--tpp <client-id>', 'the TPP that it concerns (default: your own; the sample TPP if there is none)')
    .option('--json', 'print JSON');
  addStateFlag(command, 'state folder of the sandbox')
    .addHelpText(
      'after',
      `
Kinds:
${kinds.join('\n')}

Examples:
  tidings trigger consent-revoked
  tidings trigger payment-settled --tpp my-tpp-2 --json

The bank changes a resource of the TPP and publishes the event. The TPP is notified if its registration includes the event type,
and can fetch the resource.

Exit codes: 0 done; 1 no sandbox runs with that state folder, or it failed; 2 wrong usage, or no such TPP.`,
    )
    .action(async (kind: Change, { tpp: clientId, json, state }: Flags) => {
      const { triggerAtBank } = await import('./control/commands.ts');
      const wanted = { kind, ...(clientId !== undefined && { clientId }) };
      process.exitCode = await triggerAtBank(stateFolderOf(state), wanted, json === true);
    });
}
