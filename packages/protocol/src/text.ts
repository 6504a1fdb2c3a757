/** Half of a surrogate pair becomes another character when it is written as UTF-8; databases refuse U+0000. */
const UNFIT = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]|\0/g;

/**
 * Whether a text has more code points than a limit allows. Every length limit counts code points, as JSON Schema does
 * (2020-12 validation, section 6.3.1): a limit in UTF-16 units would refuse at one end what the other end signed.
 */
export function isLongerThan(text: string, codePointsMax: number): boolean {
  // A code point has one or two UTF-16 units: most texts need no count.
  if (text.length <= codePointsMax) return false;
  return text.length > 2 * codePointsMax || codePointsOf(text) > codePointsMax;
}

/** Cuts a text to a number of code points. Never cuts a surrogate pair in half. */
export function cutText(text: string, codePointsMax: number): string {
  if (!isLongerThan(text, codePointsMax)) return text;
  return Array.from(text.slice(0, 2 * codePointsMax))
    .slice(0, codePointsMax)
    .join('');
}

/**
 * Why a text cannot be kept or signed as it is: it holds half of a surrogate pair, of which UTF-8 has no form, or
 * U+0000, which PostgreSQL does not store (RFC 7493 section 2.1; RFC 8259 section 8.2).
 *
 * @returns to be read after the name of the field; undefined when the text is fit
 */
export function textFault(text: string): string | undefined {
  if (!text.isWellFormed()) return 'holds half of a surrogate pair (such as \\ud800), which is no character';
  return text.includes('\0') ? 'holds the character U+0000, which is not accepted' : undefined;
}

/** The text with U+FFFD in place of whatever makes it unfit to be kept or signed. */
export function fitText(text: string): string {
  return text.replace(UNFIT, '\uFFFD');
}

function codePointsOf(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
