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
import { type OpenedConsole, openConsole } from './console/open-console.ts';
import { type OpenedControl, openControl } from './control/open-control.ts';
import type { AddedTpp } from './own-tpps/own-tpps.ts';
import { playFlow, setUp } from './play/flow.ts';
import { formatAddresses, humanPrinter, jsonPrinter, type Printer } from './play/print.ts';
import { createStepRunner, type RunStep, StepFailed } from './play/steps.ts';
import type { Change } from './resource-server/ledger.ts';
import type { Sandbox } from './sandbox.ts';
import { STATE_FOLDER_DEFAULT } from './state-flag.ts';

/** Options of `tidings sandbox`. */
export interface RunOptions {
  readonly once: boolean;
  readonly json: boolean;
  /** State folder. */
  readonly folder: string;
  /** First of seven ports; 0 any free ones. */
  readonly port: number;
  readonly instances: number;
  readonly postgresUrl: string | undefined;
  readonly change: Change;
  /** Callback URL of a TPP of the developer's own; requires that the sandbox keeps running. */
  readonly tppCallback?: string | undefined;
}

// Behind the five of the participants.
const CONSOLE_PORT_OFFSET = 5;
const CONTROL_PORT_OFFSET = 6;
const EXIT_FAILED = 1;
const EXIT_CONFIGURATION = 2;
// What shells report of a process that SIGINT ended.
const EXIT_INTERRUPTED = 130;

const NOT_UP = { added: undefined, isUp: false, isInterrupted: false };

/** The state of a run. */
interface Run {
  /** The participants, once their start has begun. */
  starting: Promise<Sandbox> | undefined;
  /** The console, where the sandbox keeps running. */
  console: OpenedConsole | undefined;
  /** The listener for developers, where the sandbox keeps running. */
  control: OpenedControl | undefined;
  /** The TPP of the developer's own, where one was asked for. */
  added: AddedTpp | undefined;
  /** The flow has ended and the sandbox keeps running. */
  isUp: boolean;
  /** A signal was received; later failures are caused by stopping. */
  isInterrupted: boolean;
}

/**
 * Runs the flow, and keeps running unless `once` is set.
 *
 * @returns the exit code: 0 if every step succeeded, 1 if one failed, 2 if the sandbox could not start, 130 if a signal
 *   interrupted it
 */
export async function runSandbox(options: RunOptions): Promise<number> {
  const printer = options.json ? jsonPrinter(printJsonLine) : humanPrinter(print);
  const run: Run = { starting: undefined, console: undefined, control: undefined, ...NOT_UP };
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
    const link = await run.console?.link();
    if (options.json) printJsonLine({ console: link ?? null });
    else {
      const { added, control } = run;
      const shown = { ...filesOf(sandbox), link, jwks: control?.bankJwksUrl ?? sandbox.addresses.jwks };
      print(formatAddresses(sandbox.addresses, { ...shown, added, stateFlag: stateFlagOf(options) }));
    }
    // Without a reader of its output there is no reason to keep running.
    await Promise.race([signal, new Promise<void>(onOutputClosed)]);
    if (!options.json) print('\nStopping.\n');
    return 0;
  } finally {
    // Also stops participants that were still starting when a signal arrived.
    const sandbox = await run.starting?.catch(() => undefined);
    await run.console?.close();
    await run.control?.close();
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
    const { onReceived, onRefused } = receivedPrinter(options, run);
    const consolePort = options.port === 0 ? 0 : options.port + CONSOLE_PORT_OFFSET;
    const access = options.once ? {} : { consolePort };
    run.starting = setUp(runStep, { ...options, ...access, onReceived, onRefused });
    const sandbox = await run.starting;
    if (run.isInterrupted) return EXIT_INTERRUPTED;
    if (sandbox.staff !== undefined) {
      run.console = openConsole(sandbox, sandbox.staff, { onReceived, onLinkNeeded: linkPrinter(options) });
    }
    if (!options.once) {
      const port = options.port === 0 ? 0 : options.port + CONTROL_PORT_OFFSET;
      run.control = await openControl(sandbox, { folder: options.folder, port });
    }
    await playFlow(runStep, sandbox, options.change);
    run.added = await addOwnTpp(runStep, options, run);
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

/** The step that adds the developer's own TPP, where one was asked for. */
async function addOwnTpp(step: RunStep, { tppCallback: callbackUrl }: RunOptions, { control }: Run) {
  if (callbackUrl === undefined || control === undefined) return undefined;
  const { added } = await step('own-tpp', async () => {
    const made = await control.ownTpps.add({ callbackUrl });
    const message = `${made.tpp.clientId} has keys and certificates, is registered, and subscribes for ${callbackUrl}`;
    return { added: made, message, details: { ...made } };
  });
  return added;
}

/** The flag with which other commands find this sandbox; empty where its folder is the default. */
function stateFlagOf({ folder }: RunOptions): string {
  return folder === STATE_FOLDER_DEFAULT ? '' : ` --state ${folder}`;
}

/** After the flow, prints what the TPP receives. */
function receivedPrinter({ json }: RunOptions, run: Run) {
  const report = (line: string, object: object) => {
    if (!run.isUp) return;
    if (json) printJsonLine(object);
    else print(`${printable(line)}\n`);
  };
  return {
    onReceived: ({ jti, eventTypes, claims }: EventNotification) =>
      report(`TPP received ${jti}: ${eventTypes.join(', ')} about ${claims.sub}`, { received: jti, claims }),
    onRefused: ({ code, message }: Refusal) =>
      report(`TPP refused a request: ${code}: ${message}`, { refused: code, message }),
  };
}

/** Prints a new link to the console, after the first was used. */
function linkPrinter({ json }: RunOptions) {
  return (link: string) => {
    if (json) printJsonLine({ console: link });
    else print(`A new link to the console, which signs in once: ${link}\n`);
  };
}

function filesOf({ pki, folder }: Sandbox): { rootFile: string; tokenFile: string; logFile: string } {
  return {
    rootFile: relative('', pki.root.certificateFile),
    tokenFile: folder.operatorTokenFile,
    logFile: join(folder.serviceFolder, 'service.log'),
  };
}
