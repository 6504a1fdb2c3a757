import { randomUUID } from 'node:crypto';
import { type Clock, systemClock } from '../clock.ts';
import { ConfigError } from '../config-file.ts';
import type { CheckScope } from '../run.ts';
import { Bank, type BankKey } from './bank.ts';
import type { TppConfig } from './config.ts';
import type { TppContext } from './context.ts';
import { type Answer, Endpoint } from './endpoint.ts';
import { type JwksServer, startJwksServer } from './jwks-server.ts';
import { makeRsaKey } from './strangers.ts';

/** The surroundings of the checks of one callback URL. */
export interface TppSession {
  /** Where the runner serves the JWKS of the bank; undefined: the TPP has the keys from elsewhere. */
  readonly jwksUrl: string | undefined;
  /** Longest time for one check. */
  readonly timeLimitMs: number;
  contextOf(scope: CheckScope): TppContext;
  close(): Promise<void>;
}

/** Surroundings of {@link openTppSession}, for tests. */
export interface TppSessionDependencies {
  readonly clock?: Clock;
  readonly randomUuid?: () => string;
  /** Makes a key of the bank where the configuration has none. */
  readonly makeKey?: () => BankKey['privateKey'];
}

/** For a check, besides the time that the configuration makes it wait. */
const TIME_LIMIT_MS = 60_000;

/**
 * Prepares the checks of a callback URL: makes the keys that the configuration does not give, and serves the JWKS where it says
 * so. Sends nothing to the TPP.
 *
 * @throws {ConfigError} when the JWKS cannot be served at its address
 */
export async function openTppSession(
  config: TppConfig,
  { clock = systemClock, randomUuid = randomUUID, makeKey = makeRsaKey }: TppSessionDependencies = {},
): Promise<TppSession> {
  const newKey = (): BankKey => ({ kid: `conformance-${randomUuid()}`, privateKey: makeKey() });
  const first = firstKey(config, newKey);
  const jwks = await jwksOf(config, first, newKey);
  const { issuer, organisationId, trustAnchor, resourceUrl, financialId } = config.bank;
  const identity = { issuer, organisationId, trustAnchor, resourceUrl, clientId: config.clientId, key: first };
  const bank = new Bank(identity, { nowSeconds: () => clock.nowMs() / 1000, randomUuid });
  const { answerMs, keyRefreshMs, slowBodyMs } = config.timing;
  let baseline: Promise<Answer> | undefined;
  return {
    jwksUrl: jwks?.url,
    timeLimitMs: TIME_LIMIT_MS + keyRefreshMs + slowBodyMs,
    contextOf: (scope) => {
      const about = { url: config.callbackUrl, tls: config.tls, financialId, answerMs };
      const endpoint = new Endpoint({ ...about, clock, randomUuid, scope });
      const send = () => {
        baseline ??= endpoint.deliver({ token: bank.token() });
        return baseline;
      };
      return { config, bank, endpoint, jwks, clock, signal: scope.signal, baseline: send };
    },
    close: async () => jwks?.close(),
  };
}

function firstKey({ signing }: TppConfig, make: () => BankKey): BankKey {
  const { key, kid } = signing;
  if (key !== undefined && kid !== undefined) return { kid, privateKey: key };
  const made = make();
  return kid === undefined ? made : { ...made, kid };
}

async function jwksOf({ signing }: TppConfig, first: BankKey, make: () => BankKey): Promise<JwksServer | undefined> {
  if (signing.jwks === undefined) return undefined;
  try {
    return await startJwksServer(signing.jwks, { first, second: make(), encryption: make(), make });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ConfigError(
      'signing.jwks',
      `cannot be served (${why}); choose another host and port, or correct its certificate and key`,
    );
  }
}
