import type { Check, Outcome, Severity } from '../model.ts';
import type { TppContext } from './context.ts';
import { type Answer, type Answered, type Delivery, described } from './endpoint.ts';

/** One of the requests that a check sends, in words: `alg none`. */
export interface Variant {
  readonly name: string;
  readonly delivery: Delivery;
}

/** A check without its area and what it does. */
export interface About {
  readonly id: string;
  readonly title: string;
  readonly source: string;
  readonly rule?: string;
  readonly remedy: string;
}

const ACCEPTED = 202;
const TOO_MANY_REQUESTS = 429;

/** Whether a response acknowledges: 202 and nothing else does. */
export function isAcknowledged(answer: Answer): answer is Answered {
  return answer.kind === 'answered' && answer.status === ACCEPTED;
}

/** Whether a response refuses for good: a status of 400 to 499. After any other the bank delivers again. */
export function isRefused(answer: Answer): answer is Answered {
  return answer.kind === 'answered' && answer.status >= 400 && answer.status < 500;
}

/** Anything but an acknowledgement, also a closed connection; but no status of 500 or above, which means a fault inside. */
export function isTurnedAway(answer: Answer): boolean {
  return (
    answer.kind === 'lost' ||
    (answer.status >= 300 && answer.status < 500) ||
    answer.status === 501 ||
    answer.status === 505
  );
}

/** Sends every variant, and fails with those whose response is not as expected. */
export async function expectOfAll(
  context: TppContext,
  variants: readonly Variant[],
  { holds, expected }: { readonly holds: (answer: Answer) => boolean; readonly expected: string },
): Promise<Outcome> {
  const failures: string[] = [];
  for (const { name, delivery } of variants) {
    const answer = await context.endpoint.deliver({ ...delivery, label: name === '' ? undefined : name });
    assertNotLimited(answer);
    if (!holds(answer))
      failures.push(variants.length === 1 && name === '' ? described(answer) : `${name}: ${described(answer)}`);
  }
  return failures.length === 0 ? passed : failed(expected, failures.join('; '));
}

/** @throws {Error} when the TPP limits the rate: then nothing can be said */
function assertNotLimited(answer: Answer): void {
  if (answer.kind === 'answered' && answer.status === TOO_MANY_REQUESTS) {
    throw new Error(
      'The callback URL answered 429: it limits the rate. Allow the runner more requests, and run it again.',
    );
  }
}

/** The outcome of a check that found nothing wrong. */
export const passed: Outcome = { kind: 'passed' };

/** The outcome of a check whose rule is broken. */
export function failed(expected: string, actual: string): Outcome {
  return { kind: 'failed', expected, actual };
}

/** The outcome of a check that does not apply. @param reason a whole sentence */
export function skipped(reason: string): Outcome {
  return { kind: 'skipped', reason };
}

type Run = (context: TppContext) => Promise<Outcome>;
type Variants = (context: TppContext) => readonly Variant[];

/** Makes the checks of one area. */
export function checksOf(area: string) {
  const check = (severity: Severity, about: About, run: Run): Check<TppContext> => ({ ...about, severity, area, run });
  return {
    /** A check with a procedure of its own. */
    check,
    /** Good notifications: each must be acknowledged. */
    acknowledges: (severity: Severity, about: About, variants: Variants) =>
      check(severity, about, (context) =>
        expectOfAll(context, variants(context), { holds: isAcknowledged, expected: 'each is acknowledged with 202' }),
      ),
    /** Bad ones: each must be refused with a status of 400 to 499. Says nothing where a good one is refused too. */
    refuses: (severity: Severity, about: About, variants: Variants) =>
      check(
        severity,
        about,
        afterBaseline((context) =>
          expectOfAll(context, variants(context), {
            holds: isRefused,
            expected: 'each is refused with a status of 400 to 499, such as 400',
          }),
        ),
      ),
  };
}

/** Skips a check of refusals where a good notification is refused too: then a refusal proves nothing. */
export function afterBaseline(run: Run): Run {
  return async (context) => {
    const baseline = await context.baseline();
    if (isAcknowledged(baseline)) return run(context);
    return skipped(
      `A good notification was not acknowledged either (${described(baseline)}), so that a refusal proves nothing; see TPP-ACK-01.`,
    );
  };
}

/** Variants of a good token with other members in its header. */
export function headerVariants(
  { bank }: TppContext,
  variants: readonly (readonly [name: string, header: Readonly<Record<string, unknown>>])[],
): readonly Variant[] {
  return variants.map(([name, header]) => ({ name, delivery: { token: bank.token({ header }) } }));
}

/** Variants of a good token with other claims. */
export function claimVariants(
  { bank }: TppContext,
  variants: readonly (readonly [name: string, claims: Readonly<Record<string, unknown>>])[],
): readonly Variant[] {
  return variants.map(([name, claims]) => ({ name, delivery: { token: bank.token({ claims }) } }));
}

/** Variants that are a token each. */
export function tokenVariants(variants: readonly (readonly [name: string, token: string])[]): readonly Variant[] {
  return variants.map(([name, token]) => ({ name, delivery: { token } }));
}
