import type { KafkaSourceSettings } from '@tidings/service';

/** Settings that name no real broker. */
export const SETTINGS: KafkaSourceSettings = {
  ...{ brokers: ['localhost:1'], tls: undefined, sasl: undefined },
  ...{ topic: 'consents', group: 'tidings', deadLetterTopic: 'consents-dead' },
  ...{ recordsMax: 100, fetchBytesMax: 1_048_576, sessionTimeoutMs: 30_000 },
};
