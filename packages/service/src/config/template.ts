/** The origin of a text in a template. */
export type TemplateSource =
  /** A value within the JSON of a record: a singular query of JSONPath (RFC 9535 section 2.3.5.1). */
  | { readonly kind: 'json'; readonly path: readonly (string | number)[] }
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'key' | 'topic' | 'partition' | 'offset' | 'timestamp' };

/** A part of a template: text as it is, or one that is taken from a record and then translated. */
export type TemplatePart =
  | { readonly literal: string }
  | { readonly written: string; readonly source: TemplateSource; readonly filters: readonly string[] };

/** Translations that need no table: milliseconds and seconds since the epoch, to a date and time. */
const BUILT_IN_FILTERS = ['epochMs', 'epochSeconds'] as const;

const PLACES = ['key', 'topic', 'partition', 'offset', 'timestamp'] as const;
const SEGMENT = /\.([A-Za-z_\u0080-\u{10FFFF}][\w\u0080-\u{10FFFF}]*)|\[(0|[1-9]\d*)\]|\['([^']*)'\]/uy;

/**
 * Parses a template such as `https://bank.example/consents/{$.consent.id}`. In braces stand a source and, after bars, how it is
 * translated: `{$.status|types}`. A brace itself is written twice.
 *
 * @param tables names of the tables that may be used
 * @throws {TypeError} one clause that says what is wrong, without a full stop
 */
export function parseTemplate(text: string, tables: readonly string[]): readonly TemplatePart[] {
  const parts: TemplatePart[] = [];
  const pieces = text.split(/(\{\{|\}\}|\{[^{}]*\})/);
  for (const piece of pieces) {
    if (piece === '') continue;
    if (piece === '{{' || piece === '}}') parts.push({ literal: piece.charAt(0) });
    else if (/^\{[^{}]*\}$/.test(piece)) parts.push(parsePlaceholder(piece, tables));
    else if (/[{}]/.test(piece)) throw new TypeError(`has a brace without its other one in "${piece}"`);
    else parts.push({ literal: piece });
  }
  return parts;
}

function parsePlaceholder(written: string, tables: readonly string[]): TemplatePart {
  const [source = '', ...filters] = written.slice(1, -1).split('|');
  const known = [...BUILT_IN_FILTERS, ...tables];
  const unknown = filters.find((filter) => !known.includes(filter));
  if (unknown !== undefined)
    throw new TypeError(`has "${unknown}" in ${written}, which is none of ${known.join(', ')}`);
  return { written, source: parseSource(source, written), filters };
}

function parseSource(source: string, written: string): TemplateSource {
  if (source.startsWith('$')) return { kind: 'json', path: parsePath(source, written) };
  if (source.startsWith('headers.') && source.length > 'headers.'.length) {
    return { kind: 'header', name: source.slice('headers.'.length) };
  }
  const kind = PLACES.find((place) => place === source);
  if (kind !== undefined) return { kind };
  const sources = `$ with a path, headers.NAME, ${PLACES.join(', ')}`;
  throw new TypeError(`has "${source}" in ${written}, which is none of ${sources}`);
}

function parsePath(source: string, written: string): readonly (string | number)[] {
  const path: (string | number)[] = [];
  SEGMENT.lastIndex = 1;
  while (SEGMENT.lastIndex < source.length) {
    const at = SEGMENT.lastIndex;
    const segment = SEGMENT.exec(source);
    if (segment === null) {
      throw new TypeError(`has no path of names and indexes in ${written}, from "${source.slice(at)}" on`);
    }
    const [, name, index, quoted] = segment;
    path.push(index === undefined ? (name ?? quoted ?? '') : Number(index));
  }
  return path;
}
