import { once } from 'node:events';
import { Consumer } from '@platformatic/kafka';

/** A record of a dead-letter topic. */
export interface DeadLetter {
  readonly key: string;
  readonly value: string;
  /** Null: a header without a value. */
  readonly headers: Readonly<Record<string, string | null>>;
}

/** Reads a topic from its beginning to its present end, without a group. */
export async function deadLettersIn(broker: string, topic: string): Promise<DeadLetter[]> {
  const consumer = new Consumer({
    clientId: 'tests',
    groupId: `tests-${process.hrtime.bigint()}`,
    bootstrapBrokers: [broker],
  });
  try {
    const ends = (await consumer.listOffsets({ topics: [topic] })).get(topic) ?? [];
    const left = new Map(ends.map((end, partition) => [partition, end] as const).filter(([, end]) => end > 0n));
    const letters: DeadLetter[] = [];
    if (left.size === 0) return letters;
    const stream = await consumer.consume({ topics: [topic], mode: 'earliest', maxWaitTime: 100 });
    stream.on('readable', () => undefined);
    while (left.size > 0) {
      const message = stream.read();
      if (message === null) {
        await once(stream, 'readable');
        continue;
      }
      const { key, value, headerEntries, partition, offset } = message;
      const headers = Object.fromEntries(
        headerEntries.map(([name, text]: readonly [Buffer, Buffer | undefined]) => [
          String(name),
          text === undefined ? null : String(text),
        ]),
      );
      letters.push({ key: String(key), value: String(value), headers });
      if (left.get(partition) === offset + 1n) left.delete(partition);
    }
    stream.destroy();
    return letters;
  } finally {
    await consumer.close(true);
  }
}
