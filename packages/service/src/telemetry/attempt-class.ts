import type { AttemptClass, Outcome } from '../model/attempt.ts';

/** The outcome of an attempt in one word, of a small set. */
export function attemptClassOf(outcome: Outcome): AttemptClass {
  if (outcome.kind === 'acknowledged') return 'acknowledged';
  if (outcome.kind === 'unreachable') return `unreachable-${outcome.errorClass}`;
  const { status } = outcome;
  if (status === 410) return 'refused-410';
  if (status === 429) return 'refused-429';
  if (status >= 400 && status < 500) return 'refused-4xx';
  return status >= 500 && status < 600 ? 'refused-5xx' : 'refused-other';
}
