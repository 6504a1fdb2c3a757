import type { SearchPlace } from '../search.ts';

/** Gives so many places after one, the newest first. */
export type Places = (after: SearchPlace, count: number) => SearchPlace[];

// Of a stream so many are fetched at a time: most streams hardly have a part in what is asked for.
const FETCHED = 32;

/** One of several streams that are merged. */
interface Stream {
  readonly places: Places;
  buffer: SearchPlace[];
  at: number;
}

/** @returns below 0 when `left` is the newer one */
export function newestFirst(left: SearchPlace, right: SearchPlace): number {
  return right.publishedAtMs - left.publishedAtMs || right.seq - left.seq;
}

/** Several streams as one, in the order of them all; what is in two of them is in it once. Each is asked for its first, and then for what it has a part in. */
export function merged(streams: readonly Places[]): Places {
  return (after, count) => {
    const open = streams
      .map((places): Stream => ({ places, buffer: places(after, 1), at: 0 }))
      .filter(({ buffer }) => buffer.length > 0)
      .sort((left, right) => newestFirst(headOf(left), headOf(right)));
    const result: SearchPlace[] = [];
    while (result.length < count) {
      const [first] = open;
      if (first === undefined) break;
      const head = headOf(first);
      if (result.at(-1)?.seq !== head.seq) result.push(head);
      moveOn(first, head);
      open.shift();
      if (first.at < first.buffer.length) insert(open, first);
    }
    return result;
  };
}

function moveOn(stream: Stream, head: SearchPlace): void {
  stream.at += 1;
  if (stream.at < stream.buffer.length) return;
  stream.buffer = stream.places(head, FETCHED);
  stream.at = 0;
}

function headOf({ buffer, at }: Stream): SearchPlace {
  return buffer[at] ?? { publishedAtMs: -1, seq: -1 };
}

/** Into its place, by halving. */
function insert(open: Stream[], stream: Stream): void {
  let low = 0;
  let high = open.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = open[middle];
    if (other !== undefined && newestFirst(headOf(other), headOf(stream)) < 0) low = middle + 1;
    else high = middle;
  }
  open.splice(low, 0, stream);
}
