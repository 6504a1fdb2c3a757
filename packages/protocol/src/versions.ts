/** The supported versions of the API, as in the path. */
export const API_VERSIONS = ['v3.1', 'v4.0'] as const;

/** A version of the API, as in the path `/open-banking/v4.0/…`. */
export type ApiVersion = (typeof API_VERSIONS)[number];

/** The highest version of the Read/Write specification that is supported. */
export const SPECIFICATION_VERSION_MAX = '4.0.1';

/** Registrations for a lower version receive resource-update only (rules, section 2). */
export const EVENT_TYPES_SINCE_VERSION = '3.1.2';

const VERSION = /^\d+(?:\.\d+)*$/;
const VERSION_CHARS_MAX = 10;

/** Whether a text is a version as in `Data.Version`: 1 to 10 characters, digits and dots. */
export function isVersion(text: string): boolean {
  return text.length <= VERSION_CHARS_MAX && VERSION.test(text);
}

/**
 * Compares two versions part by part as numbers, so that 3.1.11 is above 3.1.2. Missing parts count as 0. Both must
 * satisfy {@link isVersion}.
 *
 * @returns a negative number, 0 or a positive number, as for `Array.prototype.sort`
 */
export function compareVersions(left: string, right: string): number {
  const leftParts = left.split('.').map(Number);
  const rightParts = right.split('.').map(Number);
  for (let at = 0; at < Math.max(leftParts.length, rightParts.length); at += 1) {
    const difference = (leftParts[at] ?? 0) - (rightParts[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/**
 * Whether a registration for version `minimum` or higher covers a resource of `resourceVersion`. `Data.Version` is a
 * minimum (v4.0.1). Only major and minor are compared, because a resource is under `/v3.1/` whichever patch of 3.1 the
 * TPP named.
 */
export function coversResourceVersion(minimum: string, resourceVersion: string): boolean {
  return compareVersions(majorMinor(resourceVersion), majorMinor(minimum)) >= 0;
}

function majorMinor(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}
