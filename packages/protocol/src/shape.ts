import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';

/** The first place where a value breaks a schema. */
export interface ShapeFault {
  readonly kind: 'missing' | 'unexpected' | 'invalid';
  /** Where, as the messages of the standard write it: `Data.EventTypes[0]`; empty for the value itself. */
  readonly path: string;
  /** The fault, to be read after the path: `must be string`. */
  readonly why: string;
}

/** The result of checking a value against a schema. */
export type Shaped<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: ShapeFault };

/**
 * Compiles a schema into a parser: one schema is the type, the check and (later) the OpenAPI document. Values are
 * neither converted nor given defaults.
 */
export function shapeOf<T extends TSchema>(schema: T): (value: unknown) => Shaped<Static<T>> {
  const validator = Compile(schema);
  return (value) => {
    if (validator.Check(value)) return { ok: true, value: value as Static<T> };
    return { ok: false, fault: firstFault(validator.Errors(value)) };
  };
}

type ValidationErrors = ReturnType<ReturnType<typeof Compile>['Errors']>;

function firstFault(errors: ValidationErrors): ShapeFault {
  // A schema that is `false` says only that a member may not be there; additionalProperties says which. Past the
  // number of errors that are collected there is nothing but the former.
  const error = errors.find(({ keyword }) => keyword !== 'boolean') ?? errors[0];
  const path = dottedPath(error?.instancePath ?? '');
  if (error?.keyword === 'required') {
    return { kind: 'missing', path: join(path, error.params.requiredProperties[0]), why: 'is missing' };
  }
  if (error?.keyword === 'additionalProperties') {
    return { kind: 'unexpected', path: join(path, error.params.additionalProperties[0]), why: 'is not expected' };
  }
  if (error?.keyword === 'boolean') return { kind: 'unexpected', path, why: 'is not expected' };
  return { kind: 'invalid', path, why: error?.message ?? 'is not valid' };
}

function join(path: string, member = ''): string {
  return path === '' ? member : `${path}.${member}`;
}

/** JSON pointer (RFC 6901) to the notation of the standard's `Path`. */
function dottedPath(pointer: string): string {
  let path = '';
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    path = /^\d+$/.test(name) ? `${path}[${name}]` : join(path, name);
  }
  return path;
}
