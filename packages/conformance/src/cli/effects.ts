import type { Output } from './output.ts';

/** The effects that a command has on the world. */
export interface CommandEffects {
  readonly output: Output;
  /** Aborted by Ctrl-C: the run stops, and its report is still written. */
  readonly signal: AbortSignal;
  /** Sets the exit code. */
  end(code: number): void;
}
