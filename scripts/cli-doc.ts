import { readFileSync, writeFileSync } from 'node:fs';
import { buildProgram, commandReference } from '@tidings/service/cli';

// npm run docs: writes docs/cli.md from the commands as they are. A test fails when the page is out of date.

const PAGE = 'docs/cli.md';

/** The reference of the command line, as Markdown. */
export async function commandLinePage(): Promise<string> {
  return `# Command line

\`tidings COMMAND --help\` prints what stands here. Every command that prints data prints JSON with \`--json\`, to standard
output; messages go to standard error. Colours are for terminals alone, and not even there with \`NO_COLOR\` set.
\`tidings completion\` makes a shell complete commands and flags.

| exit code | means |
|---|---|
| 0 | done; of \`doctor\`: no error, though there may be warnings |
| 1 | refused by the service, which may also not have been reached; or what was checked is not good |
| 2 | wrong use, or a file or configuration that cannot be used; nothing was done |

Where a command calls a running service:

| flag | variable | |
|---|---|---|
| \`--operator-url\` | \`TIDINGS_OPERATOR_URL\` | scheme, host and port of the operator listener; \`http://127.0.0.1:8444\` by default |
| \`--token-file\` | \`TIDINGS_TOKEN_FILE\` | file with the token; a token is never an argument, which others could see |
| \`--ca-file\` | \`TIDINGS_CA_FILE\` | roots that the certificate of the listener leads to |
| \`--certificate-file\`, \`--key-file\` | \`TIDINGS_CERTIFICATE_FILE\`, \`TIDINGS_KEY_FILE\` | where it demands a client certificate |

This page is made from the commands by \`npm run docs\`.

${commandReference(await buildProgram())}`;
}

if (import.meta.main) {
  const page = await commandLinePage();
  const changed = page !== readFileSync(PAGE, { encoding: 'utf8', flag: 'a+' });
  if (changed) writeFileSync(PAGE, page);
  process.stdout.write(`${PAGE}: ${changed ? 'written' : 'up to date'}\n`);
}
