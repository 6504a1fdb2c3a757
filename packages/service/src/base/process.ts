import process, { versions } from 'node:process';

/** Waits for SIGTERM or SIGINT. A second one ends the process at once, as an impatient operator expects. */
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
 * Says why a Node.js should not run the service; undefined where nothing is known against it.
 *
 * 24.21 and 26.8 to 26.9 never free the certificates that a client sends above its own: each mutual TLS connection of a TPP
 * that sends its chain costs about 5 KB for ever (nodejs/node#65579; measured: 24.20 and from 24.22.1 and 26.10 on, no leak).
 */
export function nodeFault(version: string = versions.node): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isLeaking = (major === 24 && minor === 21) || (major === 26 && (minor === 8 || minor === 9));
  if (!isLeaking) return undefined;
  return `Node.js ${version} leaks memory with each connection of a TPP that sends its certificate chain.`;
}

/** The remedy. */
export const NODE_REMEDY = 'Run Node.js 24.22.1 or later, or 26.10 or later.';
