import { systemErrorCode } from './start-up-error.ts';

/**
 * Imports a package that need not be installed. Its name is computed, so that neither the compiler nor bundlers follow the
 * import.
 *
 * @param parts of the specifier, such as `@tidings`, `sandbox` and `cli`
 * @returns its module, to be examined by the caller; undefined: the package, or one that it needs, is not installed
 */
export async function importOptional(...parts: readonly string[]): Promise<object | undefined> {
  try {
    const loaded: unknown = await import(parts.join('/'));
    return typeof loaded === 'object' && loaded !== null ? loaded : undefined;
  } catch (error) {
    if (systemErrorCode(error) === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** The function that a module exports under this name; undefined: there is none. */
export function functionOf(
  loaded: object | undefined,
  name: string,
): ((...given: readonly unknown[]) => unknown) | undefined {
  const found: unknown = loaded === undefined ? undefined : Reflect.get(loaded, name);
  return typeof found === 'function' ? (...given) => Reflect.apply(found, undefined, given) : undefined;
}
