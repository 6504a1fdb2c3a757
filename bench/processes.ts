import { readdirSync, readFileSync } from 'node:fs';

// USER_HZ, which is 100 on every Linux that Node.js supports.
const TICK_MS = 10;

/** CPU time that a process has used so far in all its threads, in milliseconds. */
export function cpuMsOf(pid: number): number {
  const { utime, stime } = statOf(pid);
  return (utime + stime) * TICK_MS;
}

/** CPU time of the main thread alone; the rest is signing, TLS handshakes, files and garbage collection. */
export function mainThreadCpuMsOf(pid: number): number {
  const { utime, stime } = statOf(`${pid}/task/${pid}`);
  return (utime + stime) * TICK_MS;
}

/** CPU time of a process and all its children, including those that have exited, such as a PostgreSQL server. */
export function cpuMsOfFamily(pid: number): number {
  const parent = statOf(pid);
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const child = statOf(Number(name));
        return child.parent === pid ? [child] : [];
      } catch {
        // The process has just exited, and its time is now counted in its parent.
        return [];
      }
    });
  const ended = parent.childrenUtime + parent.childrenStime;
  const living = [parent, ...children].reduce((sum, { utime, stime }) => sum + utime + stime, 0);
  return (living + ended) * TICK_MS;
}

/** Peak resident memory of a process (VmHWM), in bytes. */
export function peakRssBytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

/**
 * Reads /proc/pid/stat (proc(5)). The process name may contain any character, so fields are counted from its closing
 * bracket.
 */
function statOf(pid: number | string) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const field = (number: number) => Number(fields[number - 3]);
  return {
    parent: field(4),
    utime: field(14),
    stime: field(15),
    childrenUtime: field(16),
    childrenStime: field(17),
  };
}
