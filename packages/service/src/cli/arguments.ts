import { InvalidArgumentError } from 'commander';

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads a length of time, such as 10m or 24h. @returns milliseconds. @throws {InvalidArgumentError} */
export function readDuration(text: string): number {
  const [, number, unit = ''] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? [];
  const unitMs = UNIT_MS[unit];
  if (number !== undefined && unitMs !== undefined) return Number(number) * unitMs;
  throw new InvalidArgumentError('It must be a number with s, m, h or d, such as 10m or 24h.');
}

const NUMBER_MAX = 999_999;

/** Makes a reader of whole numbers from 1. @param max the largest; undefined: it has at most six digits */
export function wholeNumber(max?: number): (text: string) => number {
  return (text) => {
    if (/^[1-9]\d{0,5}$/.test(text) && Number(text) <= (max ?? NUMBER_MAX)) return Number(text);
    throw new InvalidArgumentError(`It must be a whole number from 1${max === undefined ? '' : ` to ${max}`}.`);
  };
}
