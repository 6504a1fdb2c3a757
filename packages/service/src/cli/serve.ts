import { Command } from 'commander';
import { createLog } from '../base/log.ts';
import { untilSignal } from '../base/signals.ts';
import { loadConfig } from '../config/load.ts';
import { startService } from '../service.ts';

/** `tidings serve`: the Notification Service alone. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('Run the ASPSP Notification Service until SIGTERM or Ctrl-C.')
    .requiredOption('-c, --config <file>', 'configuration file (JSON)')
    .addHelpText(
      'after',
      `
Examples:
  tidings serve --config /etc/tidings/tidings.json
  tidings serve --config tidings.json | npx pino-pretty

The log goes to standard output, one JSON object a line. Exit code 2: the configuration is not good; the message names
the setting. Settings: docs/configuration.md.`,
    )
    .action(async ({ config: file }: { config: string }) => {
      const config = loadConfig(file);
      const log = createLog(config.log.level);
      // Before anything runs: a signal that comes while it starts must not cut it off.
      const signalled = untilSignal();
      const service = await startService(config, { log });
      log.info({ signal: await signalled }, 'stopping');
      await service.stop();
      log.info('stopped');
    });
}
