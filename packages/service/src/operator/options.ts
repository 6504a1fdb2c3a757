import type { EventTypeCatalogue } from '@tidings/protocol';
import type { Alerts } from '../alerts/alerts.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Config } from '../config/schema.ts';
import type { IntakeStatus } from '../model/intake.ts';
import type { BreakerStatus } from '../notify/lanes.ts';
import type { Publish } from '../notify/publish.ts';
import type { BackUp } from '../store/open-store.ts';
import type { Store } from '../store/store.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Observer } from '../telemetry/observer.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { OidcSignIn } from '../trust/oidc-sign-in.ts';
import type { OidcVerifier } from '../trust/oidc-tokens.ts';
import type { SigningKeys } from '../trust/signing-keys.ts';
import type { SoftwareStatementVerifier } from '../trust/software-statement.ts';
import type { PresentedCertificates } from '../trust/tpp-certificates.ts';
import type { TppKeys } from '../trust/tpp-keys.ts';
import type { AccessWatch, OperatorTokens } from './access.ts';
import type { PublishingGate } from './admission.ts';
import type { DirectoryRefresh } from './directory-refresh.ts';

export type { BreakerStatus } from '../notify/lanes.ts';

/** A finding of an inspection of the installation. */
export interface InspectionFinding {
  readonly check: string;
  readonly severity: 'ok' | 'warning' | 'error';
  readonly what: string;
  readonly remedy?: string;
}

/** Inspects the installation of this process, as `tidings doctor` does. */
export type Inspect = () => Promise<readonly InspectionFinding[]>;

/** Dependencies and settings of the operator API. */
export interface OperatorOptions {
  readonly store: Store;
  readonly publish: Publish;
  readonly catalogue: EventTypeCatalogue;
  readonly clock: Clock;
  readonly random?: Random;
  readonly log: Log;
  /** `ca`: callers must have a certificate that leads to it, beside their token. */
  readonly tls:
    | { readonly cert: string; readonly key: string; readonly ca?: string; readonly crl?: string[] }
    | undefined;
  readonly tokens: OperatorTokens;
  /** Verifies tokens of the bank's identity provider; undefined: only `tokens` are accepted. */
  readonly identityProvider?: OidcVerifier | undefined;
  /** The web console; where it is not served, sessions are not accepted. */
  readonly console?:
    | {
        readonly isServed: boolean;
        /** Encrypts sessions, 32 bytes; undefined: a random one of this process. */
        readonly sessionKey?: Uint8Array | undefined;
        readonly sessionIdleMs: number;
        readonly sessionMaxMs: number;
        /** Sign-in at the identity provider; undefined: with tokens alone. */
        readonly oidcSignIn?: OidcSignIn | undefined;
      }
    | undefined;
  readonly bodyBytesMax: number;
  readonly firstRequestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly connectionsPerAddressMax: number;
  /** Tokens of one remote address a minute that the identity provider did not vouch for; undefined: any number. */
  readonly unauthenticatedPerMinutePerAddressMax?: number;
  /** True: the connections of all callers come from a proxy, and are not counted by address. */
  readonly isBehindProxy?: boolean;
  /** Verifies software statement assertions; undefined where no directory is configured. */
  readonly softwareStatements?: SoftwareStatementVerifier | undefined;
  /** Copies the store into a new file beside it; undefined: the operation answers 501. */
  readonly backUp?: BackUp | undefined;
  /** Our own keys; undefined: the operations that change them answer 501. */
  readonly signingKeys?: SigningKeys | undefined;
  /** Keys of TPPs that this process holds; undefined: it holds none, and does not tell of them (501). */
  readonly tppKeys?: Pick<TppKeys, 'heldOf'> | undefined;
  /** Look-ups of TPPs at the directory; undefined: none is asked. */
  readonly directoryRefresh?: Pick<DirectoryRefresh, 'checkOf'> | undefined;
  /** The certificates with which TPPs authenticated themselves to this process. */
  readonly presentedCertificates?: Pick<PresentedCertificates, 'of'> | undefined;
  /** Destinations of alerts; undefined: there are none. */
  readonly alerts?: Pick<Alerts, 'destinations' | 'test'> | undefined;
  /** A change to a TPP may have made notifications due: wakes the engine, and the long polls of the TPP. */
  readonly onTppChanged?: ((clientId: string) => void) | undefined;
  /** An operator's action may have made notifications due: wakes the engine. */
  readonly onDue?: (() => void) | undefined;
  /**
   * The input of the TPP-facing OpenAPI document, and the limits of publishing and redelivery; undefined: that is not
   * served, and there are none but those of the API itself.
   */
  readonly config?: Config | undefined;
  /** Inspects the installation; undefined: it cannot be inspected. */
  readonly inspect?: Inspect | undefined;
  /** The text of `/metrics`; undefined: 404. */
  readonly metrics?: Pick<Metrics, 'text' | 'contentType'> | undefined;
  /** Whether deliveries go on; undefined: this process delivers nothing, and is ready without. */
  readonly isDelivering?: (() => boolean) | undefined;
  /** State of the circuit breaker of this process for a TPP; undefined if it does not deliver. */
  readonly breakerOf?: ((clientId: string) => BreakerStatus) | undefined;
  /** Absolute URL of the TPP-facing API, before its prefix. A function, because the port may be known only after listening. */
  readonly publicUrl?: (() => string) | undefined;
  /** In front of publishing; undefined: one is made if there is a `config`. */
  readonly gate?: PublishingGate | undefined;
  /** The intake of this process. */
  readonly intake?: { readonly status: () => IntakeStatus | undefined } | undefined;
  /** Live stream, statistics, last attempts; undefined: the first two answer 501, and the last are not told of. */
  readonly telemetry?:
    | (Pick<Telemetry, 'stream' | 'statistics'> & Partial<Pick<Telemetry, 'recentAttempts' | 'instance'>>)
    | undefined;
  /** Optional observer of operator actions on notifications and callback URLs. */
  readonly observer?: Observer | undefined;
}

/** Dependencies of the operations. */
export interface OperatorContext extends OperatorOptions {
  /** In front of publishing; undefined: there is none. */
  readonly gate: PublishingGate | undefined;
  /** Dependencies of watching answers that outlive a token. */
  readonly access: AccessWatch;
  /** Registers a callback that runs at shutdown, before the listener waits for open responses. */
  readonly onClosing: (close: () => unknown) => void;
}
