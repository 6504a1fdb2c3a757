import { readFileSync } from 'node:fs';

/** How the image is run, as its Dockerfile says. */
export interface ImageSettings {
  /** `uid:gid`. */
  readonly user: string;
  /** `NAME=VALUE`. */
  readonly environment: readonly string[];
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly healthCheck: readonly string[];
  /** Base images with their versions, in the order of the stages. */
  readonly bases: readonly string[];
}

const DOCKERFILE = 'deploy/docker/Dockerfile';

/** Reads what matters of the last stage of the Dockerfile. @throws {Error} when an instruction is missing or not in exec form */
export function readDockerfile(): ImageSettings {
  const text = readFileSync(DOCKERFILE, 'utf8').replaceAll(/\\\n\s*/g, ' ');
  const bases = [...text.matchAll(/^FROM (\S+)/gm)].map(([, base]) => base ?? '');
  const last = text.slice(text.lastIndexOf('\nFROM '));
  return {
    bases,
    user: found(last, /^USER (\S+)$/m),
    environment: found(last, /^ENV (.+)$/m).split(' '),
    entrypoint: exec(last, /^ENTRYPOINT (\[.*\])$/m),
    command: exec(last, /^CMD (\[.*\])$/m),
    healthCheck: exec(last, /^HEALTHCHECK .*CMD (\[.*\])$/m),
  };
}

function found(text: string, pattern: RegExp): string {
  const [, value] = pattern.exec(text) ?? [];
  if (value === undefined) throw new Error(`${DOCKERFILE} has no ${pattern.source}`);
  return value;
}

function exec(text: string, pattern: RegExp): string[] {
  const words: unknown = JSON.parse(found(text, pattern));
  if (!Array.isArray(words)) throw new Error(`${DOCKERFILE}: ${pattern.source} is not in exec form`);
  return words.map(String);
}
