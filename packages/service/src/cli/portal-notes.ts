import type { Command } from 'commander';
import { print } from '../base/output.ts';

/** `tidings portal-notes`: what the standard makes an ASPSP tell TPPs, as Markdown. */
export function define(command: Command): void {
  command
    .requiredOption('-c, --config <file>', 'configuration file (JSON)')
    .addHelpText(
      'after',
      `
Example:
  tidings portal-notes --config /etc/tidings/tidings.json > event-notifications.md

Run it again when you change the configuration: TPPs rely on what it says.

Exit codes: 0 done; 2 wrong use, or the configuration is not good.`,
    )
    .action(async ({ config: file }: { config: string }) => {
      const { loadConfig } = await import('../config/load.ts');
      const { portalNotes } = await import('./portal/portal-notes.ts');
      print(portalNotes(loadConfig(file)));
    });
}
