import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';

type Facts = Readonly<Record<string, unknown>>;

/** The part of an audit entry that describes a change of a registration. */
export interface Difference {
  readonly before?: Facts;
  readonly after?: Facts;
}

/** Longest value, as JSON, that an entry holds as it is: a callback URL of 2,048 characters fits. */
const VALUE_CHARACTERS_MAX = 2100;
const ITEMS_SHOWN_MAX = 10;
const ITEM_CHARACTERS_MAX = 100;

/**
 * Works out what a change of a registration made different, bounded in size: a TPP decides how often it is kept, and how
 * long its texts are.
 *
 * @param before undefined: there was none
 * @param after undefined: it is deleted
 * @returns undefined when nothing is different
 */
export function differenceOf(before: object | undefined, after: object | undefined): Difference | undefined {
  if (before === undefined || after === undefined) {
    return {
      ...(before !== undefined && { before: shownOf(before) }),
      ...(after !== undefined && { after: shownOf(after) }),
    };
  }
  // Replacing one makes an unresponsive callback URL responsive again, even when all else stays.
  const [was, became]: [Facts, Facts] = [{ ...before }, { ...after, unresponsiveSinceMs: undefined }];
  const changed = Object.keys({ ...was, ...became }).filter((name) => !isDeepStrictEqual(was[name], became[name]));
  if (changed.length === 0) return undefined;
  const pick = (facts: Facts) => shownOf(Object.fromEntries(changed.map((name) => [name, facts[name]])));
  return { before: pick(was), after: pick(became) };
}

function shownOf(facts: object): Facts {
  const shown = Object.entries(facts).filter(([, value]) => value !== undefined);
  return Object.fromEntries(shown.map(([name, value]) => [name, bounded(value)]));
}

/** A value as it is, or what tells it from others: its beginning, its size and its hash. */
function bounded(value: unknown): unknown {
  const json = JSON.stringify(value);
  if (json.length <= VALUE_CHARACTERS_MAX) return value;
  const sha256 = createHash('sha256').update(json).digest('hex');
  if (!Array.isArray(value)) return { begins: json.slice(0, ITEM_CHARACTERS_MAX), characters: json.length, sha256 };
  const begins = value.slice(0, ITEMS_SHOWN_MAX).map((item) => String(item).slice(0, ITEM_CHARACTERS_MAX));
  return { begins, items: value.length, sha256 };
}
