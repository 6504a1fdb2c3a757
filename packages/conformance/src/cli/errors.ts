/** Wrong use of the command line. `message` names the argument and the remedy. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
