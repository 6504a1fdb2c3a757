import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/schema';

/** The first violation of a schema. */
export interface ShapeFault {
  readonly kind: 'missing' | 'unexpected' | 'invalid';
  /** Path in the notation of the standard, such as `Data.EventTypes[0]`; empty for the value itself. */
  readonly path: string;
  /** The reason, to follow the path: `must be string`. */
  readonly why: string;
}

/** The result of checking a value against a schema. */
export type Shaped<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: ShapeFault };

/**
 * Compiles a schema into a parser. One schema gives the type, the check and the OpenAPI document. Values are not
 * converted, and defaults are not filled in.
 */
export function shapeOf<T extends TSchema>(schema: T): (value: unknown) => Shaped<Static<T>> {
  let validator: ReturnType<typeof Compile<T>> | undefined;
  return (value) => {
    // Once it is used: a command loads many schemas, and uses few.
    validator ??= Compile(schema);
    if (validator.Check(value)) return { ok: true, value: value as Static<T> };
    const [, errors] = validator.Errors(value);
    return { ok: false, fault: firstFault(errors) };
  };
}

type ValidationErrors = ReturnType<ReturnType<typeof Compile>['Errors']>[1];

function firstFault(errors: ValidationErrors): ShapeFault {
  // The keyword `boolean` (schema `false`) says only that a member is not allowed; additionalProperties names it. The
  // latter is missing when the validator reached its limit of errors.
  const error = errors.find(({ keyword }) => keyword !== 'boolean') ?? errors[0];
  const path = dottedPath(error?.instancePath ?? '');
  if (error?.keyword === 'required') {
    return { kind: 'missing', path: join(path, error.params.requiredProperties[0]), why: 'is missing' };
  }
  if (error?.keyword === 'additionalProperties') {
    return { kind: 'unexpected', path: join(path, error.params.additionalProperties[0]), why: 'is not expected' };
  }
  if (error?.keyword === 'boolean') return { kind: 'unexpected', path, why: 'is not expected' };
  return { kind: 'invalid', path, why: error === undefined ? 'is not valid' : whyOf(error) };
}

const FORMATS: Readonly<Record<string, string>> = {
  'date-time': 'must be a date and time with its zone, such as 2026-11-21T09:30:00Z',
  uri: 'must be a URL',
};
const LITERAL_START = /^\^([\w:/.-]+)$/;

/** The validator's message, or a clearer one where that repeats the schema's notation. */
function whyOf(error: ValidationErrors[number]): string {
  switch (error.keyword) {
    case 'format':
      return FORMATS[error.params.format] ?? error.message;
    case 'pattern': {
      const [, start] = LITERAL_START.exec(String(error.params.pattern)) ?? [];
      return start === undefined ? error.message : `must start with ${start}`;
    }
    case 'enum':
      return `must be one of ${error.params.allowedValues.join(', ')}`;
    default:
      return error.message;
  }
}

function join(path: string, member = ''): string {
  return path === '' ? member : `${path}.${member}`;
}

/** Converts a JSON pointer (RFC 6901) to the notation of `Path` in the standard. */
function dottedPath(pointer: string): string {
  let path = '';
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    path = /^\d+$/.test(name) ? `${path}[${name}]` : join(path, name);
  }
  return path;
}
