/** An event of a stream, or, without data, only the place to go on after. */
export interface ServerSentEvent {
  /** The last id that the stream gave, with this event or before. */
  readonly id: string | undefined;
  readonly data: string | undefined;
}

// Nothing that we are sent is nearly as long.
const LINE_CHARS_MAX = 1_000_000;

/**
 * Reads server-sent events (WHATWG HTML, section 9.2.6). Names of events are left aside: what they are stands in their
 * data.
 *
 * @throws {RangeError} when a line has no end
 */
export async function* serverSentEvents(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<ServerSentEvent, void, undefined> {
  let id: string | undefined;
  let data: string[] = [];
  for await (const line of linesOf(chunks)) {
    const [, field, value = ''] = /^([^:]+):? ?(.*)$/s.exec(line) ?? [];
    if (field === 'id') id = value;
    if (field === 'data') data.push(value);
    if (line !== '') continue;
    yield { id, data: data.length === 0 ? undefined : data.join('\n') };
    data = [];
  }
}

/** Lines that have ended, without their end. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LINE_CHARS_MAX) throw new RangeError('a line of the stream has no end');
    yield* lines.map((line) => line.replace(/\r$/, ''));
  }
}
