import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const PAGES = [
  'docs/tpp.md',
  'docs/guides/receiving.md',
  'docs/guides/durable-inbox.md',
  'packages/tpp/README.md',
  'packages/protocol/README.md',
];
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');

// What the examples leave to the reader. An example that declares one of these itself has its own.
const FREE_VARIABLES = `
import type { BankClient, EventNotification, Poller } from '@tidings/tpp';
declare global {
  const cert: string;
  const key: string;
  const certificatePem: string;
  const keyPem: string;
  const signingKeyPem: string;
  const secondBankCaPem: string;
  const token: string;
  const jwks: { keys: readonly object[] };
  const kid: string;
  const bank: BankClient;
  const poller: Poller;
  const notification: EventNotification;
  const queue: { add(notification: EventNotification): Promise<void>; isFull(): Promise<boolean> };
  const database: { hasNotification(key: string): Promise<boolean>; addNotification(key: string): Promise<void> };
}
`;

// Shows that a wrong example would be found.
const WRONG = `import { createPoller } from '@tidings/tpp';\ncreatePoller({ bank, onNotificaton: () => undefined });\n`;

function typescriptBlocks(markdown: string): string[] {
  return [...markdown.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code);
}

test('every TypeScript example of the pages for TPPs compiles, and so do the examples of the package', async (t) => {
  const blocks: string[] = [];
  for (const page of PAGES) {
    const found = typescriptBlocks(await readFile(join(ROOT, page), 'utf8'));
    assert.ok(found.length > 0, `${page} has no \`\`\`ts block: the check looks at nothing`);
    blocks.push(...found);
  }
  const folder = await mkdtemp(join(tmpdir(), 'tidings-docs-examples-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'junction');
  await cp(join(ROOT, 'packages/tpp/examples'), folder, { recursive: true });
  const compilerOptions = { allowJs: true, checkJs: true };
  const config = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['*.ts', '*.js'] };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await writeFile(join(folder, 'free-variables.d.ts'), FREE_VARIABLES);
  await writeFile(join(folder, 'wrong.ts'), WRONG);
  for (const [at, code] of blocks.entries()) {
    // A module of its own, so that it may await and name things as it likes.
    await writeFile(join(folder, `example-${at + 1}.ts`), `${code}\nexport {};\n`);
  }
  const output = await run(process.execPath, [TSC, '-p', folder, '--pretty', 'false'], { cwd: folder }).then(
    () => '',
    (error: { stdout: string }) => error.stdout,
  );
  const wrong = new Set([...output.matchAll(/^(\S+?)\(\d+,\d+\): error/gm)].map(([, path = '']) => path));
  assert.deepEqual([...wrong], ['wrong.ts'], output);
});
