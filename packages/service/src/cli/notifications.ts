import { type Command, InvalidArgumentError, Option } from 'commander';
import { type CommonFlags, exampleOf, operatorCommand, WHERE_HELP } from './operator-flags.ts';

/** Flags that say which notifications are looked for. */
export interface FindFlags extends CommonFlags {
  readonly jti?: string;
  readonly event?: string;
  readonly transaction?: string;
  readonly resource?: string;
  readonly client?: string;
  readonly type?: string;
  readonly state?: string;
  readonly from?: string;
  readonly before?: string;
  readonly after?: string;
  /** Most notifications. */
  readonly limit: number;
}

const LIMIT_DEFAULT = 50;

const SHOWING = 'notifications show 190364f8-4f9c-420e-b4d1-76a6b5317fab';

const EXAMPLES = `
Examples:
  tidings notifications list
  tidings notifications find --resource aac-1
  tidings notifications find --client tpp-1 --state failed --from 2026-11-20T00:00:00Z
  tidings ${SHOWING}
`;

// Loaded only when a command of the group is run: the help of others need not wait for it.
const loadActions = () => import('./notifications-actions.ts');

/** `tidings notifications`: what became of events, at a running service. */
export function define(command: Command): void {
  command.addCommand(findCommand()).addCommand(showCommand()).addHelpText('after', `${EXAMPLES}${WHERE_HELP}`);
}

function findCommand(): Command {
  return operatorCommand('find', 'List notifications, the newest first; all that is given must hold.', EXAMPLES)
    .alias('list')
    .option('--jti <jti>', 'the one with this jti')
    .option('--event <id>', 'the one of this event')
    .option('--transaction <id>', 'those with this txn')
    .option('--resource <id>', 'those about this resource')
    .option('--client <id>', 'those of this TPP')
    .option('--type <type>', 'those that have this event type (URN or subscribe code)')
    .addOption(
      new Option('--state <state>', 'failed: awaiting, and something went wrong').choices([
        ...['awaiting', 'failed', 'acknowledged', 'withdrawn', 'expired'],
      ]),
    )
    .option('--from <time>', 'those published at or after this time (ISO 8601 with zone)')
    .option('--before <time>', 'those published before this time')
    .option('--limit <number>', 'most notifications', readLimit, LIMIT_DEFAULT)
    .option('--after <place>', 'goes on where an earlier list ended')
    .action(async (flags: FindFlags) => (await loadActions()).findNotifications(flags));
}

function showCommand(): Command {
  return operatorCommand(
    'show',
    'Show a notification: its SET, decoded and as it is sent, and its attempts.',
    exampleOf(SHOWING),
  )
    .argument('<jti>')
    .action(async (jti: string, flags: CommonFlags) => (await loadActions()).showNotification(jti, flags));
}

function readLimit(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1.');
}
