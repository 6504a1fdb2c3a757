import type { EventTypeCatalogue } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Config } from '../config/schema.ts';
import type { Publish } from '../notify/publish.ts';
import type { BackUp } from '../store/open-store.ts';
import type { Store } from '../store/store.ts';
import type { SoftwareStatementVerifier } from '../trust/software-statement.ts';
import type { OperatorToken } from './authenticate.ts';

/** What the bank-facing API is made of. */
export interface OperatorOptions {
  readonly store: Store;
  readonly publish: Publish;
  readonly catalogue: EventTypeCatalogue;
  readonly clock: Clock;
  readonly random?: Random;
  readonly log: Log;
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  readonly tokens: readonly OperatorToken[];
  readonly bodyBytesMax: number;
  /** Verifies software statement assertions; undefined where no directory is configured. */
  readonly softwareStatements?: SoftwareStatementVerifier | undefined;
  /** Loads the signing key anew (`SigningKeys.reload`); undefined: the operation answers 501. */
  readonly reloadSigningKeys?: (() => Promise<ReloadedSigningKey>) | undefined;
  /** Copies the store into a new file beside it; undefined: the operation answers 501. */
  readonly backUp?: BackUp | undefined;
  /** A change to a TPP may have made notifications due: wakes the engine, and the long polls of the TPP. */
  readonly onTppChanged?: ((clientId: string) => void) | undefined;
  /** What the operator did may have made notifications due: wakes the engine. */
  readonly onDue?: (() => void) | undefined;
  /**
   * What the TPP-facing OpenAPI document is made from, and the limits of publishing and redelivery; undefined: that is not
   * served, and there are none but those of the API itself.
   */
  readonly config?: Config | undefined;
  /** Absolute URL of the TPP-facing API in front of its prefix; known only once the port is, hence a function. */
  readonly publicUrl?: (() => string) | undefined;
}

/** What reloading the signing key came to. */
export interface ReloadedSigningKey {
  /** The kid in use. */
  readonly kid: string;
  /** Whether it is another one than before. */
  readonly changed: boolean;
}
