import assert from 'node:assert/strict';

/** One place where the code departs from a house rule. */
export interface Violation {
  /** Path from the root of the repository, with forward slashes. */
  readonly path: string;
  /** Counted from 1. */
  readonly line: number;
  /** Short name of the rule, the one that an allow-list entry names. */
  readonly rule: string;
  readonly found: string;
  readonly remedy: string;
}

/** A checker is pure, so that each of them can be shown to fail on a source held in memory. */
export type Checker = (path: string, source: string) => Violation[];

export function formatViolation(violation: Violation): string {
  return `${violation.path}:${violation.line}  [${violation.rule}] ${violation.found}\n    → ${violation.remedy}`;
}

/** Fails with every violation at once: whoever repairs them wants the whole list, not the first line of it. */
export function assertNone(violations: readonly Violation[]): void {
  assert.ok(violations.length === 0, `${violations.length} found\n${violations.map(formatViolation).join('\n')}\n`);
}

/** Line number, from 1, of an offset into a text. */
export function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) line += 1;
  return line;
}
