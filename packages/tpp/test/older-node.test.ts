import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { testPki } from '@tidings/testing';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
const PACKAGES = ['protocol', 'tpp'] as const;
const FOREIGN = ['jose', 'typebox', 'oauth4webapi'] as const;
const MAJOR_MIN = 20;
const MAJOR_END = 24;

const olderNode = await findOlderNode();

test('protocol and tpp, compiled, run on an older Node', {
  skip: olderNode === undefined && `no Node from ${MAJOR_MIN} to below ${MAJOR_END} is on the PATH`,
}, async (t) => {
  assert.ok(olderNode !== undefined);
  const folder = await compile(t);
  await copyFile(new URL('support/smoke.js', import.meta.url), join(folder, 'smoke.js'));
  await cp(new URL('../examples/', import.meta.url), folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await writeFile(join(folder, 'pki.json'), JSON.stringify(await testPki()));
  const { stdout } = await run(olderNode, [join(folder, 'smoke.js')], { cwd: folder, timeout: 30_000 });
  const { inbox, ...outcome } = JSON.parse(stdout);
  const hasSqlite = await run(olderNode, ['-e', 'require("node:sqlite")']).then(
    () => true,
    () => false,
  );
  assert.match(inbox, hasSqlite ? /^opened$/ : /^sqlite_unavailable: .*Node\.js 22\.13 or later, or keep .*PostgreSQL/);
  assert.deepEqual(outcome, {
    statuses: [202, 202, 400, 413, 202],
    handled: ['jti-1', 'jti-2', 'jti-3'],
    printed: ['jti-1 resource-update domestic-payment r'],
    acknowledged: ['', 'jti-1,jti-2', 'jti-1,jti-2', ''],
    accessToken: 'token-1',
  });
});

/** The first Node on the PATH of the versions looked for; those that npm brings into node_modules do not count. */
async function findOlderNode(): Promise<string | undefined> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((each) => !each.includes('node_modules'));
  for (const folder of folders) {
    const path = join(folder, process.platform === 'win32' ? 'node.exe' : 'node');
    const version = await run(path, ['--version']).then(
      ({ stdout }) => stdout,
      () => '',
    );
    const major = Number(/^v(\d+)\./.exec(version)?.[1]);
    if (major >= MAJOR_MIN && major < MAJOR_END) return path;
  }
  return undefined;
}

/** Compiles both packages into a folder where they are installed as a TPP would have them. */
async function compile(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tidings-older-node-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const modules = join(folder, 'node_modules');
  for (const name of PACKAGES) {
    const home = join(modules, '@tidings', name);
    await mkdir(home, { recursive: true });
    await writeFile(join(home, 'package.json'), '{"type":"module","exports":"./dist/index.js"}');
    await compilePackage(name, folder);
    await rename(join(folder, name, name, 'src'), join(home, 'dist'));
  }
  for (const name of FOREIGN) await symlink(join(ROOT, 'node_modules', name), join(modules, name), 'junction');
  return folder;
}

/**
 * One program for each package: in a program of both, what tpp reaches through node_modules is sometimes taken for an
 * installed library and not written out, whichever of TypeScript 7's threads is first.
 */
async function compilePackage(name: string, folder: string): Promise<void> {
  const config = {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      rootDir: join(ROOT, 'packages'),
      outDir: join(folder, name),
      typeRoots: [join(ROOT, 'node_modules/@types')],
    },
    include: [],
    files: [join(ROOT, 'packages', name, 'src/index.ts')],
  };
  const path = join(folder, `tsconfig.${name}.json`);
  await writeFile(path, JSON.stringify(config));
  await run(process.execPath, [TSC, '-p', path]);
}
