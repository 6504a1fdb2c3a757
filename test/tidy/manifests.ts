import { lineOf, type Violation } from './violation.ts';

const EXACT = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/;
const KINDS = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'] as const;

// Written apart, so that this file does not break its own rule.
const PRIVATE_PLACES = [`registry${'.'}npmjs`, `/work${'/'}main`, `/work${'/'}shared`];

interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly license?: string;
  readonly type?: string;
  readonly private?: boolean;
  readonly workspaces?: readonly string[];
  readonly engines?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** Name and version of a package.json, so that its siblings can be held to it. */
export function versionOf(source: string): readonly [string, string] {
  const { name = '', version = '' } = JSON.parse(source) as Manifest;
  return [name, version];
}

/** Every dependency is pinned exactly, and those of ours to the version they have here. */
export function checkPins(path: string, source: string, ours: ReadonlyMap<string, string>): Violation[] {
  const manifest = JSON.parse(source) as Manifest;
  return KINDS.flatMap((kind) => Object.entries(manifest[kind] ?? {})).flatMap(([name, version]) => {
    const wanted = ours.get(name);
    if (wanted === undefined ? EXACT.test(version) : version === wanted) return [];
    const remedy = wanted === undefined ? 'pin the exact version' : `write ${wanted}, its version in this repository`;
    return [{ path, line: lineOfKey(source, name), rule: 'pins', found: `${name} is ${version}`, remedy }];
  });
}

/** Licence, module type and engines. The root is private and a workspace only, so nobody installs it by its engines. */
export function checkManifest(path: string, source: string): Violation[] {
  const manifest = JSON.parse(source) as Manifest;
  const wanted: [string, boolean, string][] = [
    ['license', manifest.license === 'Apache-2.0', 'write "license": "Apache-2.0"'],
    ['type', manifest.type === 'module', 'write "type": "module"'],
    ['engines', manifest.workspaces !== undefined || manifest.engines?.['node'] !== undefined, 'name engines.node'],
  ];
  return wanted
    .filter(([, holds]) => !holds)
    .map(([field, , remedy]) => {
      return { path, line: lineOfKey(source, field), rule: 'manifest', found: `${field} is wrong or missing`, remedy };
    });
}

/** The lock file names no host, so that it installs from whatever registry a bank mirrors. */
export function checkLock(path: string, source: string): Violation[] {
  const remedy = 'run npm with --omit-lockfile-registry-resolved';
  return [...source.matchAll(/"resolved":\s*"https?:/g)].map((match) => {
    return { path, line: lineOf(source, match.index), rule: 'lock', found: 'a resolved address', remedy };
  });
}

/** No file knows the machine it was written on, or one registry. */
export function checkPlaces(path: string, source: string): Violation[] {
  return source.split('\n').flatMap((text, index) =>
    PRIVATE_PLACES.filter((place) => text.includes(place)).map((place) => {
      const remedy = 'use a relative path, or leave the host to the configuration of npm';
      return { path, line: index + 1, rule: 'places', found: `names ${place}`, remedy };
    }),
  );
}

function lineOfKey(source: string, key: string): number {
  const at = source.indexOf(`"${key}"`);
  return at === -1 ? 1 : lineOf(source, at);
}
