/**
 * What keeps private keys and signs with them: a hardware security module, or a key service of a cloud. Each kind is a
 * package of its own that exports a {@link CreateSigningProvider}.
 *
 * An implementation makes one call and reports what came of it. It retries nothing and limits nothing: whoever uses it does.
 * Calls that one fault ends, such as a process that crashed, reject with the same error object: it counts as one failure.
 */
export interface SigningProvider {
  /**
   * Finds an RSA key and reads its public part. It connects, and may be called again after a failure: a connection that
   * broke is made anew.
   *
   * @param key name of the key as the provider knows it
   * @throws {SigningProviderError}
   */
  openKey(key: string, signal: AbortSignal): Promise<ProviderKey>;
  /** Ends connections and sessions. Called once, after the last signature. */
  close(): Promise<void>;
}

/** A private key of a provider. */
export interface ProviderKey {
  /** SubjectPublicKeyInfo in PEM ("-----BEGIN PUBLIC KEY-----"). */
  readonly publicKeyPem: string;
  /**
   * Signs with RSASSA-PSS: SHA-256, MGF1 with SHA-256 and a salt of 32 bytes.
   *
   * @param input the bytes to sign, not their digest
   * @param signal ends the call, whose result nobody waits for any more
   * @throws {SigningProviderError}
   */
  sign(input: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
}

/**
 * What a provider's package exports as `createProvider`. It does not connect.
 *
 * @param settings the section of the service's configuration that is named after the provider, with absolute paths
 */
export type CreateSigningProvider<Settings> = (settings: Settings) => SigningProvider;

/**
 * Why a call to a provider failed.
 *
 * - `unavailable`: it does not answer, or failed
 * - `throttled`: it answers that there were too many calls
 * - `denied`: it refuses, such as for lack of permission, or because there is no such key
 */
export type SigningProviderFault = 'unavailable' | 'throttled' | 'denied';

/** A call to a provider failed. `message` is for operators; it contains no secret. */
export class SigningProviderError extends Error {
  override readonly name = 'SigningProviderError';
  readonly fault: SigningProviderFault;
  /** How long the provider asks its callers to wait. */
  readonly retryAfterMs: number | undefined;

  constructor(
    fault: SigningProviderFault,
    message: string,
    options: ErrorOptions & { readonly retryAfterMs?: number | undefined } = {},
  ) {
    super(message, options);
    this.fault = fault;
    this.retryAfterMs = options.retryAfterMs;
  }
}
