import { messageOf, StartUpError, systemErrorCode } from './start-up-error.ts';

/** Imports a package by its specifier. @throws an error with the code ERR_MODULE_NOT_FOUND if it is not installed */
export type ImportPackage = (specifier: string) => Promise<object>;

/**
 * Imports a package that need not be installed. Only its specifier is known here, so that neither the compiler nor bundlers
 * follow the import.
 *
 * @param importPackage default: the packages that are installed beside the service
 * @returns its module, to be examined by the caller; undefined: the package is not installed
 * @throws {StartUpError} if it cannot be loaded, for example because a package that it needs is missing
 */
export async function importOptional(
  specifier: string,
  importPackage: ImportPackage = (given) => import(given),
): Promise<object | undefined> {
  const name = specifier.split('/', 2).join('/');
  return importPackage(specifier).catch((error: unknown) => {
    const isMissing =
      systemErrorCode(error) === 'ERR_MODULE_NOT_FOUND' && messageOf(error).includes(`package '${name}'`);
    if (isMissing) return undefined;
    throw new StartUpError(`The package ${name} cannot be loaded: ${messageOf(error)}.`);
  });
}

/** The function that a module exports under this name; undefined: there is none. */
export function functionOf(
  loaded: object | undefined,
  name: string,
): ((...given: readonly unknown[]) => unknown) | undefined {
  const found: unknown = loaded === undefined ? undefined : Reflect.get(loaded, name);
  return typeof found === 'function' ? (...given) => Reflect.apply(found, undefined, given) : undefined;
}
