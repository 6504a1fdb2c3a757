export { ASPSP_CHECKS } from './aspsp/checks.ts';
export { type AspspConfig, aspspSettingsTable, readAspspConfig } from './aspsp/config.ts';
export { type AspspSession, openAspspSession } from './aspsp/context.ts';
export type { Ask } from './aspsp/event-maker.ts';
export { type Clock, systemClock } from './clock.ts';
export { ConfigError, type ConfigFile, readConfigFile } from './config-file.ts';
export type { Check, CheckResult, Exchange, Message, Outcome, Report, Severity } from './model.ts';
export { htmlReport } from './report/html/page.ts';
export {
  JSON_FORMAT,
  JSON_FORMAT_VERSION,
  type JsonExchange,
  type JsonMessage,
  type JsonReport,
  type JsonResult,
  jsonReport,
} from './report/json.ts';
export { junitReport } from './report/junit.ts';
export { countsAgainst, type Summary, summarise, type Tally, type Verdict } from './report/summary.ts';
export {
  type TerminalOptions,
  type TerminalProgress,
  terminalHead,
  terminalProgress,
  terminalSummary,
} from './report/terminal.ts';
export { type CheckScope, type RunOptions, type RunProgress, runChecks, SelectionError, selectChecks } from './run.ts';
export { TPP_CHECKS } from './tpp/checks.ts';
export { readTppConfig, type TppConfig, tppSettingsTable } from './tpp/config.ts';
export { openTppSession, type TppSession } from './tpp/session.ts';
