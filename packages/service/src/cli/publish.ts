import type { Command } from 'commander';
import { wholeNumber } from './arguments.ts';
import { defineOperatorCommand } from './operator-flags.ts';
import type { PublishFlags } from './publish/publish.ts';

const BATCH_LINES = 500;
const BATCH_LINES_MAX = 1000;
const IN_FLIGHT = 4;
const IN_FLIGHT_MAX = 16;

const HELP = `
Examples:
  tidings publish events.ndjson
  tidings publish events.ndjson --continue --rejected rejected.ndjson
  export-events | tidings publish - --json

One event a line, as POST /operator/v1/events takes it, or one CloudEvent a line (it has "specversion"); empty lines are
skipped. The service checks each. At a line that is not good it says file:line, field and remedy, and sends no more: all
lines before it are published, and of those behind it at most the batches that were under way at that moment; with
--in-flight 1 none. Batches that are under way together may be published in any order; --in-flight 1 keeps that of the file.

FILE.tidings-progress keeps how many lines are published, so that the same command goes on where it ended: at the bad line
once it is repaired, after Ctrl-C, after a crash. It is removed at the end. Whatever is sent twice is published once, since each event has its id. Standard input has no
such file: send all of it again.

--derive-ids gives a line without an id one that is made of its content and its number: the same line at the same place of
a file is the same event, and one that moved is another.

Exit codes of publish: 0 all is published; 1 stopped at a line, lines were rejected, refused, or the service cannot be
reached; 2 wrong use, or FILE was changed where it was published already; 130 Ctrl-C, 143 SIGTERM.
`;

/** `tidings publish`: publishes a file of events. */
export function define(command: Command): void {
  defineOperatorCommand(command, HELP)
    .argument('[file]', 'the events; - is standard input', '-')
    .option('--batch <lines>', 'most lines in one request', wholeNumber(BATCH_LINES_MAX), BATCH_LINES)
    .option('--in-flight <requests>', 'most requests at once', wholeNumber(IN_FLIGHT_MAX), IN_FLIGHT)
    .option('--continue', 'leave lines that are not good out, and go on; needs --rejected')
    .option('--rejected <file>', 'where --continue writes them, as they are')
    .option('--derive-ids', 'make an id for lines that have none')
    .option('--restart', 'begin at the first line, whatever was published before')
    .action(async (file: string, flags: PublishFlags) => (await import('./publish/publish.ts')).publish(file, flags));
}
