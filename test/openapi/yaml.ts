import type { Json } from './documented.ts';

/** One line with its indentation. */
interface Line {
  readonly indent: number;
  readonly text: string;
}

const KEY = /^(?:'([^']*)'|"([^"]*)"|([^\s"'#{[-][\s\S]*?|-[^\s][\s\S]*?)):(?:\s+(.*))?$/;
const BLOCK_SCALAR = /^[>|][+-]?$/;

/**
 * Reads the part of YAML that the official OpenAPI files are written in: block maps and lists, plain, quoted and folded
 * scalars, empty flow collections. Not a reader of YAML at large.
 */
export function readYaml(text: string): Json {
  const lines = text
    .split('\n')
    .map((line): Line => ({ indent: line.length - line.trimStart().length, text: line.trim() }))
    .filter(({ text: content }) => content !== '' && !content.startsWith('# ') && content !== '---');
  const reader = new Reader(lines);
  return reader.block(0);
}

class Reader {
  readonly #lines: Line[];
  #at = 0;

  constructor(lines: Line[]) {
    this.#lines = lines;
  }

  block(indent: number): Json {
    const line = this.#lines[this.#at];
    if (line === undefined || line.indent < indent) return null;
    return isItem(line.text) ? this.#list(line.indent) : this.#map(line.indent);
  }

  #list(indent: number): Json[] {
    const items: Json[] = [];
    for (let line = this.#lines[this.#at]; line?.indent === indent && isItem(line.text); line = this.#lines[this.#at]) {
      const rest = line.text.slice(1).trimStart();
      const isMap = KEY.test(rest);
      if (rest === '' || !isMap) {
        this.#at += 1;
        items.push(rest === '' ? this.block(indent + 1) : this.#scalar(rest, indent));
        continue;
      }
      // The first member of a map stands behind the dash.
      this.#lines[this.#at] = { indent: indent + line.text.length - rest.length, text: rest };
      items.push(this.block(indent + 1));
    }
    return items;
  }

  #map(indent: number): Json {
    const map: Json = {};
    for (let line = this.#lines[this.#at]; line?.indent === indent; line = this.#lines[this.#at]) {
      const [, single, double, plain, rest = ''] = KEY.exec(line.text) ?? [];
      const key = single ?? double ?? plain;
      if (key === undefined) throw new Error(`not a member of a map: ${line.text}`);
      this.#at += 1;
      map[key] = rest === '' ? this.#nested(indent) : this.#scalar(rest, indent);
    }
    return map;
  }

  /** A list may stand at the indentation of its key. */
  #nested(indent: number): Json {
    const next = this.#lines[this.#at];
    if (next === undefined || next.indent < indent) return null;
    if (next.indent === indent) return isItem(next.text) ? this.#list(indent) : null;
    return this.block(next.indent);
  }

  #scalar(first: string, indent: number): Json {
    const isBlock = BLOCK_SCALAR.test(first);
    const parts = isBlock ? [] : [first];
    const isOpen = () =>
      /^["']/.test(first) && !new RegExp(String.raw`^${first[0]}[\s\S]*${first[0]}$`).test(parts.join(' '));
    for (
      let line = this.#lines[this.#at];
      line !== undefined && (line.indent > indent || isOpen());
      line = this.#lines[this.#at]
    ) {
      parts.push(line.text);
      this.#at += 1;
    }
    return isBlock ? parts.join(' ') : scalarOf(parts.join(' '));
  }
}

function isItem(text: string): boolean {
  return text === '-' || text.startsWith('- ');
}

function scalarOf(text: string): Json {
  if (/^'.*'$/.test(text)) return text.slice(1, -1).replaceAll("''", "'");
  if (/^".*"$/.test(text)) return text.slice(1, -1).replaceAll(/\\(.)/g, '$1');
  if (/^\{\s*\}$/.test(text)) return {};
  if (/^\[\s*\]$/.test(text)) return [];
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text;
}
