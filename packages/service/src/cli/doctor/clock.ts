import { type Finding, ok, warning } from './finding.ts';

/** More than this, and tokens and signatures of others seem to come from the future, or too late. */
const DIFFERENCE_MAX_MS = 5000;

/** @param where the other clock @param aheadMs how far it is ahead of this machine's; negative: behind */
export function checkDifference(where: string, aheadMs: number, remedy: string): Finding {
  const Where = `${where.charAt(0).toUpperCase()}${where.slice(1)}`;
  if (Math.abs(aheadMs) <= DIFFERENCE_MAX_MS) return ok('clock', `${Where} agrees with this machine's.`);
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  const how = aheadMs > 0 ? 'ahead of' : 'behind';
  return warning('clock', `${Where} is ${seconds} s ${how} this machine's.`, remedy);
}
