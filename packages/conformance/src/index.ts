export type { Check, CheckResult, Exchange, Message, Outcome, Report, Severity } from './model.ts';
