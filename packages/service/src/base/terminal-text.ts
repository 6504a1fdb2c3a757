/**
 * Makes texts of others, such as the errors that TPPs report, safe to print on a terminal: they cannot move the cursor, change
 * colours, or reverse the direction of text.
 */

// Controls (C0, DEL, C1), format characters (the bidirectional ones among them), surrogates, private use and unassigned
// characters, and the two that end a line in Unicode.
const UNSAFE = /[\p{C}\u2028\u2029]/gu;
const UNSAFE_BUT_LINE_END = /[^\P{C}\n]|[\u2028\u2029]/gu;
const UNSAFE_IN_LINES = /[^\P{C}\n\t]|[\u2028\u2029]/gu;
// Bold, dim, their end, the colours and their end: none hides text or moves the cursor.
const ESCAPE = '\u001b';
const COLOR = new RegExp(`${ESCAPE}\\[(?:1|2|22|3[1-6]|39)m`, 'g');
const REPLACEMENT = '\ufffd';

/** Text for use within a line of output: one line, without control characters. */
export function printable(text: string): string {
  return text.replaceAll(UNSAFE, REPLACEMENT);
}

/** Text of several lines, with tabs and without other control characters. @param hasColors keeps bold, dim and colours */
export function printableLines(text: string, hasColors: boolean): string {
  const colors = hasColors ? text.match(COLOR) : null;
  const parts = hasColors ? text.split(COLOR) : [text];
  return parts.map((part, at) => part.replaceAll(UNSAFE_IN_LINES, REPLACEMENT) + (colors?.[at] ?? '')).join('');
}

/** Escapes control characters in JSON (RFC 8259 section 7). The parsed value is the same. */
export function escapeJson(json: string): string {
  return json.replaceAll(UNSAFE_BUT_LINE_END, (character) =>
    Array.from({ length: character.length }, (_unit, at) => escapeOf(character.charCodeAt(at))).join(''),
  );
}

const escapeOf = (unit: number): string => `\\u${unit.toString(16).padStart(4, '0')}`;
