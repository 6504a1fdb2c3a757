import { type ChildProcess, execFile, spawn } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const BYTES = 2 ** 30;
const TRIAL_BYTES = 2 ** 24;
const COPIES_MAX = 50;

/**
 * An ext4 file system in a file, behind a loop device, that can be as it would be after a power cut.
 *
 * A copy of the backing file holds what the file system gave to its device: what was synchronised, and what the kernel wrote
 * back by itself. What only stands in the page cache above is not in the copy, as it would not be on a disk. A disk with a
 * cache of its own may lose more: that the file system flushes that cache is the kernel's part, and not shown by this.
 */
export class Disk {
  /** Where it is mounted. */
  readonly folder: string;
  readonly #parent: string;
  readonly #image: string;
  readonly #watchdog: ChildProcess;

  private constructor(parent: string) {
    this.folder = join(parent, 'disk');
    this.#parent = parent;
    this.#image = join(parent, 'disk.img');
    // Its standard input ends with this process, however that ends: then it unmounts, and clears up.
    const script = 'cat >/dev/null; sleep 1; umount --lazy "$1" 2>/dev/null; rm -rf --one-file-system "$2"';
    this.#watchdog = spawn('/bin/sh', ['-c', script, 'watchdog', this.folder, parent], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#watchdog.unref();
    const { stdin } = this.#watchdog;
    if (stdin instanceof Socket) stdin.unref();
  }

  /** Makes and mounts one. Needs root, loop devices and mkfs.ext4. */
  static async open(bytes: number = BYTES): Promise<Disk> {
    const parent = mkdtempSync(join(tmpdir(), 'tidings-disk-'));
    // A database server is another user, who must get to what is his.
    chmodSync(parent, 0o711);
    const disk = new Disk(parent);
    try {
      mkdirSync(disk.folder);
      writeFileSync(disk.#image, '');
      truncateSync(disk.#image, bytes);
      await run('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=1,nodiscard', disk.#image], { env: withSbin() });
      await disk.#mount();
      return disk;
    } catch (error) {
      disk.#remove();
      throw error;
    }
  }

  /** Makes everything that was written so far survive. */
  async sync(): Promise<void> {
    await run('sync', ['-f', this.folder]);
  }

  /**
   * Takes the contents back to what a power cut at this moment would leave. The processes that write to it must be
   * stopped (SIGSTOP) before, so that nothing they answer later is missing.
   *
   * @param killAll ends those processes, once the moment is kept
   */
  async cutPower(killAll: () => Promise<void>): Promise<void> {
    const copy = `${this.#image}.cut`;
    await this.#copyAtOneMoment(copy);
    await killAll();
    await run('umount', [this.folder]);
    renameSync(copy, this.#image);
    // Replays the journal, as at the start of a machine.
    await this.#mount();
  }

  async close(): Promise<void> {
    await run('umount', [this.folder]);
    this.#remove();
  }

  #remove(): void {
    this.#watchdog.kill('SIGKILL');
    rmSync(this.#parent, { recursive: true });
  }

  async #mount(): Promise<void> {
    await run('mount', ['-t', 'ext4', '-o', 'loop', this.#image, this.folder]);
  }

  /** The kernel may write back at any time: a copy counts when the device took nothing while it was made. */
  async #copyAtOneMoment(copy: string): Promise<void> {
    const device = basename(this.#device());
    for (let tries = 0; tries < COPIES_MAX; tries += 1) {
      const before = writesTo(device);
      await run('cp', ['--sparse=always', this.#image, copy]);
      if (before.inFlight === 0 && before.done === writesTo(device).done) return;
    }
    throw new Error(`${this.folder} was written to during each of ${COPIES_MAX} copies`);
  }

  #device(): string {
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
    const found = mounts.map((line) => line.split(' ')).find(([, folder]) => folder === this.folder);
    if (found?.[0] === undefined) throw new Error(`nothing is mounted at ${this.folder}`);
    return found[0];
  }
}

/** Tries to make a small one. @returns why power cuts are impossible on this machine; undefined: they are possible */
export async function whyNoPowerCuts(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'power cuts need Linux';
  if (process.getuid?.() !== 0) return 'power cuts need root, to mount a loop device';
  try {
    const disk = await Disk.open(TRIAL_BYTES);
    await disk.close();
    return undefined;
  } catch (error) {
    return `power cuts need an ext4 file system on a loop device: ${error instanceof Error ? error.message.trim() : error}`;
  }
}

/** Write requests of a block device, see Documentation/block/stat.rst of Linux. */
function writesTo(device: string): { readonly done: number; readonly inFlight: number } {
  const fields = readFileSync(`/sys/block/${device}/stat`, 'utf8').trim().split(/\s+/).map(Number);
  return { done: fields[4] ?? 0, inFlight: fields[8] ?? 0 };
}

/** mkfs is not on everybody's path. */
function withSbin(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
}
