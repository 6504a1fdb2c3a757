import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

// Builds the console if its sources are newer than what is built: "npm start" does so before anything else, in a checkout
// that was just cloned too.

const HOME = join(import.meta.dirname, '..', 'packages', 'console');
const BUILT = join(HOME, '..', 'service', 'console', 'index.html');
const VITE = join(HOME, '..', '..', 'node_modules', 'vite', 'bin', 'vite.js');

/** @param report called before a build, which takes a few seconds */
export function buildConsole(report: () => void = () => undefined): void {
  const newestMs = Math.max(...sources().map((path) => statSync(path).mtimeMs));
  if (existsSync(BUILT) && statSync(BUILT).mtimeMs > newestMs) return;
  report();
  execFileSync(process.execPath, [VITE, 'build'], { cwd: HOME, stdio: 'pipe' });
}

function sources(): string[] {
  const files = readdirSync(join(HOME, 'src'), { recursive: true, withFileTypes: true });
  const inSrc = files.filter((each) => each.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return [...inSrc, join(HOME, 'index.html'), join(HOME, 'vite.config.ts')];
}

if (import.meta.main) buildConsole(() => process.stderr.write('Building the console; this takes a few seconds …\n'));
