import { resolve } from 'node:path';
import { createOwnTpps, type OwnTpps } from '../own-tpps/own-tpps.ts';
import { CLIENT_ID, explainPortInUse, FAILING_CLIENT_ID, HOST, type Sandbox, SCOPES } from '../sandbox.ts';
import { startControl } from './control.ts';
import { noteRunning } from './running.ts';
import { trigger } from './trigger.ts';

/** The listener for developers, with the TPPs of their own. */
export interface OpenedControl {
  /** The bank's keys, without a client certificate. */
  readonly bankJwksUrl: string;
  readonly ownTpps: OwnTpps;
  close(): Promise<void>;
}

/**
 * Starts the listener for developers, registers the TPPs that earlier runs added, and notes in the state folder that the sandbox
 * runs.
 *
 * @param options.port 0 for any free one
 * @throws {StartUpError} if the port is in use
 */
export async function openControl(
  sandbox: Sandbox,
  { folder, port }: { readonly folder: string; readonly port: number },
): Promise<OpenedControl> {
  const { pki, bank, facts, authorisationServer } = sandbox;
  const { tokenEndpoint, discoveryUrl } = authorisationServer;
  const control = await explainPortInUse(() =>
    startControl({ ...{ host: HOST, port, pki }, jwksUrl: facts.jwksUrl, token: sandbox.folder.operatorToken }),
  );
  try {
    const { bankJwksUrl, url } = control;
    const ownTpps = createOwnTpps({
      ...{ stateFolder: resolve(folder), pki, operator: bank, authorisationServer },
      bank: {
        ...{ ...facts, jwksUrl: bankJwksUrl, tokenEndpoint, discoveryUrl },
        ...{ scopes: SCOPES, caFile: pki.root.certificateFile },
      },
      reserved: [CLIENT_ID, FAILING_CLIENT_ID],
    });
    await ownTpps.reopen();
    control.serve({
      add: ownTpps.add,
      trigger: (wanted) => trigger(sandbox, { own: ownTpps.clientIds, others: [CLIENT_ID, FAILING_CLIENT_ID] }, wanted),
    });
    const forget = await noteRunning(folder, url);
    return {
      ...{ bankJwksUrl, ownTpps },
      close: async () => {
        await forget();
        await control.close();
      },
    };
  } catch (error) {
    await control.close();
    throw error;
  }
}
