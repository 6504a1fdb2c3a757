export { playFlow, setUp } from './play/flow.ts';
export { createStepRunner, type RunStep, StepFailed, type StepReport, type StepResult } from './play/steps.ts';
export { CHANGES, type Change } from './resource-server/ledger.ts';
export { type RunOptions, runSandbox } from './run.ts';
export type { Sandbox, SandboxAddresses, SandboxOptions } from './sandbox.ts';
