import { join, relative } from 'node:path';
import {
  onOutputClosed,
  print,
  printable,
  printError,
  printJsonLine,
  StartUpError,
  systemClock,
  untilSignal,
} from '@tidings/service';
import type { EventNotification, Refusal } from '@tidings/tpp';
import { playFlow, setUp } from './play/flow.ts';
import { humanPrinter, jsonPrinter, type Printer, stayingUp } from './play/print.ts';
import { createStepRunner, type RunStep, StepFailed } from './play/steps.ts';
import type { Change } from './resource-server/ledger.ts';
import type { Sandbox } from './sandbox.ts';

/** Options of `tidings sandbox`. */
export interface RunOptions {
  readonly once: boolean;
  readonly json: boolean;
  /** State folder. */
  readonly folder: string;
  /** First of five ports; 0 any free ones. */
  readonly port: number;
  readonly instances: number;
  readonly postgresUrl: string | undefined;
  readonly change: Change;
}

const EXIT_FAILED = 1;
const EXIT_CONFIGURATION = 2;
// What shells report of a process that SIGINT ended.
const EXIT_INTERRUPTED = 130;

/** Where a run stands, for those who have to know when it changes. */
interface Run {
  /** The participants, as soon as they are being started. */
  starting: Promise<Sandbox> | undefined;
  /** The flow is over and the sandbox stays up. */
  isUp: boolean;
  /** A signal came; what fails from here on fails because it is being stopped. */
  isInterrupted: boolean;
}

/**
 * Plays the flow, and stays up unless `once` is set.
 *
 * @returns the exit code: 0 when every step happened, 1 when one did not, 2 when the sandbox could not start, 130 when a
 *   signal came before the end
 */
export async function runSandbox(options: RunOptions): Promise<number> {
  const printer = options.json ? jsonPrinter(printJsonLine) : humanPrinter(print);
  const run: Run = { starting: undefined, isUp: false, isInterrupted: false };
  const signal = untilSignal();
  const interrupted = signal.then(() => {
    run.isInterrupted = true;
    return EXIT_INTERRUPTED;
  });
  try {
    printer.begin();
    const code = await Promise.race([playAll(options, printer, run), interrupted]);
    if (code !== 0 || options.once || run.starting === undefined) return code;
    const sandbox = await run.starting;
    run.isUp = true;
    if (!options.json) print(stayingUp(sandbox.addresses, filesOf(sandbox)));
    // It stays up to be looked at: with nobody left to read it there is nothing to stay for.
    await Promise.race([signal, new Promise<void>(onOutputClosed)]);
    if (!options.json) print('\nStopping.\n');
    return 0;
  } finally {
    // Also what was still starting when the signal came: nobody else would ever stop it.
    const sandbox = await run.starting?.catch(() => undefined);
    await sandbox?.stop();
  }
}

/** @returns the exit code */
async function playAll(options: RunOptions, printer: Printer, run: Run): Promise<number> {
  const beganMs = systemClock.monotonicMs();
  let steps = 0;
  const runStep: RunStep = createStepRunner((report) => {
    if (run.isInterrupted) return;
    steps += 1;
    printer.step(report);
  });
  const ms = () => Math.round(systemClock.monotonicMs() - beganMs);
  try {
    run.starting = setUp(runStep, { ...options, ...liveNews(options, run) });
    const sandbox = await run.starting;
    if (run.isInterrupted) return EXIT_INTERRUPTED;
    await playFlow(runStep, sandbox, options.change);
    printer.end({ ok: true, ms: ms(), steps });
    return 0;
  } catch (error) {
    if (run.isInterrupted) return EXIT_INTERRUPTED;
    if (!(error instanceof StepFailed)) throw error;
    printer.end({ ok: false, ms: ms(), steps, failed: error.step });
    printError(`tidings: ${error.message}\n`);
    return error.cause instanceof StartUpError ? EXIT_CONFIGURATION : EXIT_FAILED;
  }
}

/** Once the flow is over, what reaches the TPP is printed as it comes. */
function liveNews({ json }: RunOptions, run: Run) {
  const say = (line: string, object: object) => {
    if (!run.isUp) return;
    if (json) printJsonLine(object);
    else print(`${printable(line)}\n`);
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
