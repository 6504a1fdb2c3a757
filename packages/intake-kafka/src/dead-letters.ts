import type { MessageToProduce } from '@platformatic/kafka';
import type { DeadRecord } from '@tidings/service';

// The limit of a topic (`max.message.bytes`) holds for all that is sent of it at once. This much Kafka's own producer sends by default.
const CHUNK_BYTES_MAX = 16_384;
// Of a record and a header: lengths and positions, at most.
const RECORD_BYTES = 32;
const HEADER_BYTES = 10;

interface DeadLetter extends MessageToProduce<Buffer, Buffer, Buffer, Buffer | null> {
  readonly headers: Map<Buffer, Buffer | null>;
}

/**
 * Makes the dead letters: each as it was read, with what is wrong and where it stood in headers.
 *
 * @returns chunks to send one by one, of at most 16 KiB, or a single larger record
 */
export function deadLettersFor(topic: string, dead: readonly DeadRecord[]): DeadLetter[][] {
  const chunks: DeadLetter[][] = [];
  let room = 0;
  for (const letter of dead.map((each) => deadLetterOf(each, topic))) {
    const bytes = bytesOf(letter);
    const last = chunks.at(-1);
    if (last === undefined || bytes > room) {
      chunks.push([letter]);
      room = CHUNK_BYTES_MAX - bytes;
    } else {
      last.push(letter);
      room -= bytes;
    }
  }
  return chunks;
}

function deadLetterOf({ record, why, field }: DeadRecord, topic: string): DeadLetter {
  const about = {
    'tidings-reason': why,
    ...(field !== undefined && { 'tidings-field': field }),
    'tidings-topic': record.topic,
    'tidings-partition': String(record.partition),
    'tidings-offset': String(record.offset),
  };
  const headers = new Map<Buffer, Buffer | null>();
  for (const [name, value] of record.headers) headers.set(Buffer.from(name), value ? Buffer.from(value) : null);
  for (const [name, text] of Object.entries(about)) headers.set(Buffer.from(name), Buffer.from(text));
  return {
    topic,
    headers,
    ...(record.key !== undefined && { key: Buffer.from(record.key) }),
    ...(record.value !== undefined && { value: Buffer.from(record.value) }),
  };
}

function bytesOf({ key, value, headers }: DeadLetter): number {
  let bytes = RECORD_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, text] of headers) bytes += HEADER_BYTES + name.length + (text?.length ?? 0);
  return bytes;
}
