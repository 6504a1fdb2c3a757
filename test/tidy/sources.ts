import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT: string = join(import.meta.dirname, '..', '..');

const NEVER_OURS: ReadonlySet<string> = new Set(['.git', 'node_modules', 'dist', '.tidings']);

/**
 * Every file that is, or could be, committed: tracked ones and new ones that .gitignore does not exclude.
 * Outside a git checkout (a release tarball) the tree is walked instead.
 */
export function listFiles(root: string = ROOT): string[] {
  const listed = fromGit(root);
  // Paths that git still lists but that were deleted in the working tree have nothing to check.
  return (listed.length > 0 ? listed : walk(root, '')).filter((path) => isFile(join(root, path))).sort();
}

/** Text of a file, or undefined for a binary one. */
export function readText(path: string, root: string = ROOT): string | undefined {
  const bytes = readFileSync(join(root, path));
  return bytes.includes(0) ? undefined : bytes.toString('utf8');
}

function fromGit(root: string): string[] {
  try {
    const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
    const output = execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return [...new Set(output.split('\0'))].filter((path) => path !== '');
  } catch {
    return [];
  }
}

function walk(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (NEVER_OURS.has(entry.name)) return [];
    return entry.isDirectory() ? walk(root, path) : [path];
  });
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
