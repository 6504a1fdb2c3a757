import type { Clock } from '../../base/clock.ts';
import { StartUpError } from '../../base/start-up-error.ts';
import type { Config } from '../../config/schema.ts';
import type { ResolveHost } from '../../net/resolve-host.ts';

/** The checks, in the order in which they are shown. */
export const CHECKS = [
  'configuration',
  'files',
  'certificates',
  'roots',
  'signing key',
  'operator tokens',
  'listeners',
  'database',
  'migrations',
  'clock',
  'keys of others',
  'directory',
  'callback URL',
  'runtime',
] as const;
export type CheckName = (typeof CHECKS)[number];

/** One thing that was looked at. */
export interface Finding {
  readonly check: CheckName;
  /** `error`: the service does not start, does not work, or loses what it should keep. */
  readonly severity: 'ok' | 'warning' | 'error';
  /** One sentence: what is so, or what is wrong. */
  readonly what: string;
  /** A command or setting; there is one whenever something is wrong. */
  readonly remedy?: string;
}

/** The subject and the dependencies of an inspection. */
export interface Inspection {
  /** The configuration file, for the commands that remedies name. */
  readonly file: string;
  readonly config: Config;
  readonly clock: Clock;
  /** Of a TPP, to be tried. */
  readonly callbackUrl: string | undefined;
  /** Read the whole SQLite file; takes as long as the file is large. */
  readonly isIntegrityChecked: boolean;
  /** Looks hosts of callback URLs up. Undefined: by DNS, as `delivery.dnsServers` says. */
  readonly resolveHost: ResolveHost | undefined;
}

/** Nothing is wrong. */
export const ok = (check: CheckName, what: string): Finding => ({ check, severity: 'ok', what });
/** It works, and will not for ever, or not as well as it should. */
export const warning = (check: CheckName, what: string, remedy: string): Finding => ({
  ...{ check, severity: 'warning', what, remedy },
});
/** It does not work. */
export const fault = (check: CheckName, what: string, remedy: string): Finding => ({
  ...{ check, severity: 'error', what, remedy },
});

/**
 * The message of the service at its start, as a finding: its sentences end in the remedy, after a semicolon.
 *
 * @param remedy where the sentence names none
 */
export function refusal(check: CheckName, error: unknown, remedy: string): Finding {
  if (!(error instanceof StartUpError)) throw error;
  const at = error.message.lastIndexOf('; ');
  if (at === -1) return fault(check, error.message, remedy);
  const told = error.message.slice(at + 2);
  return fault(check, `${error.message.slice(0, at)}.`, `${told.charAt(0).toUpperCase()}${told.slice(1)}`);
}

/** A day as UTC tells it. */
export const dayOf = (date: Date): string => date.toISOString().slice(0, 10);

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
