import { systemClock } from '../../base/clock.ts';
import type { RegisteredTpp } from '../../operator/tpp-schemas.ts';
import { describeFailure } from '../callback-url.ts';
import { CliError, EXIT_FAILED } from '../cli-error.ts';
import { timeFact } from '../output.ts';

const LOOK_MS = 250;

/** Where the outcome of a probe is looked for. */
export interface ProbeWait {
  /** The TPP when the probe was requested. */
  readonly before: RegisteredTpp;
  readonly limitMs: number;
  /** Reads the TPP again. */
  readonly read: () => Promise<RegisteredTpp>;
}

/**
 * Waits until a probe has an outcome.
 *
 * @returns the TPP, whose callback URL is no longer unresponsive
 * @throws {CliError} if the probe failed, if none can be sent, or if there is no outcome in time
 */
export async function probeOutcome({ before, limitMs, read }: ProbeWait): Promise<RegisteredTpp> {
  const { clientId, target, awaiting } = before;
  if (awaiting === 0) {
    const remedy = `mark the callback URL as recovered with "tidings tpps recover ${clientId}"`;
    throw new CliError(
      EXIT_FAILED,
      `Nothing is awaiting for ${clientId}, so there is nothing to probe with; ${remedy}.`,
    );
  }
  const beganMs = systemClock.monotonicMs();
  do {
    await new Promise<void>((resolve) => systemClock.after(LOOK_MS, resolve));
    const now = await read();
    if (now.target?.state !== 'unresponsive') return now;
    if ((now.target.failedProbes ?? 0) !== (target?.failedProbes ?? 0)) throw failed(now);
  } while (systemClock.monotonicMs() - beganMs < limitMs);
  const seconds = Math.round(limitMs / 1000);
  throw new CliError(
    EXIT_FAILED,
    `The probe of ${clientId} has no outcome after ${seconds} s; "tidings registrations show ${clientId}" shows it later.`,
  );
}

function failed({ clientId, target }: RegisteredTpp): CliError {
  const why = target?.lastFailure === undefined ? '' : `: ${describeFailure(target.lastFailure)}`;
  const next = target?.nextProbeAt === undefined ? '' : ` The next probe is due ${timeFact(target.nextProbeAt)}.`;
  return new CliError(
    EXIT_FAILED,
    `The probe of ${clientId} failed${why}. Its callback URL stays unresponsive.${next}`,
  );
}
