import { Worker } from 'node:worker_threads';

// Of a thread that only waits for the disk.
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 8, stackSizeMb: 1 };

// As text, because the package has TypeScript where it is developed and JavaScript where it is installed.
const PROGRAM = `
  const { fdatasyncSync } = require('node:fs');
  const { parentPort } = require('node:worker_threads');
  parentPort.on('message', ({ id, fd }) => {
    try {
      fdatasyncSync(fd);
      parentPort.postMessage({ id });
    } catch (error) {
      parentPort.postMessage({ id, error });
    }
  });`;

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A thread that waits for the disk. Node's own asynchronous calls take a thread of libuv's pool, where a commit would wait
 * behind every signature that was asked for before it: tens of milliseconds under load.
 */
class SyncThread {
  // Without the options of the process: what an operator has it load first is for the main thread, and needs more memory.
  readonly #worker = new Worker(PROGRAM, { eval: true, execArgv: [], env: {}, resourceLimits: RESOURCE_LIMITS });
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;

  /** @param onFailed called when the thread ended, which fails everything that waits for it */
  constructor(onFailed: () => void) {
    this.#worker.on('message', ({ id, error }: { id: number; error?: unknown }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) this.#worker.unref();
      if (error === undefined) waiting?.resolve();
      else waiting?.reject(error);
    });
    const fail = (error: unknown) => {
      onFailed();
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
    this.#worker.on('error', fail);
    this.#worker.on('exit', () => fail(new Error('the thread that waits for the disk ended')));
  }

  datasync(fd: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#asked += 1;
      this.#waiting.set(this.#asked, { resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage({ id: this.#asked, fd });
    });
  }
}

// One for the process, started when it is first needed. It does not keep the process running while nothing waits.
let thread: SyncThread | undefined;

/** As `fs.fdatasync`, on a thread of its own. @throws an error with the message of the system */
export function datasync(fd: number): Promise<void> {
  thread ??= new SyncThread(() => {
    thread = undefined;
  });
  return thread.datasync(fd);
}
