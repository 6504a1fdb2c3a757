import { systemClock } from '@tidings/service';

/** The report of one step of the flow, as it happened. */
export interface StepReport {
  readonly step: string;
  readonly ok: boolean;
  /** How long it took. */
  readonly ms: number;
  /** One line for people. */
  readonly said: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** The findings of a step: a line for people, and the details for machines. */
export interface StepResult {
  readonly said: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** A step did not happen. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed';
  readonly step: string;

  constructor(step: string, cause: unknown) {
    super(`the step ${step} failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.step = step;
  }
}

/** Runs one step and reports it, well or not. */
export type RunStep = <T extends StepResult>(step: string, work: () => Promise<T>) => Promise<T>;

/** Makes a runner of steps. @param report called with each step when it ends */
export function createStepRunner(report: (report: StepReport) => void): RunStep {
  return async (step, work) => {
    const beganMs = systemClock.monotonicMs();
    const ms = () => Math.round((systemClock.monotonicMs() - beganMs) * 10) / 10;
    try {
      const result = await work();
      report({ step, ok: true, ms: ms(), said: result.said, details: result.details });
      return result;
    } catch (error) {
      const failure = new StepFailed(step, error);
      report({ step, ok: false, ms: ms(), said: failure.message, details: { error: String(error) } });
      throw failure;
    }
  };
}

/** Fails the step that runs, unless a condition holds. */
export function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}
