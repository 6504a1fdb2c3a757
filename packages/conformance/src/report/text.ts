import { fitText } from '@tidings/protocol';

// Control characters change what a terminal shows; the directional and invisible ones change what people read. Tab and line feed are handled apart.
const UNSEEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is made visible.
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]/g;
const BLANK = /[\t\n]+/g;
const NOT_XML = /[\ufffe\uffff]/g;

/**
 * Makes characters visible that would change how the text around them is shown, such as escape sequences and marks of
 * direction: `\u{1b}`. Lone surrogates become U+FFFD. Tabs and line feeds stay.
 */
export function visible(text: string): string {
  return fitText(text.replaceAll('\0', '\\u{0}')).replaceAll(UNSEEN, escapeOf);
}

/** {@link visible}, in one line. */
export function oneLine(text: string): string {
  return visible(text).replaceAll(BLANK, ' ').trim();
}

function escapeOf(character: string): string {
  return `\\u{${character.charCodeAt(0).toString(16)}}`;
}

/**
 * A text as the content of an XML element or of an attribute in double quotes. What XML 1.0 (section 2.2) cannot contain
 * becomes visible.
 */
export function escapeXml(text: string): string {
  const escaped = escapeMarkup(visible(text).replaceAll(NOT_XML, '\ufffd'));
  // As themselves they would be read as spaces in an attribute (section 3.3.3).
  return escaped.replaceAll('\t', '&#9;').replaceAll('\n', '&#10;');
}

/** A text as the content of an HTML element or of an attribute in quotes. Not for scripts, style sheets or URLs. */
export function escapeHtml(text: string): string {
  return escapeMarkup(visible(text));
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeMarkup(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}

/** Breaks a text into lines of at most `columns` characters, at spaces where there are any. */
export function wrap(text: string, columns: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of oneLine(text).split(' ')) {
    const pieces = piecesOf(word, columns);
    for (const piece of pieces) {
      if (line !== '' && widthOf(line) + 1 + widthOf(piece) > columns) {
        lines.push(line);
        line = piece;
      } else line = line === '' ? piece : `${line} ${piece}`;
    }
  }
  return line === '' ? lines : [...lines, line];
}

/** Cuts a text of one line to a width, with an ellipsis where something is left out. */
export function cutTo(text: string, columns: number): string {
  const line = oneLine(text);
  if (widthOf(line) <= columns) return line;
  let cut = '';
  for (const each of graphemes(line)) {
    if (widthOf(cut) + widthOf(each) + 1 > columns) break;
    cut += each;
  }
  return `${cut.trimEnd()}…`;
}

function piecesOf(word: string, columns: number): readonly string[] {
  if (widthOf(word) <= columns) return [word];
  const pieces: string[] = [];
  let piece = '';
  for (const each of graphemes(word)) {
    if (widthOf(piece) + widthOf(each) > columns) {
      pieces.push(piece);
      piece = '';
    }
    piece += each;
  }
  return [...pieces, piece];
}

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u;

function graphemes(text: string): readonly string[] {
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** Columns of a terminal that a text takes, as far as that can be known: East Asian characters and emoji take two. */
export function widthOf(text: string): number {
  // Most texts are ASCII.
  if (/^[ -~]*$/.test(text)) return text.length;
  return graphemes(text).reduce((sum, each) => sum + (WIDE.test(each) ? 2 : 1), 0);
}
