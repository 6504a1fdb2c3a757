import { once } from 'node:events';
import { Consumer, type Message, type MessagesStream, Producer } from '@platformatic/kafka';
import type { IntakeRecord, IntakeSource, KafkaSourceSettings, RecordTaker } from '@tidings/service';
import { deadLettersFor } from './dead-letters.ts';
import { connectionOptions, toldOf } from './options.ts';

// A member that misses this many heartbeats is taken for dead.
const HEARTBEATS_PER_SESSION = 4;
const WRITTEN_BY_ALL_IN_SYNC = -1;

type RawMessage = Message<Buffer, Buffer, Buffer, Buffer>;
type RawStream = MessagesStream<Buffer, Buffer, Buffer, Buffer>;

/** A source that reads one topic as a member of a consumer group, with the classic protocol, which every broker speaks. */
export function openKafkaSource(settings: KafkaSourceSettings): IntakeSource {
  let reading: { readonly lag: () => Promise<number> } | undefined;
  return {
    run: async (taker, signal) => {
      const consumer = createConsumer(settings);
      const failure = new AbortController();
      // Without a listener it would end the process. What was read before stays valid: it is read again.
      consumer.on('error', (error: unknown) => failure.abort(error));
      consumer.on('consumer:heartbeat:stalled', () => failure.abort(new Error('the heartbeats to the group stalled')));
      const ended = AbortSignal.any([signal, failure.signal]);
      let stream: RawStream | undefined;
      try {
        // Before it joins, so that none is added unseen in between.
        const partitions = await until(ended, partitionsOf(consumer, settings.topic));
        stream = await until(
          ended,
          consume(consumer, settings, (error) => failure.abort(error)),
        );
        reading = {
          lag: async () => {
            const lags = (await consumer.getLag({ topics: [settings.topic] })).get(settings.topic) ?? [];
            // The leader of a group has to notice, and this library does not; whoever joins makes it share them out anew.
            if (lags.length > partitions) failure.abort(new Error('partitions were added to the topic'));
            return sumOf(lags);
          },
        };
        taker.onReading();
        await readAll({ consumer, stream, settings, taker, ended });
      } catch (error) {
        if (!signal.aborted) throw toldOf(failure.signal.aborted ? failure.signal.reason : error);
      } finally {
        reading = undefined;
        stream?.destroy();
        const closed = consumer.close(true).catch(() => undefined);
        // Leaving the group lets the others go on at once; a broker that is away is not waited for.
        if (signal.aborted && !failure.signal.aborted) await closed;
      }
    },
    lag: async () => await reading?.lag(),
  };
}

function createConsumer(settings: KafkaSourceSettings): Consumer {
  const { sessionTimeoutMs, fetchBytesMax, recordsMax, group } = settings;
  return new Consumer({
    ...connectionOptions(settings),
    groupId: group,
    sessionTimeout: sessionTimeoutMs,
    rebalanceTimeout: sessionTimeoutMs,
    heartbeatInterval: Math.floor(sessionTimeoutMs / HEARTBEATS_PER_SESSION),
    heartbeatStallTimeout: sessionTimeoutMs * 2,
    autocommit: false,
    maxBytes: fetchBytesMax,
    maxBytesPerPartition: fetchBytesMax,
    highWaterMark: recordsMax,
    maxWaitTime: 500,
  });
}

/**
 * Joins the group. One without a position begins with the oldest record: with the newest, a new partition could lose some.
 *
 * @param onError is told of errors of the stream, also when nobody waits for it any more
 */
function consume(
  consumer: Consumer,
  { topic }: KafkaSourceSettings,
  onError: (error: Error) => void,
): Promise<RawStream> {
  return new Promise((resolve, reject) => {
    // By a callback: a promise settles only after the stream may have failed, which would end the process.
    consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest' }, (error, stream) => {
      if (stream === undefined) return reject(error);
      stream.on('error', onError);
      // The stream fetches nothing before it has a listener, not even when it is read from.
      stream.on('readable', () => undefined);
      resolve(stream);
    });
  });
}

interface Reading {
  readonly consumer: Consumer;
  readonly stream: RawStream;
  readonly settings: KafkaSourceSettings;
  readonly taker: RecordTaker;
  readonly ended: AbortSignal;
}

/** Take, write what is dead, commit: in this order, so that a crash repeats records and loses none. */
async function readAll({ consumer, stream, settings, taker, ended }: Reading): Promise<never> {
  let producer: Producer<Buffer, Buffer, Buffer, Buffer | null> | undefined;
  try {
    for (;;) {
      const messages = await nextMessages(stream, settings.recordsMax, ended);
      const dead = await until(ended, taker.take(messages.map(recordOf)));
      if (dead.length > 0) {
        producer ??= new Producer({ ...connectionOptions(settings), acks: WRITTEN_BY_ALL_IN_SYNC });
        for (const messages of deadLettersFor(settings.deadLetterTopic, dead)) {
          await until(ended, producer.send({ messages }));
        }
      }
      await until(ended, consumer.commit({ offsets: positionsBehind(messages) }));
      taker.onCommitted();
    }
  } finally {
    producer?.close().catch(() => undefined);
  }
}

/** At least one message, and whatever else is there. */
async function nextMessages(stream: RawStream, max: number, ended: AbortSignal): Promise<RawMessage[]> {
  const messages: RawMessage[] = [];
  for (;;) {
    ended.throwIfAborted();
    while (messages.length < max) {
      const message: RawMessage | null = stream.read();
      if (message === null) break;
      messages.push(message);
    }
    if (messages.length > 0) return messages;
    await once(stream, 'readable', { signal: ended });
  }
}

/** The positions behind these messages, one for each partition. */
function positionsBehind(messages: readonly RawMessage[]) {
  const last = new Map<string, RawMessage>();
  for (const message of messages) last.set(`${message.topic}:${message.partition}`, message);
  return [...last.values()].map(({ topic, partition, offset, leaderEpoch }) => {
    return { topic, partition, offset: offset + 1n, leaderEpoch };
  });
}

function recordOf({ topic, partition, offset, timestamp, key, value, headerEntries }: RawMessage): IntakeRecord {
  return {
    ...{ topic, partition, offset, timestampMs: Number(timestamp) },
    // The library gives null as undefined, against its types.
    key: key ?? undefined,
    value: value ?? undefined,
    headers: headerEntries.map(([name, text]) => [name.toString(), text ?? undefined]),
  };
}

async function partitionsOf(consumer: Consumer, topic: string): Promise<number> {
  return (await consumer.metadata({ topics: [topic] })).topics.get(topic)?.partitionsCount ?? 0;
}

/** -1 stands for a partition of another member. */
function sumOf(lags: readonly bigint[]): number {
  return Number(lags.reduce((sum, lag) => (lag > 0n ? sum + lag : sum), 0n));
}

/** The result of work, unless it is aborted first; what the work comes to then is of no interest. */
async function until<T>(aborted: AbortSignal, work: Promise<T>): Promise<T> {
  const stop = Promise.withResolvers<never>();
  const onAbort = () => stop.reject(aborted.reason);
  aborted.addEventListener('abort', onAbort, { once: true });
  work.catch(() => undefined);
  stop.promise.catch(() => undefined);
  try {
    aborted.throwIfAborted();
    return await Promise.race([work, stop.promise]);
  } finally {
    aborted.removeEventListener('abort', onAbort);
  }
}
