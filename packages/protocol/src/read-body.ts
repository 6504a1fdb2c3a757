import { ApiError } from './errors.ts';
import type { Shaped, ShapeFault } from './shape.ts';
import { parseStrictJson, StrictJsonError } from './strict-json.ts';

/**
 * Reads the body of a request: strict JSON that matches a schema.
 *
 * @param fieldsBelow path prefix of the named fields of the standard: `Data.`, or empty for a body without `Data`. A
 *   wrong value below it is FieldInvalid, any other ResourceInvalidFormat.
 * @throws {ApiError} FieldMissing, FieldInvalid or ResourceInvalidFormat, naming the field (rules, section 7)
 */
export function readBody<T>(body: Uint8Array, shape: (value: unknown) => Shaped<T>, fieldsBelow: string): T {
  const shaped = shape(readJson(body, fieldsBelow));
  if (shaped.ok) return shaped.value;
  throw bodyError(shaped.fault, fieldsBelow);
}

function bodyError({ kind, path, why }: ShapeFault, fieldsBelow: string): ApiError {
  const detail = { message: `${path === '' ? 'The body' : path} ${why}.`, ...(path !== '' && { path }) };
  if (kind === 'missing') return new ApiError('FieldMissing', detail);
  const isField = kind === 'invalid' && path !== '' && path.startsWith(fieldsBelow);
  return new ApiError(isField ? 'FieldInvalid' : 'ResourceInvalidFormat', detail);
}

function readJson(body: Uint8Array, fieldsBelow: string): unknown {
  try {
    return parseStrictJson(body);
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw bodyError({ kind: 'invalid', path: error.path, why: error.message }, fieldsBelow);
  }
}

/** The error for a field whose value breaks a rule. @param why the reason, to follow the field's name */
export function fieldInvalid(path: string, why: string): ApiError {
  return new ApiError('FieldInvalid', { message: `${path} ${why}.`, path });
}
