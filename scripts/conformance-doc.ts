import { readFileSync, writeFileSync } from 'node:fs';
import { aspspSettingsTable, tppSettingsTable } from '@tidings/conformance';

// npm run docs: writes docs/conformance-configuration.md from the schemas that the runner checks its configuration with. A test
// fails when the page is out of date.

const PAGE = 'docs/conformance-configuration.md';

/** The reference of the settings of the conformance runner, as Markdown. */
export function conformanceConfigurationPage(): string {
  return `# Configuration of the conformance runner

\`tidings-conformance\` reads one JSON file for each side. An unknown or missing setting, or one that is out of range, is an error that
names it (exit code 2). Paths are relative to the file. The file contains no secret: keys and tokens are files of their own. [The guide](guides/conformance.md)
says how to use it.

This page is generated from the schemas in \`packages/conformance/src\` by \`npm run docs\`.

## The side of a bank: \`aspsp\`

\`packages/conformance/examples/bank.json\` is an example.

${aspspSettingsTable()}
## The side of a TPP: \`tpp\`

\`packages/conformance/examples/tpp.json\` is an example.

${tppSettingsTable()}`;
}

if (import.meta.main) {
  const page = conformanceConfigurationPage();
  const changed = page !== readFileSync(PAGE, { encoding: 'utf8', flag: 'a+' });
  if (changed) writeFileSync(PAGE, page);
  process.stdout.write(`${PAGE}: ${changed ? 'written' : 'up to date'}\n`);
}
