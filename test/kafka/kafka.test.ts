import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '@tidings/service';
import { until } from '@tidings/testing';
import { cliOf, loggedOf, operatorCalls, printed } from '../operator/calling.ts';
import { type BankWithTpps, startBankWithTpps } from '../support/bank-with-tpps.ts';
import { type Broker, SCRAM_USER, startBroker, whyNoBroker } from './broker.ts';
import { deadLettersIn } from './dead-letters.ts';
import { binaryRecord, plainRecord, structuredRecord, write } from './records.ts';

// The intake of a real service, on a real broker: TLS and SCRAM at first, a client certificate after it.

const TOPIC = 'consents';
const DEAD = 'consents-dead';
const DEAD_BYTES_MAX = 20_000;
const skip = whyNoBroker() ?? false;

describe('an intake from Kafka', { skip }, () => {
  let broker: Broker;
  let bank: BankWithTpps;
  before(async () => {
    broker = await startBroker();
    await broker.createTopics([TOPIC], 3);
    await broker.createTopics([DEAD], 3, DEAD_BYTES_MAX);
    bank = await startBankWithTpps({
      clients: ['tpp-1'],
      settings: {
        realTime: { isOffered: false },
        intake: {
          kafka: {
            ...{ brokers: [broker.scram], topic: TOPIC, deadLetterTopic: DEAD, sessionTimeoutMs: 1000 },
            tls: { caFile: 'kafka.pem' },
            sasl: { user: SCRAM_USER.user, passwordFile: 'kafka-password' },
          },
        },
      },
      files: { 'kafka.pem': broker.caPem, 'kafka-password': `${SCRAM_USER.password}\n` },
    });
    assert.equal((await bank.tpp('tpp-1').subscribe({ Version: '4.0' })).status, 201);
  });
  after(async () => {
    await bank?.stop();
    broker?.stop();
  });

  const status = async () => (await operatorCalls(bank)('GET', '/operator/v1/status')).body;
  const awaiting = async (count: number) => {
    await until(async () => (await status()).awaiting >= count, `${count} notifications`);
    assert.equal((await status()).awaiting, count);
  };

  test('publishes each form of an event once, and takes what can never be accepted out of the way', async () => {
    await write(broker.plain, TOPIC, [
      plainRecord('tpp-1', 'e-1'),
      { key: 'bad', value: '{"id":', headers: { origin: 'core', empty: null } },
      structuredRecord('tpp-1', 'e-2'),
      plainRecord('tpp-1', 'e-1'),
      plainRecord('tpp-1', 'e-1', { occurredAt: '2026-01-01T00:00:00Z' }),
      binaryRecord('tpp-1', 'e-3'),
    ]);
    await awaiting(3);
    await until(async () => (await deadLettersIn(broker.plain, DEAD)).length >= 2, 'the dead letters');
    const letters = await deadLettersIn(broker.plain, DEAD);
    const [bad, other] = letters.toSorted((left, right) => (left.key < right.key ? -1 : 1));
    assert.equal(letters.length, 2);
    assert.deepEqual([bad?.value, bad?.headers['origin'], bad?.headers['tidings-topic']], ['{"id":', 'core', TOPIC]);
    assert.equal(bad?.headers['empty'], null);
    assert.match(bad?.headers['tidings-reason'] ?? '', /^The body /);
    assert.match(`${bad?.headers['tidings-partition']}/${bad?.headers['tidings-offset']}`, /^[012]\/\d+$/);
    assert.match(other?.headers['tidings-reason'] ?? '', /Other content was published under the same id \(e-1\)/);
  });

  test('tells how it does: in the status, the metrics and the log', async () => {
    const { state, topic, group, takenAt } = (await status()).intake;
    assert.deepEqual({ state, topic, group }, { state: 'reading', topic: TOPIC, group: 'tidings' });
    assert.ok(Date.parse(takenAt) <= systemClock.nowMs());
    assert.match(printed(await cliOf(bank)('status')), /intake from Kafka +reading \(topic consents/);
    const headers = { authorization: 'Bearer operator-token-of-the-tests-0123456789' };
    const metrics = async () => String((await bank.operator.send('/metrics', { headers })).body);
    assert.match(await metrics(), /tidings_intake_up\{source="kafka"\} 1/);
    const dead = /tidings_intake_records_total\{source="kafka",outcome="dead"\} 2/;
    await until(async () => dead.test(await metrics()), 'the dead letters to be counted');
    assert.equal(loggedOf(bank, 'a record can never be accepted').length, 2);
    assert.ok(!bank.log().includes(SCRAM_USER.password), 'no password is logged');
  });

  test('is looked at by the doctor, who names what is wrong', async () => {
    const { intake } = bank.config;
    const findings = async (changes: object) => {
      const file = join(bank.folder, 'tidings.json');
      writeFileSync(file, JSON.stringify({ ...bank.config, intake: { kafka: { ...intake?.kafka, ...changes } } }));
      const { stdout } = await cliOf(bank)('doctor', '--config', file, '--json');
      const found: { check: string; severity: string; what: string }[] = JSON.parse(stdout).findings;
      return found.filter(({ check }) => check === 'intake').map(({ severity, what }) => `${severity}: ${what}`);
    };
    const files = { 'client.pem': broker.client.certificatePem, 'client.key': broker.client.keyPem };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(bank.folder, name), text);
    const inFolder = (name: string) => join(bank.folder, name);
    const tls = {
      ...{ caFile: inFolder('kafka.pem'), certificateFile: inFolder('client.pem'), keyFile: inFolder('client.key') },
    };
    assert.deepEqual(await findings({ tls, brokers: [broker.mutualTls], sasl: undefined }), [
      'ok: Kafka can be read: 1 broker, 3 partitions of consents; the group tidings is stable.',
    ]);
    assert.match(
      String(await findings({ brokers: [broker.mutualTls], sasl: undefined })),
      /^error: Kafka cannot be used: /,
    );
    writeFileSync(inFolder('wrong'), 'wrong');
    assert.match(
      String(await findings({ sasl: { ...intake?.kafka?.sasl, passwordFile: inFolder('wrong') } })),
      /^error: Kafka cannot be used: .*SASL authentication failed/,
    );
    assert.deepEqual(await findings({ deadLetterTopic: 'missing' }), [
      'error: The topic missing ("intake.kafka.deadLetterTopic") does not exist, or its user may not see it.',
    ]);
  });

  test('takes dead records out of the way that are too large together for the dead-letter topic', async () => {
    const before = (await deadLettersIn(broker.plain, DEAD)).length;
    const values = [undefined, ...Array.from({ length: 20 }, () => 'x'.repeat(5000))];
    await write(
      broker.plain,
      TOPIC,
      values.map((value) => ({ key: 'large', value })),
    );
    const letters = async () => (await deadLettersIn(broker.plain, DEAD)).length - before;
    await until(async () => (await letters()) >= values.length, 'the dead letters');
    assert.equal(await letters(), values.length);
  });

  test('reads partitions that are added to the topic', async () => {
    await broker.addPartitions(TOPIC, 12);
    // Most of these keys belong to the new ones.
    const ids = Array.from({ length: 10 }, (_, at) => `added-${at}`);
    await write(
      broker.plain,
      TOPIC,
      ids.map((id) => plainRecord('tpp-1', id)),
    );
    await awaiting(13);
    assert.match(bank.log(), /partitions were added to the topic/);
  });

  test('begins behind what was committed when the service is started again', async () => {
    await bank.service.stop();
    await write(broker.plain, TOPIC, [plainRecord('tpp-1', 'e-4')]);
    const again = await bank.another();
    const { body } = await operatorCalls({ ...bank, service: again })('GET', '/operator/v1/status');
    assert.ok(body.awaiting <= 14);
    const counts = () => loggedOf(bank, 'records were taken').at(-1) ?? {};
    await until(() => counts()['published'] === 1, 'the record to be taken');
    const { repeated, dead } = counts();
    assert.deepEqual({ repeated, dead }, { repeated: 0, dead: 0 });
    assert.equal((await operatorCalls({ ...bank, service: again })('GET', '/operator/v1/status')).body.awaiting, 14);
  });
});
