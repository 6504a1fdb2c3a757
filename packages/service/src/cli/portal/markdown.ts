const UNITS: readonly (readonly [string, number])[] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
];

/** Formats a duration as `1 hour 30 minutes`; below a second, as milliseconds. */
export function formatDuration(durationMs: number): string {
  if (durationMs > 0 && durationMs < 1000) return `${Math.round(durationMs)} ms`;
  let rest = Math.round(durationMs / 1000) * 1000;
  const parts = UNITS.flatMap(([name, unitMs]) => {
    const count = Math.floor(rest / unitMs);
    rest -= count * unitMs;
    return count === 0 ? [] : [`${count} ${name}${count === 1 ? '' : 's'}`];
  });
  return parts.length === 0 ? '0 seconds' : parts.join(' ');
}

/** Formats a Markdown table. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(escapeCell).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

/** Formats text as Markdown code, without backticks that would end it. */
export function code(text: string): string {
  return `\`${text.replaceAll('`', '')}\``;
}

const COLUMNS = 118;

/** Wraps the paragraphs and list items of Markdown, because inserted values have any length. */
export function reflow(markdown: string): string {
  return markdown
    .trim()
    .split(/\n{2,}/)
    .map((block) =>
      /^[|#]/.test(block)
        ? block
        : block
            .split(/\n(?=- )/)
            .map(wrap)
            .join('\n'),
    )
    .join('\n\n');
}

function wrap(text: string): string {
  const indent = text.startsWith('- ') ? '  ' : '';
  const lines = [''];
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && line.length + 1 + word.length > COLUMNS) lines.push(`${indent}${word}`);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join('\n');
}
