import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findShown } from './shown-output.ts';

const PATIENCE_MS = 60_000;

/** A shell in which commands are typed one after the other: variables and the current folder stay. */
export interface Shell {
  /**
   * Runs commands to their end.
   *
   * @returns what they printed, standard error too, and the exit code of the first that failed; 0 when none did
   */
  run(commands: string): Promise<{ readonly output: string; readonly code: number }>;
  close(): Promise<void>;
}

/** A terminal in which a command goes on while the tutorial goes on in the shell. */
export interface Terminal {
  /** Resolves when what is shown was printed, after what was waited for before. */
  untilShown(shown: string): Promise<void>;
  /** Ctrl-C; resolves when the command has ended. */
  interrupt(): Promise<void>;
}

interface Printing {
  text(): string;
  /** Resolves when the text satisfies the condition; rejects with the text when it does not in time, or ended. */
  until(condition: (text: string) => boolean, what: string): Promise<void>;
}

/** Opens the shell. @param scratch a folder for the commands that it reads */
export function openShell(folder: string, environment: Readonly<Record<string, string>>, scratch: string): Shell {
  const child = spawn('bash', ['--noprofile', '--norc'], { cwd: folder, env: environment, detached: true });
  child.stdin.on('error', () => undefined);
  const printing = readAll(child);
  let blocks = 0;
  return {
    run: async (commands) => {
      blocks += 1;
      const file = join(scratch, `block-${blocks}.sh`);
      await writeFile(file, `trap '[ "$FAILED" != 0 ] || FAILED=$?' ERR\n${commands}\n`);
      const end = new RegExp(`\\n<<end ${blocks} (\\d+)>>\\n`);
      const from = printing.text().length;
      child.stdin.write(`FAILED=0; source ${file} </dev/null 2>&1; printf '\\n<<end ${blocks} %s>>\\n' "$FAILED"\n`);
      await printing.until((text) => end.test(text), commands);
      const output = printing.text().slice(from);
      const [mark = '', code = ''] = end.exec(output) ?? [];
      return { output: output.slice(0, output.indexOf(mark)), code: Number(code) };
    },
    close: () => endOf(child, 'SIGTERM'),
  };
}

/** Opens a terminal and types commands into it, of which the last goes on. */
export function openTerminal(
  folder: string,
  environment: Readonly<Record<string, string>>,
  commands: string,
): Terminal {
  const child = spawn('bash', ['--noprofile', '--norc', '-c', commands], {
    cwd: folder,
    env: environment,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const printing = readAll(child);
  let seen = 0;
  return {
    untilShown: async (shown) => {
      const find = (text: string) => findShown(shown, text.split('\n').slice(seen));
      await printing.until((text) => find(text) !== undefined, shown);
      seen += find(printing.text()) ?? 0;
    },
    interrupt: () => endOf(child, 'SIGINT'),
  };
}

function readAll(child: ChildProcess): Printing {
  let printed = '';
  let hasEnded = false;
  const waiting = new Set<() => void>();
  const tell = () => {
    for (const each of [...waiting]) each();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
      tell();
    });
  }
  child.on('close', () => {
    hasEnded = true;
    tell();
  });
  return {
    text: () => printed,
    until: (condition, what) =>
      new Promise((resolve, reject) => {
        const finish = (error?: Error) => {
          clearTimeout(timer);
          waiting.delete(look);
          if (error === undefined) resolve();
          else reject(error);
        };
        const fail = (why: string) => finish(new Error(`${why}: ${what}\n\nprinted:\n${printed}`));
        const look = () => {
          if (condition(printed)) finish();
          else if (hasEnded) fail('it ended before');
        };
        const timer = setTimeout(() => fail(`not within ${PATIENCE_MS} ms`), PATIENCE_MS);
        waiting.add(look);
        look();
      }),
  };
}

/** Signals the process and those that it started, as a terminal does, and waits for its end. */
async function endOf(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  assert.ok(child.pid !== undefined, 'it was not started');
  const ended = once(child, 'close', { signal: AbortSignal.timeout(PATIENCE_MS) });
  process.kill(-child.pid, signal);
  await ended;
}
