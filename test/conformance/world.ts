import { type AspspConfig, type ConfigFile, readAspspConfig } from '@tidings/conformance';
import { makeAuthority, makeSigningKey, type SigningKey, unusedPort } from '@tidings/testing';
import { type Bank, ISSUER, OPERATOR_TOKEN, ORGANISATION_ID, startBank } from '../support/bank.ts';
import { registerTpp } from '../support/tpp.ts';

/** The clients of the runner. */
export const CLIENT_IDS = ['conformance-1', 'conformance-2'] as const;
const FINANCIAL_ID = '0015800000TESTFIN1';
const EVENT_TYPES = ['UK.OBIE.Resource-Update', 'UK.OBIE.Consent-Authorization-Revoked'];

/** The project's own service, and the configuration with which the runner tests it. */
export interface TestedBank {
  readonly bank: Bank;
  readonly signing: Readonly<Record<string, SigningKey>>;
  /** Where the runner listens for deliveries. */
  readonly receiverPorts: { readonly trusted: number; readonly untrusted: number };
  /** The settings of the runner, as they stand in its file. @param origins other places, where something stands in between */
  settings(origins?: Partial<Origins>): object;
  /** The same as {@link settings}, read. */
  config(origins?: Partial<Origins>): AspspConfig;
  /** The files that the settings name. */
  readonly files: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Origins that the runner and the bank use. */
export interface Origins {
  readonly api: string;
  readonly receiver: string;
  readonly untrusted: string;
}

/**
 * Starts the service with short times, so that a whole run takes a minute.
 *
 * @param options.postgresUrl default: SQLite
 * @param options.isBehindGateway TLS ends in front of it, and certificates come in `Client-Cert`
 */
export async function startTestedBank(
  options: {
    readonly postgresUrl?: string;
    readonly isBehindGateway?: boolean;
    /** Settings of the service that differ. */
    readonly settings?: Readonly<Record<string, object>>;
  } = {},
): Promise<TestedBank> {
  const { postgresUrl: url, isBehindGateway = false } = options;
  const bank = await startBank({
    clients: CLIENT_IDS,
    isTls: !isBehindGateway,
    settings: {
      financialId: FINANCIAL_ID,
      ...(url !== undefined && { store: { file: undefined, url, isMigratedAtStart: true } }),
      ...(isBehindGateway && { api: { gateway: { addresses: ['127.0.0.1', '::1'] } } }),
      retry: { delayMs: 300, delayMaxMs: 10_000, retriesMax: 3, jitter: 0.1 },
      breaker: { attemptsMin: 1000 },
      unresponsive: { probeDelayMs: 6000, probeDelayMaxMs: 6000 },
      delivery: { timeoutMs: 1500 },
      ...options.settings,
      polling: { reofferMs: 1000, reofferAfterErrorMs: 0, longPollMaxMs: 2000, ...options.settings?.['polling'] },
    },
  });
  const signing = Object.fromEntries(CLIENT_IDS.map((clientId) => [clientId, makeSigningKey(`kid-of-${clientId}`)]));
  for (const [clientId, key] of Object.entries(signing)) await registerTpp(bank, clientId, key);
  const unknown = await makeAuthority('Unknown root');
  const untrusted = await unknown.issue();
  const receiverPorts = { trusted: await unusedPort(), untrusted: await unusedPort() };
  const files: Record<string, string> = {
    'root.pem': bank.authority.certificatePem,
    'operator.token': `${OPERATOR_TOKEN}\n`,
    'receiver.pem': bank.transport.certificatePem,
    'receiver.key': bank.transport.keyPem,
    'untrusted-root.pem': unknown.certificatePem,
    'untrusted.pem': untrusted.certificatePem,
    'untrusted.key': untrusted.keyPem,
  };
  for (const clientId of CLIENT_IDS) {
    const { certificatePem, keyPem } = bank.transportOf(clientId);
    Object.assign(files, { [`${clientId}.pem`]: certificatePem, [`${clientId}.key`]: keyPem });
    files[`${clientId}.signing.key`] = signing[clientId]?.keyPem ?? '';
  }
  const settings = (origins: Partial<Origins> = {}) =>
    settingsOf({ bank, receiverPorts, origins: { ...directOrigins(bank, receiverPorts), ...origins } });
  return {
    ...{ bank, signing, receiverPorts, files, settings },
    config: (origins) => readAspspConfig(fileOf(settings(origins), files)),
    stop: () => bank.stop(),
  };
}

function directOrigins({ service }: Bank, ports: TestedBank['receiverPorts']): Origins {
  const at = (port: number) => `https://localhost:${port}`;
  return { api: service.apiUrl, receiver: at(ports.trusted), untrusted: at(ports.untrusted) };
}

function fileOf(settings: object, files: Readonly<Record<string, string>>): ConfigFile {
  return {
    value: JSON.parse(JSON.stringify(settings)),
    readFile: (path) => files[path] ?? '',
  };
}

function settingsOf(of: { bank: Bank; receiverPorts: TestedBank['receiverPorts']; origins: Origins }): object {
  const { bank, receiverPorts, origins } = of;
  const apiUrl = (version: string) => `${origins.api}/open-banking/${version}`;
  return {
    name: 'Test bank',
    bank: {
      apiUrls: { 'v3.1': apiUrl('v3.1'), 'v4.0': apiUrl('v4.0') },
      tokenEndpoint: `${bank.tokenIssuer}/token`,
      issuer: ISSUER,
      organisationId: ORGANISATION_ID,
      jwksUrl: `${origins.api}/.well-known/jwks.json`,
      caFile: 'root.pem',
      financialId: FINANCIAL_ID,
    },
    clients: CLIENT_IDS.map((clientId) => ({
      clientId,
      certificateFile: `${clientId}.pem`,
      keyFile: `${clientId}.key`,
      signing: {
        keyFile: `${clientId}.signing.key`,
        kid: `kid-of-${clientId}`,
        iss: `org-of-${clientId}/software-of-${clientId}`,
      },
    })),
    receiver: {
      ...{ origin: origins.receiver, host: '127.0.0.1', port: receiverPorts.trusted },
      ...{ certificateFile: 'receiver.pem', keyFile: 'receiver.key' },
      untrusted: {
        ...{ origin: origins.untrusted, port: receiverPorts.untrusted },
        ...{ certificateFile: 'untrusted.pem', keyFile: 'untrusted.key' },
      },
    },
    events: { types: EVENT_TYPES, make: makingOf(bank) },
    timing: {
      ...{ requestMs: 20_000, eventMs: 15_000, quietMs: 1500, reofferMs: 4000, reofferAfterErrorMs: 4000 },
      ...{ longPollMs: 2000, retryMs: 5000, attemptMs: 1500, retriesMax: 3, recoveryMs: 20_000 },
    },
  };
}

/** The call with which the bank publishes an event. */
function makingOf({ service }: Bank): object {
  const link = 'https://bank.example/open-banking/v4.0/pisp/domestic-payments/{uuid}';
  return {
    kind: 'http',
    url: `${service.operatorUrl}/operator/v1/events`,
    bearerTokenFile: 'operator.token',
    body: {
      id: '{uuid}',
      clientId: '{clientId}',
      occurredAt: '{now}',
      resource: {
        ...{ id: '{uuid}', type: 'domestic-payment', version: '4.0', uri: link },
        links: [{ version: 'v4.0', link }],
      },
      events: [{ type: '{eventType}' }],
    },
  };
}
