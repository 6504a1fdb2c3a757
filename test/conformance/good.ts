import {
  ASPSP_CHECKS,
  type AspspConfig,
  openAspspSession,
  type Report,
  runChecks,
  selectChecks,
  systemClock,
} from '@tidings/conformance';
import { startTestedBank } from './world.ts';

/** A bank that offers less than all, and what the runner is told about it. */
export interface Mode {
  readonly name: string;
  readonly settings: Readonly<Record<string, object>>;
  readonly features: Partial<AspspConfig['features']>;
  /** The versions of the API that the runner knows of. */
  readonly versions: readonly ApiVersion[];
}

type ApiVersion = keyof AspspConfig['bank']['apiUrls'];
const BOTH: readonly ApiVersion[] = ['v3.1', 'v4.0'];

/** What the standard leaves to the bank. */
export const MODES: readonly Mode[] = [
  {
    name: 'polling alone',
    settings: { realTime: { isOffered: false } },
    features: { realTime: false, callbackUrls: false },
    versions: BOTH,
  },
  {
    name: 'real time alone',
    settings: { polling: { isOffered: false } },
    features: { polling: false },
    versions: BOTH,
  },
  {
    name: 'no acknowledgements',
    settings: { polling: { isAcknowledgementExpected: false } },
    features: { acknowledgements: false },
    versions: BOTH,
  },
  { name: 'v3.1 alone', settings: {}, features: {}, versions: ['v3.1'] },
  { name: 'v4.0 alone', settings: {}, features: {}, versions: ['v4.0'] },
];

/** Runs checks against the service as it is. @param only ids or areas; none: all */
export async function runOnGoodBank(
  only: readonly string[],
  { postgresUrl, mode }: { readonly postgresUrl?: string; readonly mode?: Mode } = {},
): Promise<Report> {
  const tested = await startTestedBank({
    ...(postgresUrl !== undefined && { postgresUrl }),
    ...(mode !== undefined && { settings: mode.settings }),
  });
  const config = configOf(tested.config(), mode);
  const session = await openAspspSession(config, systemClock, () => Promise.reject(new Error('nobody is asked')));
  try {
    return await runChecks({
      ...({ side: 'aspsp', target: { name: config.name, url: tested.bank.service.apiUrl }, version: '0' } as const),
      checks: selectChecks(ASPSP_CHECKS, only),
      contextOf: session.contextOf,
      clock: systemClock,
    });
  } finally {
    await session.close();
    await tested.stop();
  }
}

function configOf(config: AspspConfig, mode: Mode | undefined): AspspConfig {
  if (mode === undefined) return config;
  const { bank, features } = config;
  const apiUrls = Object.fromEntries(mode.versions.map((version) => [version, bank.apiUrls[version]]));
  return { ...config, bank: { ...bank, apiUrls }, features: { ...features, ...mode.features } };
}
