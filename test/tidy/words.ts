import type { Violation } from './violation.ts';

interface Word {
  readonly pattern: RegExp;
  readonly remedy: string;
}

// Written apart, so that this file does not break its own rule.
const UNFINISHED: Word = {
  pattern: new RegExp(String.raw`\b(TO${''}DO|FIX${''}ME|XX${''}X|HA${''}CK)\b`),
  remedy: 'do it now, or open an issue and describe the limit in words',
};

const NOT_OUR_WORD: Word = {
  pattern: /webhook/i,
  remedy: "the standard's word is callback URL, or event notification for what is sent to it",
};

// Alerts go to webhooks, which have nothing to do with callback URLs of TPPs. The last is generated from the operator API.
const ABOUT_ALERTS =
  /^packages\/(?:service\/src\/(?:alerts\/|config\/(?:schema|consistency)\.ts$|(?:cli|operator)\/alerts\.ts$)|console\/src\/api\/operator-api\.d\.ts$)/;

const BEGINS_WITH_WHAT: Word = {
  pattern: /\/\*\* What (?!if\b)/,
  remedy: 'begin with what the thing is: "The result of …", "Options of …", "Dependencies of …"',
};

/** Finds words that the house does not use: marks of unfinished work anywhere, foreign vocabulary in sources. */
export function checkWords(path: string, source: string): Violation[] {
  const isSource = /^packages\/[^/]+\/src\//.test(path);
  const foreign = ABOUT_ALERTS.test(path) ? [] : [NOT_OUR_WORD];
  const words = isSource ? [UNFINISHED, ...foreign, BEGINS_WITH_WHAT] : [UNFINISHED];
  return source.split('\n').flatMap((text, index) =>
    words.flatMap(({ pattern, remedy }) => {
      const found = pattern.exec(text)?.[0];
      return found === undefined ? [] : [{ path, line: index + 1, rule: 'words', found: `'${found}'`, remedy }];
    }),
  );
}
