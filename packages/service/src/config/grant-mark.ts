import { StartUpError } from '../base/start-up-error.ts';

/** How an authorisation server marks tokens of the client credentials grant; exactly one of `value` and `pattern`. */
export interface GrantMark {
  /** Name of the claim, or a path of names such as `act.sub`. */
  readonly claim: string;
  /** The exact value of the claim. */
  readonly value?: string | undefined;
  /** Regular expression that the whole claim must match. */
  readonly pattern?: string | undefined;
}

const SYNTAX_CHARACTERS = /[\\^$.*+?()[\]{}|/]/g;
// No authorisation server marks a grant with it: a pattern that matches it matches customers too.
const ANYBODY = 'A customer of the bank';

/** Refuses a mark that is none, or that every token would have. @throws {StartUpError} naming the setting */
export function refuseWrongGrantMark({ value, pattern }: GrantMark, source: string): void {
  if ((value === undefined) === (pattern === undefined)) {
    throw new StartUpError(
      `${source}: give one of "accessTokens.clientCredentials.value" and "accessTokens.clientCredentials.pattern".`,
    );
  }
  if (pattern === undefined) return;
  const setting = `${source}: "accessTokens.clientCredentials.pattern" (${pattern})`;
  let matchesAnybody: boolean;
  try {
    matchesAnybody = hasGrantMark(ANYBODY, { claim: '', pattern }, 'tpp-1');
  } catch {
    throw new StartUpError(`${setting} is no regular expression.`);
  }
  if (matchesAnybody) {
    throw new StartUpError(`${setting} matches any text, so that customers' tokens would pass; make it narrower.`);
  }
}

/** Whether a claim is what the mark says. `{client_id}` stands for the `client_id`, `{client_id:lower}` in lower case. */
export function hasGrantMark(claim: string, { value, pattern = '' }: GrantMark, clientId: string): boolean {
  if (value !== undefined) return claim === filledIn(value, clientId);
  const source = filledIn(pattern, clientId, (id) => id.replaceAll(SYNTAX_CHARACTERS, '\\$&'));
  return new RegExp(`^(?:${source})$`, 'u').test(claim);
}

function filledIn(template: string, clientId: string, escaped = (id: string) => id): string {
  return template.replaceAll(/\{client_id(:lower)?\}/g, (_, lower: string | undefined) =>
    escaped(lower === undefined ? clientId : clientId.toLowerCase()),
  );
}
