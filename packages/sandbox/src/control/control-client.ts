import { isJsonObject } from '@tidings/protocol';
import { StartUpError } from '@tidings/service';
import { createTlsFetch, TlsFetchError } from '@tidings/tpp';
import { findRunning } from './running.ts';

// The sandbox makes keys, which takes a moment on a slow machine.
const REQUEST_TIMEOUT_MS = 60_000;

/** The sandbox could not do it, or none runs. */
export class ControlFailed extends Error {
  override readonly name = 'ControlFailed';
}

/**
 * Calls the sandbox that runs with a state folder.
 *
 * @returns the body of its answer, a JSON object
 * @throws {ControlFailed} if none runs, or it failed
 * @throws {StartUpError} if it refused: something about the call is wrong
 */
export async function callSandbox(stateFolder: string, path: string, body: object): Promise<Record<string, unknown>> {
  const running = await findRunning(stateFolder);
  if (running === undefined) throw noneRuns(stateFolder);
  const { controlUrl, token, caPem } = running;
  const send = createTlsFetch({ transport: { caPem }, requestTimeoutMs: REQUEST_TIMEOUT_MS, keepAlive: false });
  try {
    const answer = await send(`${controlUrl}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const json: unknown = await answer.json();
    if (answer.ok && isJsonObject(json)) return json;
    const message = isJsonObject(json) && typeof json['message'] === 'string' ? json['message'] : 'no reason was given';
    if (answer.status === 400) throw new StartUpError(message);
    throw new ControlFailed(`The sandbox answered ${answer.status}: ${message}`);
  } catch (error) {
    // Its folder still says where it was, as after SIGKILL.
    if (error instanceof TlsFetchError && error.code === 'connection') throw noneRuns(stateFolder);
    if (error instanceof TlsFetchError) throw new ControlFailed(`The sandbox did not answer: ${error.message}`);
    throw error;
  } finally {
    send.close();
  }
}

function noneRuns(stateFolder: string): ControlFailed {
  return new ControlFailed(
    `No sandbox runs with the state folder ${stateFolder}; start one with "tidings sandbox", or name its folder with --state.`,
  );
}
