/** The commands that call a running sandbox. */

import { readFile } from 'node:fs/promises';
import { print, printError, printJsonLine } from '@tidings/service';
import type { NewTpp } from '../own-tpps/own-tpps.ts';
import { CERTIFICATE_NOTE } from '../play/print.ts';
import { CONTROL_PATHS } from './control.ts';
import { ControlFailed, callSandbox } from './control-client.ts';
import type { Trigger } from './trigger.ts';

const EXIT_FAILED = 1;

/** Adds a TPP and prints everything about it. @returns the exit code @throws {StartUpError} for what is refused */
export function addTpp(stateFolder: string, wanted: NewTpp, json: boolean): Promise<number> {
  return reportFailure(async () => {
    const { tpp, jsonFile, envFile } = await callSandbox(stateFolder, CONTROL_PATHS.addTpp, wanted);
    if (json) return printJsonLine({ tpp, jsonFile, envFile });
    print(await readFile(String(envFile), 'utf8'));
    printError(`Added. The same is in ${envFile}, and as JSON in ${jsonFile}.\n${CERTIFICATE_NOTE}\n`);
  });
}

/** Makes something happen and prints what. @returns the exit code @throws {StartUpError} for what is refused */
export function triggerAtBank(stateFolder: string, wanted: Trigger, json: boolean): Promise<number> {
  return reportFailure(async () => {
    const done = await callSandbox(stateFolder, CONTROL_PATHS.trigger, wanted);
    if (json) return printJsonLine(done);
    const { title, clientId, eventTypes, resourceUri, jti, reason } = done;
    const types = Array.isArray(eventTypes) ? eventTypes.join(', ') : '';
    const result =
      jti === undefined
        ? `${clientId} is not notified: ${describeReason(reason)}.`
        : `${clientId} is notified; jti ${jti}`;
    print(`${title}: ${types}\n  about ${resourceUri}\n${result}\n`);
  });
}

const REASONS: Readonly<Record<string, string>> = {
  'unknown-client': 'the bank does not know it',
  'no-registration': 'it has neither an event subscription nor a callback URL',
  'type-filtered': 'its event subscription leaves these event types out',
  'version-below-minimum': 'its registration is for a lower version of the API',
};

function describeReason(reason: unknown): string {
  return REASONS[String(reason)] ?? String(reason);
}

async function reportFailure(work: () => Promise<void>): Promise<number> {
  try {
    await work();
    return 0;
  } catch (error) {
    if (!(error instanceof ControlFailed)) throw error;
    printError(`tidings: ${error.message}\n`);
    return EXIT_FAILED;
  }
}
