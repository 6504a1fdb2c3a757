import { readFileSync, writeFileSync } from 'node:fs';
import { configurationTable } from '@tidings/service';

// npm run docs: writes docs/configuration.md from the schema that the service checks its configuration with. A test
// fails when the page is out of date.

const PAGE = 'docs/configuration.md';

/** The reference of all settings, as Markdown. */
export function configurationPage(): string {
  return `# Configuration

\`tidings serve --config FILE\` reads one JSON file. An unknown or missing setting, or one that is out of range, is an error
that names it (exit code 2). Paths are relative to the file. The file contains no secret: keys are files, passwords are files or
references such as \`\${env:NAME}\` and \`\${file:PATH}\`, and operator tokens are given by their SHA-256 (\`printf %s "$TOKEN" | sha256sum\`).
The last word of a setting's name is its unit.

Each setting outside of lists can be given by the variable in the last column too; it overrides the file. See
[Secrets and settings from the environment](guides/secrets.md).

\`tidings config check\` lists all problems of a file, \`tidings config effective\` shows every setting with its value and where it comes from, and \`tidings doctor\`
also checks everything that the file names.

For a small example, run \`npm start\` and read \`.tidings/sandbox/tidings.json\`.

This page is generated from the schema in \`packages/service/src/config/schema.ts\` by \`npm run docs\`.

${configurationTable()}`;
}

if (import.meta.main) {
  const page = configurationPage();
  const changed = page !== readFileSync(PAGE, { encoding: 'utf8', flag: 'a+' });
  if (changed) writeFileSync(PAGE, page);
  process.stdout.write(`${PAGE}: ${changed ? 'written' : 'up to date'}\n`);
}
