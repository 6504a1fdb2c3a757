import { escapeHtml } from '../text.ts';

/** A text that is HTML already: made by {@link html} only. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A value in a template: texts and numbers are escaped, `false` and `undefined` are nothing, lists are joined. */
export type Inserted = Markup | string | number | false | undefined | readonly Inserted[];

/** HTML from a template in which every inserted text is escaped. Attributes must be in quotes. */
export function html(strings: TemplateStringsArray, ...values: readonly Inserted[]): Markup {
  return new Markup(strings.map((text, at) => text + textOf(values[at])).join(''));
}

function textOf(value: Inserted): string {
  if (value === undefined || value === false) return '';
  if (value instanceof Markup) return value.text;
  if (typeof value === 'string') return escapeHtml(value);
  return typeof value === 'number' ? String(value) : value.map(textOf).join('');
}
