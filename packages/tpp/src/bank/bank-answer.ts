import { parseStrictJson, type Shaped, StrictJsonError } from '@tidings/protocol';
import { BankError } from './bank-error.ts';

/** A response of the bank's API, not verified. */
export interface BankAnswer {
  /** The URL that was requested. */
  readonly url: string;
  readonly status: number;
  /** The exact bytes received, which the signature covers. */
  readonly body: Uint8Array;
  /** Value of `x-jws-signature`, not verified; undefined when absent. */
  readonly signature: string | undefined;
  /** Delay that the bank requests with `Retry-After`; undefined when absent or invalid. */
  readonly retryAfterMs: number | undefined;
  /** The id that was sent, not the one that was returned. */
  readonly interactionId: string;
}

/** Parses the body of a response as JSON without validating it. @throws {BankError} untrusted */
export function readJson(answer: BankAnswer): unknown {
  try {
    // A text in a resource may be cut inside a surrogate pair, and one invalid SET must not affect the others.
    return parseStrictJson(answer.body, { acceptsUnfitTexts: true });
  } catch (error) {
    if (error instanceof StrictJsonError) throw untrusted(answer, error.message);
    throw error;
  }
}

/** The error for an invalid response body. @param why the reason, to follow "The response body" */
export function untrusted({ status, interactionId }: BankAnswer, why: string): BankError {
  return new BankError('untrusted', `The response body ${why}.`, { status, interactionId });
}

/** Verifies the signature of a response, then parses and validates its body. @throws {BankError} untrusted */
export async function readSigned<T>(
  verify: (answer: BankAnswer) => Promise<void>,
  answer: BankAnswer,
  shape: (value: unknown) => Shaped<T>,
): Promise<T> {
  await verify(answer);
  return readShaped(answer, shape);
}

/** Parses the body of a response as JSON and validates it. @throws {BankError} untrusted */
export function readShaped<T>(answer: BankAnswer, shape: (value: unknown) => Shaped<T>): T {
  const shaped = shape(readJson(answer));
  if (shaped.ok) return shaped.value;
  throw untrusted(answer, `does not match the schema of the standard: ${shaped.fault.path} ${shaped.fault.why}`);
}
