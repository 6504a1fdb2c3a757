import { parseStrictJson, StrictJsonError } from '@tidings/protocol';
import { BankError } from './bank-error.ts';

/** An answer of the bank's API, as it came. */
export interface BankAnswer {
  readonly status: number;
  /** The exact bytes: what a signature is over. */
  readonly body: Uint8Array;
  /** `x-jws-signature` as it came, not verified; undefined when there was none. */
  readonly signature: string | undefined;
  /** What was sent, not what came back. */
  readonly interactionId: string;
}

/** Reads the body of an answer as JSON; its shape is not checked. @throws {BankError} untrusted */
export function readJson(answer: BankAnswer): unknown {
  try {
    return parseStrictJson(answer.body);
  } catch (error) {
    if (error instanceof StrictJsonError) throw untrusted(answer, error.message);
    throw error;
  }
}

/** The error for a body that cannot be believed. @param why to be read after "The body of the answer" */
export function untrusted({ status, interactionId }: BankAnswer, why: string): BankError {
  return new BankError('untrusted', `The body of the answer ${why}.`, { status, interactionId });
}
