import { type TSchema, Type } from 'typebox';

/** A section of settings; an unknown key in it is an error. */
export function section<T extends Record<string, TSchema>>(properties: T) {
  return Type.Object(properties, { additionalProperties: false });
}

/** A section whose settings all have defaults, so that it can be left out. */
export function sectionOfDefaults<T extends Record<string, TSchema>>(properties: T) {
  return Type.Object(properties, { additionalProperties: false, default: {} });
}

/** A whole number with its default and range; the unit is the last word of the setting's name. */
export function whole(byDefault: number, minimum: number, maximum: number, description: string) {
  return Type.Integer({ default: byDefault, minimum, maximum, description });
}

/** Any text that is not empty. */
export const text = (description: string) => Type.String({ minLength: 1, maxLength: 2048, description });
/** A path. */
export const file = (description: string) =>
  Type.String({ minLength: 1, description: `${description} (path, from the folder of this file)` });
/** A TCP port. */
export const port = (byDefault: number) => whole(byDefault, 0, 65_535, 'Port to listen on; 0 takes any free one');

/** Defaults of {@link keyAges}. */
export const KEYS_MAX_AGE_MS = 600_000;
export const KEYS_HARD_MAX_AGE_MS = 3_600_000;

/** How long the keys behind a JWKS URL are used, under the names that a section has for it. */
export function keyAges<Soft extends string, Hard extends string>(maxAgeMs: Soft, hardMaxAgeMs: Hard) {
  const soft = whole(
    KEYS_MAX_AGE_MS,
    1000,
    86_400_000,
    'Age from which keys are used only after they were fetched again, or that failed; from half of it on they are fetched in the background',
  );
  const hard = whole(
    KEYS_HARD_MAX_AGE_MS,
    1000,
    604_800_000,
    `Age from which keys are not used at all: while they cannot be fetched, what they would verify is refused. Not below ${maxAgeMs}`,
  );
  return { [maxAgeMs]: soft, [hardMaxAgeMs]: hard } as Record<Soft, typeof soft> & Record<Hard, typeof hard>;
}

/**
 * The connection settings that both listeners share.
 *
 * @param perAddress default of the most from one address
 * @param exception whose connections are not counted, for the doc
 */
export const connectionSettings = (perAddress: number, exception: string) => ({
  connectionsPerAddressMax: whole(
    perAddress,
    1,
    100_000,
    `Connections from one remote address (an IPv6 /64 is one) at once; a new one takes the place of one without a request, or is closed; ${exception}`,
  ),
  firstRequestTimeoutMs: whole(
    5000,
    100,
    120_000,
    'Longest time from a connection to the headers of its first request, TLS handshake included',
  ),
  keepAliveTimeoutMs: whole(
    75_000,
    1000,
    3_600_000,
    'How long a connection is kept idle between two requests; must be longer than the gateway, proxy or load balancer in front keeps it',
  ),
});
