import type { EventTypeCatalogue } from '@tidings/protocol';
import { functionOf, importOptional } from '../base/optional-package.ts';
import { StartUpError } from '../base/start-up-error.ts';
import { VERSION } from '../base/version.ts';
import type { KafkaSettings } from '../config/intake.ts';
import type { Config } from '../config/schema.ts';
import type { IntakeStatus } from '../model/intake.ts';
import { readCertificates, readSecret, readTlsIdentity } from '../trust/files.ts';
import { type Intake, type IntakeOptions, startIntake } from './intake.ts';
import { createRecordReader } from './read-record.ts';
import type { KafkaModule, KafkaSourceSettings } from './source.ts';

/** The intake that is configured, if there is one. */
export interface PreparedIntake {
  /** Gives it what it works with; before it is started. */
  provide(dependencies: IntakeDependencies): void;
  start(): void;
  /** Undefined: none is configured, or it has not started. */
  readonly status: () => IntakeStatus | undefined;
  /** Ends it; see {@link Intake.stop}. */
  stop(): Promise<void>;
}

type IntakeDependencies = Omit<IntakeOptions, 'source' | 'about' | 'read'> & { readonly catalogue: EventTypeCatalogue };

/**
 * Reads the files and loads the package that the intake needs; connects nothing.
 *
 * @throws {StartUpError}
 */
export async function prepareIntake(config: Config): Promise<PreparedIntake> {
  const open = await prepareKafka(config.intake?.kafka);
  let provided: IntakeDependencies | undefined;
  let intake: Intake | undefined;
  return {
    provide: (dependencies) => {
      provided = dependencies;
    },
    start: () => {
      if (provided !== undefined) intake = open?.(provided);
    },
    status: () => intake?.status(),
    stop: async () => intake?.stop(),
  };
}

async function prepareKafka(
  kafka: KafkaSettings | undefined,
): Promise<((dependencies: IntakeDependencies) => Intake) | undefined> {
  if (kafka === undefined) return undefined;
  const settings = readKafkaSettings(kafka);
  const { openKafkaSource } = await loadKafka();
  return ({ catalogue, ...dependencies }) => {
    const about = { source: 'kafka', topic: kafka.topic, group: kafka.group } as const;
    const read = createRecordReader(kafka.mapping, catalogue);
    return startIntake({ ...dependencies, source: openKafkaSource(settings), about, read });
  };
}

/** Reads what the settings name. @throws {StartUpError} naming setting and file */
export function readKafkaSettings({
  tls,
  sasl,
  mapping: _,
  isClearTextAllowed: __,
  ...plain
}: KafkaSettings): KafkaSourceSettings {
  const { caFile, certificateFile, keyFile } = tls ?? {};
  return {
    ...plain,
    tls: tls && {
      ...(caFile !== undefined && { ca: readCertificates('intake.kafka.tls.caFile', caFile) }),
      ...(certificateFile !== undefined &&
        keyFile !== undefined &&
        readTlsIdentity('intake.kafka.tls', { certificateFile, keyFile })),
    },
    sasl: sasl && {
      ...{ mechanism: sasl.mechanism, user: sasl.user },
      password: readSecret('intake.kafka.sasl.password', sasl.password, sasl.passwordFile)?.text ?? '',
    },
  };
}

/** Loads the package that speaks to Kafka. @throws {StartUpError} if it is not installed, or cannot be loaded */
export async function loadKafka(): Promise<KafkaModule> {
  const loaded = await importOptional('@tidings/intake-kafka');
  if (isKafkaModule(loaded)) return loaded;
  const name = `@tidings/intake-kafka@${VERSION}`;
  throw new StartUpError(
    `"intake.kafka" needs a package that is not installed; run "npm install ${name}" beside the service.`,
  );
}

function isKafkaModule(loaded: object | undefined): loaded is KafkaModule {
  const names: readonly (keyof KafkaModule)[] = ['openKafkaSource', 'examineKafka'];
  return names.every((name) => functionOf(loaded, name) !== undefined);
}
