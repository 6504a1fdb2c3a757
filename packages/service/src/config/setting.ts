import { type TSchema, Type } from 'typebox';

// What the schema of the configuration is made of.

/** A section of settings; an unknown key in it is an error. */
export function section<T extends Record<string, TSchema>>(properties: T) {
  return Type.Object(properties, { additionalProperties: false });
}

/** An optional section: all of its settings have defaults. */
export function sectionOfDefaults<T extends Record<string, TSchema>>(properties: T) {
  return Type.Object(properties, { additionalProperties: false, default: {} });
}

/** A whole number with its default and range; the unit is the last word of the setting's name. */
export function whole(byDefault: number, minimum: number, maximum: number, description: string) {
  return Type.Integer({ default: byDefault, minimum, maximum, description });
}

/** Text that is not empty. */
export const text = (description: string) => Type.String({ minLength: 1, maxLength: 2048, description });
/** A path. */
export const file = (description: string) =>
  Type.String({ minLength: 1, description: `${description} (path, relative to this file)` });
/** A TCP port. */
export const port = (byDefault: number) => whole(byDefault, 0, 65_535, 'Port to listen on; 0 for any free port');
