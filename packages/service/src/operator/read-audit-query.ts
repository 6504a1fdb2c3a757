import { isLongerThan } from '@tidings/protocol';
import type { AuditFilter } from '../store/store.ts';
import { AUDIT_PER_PAGE, AUDIT_PER_PAGE_MAX } from './audit-page.ts';
import { fieldProblem } from './read-body.ts';
import { readPage } from './read-page.ts';
import { readTime } from './read-time.ts';

const TEXT_CHARS_MAX = 256;
const ID = /^[1-9]\d{0,15}$/;

/** Which entries of the audit are asked for. */
export interface AuditQuery {
  /** id to begin before. */
  readonly before: string | undefined;
  readonly limit: number;
  readonly filter: AuditFilter;
}

/** Reads the query of the audit. `before` is a time, or the cursor of a page, which lies before it anyway. @throws {Problem} 400 */
export function readAuditQuery(query: Readonly<Record<string, unknown>>): AuditQuery {
  const { actor, action, subject, from, ...others } = query;
  const page = readPage(others, { cursor: 'before', limitDefault: AUDIT_PER_PAGE, limitMax: AUDIT_PER_PAGE_MAX });
  const { cursor, limit } = page;
  const isId = cursor !== undefined && ID.test(cursor);
  const beforeMs = isId ? undefined : readTime('before', cursor, '"next" of a page, or a date and time');
  const fromMs = readTime('from', from);
  const texts = {
    actor: readText('actor', actor),
    action: readText('action', action),
    subject: readText('subject', subject),
  };
  const filter = { ...texts, fromMs, beforeMs };
  return { before: isId ? cursor : undefined, limit, filter: withoutUndefined(filter) };
}

function readText(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw fieldProblem(name, 'must be given once');
  if (value === '' || isLongerThan(value, TEXT_CHARS_MAX)) {
    throw fieldProblem(name, `must have 1 to ${TEXT_CHARS_MAX} characters`);
  }
  return value;
}

function withoutUndefined(
  filter: { readonly [name in keyof AuditFilter]: AuditFilter[name] | undefined },
): AuditFilter {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}
