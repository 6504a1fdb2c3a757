import { createHash, randomBytes } from 'node:crypto';

const CODE_BYTES = 24;

/** The result of redeeming a code: it signs in, has signed in somebody before, or was never issued. */
export type Redemption = 'accepted' | 'used' | 'unknown';

/** Codes for links that sign in once. Only their hashes are kept, so that a comparison tells nothing by its duration. */
export class SignInLinks {
  readonly #isUsed = new Map<string, boolean>();

  /** @returns a new code, which is kept nowhere else */
  issue(): string {
    const code = randomBytes(CODE_BYTES).toString('base64url');
    this.#isUsed.set(hashOf(code), false);
    return code;
  }

  /** Whether there is a code that nobody has used. */
  hasUnused(): boolean {
    return [...this.#isUsed.values()].includes(false);
  }

  /** Uses a code up. */
  redeem(code: string): Redemption {
    const hash = hashOf(code);
    const isUsed = this.#isUsed.get(hash);
    if (isUsed === undefined) return 'unknown';
    this.#isUsed.set(hash, true);
    return isUsed ? 'used' : 'accepted';
  }
}

function hashOf(code: string): string {
  return createHash('sha256').update(code).digest('base64');
}
