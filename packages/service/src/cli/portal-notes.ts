import type { Command } from 'commander';
import { print } from '../base/output.ts';
import { environment } from '../base/process.ts';

/** `tidings portal-notes`: what the standard requires an ASPSP to tell TPPs, as Markdown. */
export function define(command: Command): void {
  command
    .requiredOption('-c, --config <file>', 'configuration file (JSON)')
    .addHelpText(
      'after',
      `
Example:
  tidings portal-notes --config /etc/tidings/tidings.json > event-notifications.md

The standard requires a bank to document its event notifications: endpoints, event types, retry policy, polling limits and error
codes. The page follows from the configuration; print and publish it again whenever you change the configuration.

Exit codes: 0 done; 2 wrong usage, or the configuration is invalid.`,
    )
    .action(async ({ config: file }: { config: string }) => {
      const [{ loadConfig }, { portalNotes }] = await Promise.all([
        import('../config/load.ts'),
        import('./portal/notes.ts'),
      ]);
      print(portalNotes(loadConfig(file, environment())));
    });
}
