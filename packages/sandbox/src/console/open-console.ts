import type { EventNotification } from '@tidings/tpp';
import type { Sandbox, StaffAccess } from '../sandbox.ts';
import { createBankActions } from './bank-actions.ts';
import { serveConsole } from './console.ts';
import { type FailingTpp, startFailingTpp } from './failing-tpp.ts';

/** The console of a running sandbox, and the TPP that is down for it. */
export interface OpenedConsole {
  /** @returns a new link that signs in whoever follows it first; undefined where the console is not built */
  link(): Promise<string | undefined>;
  close(): Promise<void>;
}

export interface OpenConsoleOptions {
  readonly onReceived: (notification: EventNotification) => void;
  readonly onLinkNeeded: (link: string) => void;
}

/**
 * Serves the console of a sandbox. When somebody has signed in for the first time a second TPP joins, whose endpoint is down;
 * whoever does not open the console has one TPP, which works.
 */
export function openConsole(sandbox: Sandbox, staff: StaffAccess, options: OpenConsoleOptions): OpenedConsole {
  let starting: Promise<FailingTpp> | undefined;
  const failing = () => {
    starting ??= startFailingTpp(sandbox, options.onReceived);
    return starting;
  };
  const { addresses, folder, pki } = sandbox;
  const console = serveConsole({
    ...{ listener: staff.listener, operatorUrl: addresses.operator, caPem: pki.root.certificatePem },
    ...{ identityProviderUrl: staff.identityProvider.issuer, operatorToken: folder.operatorToken },
    actions: createBankActions(sandbox, failing),
    // What fails here fails again, and is shown, when somebody does something with this TPP.
    onSignedIn: () => void failing().catch(() => undefined),
    onLinkNeeded: options.onLinkNeeded,
  });
  return {
    link: async () => ((await console.isBuilt()) ? console.link() : undefined),
    close: async () => {
      console.close();
      await (await starting?.catch(() => undefined))?.close();
    },
  };
}
