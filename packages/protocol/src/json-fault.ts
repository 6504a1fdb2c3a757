const TOKEN =
  /[ \t\r\n]*(?:([{}[\]:,])|("(?:[ !#-[\]-\u{10FFFF}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))/uy;

/**
 * The tokens that may follow another: `n` is the name of a member, `v` any other string, number or literal. Commas and
 * values are told apart by where they are: in an object (`o`), in an array (`a`), or at the top.
 */
const FOLLOWERS: Readonly<Record<string, string>> = {
  ...{ start: '{[v', '{': 'n}', '[': '{[v]', ':': '{[v', n: ':' },
  ...{ ',o': 'n', ',a': '{[v', vo: ',}', va: ',]', v: '' },
};

/**
 * Finds where a text stops being JSON (RFC 8259). The messages of `JSON.parse` tell it only for some texts.
 *
 * @param text rejected by `JSON.parse`
 * @returns the number of the line, from 1
 */
export function jsonFaultLine(text: string): number {
  const open: ('o' | 'a')[] = [];
  let before = 'start';
  let end = 0;
  for (let token = tokenAt(text, end, before); token !== undefined; token = tokenAt(text, end, before)) {
    end = token.end;
    before = stateAfter(token.kind, open);
  }
  // The token at fault may be on a later line than the one before it.
  const fault = text.length - text.slice(end).trimStart().length;
  return text.slice(0, fault).split('\n').length;
}

/** @returns undefined if there is none that may follow */
function tokenAt(text: string, start: number, before: string): { kind: string; end: number } | undefined {
  const allowed = FOLLOWERS[before] ?? '';
  TOKEN.lastIndex = start;
  const [found, bracket, string] = TOKEN.exec(text) ?? [];
  const kind = bracket ?? (string !== undefined && allowed.includes('n') ? 'n' : 'v');
  return found !== undefined && allowed.includes(kind) ? { kind, end: start + found.length } : undefined;
}

/** The key in {@link FOLLOWERS} after a token. @param open the open brackets, which it keeps */
function stateAfter(kind: string, open: ('o' | 'a')[]): string {
  if (kind === '{' || kind === '[') open.push(kind === '{' ? 'o' : 'a');
  if (kind === '}' || kind === ']') open.pop();
  if ('{[:n'.includes(kind)) return kind;
  return `${kind === ',' ? ',' : 'v'}${open.at(-1) ?? ''}`;
}
