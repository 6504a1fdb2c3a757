import { readdirSync, readFileSync } from 'node:fs';

// USER_HZ, which is 100 on every Linux that Node runs on.
const TICK_MS = 10;

/** CPU time that a process has used so far, all of its threads, in milliseconds. */
export function cpuMsOf(pid: number): number {
  const { utime, stime } = statOf(pid);
  return (utime + stime) * TICK_MS;
}

/** The part of it that the main thread used: the rest is signing, TLS handshakes, files, garbage collection. */
export function mainThreadCpuMsOf(pid: number): number {
  const { utime, stime } = statOf(`${pid}/task/${pid}`);
  return (utime + stime) * TICK_MS;
}

/** CPU time of a process and all of its children, those that have ended included: a PostgreSQL server. */
export function cpuMsOfFamily(pid: number): number {
  const parent = statOf(pid);
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const child = statOf(Number(name));
        return child.parent === pid ? [child] : [];
      } catch {
        // It ended while we looked; its parent has its time now.
        return [];
      }
    });
  const ended = parent.childrenUtime + parent.childrenStime;
  const living = [parent, ...children].reduce((sum, { utime, stime }) => sum + utime + stime, 0);
  return (living + ended) * TICK_MS;
}

/** The most memory that a process has held at once (VmHWM), in bytes. */
export function peakRssBytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

/** proc(5), /proc/pid/stat; the name in it may hold anything, so that fields are counted from behind its bracket. */
function statOf(pid: number | string) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const field = (number: number) => Number(fields[number - 3]);
  return {
    ...{ parent: field(4), utime: field(14), stime: field(15) },
    ...{ childrenUtime: field(16), childrenStime: field(17) },
  };
}
