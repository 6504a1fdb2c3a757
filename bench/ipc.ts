import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

/** A process of the bench's own, spoken to in messages of one type each way. */
export interface Helper<To> {
  readonly pid: number;
  send(message: To): void;
  /** Resolves when the process is gone. */
  stop(): Promise<void>;
}

/** Starts `file` as a process; `onMessage` gets what it says. Its ending before `stop` ends the bench. */
export function startHelper<To extends object, From>(
  file: string,
  nodeArguments: readonly string[],
  onMessage: (message: From) => void,
): Helper<To> {
  const child: ChildProcess = fork(new URL(file, import.meta.url), [], {
    execArgv: [...nodeArguments],
    // Typed arrays pass as they are.
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
      // It ends by itself when nobody speaks to it, so that a profile of it is written.
      child.disconnect();
      await exited;
    },
  };
}

/** The other end, in the process itself: says `From`, hears `To`, and ends when the parent has gone. */
export function speakToParent<To, From extends object>(onMessage: (message: To) => void): (message: From) => void {
  process.on('message', (message) => onMessage(message as To));
  process.once('disconnect', () => process.exit(0));
  // A parent that has just gone hears nothing any more, which is no failure.
  return (message) => void process.send?.(message, undefined, undefined, () => undefined);
}
