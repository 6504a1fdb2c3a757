/** A part of a text of the configuration file: as it is written, or a reference to where it is kept. */
export type TextPart =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string };

const DOLLARS = /\$+(?=\{)/g;
const REFERENCE = /\$\{(?:env:(?<name>[A-Za-z_][A-Za-z0-9_]*)|file:(?<path>[^{}]+))\}/y;

/**
 * Parses a text with references such as `${env:NAME}` and `${file:PATH}`. In front of a brace, `$$` stands for `$`, so that `$${` is
 * the text `${`; anywhere else `$` stands for itself. A path has no braces in it.
 *
 * @returns undefined if `${` begins something else
 */
export function parseReferences(text: string): readonly TextPart[] | undefined {
  const parts: TextPart[] = [];
  let literal = '';
  let from = 0;
  const endLiteral = () => {
    if (literal !== '') parts.push({ kind: 'literal', text: literal });
    literal = '';
  };
  for (const { 0: dollars, index } of text.matchAll(DOLLARS)) {
    literal += text.slice(from, index) + '$'.repeat(Math.floor(dollars.length / 2));
    from = index + dollars.length;
    if (dollars.length % 2 === 0) continue;
    REFERENCE.lastIndex = from - 1;
    const { name, path } = REFERENCE.exec(text)?.groups ?? {};
    endLiteral();
    if (name !== undefined) parts.push({ kind: 'env', name });
    else if (path !== undefined) parts.push({ kind: 'file', path });
    else return undefined;
    from = REFERENCE.lastIndex;
  }
  literal += text.slice(from);
  endLiteral();
  return parts;
}
