import type { Habits } from './reference-receiver.ts';
import type { RunSettings } from './tpp-run.ts';

/** A receiver with one fault, and the check that has to find it. */
export interface Mutant {
  readonly name: string;
  /** Ids of the checks that must fail. */
  readonly caughtBy: readonly string[];
  /** A function where the fault has a state of its own. */
  readonly habits: Habits | (() => Promise<Habits>);
  /** Settings of the run that show the fault sooner. */
  readonly settings: RunSettings;
}

/** Makes a mutant. */
export function mutant(
  name: string,
  caughtBy: string | readonly string[],
  habits: Mutant['habits'],
  settings: Mutant['settings'] = {},
): Mutant {
  return { name, caughtBy: [caughtBy].flat(), habits, settings };
}
