import { Producer } from '@platformatic/kafka';
import { cloudEventOf, eventOf } from '../publish/events.ts';

/** A record as the bank's systems write it. */
export interface Written {
  readonly key: string;
  /** Undefined: a tombstone. */
  readonly value: string | undefined;
  /** Null: a header without a value. */
  readonly headers?: Readonly<Record<string, string | null>>;
}

/** An event as JSON. */
export function plainRecord(clientId: string, id: string, changes: object = {}): Written {
  return { key: id, value: JSON.stringify(eventOf(clientId, id, changes)) };
}

/** The same as a CloudEvent, whose event id is `/core|id`. */
export function structuredRecord(clientId: string, id: string): Written {
  const headers = { 'content-type': 'application/cloudevents+json' };
  return { key: id, value: JSON.stringify(cloudEventOf(clientId, id)), headers };
}

/** The same again, with the attributes in headers. */
export function binaryRecord(clientId: string, id: string): Written {
  const { data, ...attributes } = cloudEventOf(clientId, id);
  const headers = Object.entries(attributes).map(([name, text]) => [`ce_${name}`, String(text)]);
  return { key: id, value: JSON.stringify(data), headers: Object.fromEntries(headers) };
}

/** Writes records as the bank's systems do; it is tried again until the broker has them. */
export async function write(broker: string, topic: string, records: readonly Written[]): Promise<void> {
  const producer = new Producer<Buffer, Buffer, Buffer, Buffer | null>({
    clientId: 'bank',
    bootstrapBrokers: [broker],
    acks: -1,
    retries: 200,
    retryDelay: 500,
  });
  try {
    await producer.send({
      messages: records.map(({ key, value, headers = {} }) => ({
        topic,
        key: Buffer.from(key),
        ...(value !== undefined && { value: Buffer.from(value) }),
        headers: new Map(
          Object.entries(headers).map(([name, text]) => [Buffer.from(name), text === null ? null : Buffer.from(text)]),
        ),
      })),
    });
  } finally {
    await producer.close();
  }
}
