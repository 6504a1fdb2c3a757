import { systemClock } from '@tidings/service';

/** The report of one step of the flow. */
export interface StepReport {
  readonly step: string;
  readonly ok: boolean;
  /** Duration in milliseconds. */
  readonly ms: number;
  /** One line for people. */
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** The result of a step: a line for people, and details for machines. */
export interface StepResult {
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** A step failed. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed';
  readonly step: string;

  constructor(step: string, cause: unknown) {
    super(`the step ${step} failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.step = step;
  }
}

/** Runs one step and reports its success or failure. */
export type RunStep = <T extends StepResult>(step: string, work: () => Promise<T>) => Promise<T>;

/** Creates a runner of steps. @param report called at the end of each step */
export function createStepRunner(report: (report: StepReport) => void): RunStep {
  return async (step, work) => {
    const beganMs = systemClock.monotonicMs();
    const ms = () => Math.round((systemClock.monotonicMs() - beganMs) * 10) / 10;
    try {
      const result = await work();
      report({ step, ok: true, ms: ms(), message: result.message, details: result.details });
      return result;
    } catch (error) {
      const failure = new StepFailed(step, error);
      report({ step, ok: false, ms: ms(), message: failure.message, details: { error: String(error) } });
      throw failure;
    }
  };
}

/** Fails the running step unless a condition holds. */
export function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}
