import { parseStrictJson, type Shaped, StrictJsonError } from '@tidings/protocol';
import { BankError } from './bank-error.ts';

/** An answer of the bank's API, as it came. */
export interface BankAnswer {
  /** Where it came from. */
  readonly url: string;
  readonly status: number;
  /** The exact bytes: what a signature is over. */
  readonly body: Uint8Array;
  /** `x-jws-signature` as it came, not verified; undefined when there was none. */
  readonly signature: string | undefined;
  /** How long the bank asks to wait; undefined when it says nothing that can be read. */
  readonly retryAfterMs: number | undefined;
  /** The value that was sent, not the one that came back. */
  readonly interactionId: string;
}

/** Reads the body of an answer as JSON; its shape is not checked. @throws {BankError} untrusted */
export function readJson(answer: BankAnswer): unknown {
  try {
    // A text in a resource may be cut at any place; one bad SET must not take the others with it.
    return parseStrictJson(answer.body, { acceptsUnfitTexts: true });
  } catch (error) {
    if (error instanceof StrictJsonError) throw untrusted(answer, error.message);
    throw error;
  }
}

/** The error for a body that cannot be believed. @param why to be read after "The body of the answer" */
export function untrusted({ status, interactionId }: BankAnswer, why: string): BankError {
  return new BankError('untrusted', `The body of the answer ${why}.`, { status, interactionId });
}

/** Reads a signed answer: signature first, then JSON of the given shape. @throws {BankError} untrusted */
export async function readSigned<T>(
  verify: (answer: BankAnswer) => Promise<void>,
  answer: BankAnswer,
  shape: (value: unknown) => Shaped<T>,
): Promise<T> {
  await verify(answer);
  return readShaped(answer, shape);
}

/** Reads the body of an answer as JSON of the given shape. @throws {BankError} untrusted */
export function readShaped<T>(answer: BankAnswer, shape: (value: unknown) => Shaped<T>): T {
  const shaped = shape(readJson(answer));
  if (shaped.ok) return shaped.value;
  throw untrusted(answer, `is not of the standard's shape: ${shaped.fault.path} ${shaped.fault.why}`);
}
