import type { Command } from 'commander';
import { CliError, EXIT_CONFIGURATION } from './cli-error.ts';
import { wholeNumber } from './input.ts';
import { defineOperatorCommand } from './operator-flags.ts';
import type { FollowFlags } from './publish/follow.ts';
import type { PublishFlags } from './publish/publish.ts';

const BATCH_LINES = 500;
const BATCH_LINES_MAX = 1000;
const IN_FLIGHT = 4;
const IN_FLIGHT_MAX = 16;
const POLL_MS = 500;
const POLL_MS_MAX = 60_000;

// Options of one way to publish, which the other would ignore.
const OF_FILES: readonly string[] = ['continue', 'rejected', 'deriveIds', 'restart', 'json', 'inFlight'];
const OF_OUTBOX: readonly string[] = ['table', 'passwordFile', 'databaseCaFile', 'poll'];

const HELP = `
Examples:
  tidings publish events.ndjson
  tidings publish events.ndjson --continue --rejected rejected.ndjson
  export-events | tidings publish - --json
  tidings publish --follow postgres://tidings_relay@db.bank.example/core --database-ca-file db-root.pem

Each line is one event, in the format of POST /operator/v1/events, or one CloudEvent (recognised by "specversion"). Empty lines
are skipped. The service validates each event. At an invalid line the command prints file:line, the field and the remedy, and
stops: all lines before it are published. Lines behind it may be published only if their batch was already in progress;
--in-flight 1 prevents that, and also keeps the order of the file, which parallel batches may not.

FILE.tidings-progress records how much of the file is published, so that the same command resumes where it stopped: after an
invalid line is repaired, after Ctrl-C or a crash. It is removed at the end. For standard input no progress is recorded; send
all of it again. An event that is sent twice is published once, because the service recognises its id.

--derive-ids gives each line without an id one that is derived from its content and line number. The same line at the same
position is therefore the same event; a line that was moved is a different one.

--follow reads a table in the bank's own PostgreSQL, a transactional outbox, and runs until it is stopped. It publishes each row once
its transaction has committed, and marks it; rows that the service refuses get the reason. See docs/guides/outbox.md.

Exit codes of publish: 0 all events are published; 1 stopped at an invalid line, lines were rejected, refused by the service, or
the service cannot be reached; 2 wrong usage, or the published part of the file was changed; 130 Ctrl-C; 143 SIGTERM. With --follow
a signal ends it with 0.
`;

/** `tidings publish`: publishes the events of a file or of standard input. */
export function define(command: Command): void {
  defineOperatorCommand(command, HELP)
    .argument('[file]', 'file with the events; - reads standard input', '-')
    .option('--batch <lines>', 'maximum number of lines per request', wholeNumber(BATCH_LINES_MAX), BATCH_LINES)
    .option('--in-flight <requests>', 'maximum number of parallel requests', wholeNumber(IN_FLIGHT_MAX), IN_FLIGHT)
    .option('--continue', 'skip invalid lines and continue; requires --rejected')
    .option('--rejected <file>', 'file to which --continue writes the skipped lines, unchanged')
    .option('--derive-ids', 'derive an id for each line that has none')
    .option('--restart', 'start at the first line and ignore the recorded progress')
    .option('--follow <url>', 'publish the rows of an outbox: postgres://user@host:port/database, without the password')
    .option('--table <name>', 'table of the outbox, such as core.tidings_outbox', 'tidings_outbox')
    .option('--password-file <file>', 'password of the database user (default: the variable PGPASSWORD)')
    .option('--database-ca-file <file>', 'trusted roots for the certificate of the database, PEM; makes TLS mandatory')
    .option('--poll <ms>', 'how long to wait for new rows', wholeNumber(POLL_MS_MAX), POLL_MS)
    .action(async (file: string, flags: PublishFlags & FollowFlags) => {
      assertNoStray(command, flags.follow !== undefined);
      if (flags.follow !== undefined) {
        const { follow } = await import('./publish/follow.ts');
        return follow(file, { ...flags, follow: flags.follow });
      }
      const { publish } = await import('./publish/publish.ts');
      await publish(file, flags);
    });
}

function assertNoStray(command: Command, isFollowing: boolean): void {
  const others = isFollowing ? OF_FILES : OF_OUTBOX;
  const stray = command.options.find((option) => {
    const name = option.attributeName();
    return others.includes(name) && command.getOptionValueSource(name) === 'cli';
  });
  if (stray === undefined) return;
  const where = isFollowing ? 'with --follow' : 'without --follow';
  throw new CliError(EXIT_CONFIGURATION, `${stray.long} has no meaning ${where}; leave it out.`);
}
