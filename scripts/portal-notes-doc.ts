import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

// Writes docs/portal-notes.md: what `tidings portal-notes` prints for an example configuration. A test fails when the
// page is out of date.

const PAGE = 'docs/portal-notes.md';
const EXAMPLE = 'scripts/portal-notes-example.json';

/** The page: a note on what it is, and then the very words of the command. */
export function portalNotesPage(): string {
  const bin = 'packages/service/bin/tidings.js';
  const notes = execFileSync(process.execPath, [bin, 'portal-notes', '--config', EXAMPLE], { encoding: 'utf8' });
  return `> An example: what \`tidings portal-notes --config ${EXAMPLE}\` prints. The standard makes an
> ASPSP publish these facts; run the command with your own configuration and put the text on your developer portal. This
> page is made by \`node scripts/portal-notes-doc.ts\`.

${notes}`;
}

if (import.meta.main) {
  const page = portalNotesPage();
  const changed = page !== readFileSync(PAGE, { encoding: 'utf8', flag: 'a+' });
  if (changed) writeFileSync(PAGE, page);
  process.stdout.write(`${PAGE}: ${changed ? 'written' : 'up to date'}\n`);
}
