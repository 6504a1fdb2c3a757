/**
 * Compares output with what a page shows of it. These are ignored, since they differ between runs:
 *
 * - UUIDs, instants (ISO 8601, milliseconds, or short and relative to now), dates, durations (`12 ms`) and SHA-256 values in
 *   base64url or hexadecimal match any other;
 * - spaces match any number of spaces, since tables are as wide as what is in them;
 * - `…` stands for any text within a line, and a line with nothing but `…` for any number of lines.
 */

const VOLATILE: readonly (readonly [RegExp, string])[] = [
  [/[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}/g, '<uuid>'],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z(?: \((?:\d+[smhd] ago|in \d+[smhd]|now)\))?/g, '<instant>'],
  [/(?:\d\d:\d\d:\d\dZ|\d{4}-\d\d-\d\d) (?:\d+[smhd] ago|in \d+[smhd]|now)/g, '<instant>'],
  [/\b\d{4}-\d\d-\d\d\b(?!T)/g, '<date>'],
  [/\b\d{13}\b/g, '<instant>'],
  [/\b\d+(?:\.\d+)? (?:ms|s)\b/g, '<duration>'],
  [/\b[0-9a-f]{64}\b/g, '<sha256>'],
  [/(?<![\w-])(?=[\w-]*\d)[\w-]{43}(?![\w-])/g, '<sha256>'],
  [/ {2,}/g, ' '],
];

/** Lines without what differs between runs, and without empty lines at the end. */
function normalised(text: string): string[] {
  let result = text;
  for (const [pattern, name] of VOLATILE) result = result.replaceAll(pattern, name);
  return result
    .trimEnd()
    .split('\n')
    .map((line) => line.trimEnd());
}

/** Whether the output is what is shown, from its first line to its last. */
export function isShown(shown: string, output: string): boolean {
  return endOfMatch(normalised(shown), normalised(output), 0, true) !== undefined;
}

/** Where what is shown ends in these lines of output, which may go on; undefined where they do not have it. */
export function findShown(shown: string, lines: readonly string[]): number | undefined {
  const expected = normalised(shown);
  const actual = lines.flatMap(normalised);
  for (let at = 0; at < actual.length; at += 1) {
    const end = endOfMatch(expected, actual, at, false);
    if (end !== undefined) return end;
  }
  return undefined;
}

function endOfMatch(
  expected: readonly string[],
  actual: readonly string[],
  at: number,
  isToTheEnd: boolean,
): number | undefined {
  const [line, ...rest] = expected;
  if (line === undefined) return !isToTheEnd || at === actual.length ? at : undefined;
  if (line.trim() !== '…') {
    const found = actual[at];
    return found !== undefined && isLine(line, found) ? endOfMatch(rest, actual, at + 1, isToTheEnd) : undefined;
  }
  for (let next = at; next <= actual.length; next += 1) {
    const end = endOfMatch(rest, actual, next, isToTheEnd);
    if (end !== undefined) return end;
  }
  return undefined;
}

function isLine(expected: string, actual: string): boolean {
  const parts = expected.split('…').map((part) => part.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(actual);
}
