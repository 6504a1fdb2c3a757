import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BIN } from '../support/service-process.ts';

/** While no version has a tag: the first revision whose databases later ones take over, see docs/guides/upgrading.md. */
const SCHEMA_FROZEN_AT = '4857346';

/** A revision to upgrade from. */
export interface Earlier {
  readonly revision: string;
  /** Why this one. */
  readonly why: string;
}

/**
 * The revision to upgrade from: that which is asked for, the last tagged version, or the one at which the schema was frozen.
 *
 * @returns undefined if this checkout does not have its history
 */
export function earlierRevision(asked: string | undefined): Earlier | undefined {
  if (asked !== undefined) return found(asked, 'as asked for');
  const tag = git('describe', '--tags', '--abbrev=0', '--match', 'v*', 'HEAD^');
  if (tag !== undefined) return found(tag, 'the last version');
  return found(SCHEMA_FROZEN_AT, 'no version has a tag yet; the schema was frozen here');
}

function found(name: string, why: string): Earlier | undefined {
  const revision = git('rev-parse', '--verify', '--quiet', `${name}^{commit}`);
  return revision === undefined ? undefined : { revision, why };
}

/** @returns what it prints; undefined if it fails, or there is no git */
function git(...args: string[]): string | undefined {
  try {
    return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

/** A checkout of another revision, with the dependencies that it had. */
export interface Checkout {
  /** Its command line. */
  readonly program: string;
  remove(): void;
}

/** Checks a revision out into a folder of its own, and installs it. */
export function checkOut(revision: string): Checkout {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-earlier-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  const archive = join(folder, 'archive.tar');
  execFileSync('git', ['archive', '--output', archive, revision]);
  execFileSync('tar', ['-xf', archive, '-C', folder]);
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder, stdio: 'inherit' });
  return { program: join(folder, BIN), remove };
}
