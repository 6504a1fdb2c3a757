import { isDeepStrictEqual } from 'node:util';
import type { FastifyInstance } from 'fastify';
import type { Alerts } from './alerts/alerts.ts';
import { createDestinations } from './alerts/destinations.ts';
import type { Api } from './api/server.ts';
import type { Clock } from './base/clock.ts';
import { renewTls } from './base/http-server.ts';
import type { Log } from './base/log.ts';
import { StartUpError } from './base/start-up-error.ts';
import { settingsToRestart } from './config/effective.ts';
import type { Config } from './config/schema.ts';
import type { PreparedIntake } from './intake/open-intake.ts';
import { BY_SERVICE } from './model/audit.ts';
import type { Engine } from './notify/engine.ts';
import type { OperatorTokens } from './operator/access.ts';
import { reloadSigningKeys } from './operator/signing-keys.ts';
import type { Sweeper } from './retention/sweeper.ts';
import type { Store } from './store/store.ts';
import type { Telemetry } from './telemetry/telemetry.ts';
import { assertSameClientAuthentication, type Material, readMaterial, reportExpiredLists } from './trust/material.ts';
import type { OidcVerifier } from './trust/oidc-tokens.ts';
import type { SigningKeys } from './trust/signing-keys.ts';
import type { SigningProviders } from './trust/signing-providers.ts';

/** The parts of a running service. */
export interface Components {
  readonly keys: SigningKeys;
  readonly api: Api;
  readonly operator: FastifyInstance;
  readonly operatorTokens: OperatorTokens;
  readonly identityProvider: OidcVerifier | undefined;
  readonly engine: Engine;
  readonly sweeper: Sweeper;
  readonly telemetry: Telemetry;
  readonly intake: PreparedIntake;
  readonly alerts: Alerts;
  /** Stops following changes that other instances make to the signing keys. */
  readonly endFollowing: () => Promise<void>;
  /** Makes the engine claim what is due. Has no effect where real time is not offered. */
  readonly wake: () => void;
  /** Clients that the other components use; closed after them. */
  readonly clients: readonly { close(): Promise<void> }[];
  setPublicUrl(url: string): void;
}

/** Options and dependencies that the service started with. */
export interface Started {
  readonly config: Config;
  readonly material: Material;
  readonly providers: SigningProviders;
  readonly store: Store;
  /** That of the store. */
  readonly clock: Clock;
  /** That of this machine. */
  readonly local: Clock;
  readonly log: Log;
}

/** Applies the parts of a changed configuration that need no restart. Everything is checked before any of it is used. */
export async function reloadComponents(components: Components, started: Started, written: Config): Promise<void> {
  const { config, material, providers, store, clock, log } = started;
  const { operator } = written;
  const renewed = await readMaterial(written, providers);
  const newDestinations = createDestinations(written.notify, started.local);
  assertSameClientAuthentication(material, renewed);
  assertSameProvider(config.operator.oidc, operator.oidc);
  const key = await reloadSigningKeys(components.keys, { store, clock, log }, BY_SERVICE);
  renewTls(components.api.server, renewed.apiTls);
  renewTls(components.operator, renewed.operatorTls);
  reportExpiredLists(renewed, { log, clock });
  if (operator.oidc !== undefined) components.identityProvider?.useRoles(operator.oidc.roles);
  components.operatorTokens.replace(operator.tokens);
  await components.alerts.replace(written.notify, newDestinations);
  const operatorTokens = operator.tokens.map(({ name, role }) => `${name}: ${role}`);
  log.info({ ...key, operatorTokens }, 'signing key, certificates and operator tokens were reloaded');
  const signing = { ...config.signing, ...providers.sectionsInUse(written.signing) };
  const settings = settingsToRestart({ ...config, signing }, written);
  if (settings.length > 0) log.warn({ settings }, 'these settings changed, and need a restart to take effect');
}

/** A reload applies the roles alone: a provider that was removed only from the file would still be accepted. */
function assertSameProvider(before: Config['operator']['oidc'], after: Config['operator']['oidc']): void {
  const withoutRoles = (oidc: Config['operator']['oidc']) => oidc && { ...oidc, roles: undefined };
  if (isDeepStrictEqual(withoutRoles(before), withoutRoles(after))) return;
  throw new StartUpError('"operator.oidc" changed in more than its roles; restart the service for that.');
}

/** Listeners and engine first, then what they use, the store last. */
export async function stopComponents(components: Components, store: Store, graceMs: number): Promise<void> {
  const { operator, api, engine, sweeper, telemetry, alerts } = components;
  await Promise.all([
    components.intake.stop(),
    operator.close(),
    api.server.close(),
    engine.stop(graceMs),
    sweeper.stop(),
    alerts.stop(),
    components.endFollowing(),
  ]);
  await Promise.all([telemetry.stop(), ...components.clients.map((client) => client.close())]);
  await store.close();
}
