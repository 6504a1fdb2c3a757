import type { Command } from 'commander';
import type { Log } from '../base/log.ts';
import { environment, untilSignal } from '../base/process.ts';
import { messageOf } from '../base/start-up-error.ts';
import type { RunningService } from '../service.ts';

/** `tidings serve`: runs the Notification Service. */
export function define(command: Command): void {
  command
    .requiredOption('-c, --config <file>', 'configuration file (JSON)')
    .addHelpText(
      'after',
      `
Examples:
  tidings serve --config /etc/tidings/tidings.json
  tidings serve --config tidings.json | npx pino-pretty

The service runs in the foreground and logs to standard output, one JSON object per line. SIGHUP reloads the signing key, the
certificates and revocation lists of the listeners, the operator tokens, and the destinations of alerts, so that they can be
renewed or revoked without a restart; it logs which other settings changed in the file and need one. All settings are described in docs/configuration.md; check a configuration with "tidings doctor" first.

Exit codes: 0 stopped by a signal; 1 failed; 2 wrong usage, or the configuration is invalid (the message names the setting).`,
    )
    .action(async ({ config: file }: { config: string }) => {
      // Loaded only here: no other command needs the whole service.
      const [{ createLog }, { loadConfig }, { startService }] = await Promise.all([
        import('../base/log.ts'),
        import('../config/load.ts'),
        import('../service.ts'),
      ]);
      const config = loadConfig(file, environment());
      const log = createLog(config.log.level);
      // Registered before anything runs, so that a signal during the start leads to an orderly stop.
      const signalled = untilSignal();
      const started = Promise.withResolvers<RunningService>();
      const endReloading = reloadOnHangUp(started.promise, log);
      const service = await startService(config, {
        log,
        readConfig: () => loadConfig(file, environment()),
        inspect: () => inspect(file),
      });
      started.resolve(service);
      const signal = await signalled;
      endReloading();
      log.info({ signal }, 'stopping');
      await new Promise<void>((resolve) => log.flush(() => resolve()));
      await service.stop();
      log.info('stopped');
    });
}

/** Loaded only when somebody asks. */
async function inspect(file: string) {
  const [{ inspectInstallation }, { systemClock }] = await Promise.all([
    import('./doctor/inspect.ts'),
    import('../base/clock.ts'),
  ]);
  return inspectInstallation({ file, environment: environment(), clock: systemClock });
}

/**
 * Reloads keys, certificates and tokens on SIGHUP. A fault is logged and the service continues with the previous ones. A
 * SIGHUP that arrives before the service has started takes effect once it has.
 */
function reloadOnHangUp(started: Promise<RunningService>, log: Log): () => void {
  const reload = async () => {
    const service = await started;
    await service.reload().catch((error: unknown) => {
      log.error(
        { why: messageOf(error) },
        'reload failed; signing key, certificates and operator tokens are unchanged',
      );
    });
  };
  process.on('SIGHUP', reload);
  return () => {
    process.off('SIGHUP', reload);
    // A SIGHUP during the shutdown must not end the process halfway.
    process.on('SIGHUP', () => undefined);
  };
}
