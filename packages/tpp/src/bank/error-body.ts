import { cutText, fitText, isJsonObject, parseStrictJson } from '@tidings/protocol';
import type { BankErrorDetail } from './bank-error.ts';

const DETAILS_MAX = 20;
const TEXT_CHARS_MAX = 500;

/**
 * Parses an error body of either version of the API (rules, section 7). Both have `Errors` with `ErrorCode`. For a v3.1
 * body without entries, `Code` is used. Never throws: any other body yields no details.
 */
export function readErrorBody(body: Uint8Array): readonly BankErrorDetail[] {
  const value = parseOrUndefined(body);
  if (!isJsonObject(value)) return [];
  const errors = Array.isArray(value['Errors']) ? value['Errors'].slice(0, DETAILS_MAX) : [];
  const details = errors.flatMap((entry) => (isJsonObject(entry) ? detailOf(entry, 'ErrorCode') : []));
  return details.length > 0 ? details : detailOf(value, 'Code');
}

function parseOrUndefined(body: Uint8Array): unknown {
  try {
    return parseStrictJson(body, { acceptsUnfitTexts: true });
  } catch {
    return undefined;
  }
}

function detailOf(entry: Record<string, unknown>, codeMember: 'ErrorCode' | 'Code'): BankErrorDetail[] {
  const code = textOf(entry, codeMember);
  if (code === undefined) return [];
  const message = textOf(entry, 'Message');
  const path = textOf(entry, 'Path');
  const url = textOf(entry, 'Url');
  return [
    {
      code,
      ...(message !== undefined && { message }),
      ...(path !== undefined && { path }),
      ...(url !== undefined && { url }),
    },
  ];
}

function textOf(entry: Record<string, unknown>, member: string): string | undefined {
  const value = entry[member];
  return typeof value === 'string' ? fitText(cutText(value, TEXT_CHARS_MAX)) : undefined;
}
