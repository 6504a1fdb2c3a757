import { readFileSync, writeFileSync } from 'node:fs';
import { configurationTable } from '@tidings/service';

// npm run docs: writes docs/configuration.md from the schema that the service checks its configuration with. A test
// fails when the page is out of date.

const PAGE = 'docs/configuration.md';

/** The reference of all settings, as Markdown. */
export function configurationPage(): string {
  return `# Configuration

\`tidings serve --config FILE\` reads one JSON file. An unknown setting, a missing one or one out of its range is an error
that names it (exit code 2). Paths are relative to the file. No secret is in it: keys are files, operator tokens are
given by their SHA-256 (\`printf %s "$TOKEN" | sha256sum\`). Units are the last word of a setting's name.

\`tidings config check\` tells all that is wrong with a file, \`tidings config effective\` what it comes to, and \`tidings doctor\`
whether everything that it names is in order.

The smallest file that works is what the sandbox writes: run \`npm start\` and look at \`.tidings/sandbox/tidings.json\`.

This page is made from the schema in \`packages/service/src/config/schema.ts\` by \`npm run docs\`.

${configurationTable()}`;
}

if (import.meta.main) {
  const page = configurationPage();
  const changed = page !== readFileSync(PAGE, { encoding: 'utf8', flag: 'a+' });
  if (changed) writeFileSync(PAGE, page);
  process.stdout.write(`${PAGE}: ${changed ? 'written' : 'up to date'}\n`);
}
