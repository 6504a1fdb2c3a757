import {
  API_VERSIONS,
  type ApiVersion,
  createSigner,
  type KeySource,
  type SetClaims,
  verifySet,
} from '@tidings/protocol';
import { systemClock } from '@tidings/service';
import {
  type BankClient,
  createBankClient,
  createReceiver,
  type EventNotification,
  nodeListener,
  type Refusal,
  remoteKeys,
} from '@tidings/tpp';
import { startHttpServer } from '../http-server.ts';
import type { SandboxPki } from '../pki/pki.ts';
import { type RehearsedReceiver, rehearseFailures } from './rehearsal.ts';

/** Facts that the sample TPP knows about its bank. */
export interface BankFacts {
  /** `iss` of the bank's SETs. */
  readonly issuer: string;
  readonly organisationId: string;
  readonly authorisationServer: string;
  /** Base URL of the API, without the version. */
  readonly apiUrl: string;
  readonly jwksUrl: string;
  readonly resourceOrigin: string;
}

/** The sample TPP, an example of how a TPP uses `@tidings/tpp`. */
export interface SampleTpp {
  readonly callbackUrl: string;
  readonly receiver: RehearsedReceiver;
  /** Notifications that the handler received, each once. */
  readonly received: readonly EventNotification[];
  /** Creates a client of the bank with its own access token. @param apiVersion default v4.0 */
  connect(scope: string, apiVersion?: ApiVersion): Promise<BankClient>;
  /** Verifies a SET from a poll. @throws {SetError} */
  verify(set: string): Promise<SetClaims>;
  close(): Promise<void>;
}

export interface SampleTppOptions {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  readonly pki: SandboxPki;
  readonly bank: BankFacts;
  readonly onReceived?: (notification: EventNotification) => void;
  readonly onRefused?: (refusal: Refusal) => void;
}

/** `tan` of all keys of the sandbox. */
export const TRUST_ANCHOR = 'openbanking.org.uk';
const CLOCK_SKEW_SECONDS = 60;
const RECEIVED_MAX = 1000;

/** Starts the sample TPP, with a receiver behind a callback URL over TLS. */
export async function startSampleTpp(options: SampleTppOptions): Promise<SampleTpp> {
  const { tpp, root } = options.pki;
  const transport = { ...tpp.transport, caPem: root.certificatePem };
  const keys = remoteKeys({ url: options.bank.jwksUrl, transport });
  const received: EventNotification[] = [];
  const receiver = rehearseFailures(
    createReceiver({
      issuer: options.bank.issuer,
      signer: options.bank.organisationId,
      clientId: options.clientId,
      trustAnchors: [TRUST_ANCHOR],
      keys,
      onNotification: (notification) => {
        received.push(notification);
        if (received.length > RECEIVED_MAX) received.shift();
        options.onReceived?.(notification);
      },
      onRefused: (refusal) => options.onRefused?.(refusal),
    }),
  );
  const answer = nodeListener(receiver);
  const endpoints = API_VERSIONS.map((version) => ({ method: 'POST', path: callbackPath(version), answer }) as const);
  const { port, close } = await startHttpServer({ ...options, tls: tpp.transport, endpoints });
  return {
    callbackUrl: `https://localhost:${port}${callbackPath('v4.0')}`,
    receiver,
    received,
    connect: (scope, apiVersion = 'v4.0') => connectToBank(options, { scope, apiVersion, keys }),
    verify: async (set) => {
      const { issuer, organisationId: signer } = options.bank;
      const nowSeconds = systemClock.nowMs() / 1000;
      const expected = { issuer, signer, audience: options.clientId, trustAnchors: [TRUST_ANCHOR], keys };
      return (await verifySet(set, { ...expected, nowSeconds, clockSkewSeconds: CLOCK_SKEW_SECONDS })).claims;
    },
    close,
  };
}

/** Creates a client of the bank for the TPP of the PKI. @param wanted.keys of the bank; default: its JWKS */
export async function connectToBank(
  options: Pick<SampleTppOptions, 'clientId' | 'pki' | 'bank'>,
  wanted: { scope: string; apiVersion?: ApiVersion; keys?: KeySource },
): Promise<BankClient> {
  const { tpp, root } = options.pki;
  const transport = { ...tpp.transport, caPem: root.certificatePem };
  const { scope, apiVersion = 'v4.0', keys = remoteKeys({ url: options.bank.jwksUrl, transport }) } = wanted;
  const identity = {
    kid: tpp.signing.kid,
    iss: `${tpp.organisationId}/${tpp.softwareStatementId}`,
    tan: TRUST_ANCHOR,
  };
  return createBankClient({
    clientId: options.clientId,
    issuer: options.bank.authorisationServer,
    baseUrl: `${options.bank.apiUrl}/${apiVersion}`,
    scope,
    transport,
    signer: await createSigner(identity, tpp.signing.keyPem),
    bank: { signer: options.bank.organisationId, trustAnchors: [TRUST_ANCHOR], keys },
    resourceOrigins: [options.bank.resourceOrigin],
  });
}

function callbackPath(version: ApiVersion): string {
  return `/open-banking/${version}/event-notifications`;
}
