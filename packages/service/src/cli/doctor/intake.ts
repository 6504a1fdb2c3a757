import { messageOf, StartUpError } from '../../base/start-up-error.ts';
import { loadKafka, readKafkaSettings } from '../../intake/open-intake.ts';
import type { KafkaExamination } from '../../intake/source.ts';
import { type Finding, fault, faultFrom, type Inspection, ok } from './finding.ts';

const CONNECTION_REMEDY =
  'Check "intake.kafka.brokers", "intake.kafka.tls" and "intake.kafka.sasl", and that the firewall allows connections to every broker.';

/** Checks that brokers, topics and group of the intake can be reached. Joins no group, and reads no record. */
export async function checkIntake({ config: { intake } }: Inspection): Promise<readonly Finding[]> {
  const kafka = intake?.kafka;
  if (kafka === undefined) return [];
  try {
    const settings = readKafkaSettings(kafka);
    const { examineKafka } = await loadKafka();
    return findingsOf(await examineKafka(settings), settings);
  } catch (error) {
    if (error instanceof StartUpError) return [faultFrom('intake', error, 'Correct the setting.')];
    const why = messageOf(error);
    return [fault('intake', `Kafka cannot be used: ${why}.`, CONNECTION_REMEDY)];
  }
}

function findingsOf(
  { brokers, partitions, deadLetterPartitions, groupState }: KafkaExamination,
  settings: { readonly topic: string; readonly deadLetterTopic: string; readonly group: string },
): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [setting, topic, found] of [
    ['topic', settings.topic, partitions],
    ['deadLetterTopic', settings.deadLetterTopic, deadLetterPartitions],
  ] as const) {
    if (found !== undefined) continue;
    const what = `The topic ${topic} ("intake.kafka.${setting}") does not exist, or its user may not see it.`;
    findings.push(fault('intake', what, 'Create it, or allow the user to describe it.'));
  }
  if (groupState === undefined) {
    const what = `The consumer group ${settings.group} ("intake.kafka.group") may not be seen.`;
    findings.push(fault('intake', what, 'Allow the user to read and describe it.'));
  }
  if (findings.length > 0) return findings;
  const group = groupState === 'dead' || groupState === 'empty' ? 'has no member' : `is ${groupState}`;
  const where = `${brokers} ${brokers === 1 ? 'broker' : 'brokers'}, ${partitions} partitions of ${settings.topic}`;
  return [ok('intake', `Kafka can be read: ${where}; the group ${settings.group} ${group}.`)];
}
