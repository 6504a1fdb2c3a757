import {
  ASPSP_CHECKS,
  openAspspSession,
  type Report,
  runChecks,
  selectChecks,
  systemClock,
} from '@tidings/conformance';
import { startTestedBank } from './world.ts';

/** Runs checks against the service as it is, on one store. @param only ids or areas; none: all */
export async function runOnGoodBank(
  only: readonly string[],
  options: { readonly postgresUrl?: string; readonly onResult?: (line: string) => void } = {},
): Promise<Report> {
  const { postgresUrl, onResult } = options;
  const tested = await startTestedBank(postgresUrl === undefined ? {} : { postgresUrl });
  const config = tested.config();
  const session = await openAspspSession(config, systemClock, () => Promise.reject(new Error('nobody is asked')));
  try {
    return await runChecks({
      ...({ side: 'aspsp', target: { name: config.name, url: tested.bank.service.apiUrl }, version: '0' } as const),
      checks: selectChecks(ASPSP_CHECKS, only),
      contextOf: session.contextOf,
      clock: systemClock,
      onProgress: (each) => {
        if (each.kind === 'finished')
          onResult?.(
            `${each.result.id} ${JSON.stringify(each.result.outcome)} ${Math.round(each.result.durationMs)} ms`,
          );
      },
    });
  } finally {
    await session.close();
    await tested.stop();
  }
}
