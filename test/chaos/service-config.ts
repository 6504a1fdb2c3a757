import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AuthorisationServer, SandboxPki } from '@tidings/sandbox';

export const ISSUER = 'https://bank.example/';
export const AUDIENCE = 'https://bank.example/open-banking';

/** Settings that the run reckons with. */
export const TIMEOUT_MS = 1500;
export const LEASE_MS = 3000;
export const GRACE_MS = 5000;
/** An attempt begins so long after its claim at the latest: its deadline and 250 ms for recording must fit into the lease. */
export const ATTEMPT_BEGINS_WITHIN_MS = LEASE_MS - TIMEOUT_MS - 250;
const PER_TPP_MAX = 8;
const QUEUE_PER_TPP_MAX = 64;
/** What an instance may have claimed for one TPP, until it is recorded. */
export const CLAIMED_PER_TPP_MAX = QUEUE_PER_TPP_MAX + PER_TPP_MAX;
const REOFFER_MS = 1000;
/**
 * The TPPs are on loopback. A service that guards callback addresses needs 127.0.0.0/8 and ::1/128 here; one that does
 * not does not know the setting, and it is left out.
 */
const CALLBACK_ADDRESSES_ALLOWED: readonly string[] = ['127.0.0.0/8', '::1/128'];

/** What the configuration of an instance is made of. */
export interface InstanceSettings {
  readonly folder: string;
  readonly name: string;
  /**
   * Number of the process among those of the instance. `name.run` says who sent a POST: it stands in x-fapi-financial-id,
   * which TPPs are sent and nobody else uses here.
   */
  readonly run: number;
  readonly pki: SandboxPki;
  readonly authorisationServer: Pick<AuthorisationServer, 'issuer' | 'jwksUri'>;
  readonly operatorToken: string;
  /** The `store` section. */
  readonly store: object;
}

/** Writes it. @returns the file */
export function writeServiceConfig(settings: InstanceSettings): string {
  const { folder, name, run, pki, authorisationServer, operatorToken, store } = settings;
  const { certificateFile, keyFile } = pki.bank.transport;
  const caFile = pki.root.certificateFile;
  const file = join(folder, `${name}.json`);
  const config = {
    ...{ issuer: ISSUER, organisationId: pki.bank.organisationId, financialId: `${name}.${run}`, store },
    signing: { kid: pki.bank.signing.kid, keyFile: pki.bank.signing.keyFile },
    api: {
      ...{
        host: '127.0.0.1',
        port: 0,
        requestsPerMinutePerTppMax: 1_000_000,
        registrationChangesPerHourPerTppMax: 1_000_000,
      },
      tls: { certificateFile, keyFile, clientCaFile: caFile },
    },
    accessTokens: {
      ...{ issuer: authorisationServer.issuer, audience: AUDIENCE, jwksUrl: authorisationServer.jwksUri },
      ...{ caFile, certificateFile, keyFile },
    },
    operator: {
      port: 0,
      tls: { certificateFile, keyFile },
      tokens: [
        { name: 'chaos', sha256: createHash('sha256').update(operatorToken).digest('hex'), role: 'administrator' },
      ],
    },
    polling: { longPollMaxMs: 1000, reofferMs: REOFFER_MS, reofferAfterErrorMs: REOFFER_MS },
    delivery: {
      ...{
        caFile,
        timeoutMs: TIMEOUT_MS,
        leaseMs: LEASE_MS,
        concurrencyPerTppMax: PER_TPP_MAX,
        queuePerTppMax: QUEUE_PER_TPP_MAX,
      },
      callbackAddressesAllowed: CALLBACK_ADDRESSES_ALLOWED,
    },
    // Long enough that no callback URL becomes unresponsive: it would be left alone for longer than a run takes.
    retry: { delayMs: 20, delayMaxMs: 300, retriesMax: 1000 },
    shutdown: { graceMs: GRACE_MS },
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}
