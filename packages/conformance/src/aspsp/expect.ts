import {
  API_ERRORS,
  type ApiErrorCode,
  type ApiVersion,
  isJsonObject,
  parseStrictJson,
  StrictJsonError,
} from '@tidings/protocol';
import type { Check, Outcome, Severity } from '../model.ts';
import type { WireAnswer } from './wire.ts';

/** The tested side breaks the rule. `expected` and `actual` are for people. */
class Failure extends Error {
  override readonly name = 'Failure';
  readonly expected: string;
  readonly actual: string;

  constructor(expected: string, actual: string) {
    super(`expected ${expected}, got ${actual}`);
    this.expected = expected;
    this.actual = actual;
  }
}

/** The rule cannot be seen at this bank, and why. */
export class Skipped extends Error {
  override readonly name = 'Skipped';
}

/** @throws {Failure} */
export function fail(expected: string, actual: string): never {
  throw new Failure(expected, actual);
}

/** @throws {Failure} unless the condition holds */
export function expect(condition: boolean, expected: string, actual: string): void {
  if (!condition) fail(expected, actual);
}

/** @throws {Skipped} unless the condition holds. @param reason a whole sentence */
export function requires(condition: boolean, reason: string): void {
  if (!condition) throw new Skipped(reason);
}

/** The body of a check; the outcome follows from whether it returns or throws. */
export type CheckBody<Context> = (context: Context) => Promise<void>;

/** Makes a check of a body that throws {@link Failure} or {@link Skipped}. */
function checkOf<Context>(about: Omit<Check<Context>, 'run'>, body: CheckBody<Context>): Check<Context> {
  return {
    ...about,
    run: async (context): Promise<Outcome> => {
      try {
        await body(context);
        return { kind: 'passed' };
      } catch (error) {
        if (error instanceof Failure) return { kind: 'failed', expected: error.expected, actual: error.actual };
        if (error instanceof Skipped) return { kind: 'skipped', reason: error.message };
        throw error;
      }
    },
  };
}

/** The parts of a check before its body, short enough for a list. */
type Defined<Context> = (
  id: string,
  title: string,
  source: string,
  body: CheckBody<Context>,
  more?: { readonly timeLimitMs?: number },
) => Check<Context>;

/** Functions that make the checks of one area, one for each severity. */
export function checksOf<Context>(area: string): Record<Severity, Defined<Context>> {
  const withSeverity =
    (severity: Severity): Defined<Context> =>
    (id, title, source, body, more = {}) =>
      checkOf({ id, title, severity, source, area, ...more }, body);
  return { must: withSeverity('must'), should: withSeverity('should'), may: withSeverity('may') };
}

const TEXT_CHARS_MAX = 400;

/** An answer in words. */
export function described({ status, body }: Pick<WireAnswer, 'status' | 'body'>): string {
  const text = Buffer.from(body).toString('utf8');
  if (text === '') return `status ${status} without a body`;
  return `status ${status} with the body ${text.length > TEXT_CHARS_MAX ? `${text.slice(0, TEXT_CHARS_MAX)}…` : text}`;
}

/** The value of a header; undefined when it is missing. Of several, the first. */
export function headerOf({ headers }: Pick<WireAnswer, 'headers'>, name: string): string | undefined {
  return headers.find(([each]) => each === name)?.[1];
}

/** @param when the end of the sentence "status 400 …". @throws {Failure} */
export function expectStatus(answer: WireAnswer, wanted: number | readonly number[], when: string): void {
  const statuses = [wanted].flat();
  expect(statuses.includes(answer.status), `status ${statuses.join(' or ')} ${when}`, described(answer));
}

/** The body of an answer as a JSON object. @throws {Failure} when it is none */
export function objectOf(answer: WireAnswer, when: string): Record<string, unknown> {
  try {
    const value = parseStrictJson(answer.body, { acceptsUnfitTexts: true });
    if (isJsonObject(value)) return value;
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
  }
  return fail(`a JSON object ${when}`, described(answer));
}

/** The errors of an error body; none where it has none. */
export function errorsOf(answer: WireAnswer): Record<string, unknown>[] {
  const errors = answer.body.length === 0 ? [] : objectOf(answer, 'as the body of an error')['Errors'];
  return Array.isArray(errors) ? errors.filter(isJsonObject) : [];
}

/** An error as a check expects it. */
export interface ExpectedError {
  /** The first is the one that the standard's table names; the others are as good. */
  readonly kinds: readonly [ApiErrorCode, ...ApiErrorCode[]];
  /** The end of the sentence "status 400 …". */
  readonly when: string;
  readonly version: ApiVersion;
}

/** @throws {Failure} unless the answer has the status and the code of one of the kinds */
export function expectError(answer: WireAnswer, { kinds, when, version }: ExpectedError): void {
  const statuses = [...new Set(kinds.map((kind) => API_ERRORS[kind].status))];
  expectStatus(answer, statuses, when);
  const codes = kinds.flatMap((kind) => codeOf(kind, version) ?? []);
  if (codes.length === 0) return;
  const actual = errorsOf(answer).map((error) => error['ErrorCode']);
  expect(
    actual.some((code) => codes.some((each) => each === code)),
    `ErrorCode ${codes.join(' or ')} ${when}`,
    described(answer),
  );
}

function codeOf(kind: ApiErrorCode, version: ApiVersion): string | undefined {
  return version === 'v4.0' ? API_ERRORS[kind].v40 : API_ERRORS[kind].v31;
}
