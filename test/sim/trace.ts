import { createHash } from 'node:crypto';
import type { Timeline } from './timeline.ts';

/** Notes what happens; the text is only made when somebody reads it. */
export type Trace = (line: () => string) => void;

/** The lines of one run. */
export class TraceLines {
  readonly lines: string[] = [];

  traceOf(timeline: Timeline): Trace {
    return (line) => void this.lines.push(`${timeline.nowMs.toFixed(1).padStart(10)} ${line()}`);
  }

  /** The same for two runs in which the same happened. */
  get hash(): string {
    return createHash('sha256').update(this.lines.join('\n')).digest('hex');
  }
}
