import type { Clock } from '../../base/clock.ts';
import type { ImportPackage } from '../../base/optional-package.ts';
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
  'intake',
  'alerts',
  'callback URL',
  'runtime',
] as const;
export type CheckName = (typeof CHECKS)[number];

/** The result of one check. */
export interface Finding {
  readonly check: CheckName;
  /** `error`: the service does not start, does not work, or may lose data. */
  readonly severity: 'ok' | 'warning' | 'error';
  /** One sentence: the state, or the fault. */
  readonly what: string;
  /** A command or a setting to change. Present for warnings and errors. */
  readonly remedy?: string;
}

/** The subject and the dependencies of an inspection. */
export interface Inspection {
  /** The configuration file, for the commands in remedies. */
  readonly file: string;
  readonly config: Config;
  readonly clock: Clock;
  /** A callback URL of a TPP to check. */
  readonly callbackUrl: string | undefined;
  /** Read the whole SQLite file; takes as long as the file is large. */
  readonly isIntegrityChecked: boolean;
  /** Resolves the hosts of callback URLs. Undefined: by DNS, with `delivery.dnsServers`. */
  readonly resolveHost: ResolveHost | undefined;
  /** Loads the package of a signing provider. Undefined: one that is installed beside the service. */
  readonly importPackage: ImportPackage | undefined;
}

/** Creates a finding without a fault. */
export const ok = (check: CheckName, what: string): Finding => ({ check, severity: 'ok', what });
/** Creates a finding about something that works, but will stop working or is not as it should be. */
export const warning = (check: CheckName, what: string, remedy: string): Finding => ({
  ...{ check, severity: 'warning', what, remedy },
});
/** Creates a finding about something that does not work. */
export const fault = (check: CheckName, what: string, remedy: string): Finding => ({
  ...{ check, severity: 'error', what, remedy },
});

/**
 * Turns a start-up error into a finding. The remedy follows the last semicolon of its message.
 *
 * @param remedy used if the message contains none
 */
export function faultFrom(check: CheckName, error: unknown, remedy: string): Finding {
  if (!(error instanceof StartUpError)) throw error;
  const at = error.message.lastIndexOf('; ');
  if (at === -1) return fault(check, error.message, remedy);
  const ownRemedy = error.message.slice(at + 2);
  return fault(check, `${error.message.slice(0, at)}.`, `${ownRemedy.charAt(0).toUpperCase()}${ownRemedy.slice(1)}`);
}

/** Formats a day in UTC. */
export const formatDay = (date: Date): string => date.toISOString().slice(0, 10);

/** Beyond this difference, tokens and signatures of others may seem to be expired or not yet valid. */
const DIFFERENCE_MAX_MS = 5000;

/** Compares another clock with this machine's. @param clock its name @param aheadMs how far it is ahead; negative: behind */
export function checkClock(clock: string, aheadMs: number, remedy: string): Finding {
  const subject = `${clock.charAt(0).toUpperCase()}${clock.slice(1)}`;
  if (Math.abs(aheadMs) <= DIFFERENCE_MAX_MS) return ok('clock', `${subject} agrees with the clock of this machine.`);
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  const how = aheadMs > 0 ? 'ahead of' : 'behind';
  return warning('clock', `${subject} is ${seconds} s ${how} the clock of this machine.`, remedy);
}
