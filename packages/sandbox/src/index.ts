export {
  type AuthorisationServer,
  type AuthorisationServerOptions,
  startAuthorisationServer,
} from './authorisation-server/authorisation-server.ts';
export { createOperatorClient, type OperatorClient, type ShownNotification } from './bank/operator-client.ts';
export { openPki, type Participant, type SandboxPki, StateFolderError, type TppParticipant } from './pki/pki.ts';
export { playFlow, setUp } from './play/flow.ts';
export { createStepRunner, type RunStep, StepFailed, type StepReport, type StepResult } from './play/steps.ts';
export { CHANGES, type Change } from './resource-server/ledger.ts';
export { type RunOptions, runSandbox } from './run.ts';
export { CLIENT_ID, type Sandbox, type SandboxAddresses, type SandboxOptions, startSandbox } from './sandbox.ts';
