export { examineKafka } from './examine.ts';
export { openKafkaSource } from './source.ts';
