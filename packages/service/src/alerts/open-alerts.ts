import { dirname } from 'node:path';
import { freeBytesOf } from '../base/disk.ts';
import { LruMap } from '../base/lru-map.ts';
import type { Random } from '../base/random.ts';
import type { Config } from '../config/schema.ts';
import type { Failure } from '../model/attempt-health.ts';
import type { Tpp } from '../model/tpp.ts';
import type { Store } from '../store/store.ts';
import type { SigningKeys } from '../trust/signing-keys.ts';
import { type AlertSources, type Alerts, type AlertsOptions, createAlerts } from './alerts.ts';
import type { OwnFacts } from './conditions.ts';

/** Dependencies of the alerts of a running service. */
export interface OpenAlertsOptions extends Pick<AlertsOptions, 'destinations' | 'clock' | 'log' | 'onSending'> {
  readonly config: Config;
  readonly store: Store;
  readonly keys: Pick<SigningKeys, 'problem'>;
  readonly random: Pick<Random, 'uuid'>;
  readonly certificates: () => OwnFacts['certificates'];
  readonly tppCertificates: () => OwnFacts['tppCertificates'];
  /** Undefined: no directory is asked. */
  readonly revokedTpps?: (() => OwnFacts['revokedTpps']) | undefined;
}

/** Makes the alerts of a running service. They begin with `start`. */
export function openAlerts(options: OpenAlertsOptions): Alerts {
  const { config, random } = options;
  return createAlerts({
    ...options,
    notify: config.notify,
    sources: createSources(options),
    holder: random.uuid(),
    isAlone: config.store.url === undefined,
  });
}

const TROUBLED_MAX = 1000;
const AWAITING_COUNTED_MAX = 10_000;

/** Facts from the store, the disk, the signing keys and the files of certificates. */
function createSources(options: OpenAlertsOptions): AlertSources {
  const { config, store, keys, certificates, tppCertificates, revokedTpps = () => [] } = options;
  const names = new LruMap<string, Pick<Tpp, 'organisationId' | 'softwareStatementId'>>(TROUBLED_MAX * 2);
  const nameOf = async (clientId: string) => {
    const known = names.get(clientId) ?? (await store.tpp(clientId));
    if (known !== undefined) names.set(clientId, known);
    return { organisationId: known?.organisationId, softwareStatementId: known?.softwareStatementId };
  };
  return {
    shared: async () => {
      const [found, { awaiting }, diskFreeBytes] = await Promise.all([
        store.troubledTargets(TROUBLED_MAX, AWAITING_COUNTED_MAX),
        store.counts(),
        config.store.file === undefined ? undefined : freeBytesOf(dirname(config.store.file)).catch(() => undefined),
      ]);
      const troubled = await Promise.all(
        found.map(async ({ lastFailure, ...target }) => {
          const lastError = lastFailure && describeFailure(lastFailure);
          return { ...target, ...(await nameOf(target.clientId)), lastError };
        }),
      );
      const { awaitingMax } = config.publishing;
      return { troubled, awaiting, awaitingMax, diskFreeBytes, isComplete: found.length < TROUBLED_MAX };
    },
    own: async (instance) => ({
      ...{ instance, signingKeyProblem: keys.problem(), certificates: certificates() },
      ...{ tppCertificates: tppCertificates(), revokedTpps: revokedTpps() },
    }),
  };
}

/** A failure in a few words, such as `503`, `ECONNREFUSED`, or `400 invalid_key: unknown kid`. */
function describeFailure({ status, code, err, description, class: failureClass }: Failure): string {
  const reported = [err, description].filter((text) => text !== undefined).join(': ');
  return [status ?? code ?? failureClass, reported].filter((text) => text !== '').join(' ');
}
