import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A program of the cookbook: how its packages come, and how it starts. Both run in a folder that has its files. */
export interface Program {
  readonly language: string;
  /** Commands without which it cannot run. */
  readonly needs: readonly string[];
  /** The blocks of the page that it consists of. */
  readonly files: readonly string[];
  /** Gets the packages, and compiles where the language wants it. */
  prepare(folder: string, run: (command: string, ...args: string[]) => void): void;
  readonly start: readonly string[];
}

const DEPENDENCY_PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:2.8';

/** The programs that a test runs. That in C# is not one of them. */
export const PROGRAMS: readonly Program[] = [
  {
    language: 'Python',
    needs: ['python3'],
    files: ['requirements.txt', 'receiver.py'],
    prepare: (folder, run) => {
      if (!existsSync(join(folder, 'venv'))) run('python3', '-m', 'venv', 'venv');
      run('venv/bin/pip', 'install', '--quiet', '--disable-pip-version-check', '-r', 'requirements.txt');
    },
    start: ['venv/bin/python', 'receiver.py'],
  },
  {
    language: 'Java',
    needs: ['java', 'mvn'],
    files: ['pom.xml', 'Receiver.java'],
    prepare: (_, run) => {
      run('mvn', '-q', '-B', `${DEPENDENCY_PLUGIN}:copy-dependencies`, '-DoutputDirectory=lib');
      run('javac', '-cp', 'lib/*', '-d', 'classes', 'Receiver.java');
    },
    start: ['java', '-cp', ['lib/*', 'classes'].join(delimiter), 'Receiver'],
  },
  {
    language: 'Go',
    needs: ['go'],
    files: ['go.mod', 'main.go'],
    prepare: (_, run) => {
      run('go', 'mod', 'tidy');
      run('go', 'build', '-o', 'receiver', '.');
    },
    start: ['./receiver'],
  },
];

/** @returns the first command that this machine has not; undefined when it has all */
export function missingOf({ needs }: Program): string | undefined {
  return needs.find((command) => {
    try {
      execFileSync('which', [command], { stdio: 'ignore' });
      return false;
    } catch {
      return true;
    }
  });
}

/** Writes the files of a program, as a reader of the page saves them. */
export function saveFiles(program: Program, blocks: ReadonlyMap<string, string>, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const file of program.files) {
    const text = blocks.get(file);
    if (text === undefined) throw new Error(`the page has no block ${file}`);
    writeFileSync(join(folder, file), text);
  }
}

/** The blocks of a page that name a file: `LANGUAGE FILE`. */
export function fileBlocks(markdown: string): ReadonlyMap<string, string> {
  return new Map(
    [...markdown.matchAll(/^```\w+ (\S+)\n(.*?)^```$/gms)].map(([, file = '', text = '']) => [file, text]),
  );
}
