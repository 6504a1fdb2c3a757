import { type Static, Type } from 'typebox';
import { isLoopback } from '../base/ip-address.ts';
import { StartUpError } from '../base/start-up-error.ts';
import { file, secret, section, text, whole } from './setting.ts';
import { parseTemplate } from './template.ts';

const template = (description: string) =>
  Type.String({ minLength: 1, maxLength: 4096, description: `${description}: a template, see docs/guides/kafka.md` });

const MAPPING = section({
  when: Type.Optional(
    Type.Array(
      section({
        value: template('What is looked at'),
        in: Type.Array(text('A value'), {
          minItems: 1,
          maxItems: 1000,
          description: 'Values with which a record counts',
        }),
      }),
      { maxItems: 20, description: 'Conditions that a record must meet, all of them; other records are passed over' },
    ),
  ),
  lookups: Type.Optional(
    Type.Array(
      section({
        name: Type.String({
          pattern: '^[a-z][A-Za-z0-9]*$',
          maxLength: 64,
          description: 'Name of the table in templates',
        }),
        values: Type.Array(
          section({
            from: Type.String({ maxLength: 2048, description: 'The value of the record' }),
            to: Type.String({ maxLength: 2048, description: 'What stands for it' }),
          }),
          { minItems: 1, maxItems: 10_000, description: 'Its rows' },
        ),
        default: Type.Optional(
          Type.String({
            maxLength: 2048,
            description: 'What stands for any other value. Default: such a record is refused',
          }),
        ),
      }),
      { maxItems: 20, description: 'Tables that translate values' },
    ),
  ),
  id: template('Id of the event, which makes it idempotent'),
  clientId: template('client_id of the TPP that owns the resource'),
  occurredAt: template('When it happened, as date and time with its zone'),
  transactionId: Type.Optional(template('x-fapi-interaction-id of the call that caused it')),
  events: Type.Array(
    section({
      type: template('Event type: URN or subscribe code'),
      reason: Type.Optional(template('Its reason')),
    }),
    { minItems: 1, maxItems: 20, description: 'Event types' },
  ),
  resource: section({
    id: template('Id of the resource'),
    type: template('Its type, such as account-access-consent'),
    version: template('API version in which it was created, such as 4.0'),
    uri: template('Its URI'),
    links: Type.Array(
      section({ version: template('A version that the bank serves it in'), link: template('Its URI in that version') }),
      { minItems: 1, maxItems: 20, description: 'Links to all versions of the resource' },
    ),
  }),
});
export type MappingSettings = Static<typeof MAPPING>;

const KAFKA = section({
  brokers: Type.Array(
    Type.String({
      pattern: '^([^\\s:/\\[\\]]+|\\[[0-9A-Fa-f:.]+\\]):\\d{1,5}$',
      maxLength: 300,
      description: 'Host and port, such as kafka-1.bank.example:9092',
    }),
    { minItems: 1, maxItems: 50, description: 'Brokers to begin with; they name the others' },
  ),
  tls: Type.Optional(
    section({
      caFile: Type.Optional(
        file('Root certificates that certificates of the brokers must chain to, PEM. Default: those of Node.js'),
      ),
      certificateFile: Type.Optional(file('Client certificate, if the brokers require mutual TLS')),
      keyFile: Type.Optional(file('Private key of the client certificate')),
    }),
  ),
  isClearTextAllowed: Type.Boolean({
    default: false,
    description:
      'Allows brokers on other machines without "tls"; set it only if the connection is protected by other means',
  }),
  sasl: Type.Optional(
    section({
      mechanism: Type.Enum(['SCRAM-SHA-512', 'SCRAM-SHA-256', 'PLAIN'], {
        default: 'SCRAM-SHA-512',
        description: 'Mechanism; PLAIN needs "tls"',
      }),
      user: text('Name of the user'),
      ...secret('password', 'Password of the user'),
    }),
  ),
  topic: text('Topic that is read'),
  group: Type.String({
    default: 'tidings',
    minLength: 1,
    maxLength: 255,
    description: 'Consumer group, which all instances of the service share',
  }),
  deadLetterTopic: text('Topic for records that can never be accepted, with the reason in headers; it must exist'),
  recordsMax: whole(
    100,
    1,
    1000,
    'Most records that are published in one transaction, and about as many wait in memory',
  ),
  fetchBytesMax: whole(1_048_576, 1024, 104_857_600, 'Most bytes that are read from a partition at once'),
  sessionTimeoutMs: whole(
    30_000,
    500,
    300_000,
    'After this long without a sign of life the partitions of an instance go to the others; the brokers limit it',
  ),
  mapping: Type.Optional(MAPPING),
});
export type KafkaSettings = Static<typeof KAFKA>;

/** The section `intake`: where the service itself fetches events. */
export const INTAKE_SECTION = Type.Optional(section({ kafka: Type.Optional(KAFKA) }));

/**
 * Checks the settings of the intake against each other, and the templates of its mapping.
 *
 * @param source name of the configuration in messages
 * @throws {StartUpError}
 */
export function assertIntake(intake: Static<typeof INTAKE_SECTION> | undefined, source: string): void {
  if (intake === undefined) return;
  const { kafka } = intake;
  if (kafka === undefined) {
    throw new StartUpError(`${source}: "intake" names no source; give "intake.kafka", or remove "intake".`);
  }
  const { brokers, tls, sasl, isClearTextAllowed, topic, deadLetterTopic, mapping } = kafka;
  if ((tls?.certificateFile === undefined) !== (tls?.keyFile === undefined)) {
    throw new StartUpError(
      `${source}: "intake.kafka.tls.certificateFile" and "intake.kafka.tls.keyFile" go together; give both.`,
    );
  }
  const remote = brokers.find((broker) => !isLoopback(broker.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')));
  if (tls === undefined && remote !== undefined && !isClearTextAllowed) {
    throw new StartUpError(
      `${source}: "intake.kafka": the broker ${remote} is not this machine, so events would cross the network in clear text; give ` +
        '"intake.kafka.tls" (it may be empty: {}), or set "intake.kafka.isClearTextAllowed" if the connection is protected by other means.',
    );
  }
  if (sasl?.mechanism === 'PLAIN' && tls === undefined) {
    throw new StartUpError(
      `${source}: "intake.kafka.sasl.mechanism" PLAIN sends the password as it is; give "intake.kafka.tls".`,
    );
  }
  if (topic === deadLetterTopic) {
    throw new StartUpError(`${source}: "intake.kafka.deadLetterTopic" is the topic that is read; name another one.`);
  }
  if (mapping !== undefined) assertMapping(mapping, `${source}: "intake.kafka.mapping`);
}

function assertMapping(mapping: MappingSettings, at: string): void {
  const tables = (mapping.lookups ?? []).map(({ name }) => name);
  const twice = tables.find((name, index) => tables.indexOf(name) !== index);
  if (twice !== undefined)
    throw new StartUpError(`${at}.lookups" has the name "${twice}" twice; give each a name of its own.`);
  const { when = [], lookups: _, events, resource, ...plain } = mapping;
  const { links, ...ofResource } = resource;
  const templates = [
    ...when.map(({ value }, index) => [`when[${index}].value`, value] as const),
    ...Object.entries(plain),
    ...events.flatMap((event, index) =>
      Object.entries(event).map(([name, text]) => [`events[${index}].${name}`, text] as const),
    ),
    ...Object.entries(ofResource).map(([name, text]) => [`resource.${name}`, text] as const),
    ...links.flatMap((link, index) =>
      Object.entries(link).map(([name, text]) => [`resource.links[${index}].${name}`, text] as const),
    ),
  ];
  for (const [name, text] of templates) {
    try {
      parseTemplate(text, tables);
    } catch (error) {
      if (error instanceof TypeError) throw new StartUpError(`${at}.${name}" ${error.message}.`);
      throw error;
    }
  }
}
