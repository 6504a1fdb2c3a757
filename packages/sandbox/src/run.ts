import { join, relative } from 'node:path';
import { StartUpError, systemClock, untilSignal } from '@tidings/service';
import type { EventNotification, Refusal } from '@tidings/tpp';
import { playFlow, setUp } from './play/flow.ts';
import { humanPrinter, jsonPrinter, type Printer, stayingUp } from './play/print.ts';
import { createStepRunner, type RunStep, StepFailed } from './play/steps.ts';
import type { Change } from './resource-server/ledger.ts';
import type { Sandbox } from './sandbox.ts';

/** What `tidings sandbox` was asked for. */
export interface RunOptions {
  readonly once: boolean;
  readonly json: boolean;
  /** State folder. */
  readonly folder: string;
  /** First of five ports; 0 any free ones. */
  readonly port: number;
  readonly change: Change;
}

const EXIT_FAILED = 1;
const EXIT_CONFIGURATION = 2;
// What shells report of a process that SIGINT ended.
const EXIT_INTERRUPTED = 130;

/**
 * Plays the flow, and stays up unless told otherwise.
 *
 * @returns the exit code: 0 when every step happened, 1 when one did not, 2 when the sandbox could not start
 */
export async function runSandbox(options: RunOptions): Promise<number> {
  const write = (text: string) => void process.stdout.write(text);
  const printer = options.json ? jsonPrinter(write) : humanPrinter(write);
  const signal = untilSignal();
  let sandbox: Sandbox | undefined;
  const live = { up: false };
  try {
    printer.begin();
    const played = playAll(options, printer, live, (started) => {
      sandbox = started;
    });
    const code = await Promise.race([played, signal.then(() => EXIT_INTERRUPTED)]);
    if (code !== 0 || options.once || sandbox === undefined) return code;
    live.up = true;
    if (!options.json) write(stayingUp(sandbox.addresses, filesOf(sandbox)));
    await signal;
    if (!options.json) write('\nStopping.\n');
    return 0;
  } finally {
    await sandbox?.stop();
  }
}

/** @returns the exit code */
async function playAll(
  options: RunOptions,
  printer: Printer,
  live: { up: boolean },
  onStarted: (sandbox: Sandbox) => void,
): Promise<number> {
  const beganMs = systemClock.monotonicMs();
  let steps = 0;
  const runStep: RunStep = createStepRunner((report) => {
    steps += 1;
    printer.step(report);
  });
  const ms = () => Math.round(systemClock.monotonicMs() - beganMs);
  try {
    const sandbox = await setUp(runStep, { ...options, ...liveNews(options, live) });
    onStarted(sandbox);
    await playFlow(runStep, sandbox, options.change);
    printer.end({ ok: true, ms: ms(), steps });
    return 0;
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    printer.end({ ok: false, ms: ms(), steps, failed: error.step });
    process.stderr.write(`tidings: ${error.message}\n`);
    return error.cause instanceof StartUpError ? EXIT_CONFIGURATION : EXIT_FAILED;
  }
}

/** Once the flow is over, what reaches the TPP is printed as it comes. */
function liveNews({ json }: RunOptions, live: { up: boolean }) {
  const say = (line: string, object: object) => {
    if (live.up) process.stdout.write(`${json ? JSON.stringify(object) : line}\n`);
  };
  return {
    onReceived: ({ jti, eventTypes, claims }: EventNotification) =>
      say(`TPP received ${jti}: ${eventTypes.join(', ')} about ${claims.sub}`, { received: jti, claims }),
    onRefused: ({ code, message }: Refusal) =>
      say(`TPP refused a request: ${code}: ${message}`, { refused: code, message }),
  };
}

function filesOf({ pki, folder }: Sandbox): { rootFile: string; tokenFile: string; logFile: string } {
  return {
    rootFile: relative('', pki.root.certificateFile),
    tokenFile: folder.operatorTokenFile,
    logFile: join(folder.serviceFolder, 'service.log'),
  };
}
