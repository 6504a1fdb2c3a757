export { type Clock, systemClock } from './base/clock.ts';
export { rejectOtherMethods } from './base/http-methods.ts';
export { HttpRefusal } from './base/http-refusal.ts';
export { createHttpServer, type HttpServerOptions } from './base/http-server.ts';
export { createLog, type Log, type LogLevel } from './base/log.ts';
export { colors, onOutputClosed, print, printError, printJsonLine } from './base/output.ts';
export { untilSignal } from './base/process.ts';
export { type Random, systemRandom } from './base/random.ts';
export { StartUpError } from './base/start-up-error.ts';
export { printable } from './base/terminal-text.ts';
export { loadConfig, parseConfig } from './config/load.ts';
export { configurationTable } from './config/reference.ts';
export { type Config, ConfigSchema } from './config/schema.ts';
export type {
  DeadRecord,
  IntakeRecord,
  IntakeSource,
  KafkaExamination,
  KafkaModule,
  KafkaSourceSettings,
  RecordTaker,
} from './intake/source.ts';
export { operatorDocument } from './operator/document.ts';
export { type RunningService, type ServiceDependencies, startService } from './service.ts';
export {
  type AccessToken,
  type AccessTokenVerifier,
  type AccessTokenVerifierOptions,
  createAccessTokenVerifier,
  type TokenCheck,
} from './trust/access-tokens.ts';
export { subjectDnOf } from './trust/x509.ts';
