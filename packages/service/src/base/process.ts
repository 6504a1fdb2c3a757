import process, { versions } from 'node:process';

/** Variables of the environment by their names. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The variables of this process. */
export const environment = (): Environment => process.env;

/** Waits for SIGTERM or SIGINT. A second signal ends the process at once. */
export function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(1);
        asked = true;
        resolve(signal);
      });
    }
  });
}

/**
 * Describes why the service should not run on a version of Node.js; undefined when nothing is known against it.
 *
 * 24.21 and 26.8 to 26.9 never free the issuer certificates that a client sends: each mutual TLS connection of a TPP that
 * sends its chain leaks about 5 KB (nodejs/node#65579; by measurement 24.20, and 24.22.1 and 26.10 and later, do not leak).
 */
export function nodeFault(version: string = versions.node): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isLeaking = (major === 24 && minor === 21) || (major === 26 && (minor === 8 || minor === 9));
  if (!isLeaking) return undefined;
  return `Node.js ${version} leaks memory with each connection of a TPP that sends its certificate chain.`;
}

/** The remedy for {@link nodeFault}. */
export const NODE_REMEDY = 'Run Node.js 24.22.1 or later, or 26.10 or later.';
