import type { ApiErrorCode } from './errors.ts';

/** The error codes that a signature can have: those of `x-jws-signature` in section 7 of the rules. */
export type JwsErrorCode = Extract<ApiErrorCode, `Signature${string}`>;

/** A signature, or the header or key it depends on, was refused. `message` is fit to be shown to the signer. */
export class JwsError extends Error {
  override readonly name = 'JwsError';
  readonly code: JwsErrorCode;
  /** Name of the header member that was refused, where it is one member. */
  readonly member: string | undefined;

  constructor(code: JwsErrorCode, message: string, member?: string) {
    super(message);
    this.code = code;
    this.member = member;
  }
}
