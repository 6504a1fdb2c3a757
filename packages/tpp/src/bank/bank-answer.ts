import { cutText, fitText, isJsonObject, parseStrictJson, type Shaped, StrictJsonError } from '@tidings/protocol';
import { BankError, type BankErrorDetail, describeCall } from './bank-error.ts';

const DETAILS_MAX = 20;
const TEXT_CHARS_MAX = 500;

/** A response of the bank's API, not verified. */
export interface BankAnswer {
  readonly method: string;
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

/** The error for an invalid response body. @param why the reason, to follow "the response body" */
export function untrusted({ method, url, status, interactionId }: BankAnswer, why: string): BankError {
  const call = describeCall(method, url);
  return new BankError('untrusted', `${call}: the response body ${why}.`, { status, interactionId });
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

/**
 * Parses an error body of either version of the API (rules, section 7). Both have `Errors` with `ErrorCode`. For a v3.1
 * body without entries, `Code` is used. Never throws: any other body yields no details.
 */
export function readErrorBody(body: Uint8Array): readonly BankErrorDetail[] {
  const value = parseOrUndefined(body);
  if (!isJsonObject(value)) return [];
  const errors = Array.isArray(value['Errors']) ? value['Errors'].slice(0, DETAILS_MAX) : [];
  const details = errors.flatMap((entry) => (isJsonObject(entry) ? detailOf(entry, 'ErrorCode') : []));
  return details.length > 0 ? details : detailOf(value, 'Code');
}

function parseOrUndefined(body: Uint8Array): unknown {
  try {
    return parseStrictJson(body, { acceptsUnfitTexts: true });
  } catch {
    return undefined;
  }
}

function detailOf(entry: Record<string, unknown>, codeMember: 'ErrorCode' | 'Code'): BankErrorDetail[] {
  const code = textOf(entry, codeMember);
  if (code === undefined) return [];
  const message = textOf(entry, 'Message');
  const path = textOf(entry, 'Path');
  const url = textOf(entry, 'Url');
  return [
    {
      code,
      ...(message !== undefined && { message }),
      ...(path !== undefined && { path }),
      ...(url !== undefined && { url }),
    },
  ];
}

function textOf(entry: Record<string, unknown>, member: string): string | undefined {
  const value = entry[member];
  return typeof value === 'string' ? fitText(cutText(value, TEXT_CHARS_MAX)) : undefined;
}
