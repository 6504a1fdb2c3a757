import { readFileSync, writeFileSync } from 'node:fs';
import { buildProgram, commandReference } from '@tidings/service/cli';

// npm run docs: writes docs/cli.md from the commands as they are. A test fails when the page is out of date.

const PAGE = 'docs/cli.md';

/** The reference of the command line, as Markdown. */
export async function commandLinePage(): Promise<string> {
  return `# Command line

\`tidings COMMAND --help\` prints the same text. Every command that prints data prints JSON with \`--json\`, to standard
output; messages go to standard error. Colours are used on terminals only, and not if \`NO_COLOR\` is set.
\`tidings completion\` prints a script that completes commands and flags in a shell.

| exit code | meaning |
|---|---|
| 0 | done; for \`doctor\`: no error, although there may be warnings |
| 1 | the service refused or cannot be reached; or a check failed |
| 2 | wrong use, or a file or configuration that cannot be used; nothing was done |

Commands that call a running service take:

| flag | variable | meaning |
|---|---|---|
| \`--operator-url\` | \`TIDINGS_OPERATOR_URL\` | scheme, host and port of the operator listener; \`http://127.0.0.1:8444\` by default |
| \`--token-file\` | \`TIDINGS_TOKEN_FILE\` | file with the token; a token is never an argument, because others could see it |
| \`--ca-file\` | \`TIDINGS_CA_FILE\` | root certificates that the certificate of the listener must chain to |
| \`--certificate-file\`, \`--key-file\` | \`TIDINGS_CERTIFICATE_FILE\`, \`TIDINGS_KEY_FILE\` | client certificate, if the listener requires one |

This page is generated from the commands by \`npm run docs\`.

${commandReference(await buildProgram())}`;
}

if (import.meta.main) {
  const page = await commandLinePage();
  const changed = page !== readFileSync(PAGE, { encoding: 'utf8', flag: 'a+' });
  if (changed) writeFileSync(PAGE, page);
  process.stdout.write(`${PAGE}: ${changed ? 'written' : 'up to date'}\n`);
}
