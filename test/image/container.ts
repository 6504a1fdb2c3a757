import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { Deadline, until } from '@tidings/testing';
import { readDockerfile } from './dockerfile.ts';

/** What is mounted into a container, by folders of this machine. */
export interface Mounts {
  /** The file tree of the image. */
  readonly tree: string;
  /** At /etc/tidings, read-only. */
  readonly config: string;
  /** At /run/secrets, read-only. */
  readonly secrets: string;
  /** At /var/lib/tidings. */
  readonly data: string;
}

/** Why the tree cannot be run on this machine; undefined: it can. */
export function whyNoContainers(): string | undefined {
  if (process.platform !== 'linux') return 'this is not Linux';
  if (process.getuid?.() !== 0) return 'namespaces and chroot need root';
  for (const program of ['unshare', 'setpriv', 'chroot', 'dpkg-query']) {
    if (spawnSync(program, ['--version']).status !== 0) return `there is no ${program}`;
  }
  const namespaces = spawnSync('unshare', ['--mount', '--pid', '--fork', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']);
  return namespaces.status === 0 ? undefined : 'this machine allows no namespaces';
}

// A bound against waiting for ever, on a machine with far more to do than it can.
const STARTS_WITHIN_MS = 120_000;
const NAMESPACES = ['--mount', '--pid', '--ipc', '--uts', '--fork', '--kill-child=SIGKILL'];
const image = readDockerfile();

/** What differs from the image. */
export interface ContainerOptions {
  /** False: the command is the whole of it. */
  readonly hasEntrypoint?: boolean;
  /** More variables, `NAME=VALUE`. */
  readonly environment?: readonly string[];
}

/** A command that runs in the tree. */
export class Container {
  readonly lines: string[] = [];
  readonly exited: Promise<number | null>;
  readonly #unshare: ChildProcess;

  /** @param command in place of the one of the image */
  constructor(
    mounts: Mounts,
    command: readonly string[] = image.command,
    { hasEntrypoint = true, environment = [] }: ContainerOptions = {},
  ) {
    const { tree, config, secrets, data } = mounts;
    const words = [...(hasEntrypoint ? image.entrypoint : []), ...command];
    const script = ['sh', 'test/image/container.sh', tree, config, secrets, data, image.user, ...words];
    const variables = [
      ...image.environment,
      'HOME=/nonexistent',
      'TIDINGS_CA_FILE=/run/secrets/ca.pem',
      ...environment,
    ];
    this.#unshare = spawn('unshare', [...NAMESPACES, ...script], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, CONTAINER_ENV: variables.join(' ') },
    });
    for (const stream of [this.#unshare.stdout, this.#unshare.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => void this.lines.push(line));
    }
    this.exited = once(this.#unshare, 'close').then(() => this.#unshare.exitCode);
  }

  /** Runs a command to its end. @returns its exit code, and what it printed */
  static async run(
    mounts: Mounts,
    command: readonly string[],
    options: ContainerOptions = {},
  ): Promise<[number | null, string]> {
    const container = new Container(mounts, command, options);
    return [await container.exited, container.lines.join('\n')];
  }

  /** Waits for a line of its output. @throws {Error} with its output when it ends before */
  async untilPrinted(text: string): Promise<string> {
    let hasEnded = false;
    void this.exited.then(() => {
      hasEnded = true;
    });
    const isPrinted = () => hasEnded || this.lines.some((line) => line.includes(text));
    await until(isPrinted, `${text} of a container`, new Deadline(STARTS_WITHIN_MS)).catch((cause: unknown) => {
      throw new Error(`the container did not print ${text}, but: ${this.lines.join('\n')}`, { cause });
    });
    const line = this.lines.find((each) => each.includes(text));
    if (line === undefined) throw new Error(`the container ended: ${this.lines.join('\n')}`);
    return line;
  }

  /** Process 1 of the container, by the number that this machine has for it. */
  get pid(): number {
    const { pid } = this.#unshare;
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
  }

  /** What the kernel says of process 1, by names such as `Uid`. */
  status(): ReadonlyMap<string, string> {
    const lines = readFileSync(`/proc/${this.pid}/status`, 'utf8').split('\n');
    return new Map(lines.map((line): [string, string] => [line.split(':')[0] ?? '', line.split(':\t')[1] ?? '']));
  }

  /** SIGTERM to process 1, as container runtimes stop a container. @returns the exit code */
  stop(): Promise<number | null> {
    process.kill(this.pid, 'SIGTERM');
    return this.exited;
  }

  /** Ends it, if it still runs. */
  kill(): void {
    this.#unshare.kill('SIGKILL');
  }
}
