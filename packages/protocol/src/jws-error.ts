import type { ApiErrorCode } from './errors.ts';

/** Error codes of a signature: those of `x-jws-signature` in section 7 of the rules. */
export type JwsErrorCode = Extract<ApiErrorCode, `Signature${string}`>;

/** A signature was rejected, or the header or key that it depends on. `message` may be shown to the signer. */
export class JwsError extends Error {
  override readonly name = 'JwsError';
  readonly code: JwsErrorCode;
  /** Name of the rejected header member, if the cause is a single member. */
  readonly member: string | undefined;

  constructor(code: JwsErrorCode, message: string, member?: string) {
    super(message);
    this.code = code;
    this.member = member;
  }
}
