import { constants, createPublicKey, sign } from 'node:crypto';
import {
  type ProviderKey,
  type SigningProvider,
  SigningProviderError,
  type SigningProviderFault,
} from '@tidings/protocol';
import type { SigningKey } from './signing-keys.ts';

/** Keeps keys for the service in a test, which says how it behaves. */
export class FakeSigningProvider implements SigningProvider {
  /** The keys by their names; a test may add and replace some. */
  readonly keys = new Map<string, SigningKey>();
  /** `up`, the fault of every call, `silent` (no call is answered), or `broken` (no signature verifies). */
  state: 'up' | SigningProviderFault | 'silent' | 'broken' = 'up';
  /** The calls that were made. */
  readonly calls = { openKey: 0, sign: 0, close: 0 };
  /** Calls to `sign` without an answer, and the most at once so far. */
  readonly underWay = { now: 0, most: 0 };
  /** Each signature waits for it. */
  delay: () => Promise<void> = async () => undefined;

  async openKey(name: string): Promise<ProviderKey> {
    this.calls.openKey += 1;
    await this.#answer();
    const key = this.keys.get(name);
    if (key === undefined) throw new SigningProviderError('denied', `it has no key "${name}"`);
    const publicKeyPem = createPublicKey(key.privateKey).export({ type: 'spki', format: 'pem' }).toString();
    return { publicKeyPem, sign: (input) => this.#sign(key, input) };
  }

  async close(): Promise<void> {
    this.calls.close += 1;
  }

  async #sign({ privateKey }: SigningKey, input: Uint8Array): Promise<Uint8Array> {
    this.calls.sign += 1;
    this.underWay.now += 1;
    this.underWay.most = Math.max(this.underWay.most, this.underWay.now);
    try {
      await this.delay();
      await this.#answer();
    } finally {
      this.underWay.now -= 1;
    }
    const saltLength = this.state === 'broken' ? 20 : 32;
    return sign('sha256', input, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });
  }

  async #answer(): Promise<void> {
    if (this.state === 'silent') await new Promise(() => undefined);
    if (this.state === 'up' || this.state === 'silent' || this.state === 'broken') return;
    throw new SigningProviderError(this.state, `it is ${this.state} in this test`);
  }
}
