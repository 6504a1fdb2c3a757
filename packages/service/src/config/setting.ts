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

/** Defaults of {@link keyAges}. */
export const KEYS_MAX_AGE_MS = 600_000;
export const KEYS_HARD_MAX_AGE_MS = 3_600_000;

/** How long the keys of a JWKS URL are used. The arguments are the names of the two settings. */
export function keyAges<Soft extends string, Hard extends string>(maxAgeMs: Soft, hardMaxAgeMs: Hard) {
  const soft = whole(
    KEYS_MAX_AGE_MS,
    1000,
    86_400_000,
    'Age at which keys are fetched again before they are used; if that fails, they stay in use until the hard limit. From half of this age on they are refreshed in the background',
  );
  const hard = whole(
    KEYS_HARD_MAX_AGE_MS,
    1000,
    604_800_000,
    `Age at which keys are no longer used: until they can be fetched again, nothing that needs them can be verified. Not below ${maxAgeMs}`,
  );
  return { [maxAgeMs]: soft, [hardMaxAgeMs]: hard } as Record<Soft, typeof soft> & Record<Hard, typeof hard>;
}

/** Marks the schema of a text that is never shown, and that the configuration file must only refer to. */
const IS_SECRET = { isSecret: true };

/**
 * A secret, as two optional settings of which one may be given: `name`, only as `${env:NAME}` or `${file:PATH}`, or by its
 * variable; and `nameFile`, a path.
 */
export function secret<Name extends string>(name: Name, description: string) {
  const value = Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 65_536,
      description: `${description}. Only as \${env:NAME} or \${file:PATH}; or give ${name}File`,
      ...IS_SECRET,
    }),
  );
  const path = Type.Optional(file(`File that holds ${name}`));
  return { [name]: value, [`${name}File`]: path } as Record<Name, typeof value> & Record<`${Name}File`, typeof path>;
}
