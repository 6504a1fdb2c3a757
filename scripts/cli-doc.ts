import { readFileSync, writeFileSync } from 'node:fs';
import { buildProgram, commandReference } from '@tidings/service/cli';

// npm run docs: writes docs/cli.md from the commands as they are. A test fails when the page is out of date.

const PAGE = 'docs/cli.md';

/** The reference of the command line, as Markdown. */
export async function commandLinePage(): Promise<string> {
  return `# Command line

This page contains the help of every command, as \`tidings COMMAND --help\` prints it. Every command that prints data prints JSON
with \`--json\`. Data goes to standard output and messages to standard error. Output is coloured only on a terminal, and never if
\`NO_COLOR\` is set. \`tidings completion\` prints a script with which a shell completes commands and flags.

A table fits the terminal: values are shortened, then columns are left out, the least important first; \`--wide\` shows everything. Where the
output is no terminal, everything is shown, unless \`COLUMNS\` is set to a width. Scripts should use \`--json\`, which never changes with
the width. Times are in UTC, with the time relative to now beside them; a narrow table shortens them to the time of day, or the date if it is
more than a day away.

| exit code | meaning |
|---|---|
| 0 | success; for \`doctor\`: no errors, possibly warnings |
| 1 | the service refused the call or cannot be reached, or a check failed |
| 2 | wrong usage, a value that the service does not accept, or a file or configuration that cannot be used; nothing was changed |

Commands that call a running service have these flags. A flag overrides its environment variable.

| flag | variable | value |
|---|---|---|
| \`--operator-url\` | \`TIDINGS_OPERATOR_URL\` | scheme, host and port of the operator listener; \`http://127.0.0.1:8444\` by default |
| \`--token-file\` | \`TIDINGS_TOKEN_FILE\` | file that holds the token; the token itself is never an argument, because other users of the machine can see arguments |
| \`--ca-file\` | \`TIDINGS_CA_FILE\` | trusted roots for the certificate of the listener |
| \`--certificate-file\`, \`--key-file\` | \`TIDINGS_CERTIFICATE_FILE\`, \`TIDINGS_KEY_FILE\` | client certificate and its key, if the listener requires one |

This page is generated from the commands by \`npm run docs\`.

${commandReference(await buildProgram())}`;
}

if (import.meta.main) {
  const page = await commandLinePage();
  const changed = page !== readFileSync(PAGE, { encoding: 'utf8', flag: 'a+' });
  if (changed) writeFileSync(PAGE, page);
  process.stdout.write(`${PAGE}: ${changed ? 'written' : 'up to date'}\n`);
}
