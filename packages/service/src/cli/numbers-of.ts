import { CliError, EXIT_CONFIGURATION } from './cli-error.ts';

/** Reads `name=1,other=2`. @throws {CliError} naming the flag */
export function numbersOf(flag: string, list: string): Record<string, number> {
  const entries = list.split(',').map((part) => {
    const [, name, number] = /^\s*([A-Za-z]+)=(\d{1,15})\s*$/.exec(part) ?? [];
    if (name !== undefined && number !== undefined) return [name, Number(number)] as const;
    throw new CliError(EXIT_CONFIGURATION, `${flag} takes names with whole numbers, as in retriesMax=10,delayMs=2000.`);
  });
  return Object.fromEntries(entries);
}
