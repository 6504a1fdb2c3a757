import picocolors from 'picocolors';

/**
 * Colours for a person at a terminal, and none in a file or pipe, whatever else the environment says: the library by
 * itself also colours where `CI` or `FORCE_COLOR` is set. `NO_COLOR` turns them off at a terminal too.
 */
export const colors = picocolors.createColors(process.stdout.isTTY === true && picocolors.isColorSupported);
