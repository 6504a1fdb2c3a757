import type { Command } from 'commander';
import type { Log } from '../base/log.ts';
import { untilSignal } from '../base/process.ts';
import type { RunningService } from '../service.ts';

/** `tidings serve`: the Notification Service alone. */
export function define(command: Command): void {
  command
    .requiredOption('-c, --config <file>', 'configuration file (JSON)')
    .addHelpText(
      'after',
      `
Examples:
  tidings serve --config /etc/tidings/tidings.json
  tidings serve --config tidings.json | npx pino-pretty

The log goes to standard output, one JSON object a line. SIGHUP reads the signing key, the certificates and
revocation lists of the listeners and the operator tokens again, so that they are renewed or revoked without a restart. Settings: docs/configuration.md.

Exit codes: 0 stopped by a signal; 1 failed; 2 the configuration is not good, and the message names the setting.`,
    )
    .action(async ({ config: file }: { config: string }) => {
      // Loaded only here: no other command needs the whole service.
      const [{ createLog }, { loadConfig }, { startService }] = await Promise.all([
        import('../base/log.ts'),
        import('../config/load.ts'),
        import('../service.ts'),
      ]);
      const config = loadConfig(file);
      const log = createLog(config.log.level);
      // Before anything runs: a signal that comes while it starts must not cut it off.
      const signalled = untilSignal();
      const started = Promise.withResolvers<RunningService>();
      const endReloading = reloadOnHangUp(started.promise, log);
      const service = await startService(config, { log, readConfig: () => loadConfig(file) });
      started.resolve(service);
      const signal = await signalled;
      endReloading();
      log.info({ signal }, 'stopping');
      await new Promise<void>((resolve) => log.flush(() => resolve()));
      await service.stop();
      log.info('stopped');
    });
}

/**
 * A fault of the new key goes to the log: the service goes on with the one before it. A hang-up that comes before
 * the service has started is heeded then.
 */
function reloadOnHangUp(started: Promise<RunningService>, log: Log): () => void {
  const reload = async () => {
    const service = await started;
    await service.reload().catch((error: unknown) => {
      log.error(
        { why: error instanceof Error ? error.message : String(error) },
        'signing key, certificates and operator tokens stay as they were',
      );
    });
  };
  process.on('SIGHUP', reload);
  return () => {
    process.off('SIGHUP', reload);
    // A second hang-up during the shutdown must not end it halfway.
    process.on('SIGHUP', () => undefined);
  };
}
