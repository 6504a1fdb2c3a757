import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

/** A child process of the bench, with typed messages in each direction. */
export interface Helper<To> {
  readonly pid: number;
  send(message: To): void;
  /** Resolves when the process has exited. */
  stop(): Promise<void>;
}

/** Starts `file` as a child process; `onMessage` gets its messages. The bench fails when it exits before `stop`. */
export function startHelper<To extends object, From>(
  file: string,
  nodeArguments: readonly string[],
  onMessage: (message: From) => void,
): Helper<To> {
  const child: ChildProcess = fork(new URL(file, import.meta.url), [], {
    execArgv: [...nodeArguments],
    // Passes typed arrays without conversion.
    serialization: 'advanced',
  });
  let stopping = false;
  child.on('message', (message) => onMessage(message as From));
  child.once('exit', (code) => {
    if (!stopping) throw new Error(`${file} ended with ${code}`);
  });
  return {
    pid: child.pid ?? 0,
    send: (message) => {
      if (!stopping) child.send(message);
    },
    stop: async () => {
      stopping = true;
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      // The process exits by itself once disconnected, so that its CPU profile is written.
      child.disconnect();
      await exited;
    },
  };
}

/** The child's end of the channel: sends `From`, receives `To`, and exits when the parent has disconnected. */
export function speakToParent<To, From extends object>(onMessage: (message: To) => void): (message: From) => void {
  process.on('message', (message) => onMessage(message as To));
  process.once('disconnect', () => process.exit(0));
  // The parent may have exited just now, which is not an error.
  return (message) => void process.send?.(message, undefined, undefined, () => undefined);
}
