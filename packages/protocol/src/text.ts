/** An unpaired surrogate changes when encoded as UTF-8; PostgreSQL rejects U+0000. */
const UNFIT = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]|\0/g;

/**
 * Whether a text has more code points than a limit allows. Every length limit counts code points, as in JSON Schema
 * (2020-12 validation, section 6.3.1): with UTF-16 units, one side could reject a text that the other accepted and
 * signed.
 */
export function isLongerThan(text: string, codePointsMax: number): boolean {
  // A code point has one or two UTF-16 units, so most texts need not be counted.
  if (text.length <= codePointsMax) return false;
  return text.length > 2 * codePointsMax || codePointsOf(text) > codePointsMax;
}

/** Cuts a text to a number of code points; never splits a surrogate pair. */
export function cutText(text: string, codePointsMax: number): string {
  if (!isLongerThan(text, codePointsMax)) return text;
  return Array.from(text.slice(0, 2 * codePointsMax))
    .slice(0, codePointsMax)
    .join('');
}

/**
 * Why a text cannot be stored or signed unchanged: it contains an unpaired surrogate, which UTF-8 cannot encode, or
 * U+0000, which PostgreSQL cannot store (RFC 7493 section 2.1; RFC 8259 section 8.2).
 *
 * @returns the reason, to follow the field's name; undefined when there is none
 */
export function textFault(text: string): string | undefined {
  if (!text.isWellFormed()) return 'contains an unpaired surrogate (such as \\ud800), which is not a character';
  return text.includes('\0') ? 'contains the character U+0000, which is not accepted' : undefined;
}

/** Replaces unpaired surrogates and U+0000 (see {@link textFault}) with U+FFFD. */
export function fitText(text: string): string {
  return text.replace(UNFIT, '\uFFFD');
}

function codePointsOf(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
