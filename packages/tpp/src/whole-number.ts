/** The maximum delay of a timer in Node.js, in milliseconds. */
export const TIMER_MS_MAX = 2_147_483_647;

/** Checks an option. @throws {RangeError} that names the option and its range */
export function wholeNumber(name: string, value: number, min: number, max: number): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new RangeError(`${name} must be a whole number from ${min} to ${max}`);
}
