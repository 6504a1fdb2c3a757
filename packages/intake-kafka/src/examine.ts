import { Admin, findErrorBy } from '@platformatic/kafka';
import type { KafkaExamination, KafkaSourceSettings } from '@tidings/service';
import { connectionOptions, toldOf } from './options.ts';

/** Looks at brokers, topics and group. Changes nothing, and joins no group. @throws when no broker can be reached, or it refuses us */
export async function examineKafka(settings: KafkaSourceSettings): Promise<KafkaExamination> {
  const admin = new Admin(connectionOptions(settings));
  try {
    const { brokers } = await admin.metadata({ topics: [] });
    return {
      brokers: brokers.size,
      partitions: await partitionsOf(admin, settings.topic),
      deadLetterPartitions: await partitionsOf(admin, settings.deadLetterTopic),
      groupState: await groupStateOf(admin, settings.group),
    };
  } catch (error) {
    throw toldOf(error);
  } finally {
    await admin.close();
  }
}

async function partitionsOf(admin: Admin, topic: string): Promise<number | undefined> {
  try {
    return (await admin.metadata({ topics: [topic] })).topics.get(topic)?.partitionsCount;
  } catch (error) {
    if (isOfBroker(error)) return undefined;
    throw error;
  }
}

async function groupStateOf(admin: Admin, group: string): Promise<string | undefined> {
  try {
    return (await admin.describeGroups({ groups: [group] })).get(group)?.state.toLowerCase();
  } catch (error) {
    if (isOfBroker(error)) return undefined;
    throw error;
  }
}

/** The broker answered, for good, that there is no such thing, or not for us. The library tells of an unknown topic as its own error. */
function isOfBroker(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (findErrorBy(error, 'canRetry', true) !== null) return false;
  return ['PLT_KFK_PROTOCOL', 'PLT_KFK_USER'].some((code) => findErrorBy(error, 'code', code) !== null);
}
