import type { Command } from 'commander';
import { readDuration } from './duration.ts';
import { type CommonFlags, defineOperatorCommand } from './operator-flags.ts';

/** Flags of `tail`. */
export interface TailFlags extends CommonFlags {
  readonly client?: string;
  /** Separated by commas. */
  readonly kind?: string;
  /** How far back it begins, in milliseconds. */
  readonly since?: number;
}

const EXAMPLES = `
Examples:
  tidings tail
  tidings tail --client tpp-1 --kind accepted,acknowledged
  tidings tail --since 10m --json | jq -c 'select(.kind == "unresponsive")'

It goes on until Ctrl-C. When the connection is lost it connects again and goes on where it was; behind a load balancer
that may be another instance. What was lost in between, if anything, is told as "missed".
`;

/** `tidings tail`: follows what happens at a running service. */
export function define(command: Command): void {
  defineOperatorCommand(command, EXAMPLES)
    .option('--client <id>', 'only what is of this TPP')
    .option(
      '--kind <list>',
      'only these: accepted, attempted, acknowledged, reported-error, unresponsive, back, redelivered, withdrawn, expired',
    )
    .option('--since <time>', 'begin that long ago, such as 10m', readDuration)
    .action(async (flags: TailFlags) => (await import('./tail-actions.ts')).tail(flags));
}
