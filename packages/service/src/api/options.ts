import type { EventTypeCatalogue, JwsSigner } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Config } from '../config/schema.ts';
import type { OfferedNotification } from '../model/notification.ts';
import type { Store } from '../store/store.ts';
import type { Observer } from '../telemetry/observer.ts';
import type { AccessTokenVerifier } from '../trust/access-tokens.ts';
import type { ClientCertificate, ClientCertificateReader } from '../trust/client-certificate.ts';
import type { SigningQueue } from '../trust/signing-queue.ts';
import type { JwksOptions } from './jwks.ts';
import type { CheckCallbackUrl } from './registrations.ts';
import type { SignatureContext } from './verify-signature.ts';

/** Dependencies and settings of the TPP-facing API. */
export interface ApiOptions {
  readonly store: Store;
  readonly clientCertificate: ClientCertificateReader;
  readonly accessTokens: AccessTokenVerifier;
  readonly signatures: SignatureContext;
  /** The current signer; call it before every signature. */
  readonly signer: () => JwsSigner;
  /** Schedules the signatures of responses to TPPs. */
  readonly signingQueue: SigningQueue;
  /** Our public keys, for the JWKS. */
  readonly publicJwks: () => Promise<readonly object[]>;
  /** As in {@link JwksOptions}. */
  readonly jwksRevision?: JwksOptions['jwksRevision'];
  /** Returns the SET of a notification, which is signed once and stored. */
  readonly sign: (offered: OfferedNotification) => Promise<string>;
  readonly catalogue: EventTypeCatalogue;
  readonly eventTypesUrl: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Optional observer of polls. */
  readonly observer?: Observer | undefined;
  /** Certificate, key and client roots of the listener; undefined if a gateway in front terminates TLS. */
  readonly tls:
    | { readonly cert: string; readonly key: string; readonly ca: string; readonly crl?: string[] }
    | undefined;
  readonly gateway: Config['api']['gateway'];
  readonly prefix: string;
  readonly jwksPath: string;
  /** Absolute URL before the prefix. A function, because the port may be known only after listening. */
  readonly publicUrl: () => string;
  readonly checkCallbackUrl: CheckCallbackUrl;
  readonly isRealTimeOffered: boolean;
  readonly areCallbackUrlsOffered: boolean;
  readonly polling: Config['polling'];
  readonly requestsPerMinutePerTppMax: number;
  readonly registrationChangesPerHourPerTppMax: number;
  readonly unauthenticatedPerMinutePerCertificateMax: number;
  readonly unauthenticatedPerMinutePerAddressMax: number;
  readonly bodyBytesMax: number;
  readonly requestTimeoutMs: number;
  readonly firstRequestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly connectionsPerAddressMax: number;
  /** Whether a remote address belongs to the gateway, whose connections carry requests of many TPPs. */
  readonly isGateway: (remoteAddress: string | undefined) => boolean;
  /** Optional observer of who authenticated itself, and with which certificate. */
  readonly onAuthenticated?: ((clientId: string, certificate: ClientCertificate) => void) | undefined;
  readonly onRegistrationChanged: () => void;
}
