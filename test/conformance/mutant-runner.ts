import {
  ASPSP_CHECKS,
  type AspspSession,
  type CheckResult,
  openAspspSession,
  runChecks,
  selectChecks,
  systemClock,
} from '@tidings/conformance';
import { ORGANISATION_ID } from '../support/bank.ts';
import type { Mutant, MutantKeys } from './mutants/mutant.ts';
import { type FaultyProxy, startCourier, startGateway } from './proxies.ts';
import { startTestedBank } from './world.ts';

/** A bank into which faults can be put, one after the other. */
export interface MutableBank {
  /** Runs checks against the bank as the mutant makes it; undefined: as it is. */
  run(mutant: Mutant | undefined, only: readonly string[]): Promise<readonly CheckResult[]>;
  stop(): Promise<void>;
}

/** Starts the service behind a gateway, with something in front of each receiver, so that every message can be changed. */
export async function startMutableBank(): Promise<MutableBank> {
  const tested = await startTestedBank({ isBehindGateway: true });
  const { bank, receiverPorts } = tested;
  const identity = { tls: { cert: bank.transport.certificatePem, key: bank.transport.keyPem } };
  const ca = bank.authority.certificatePem;
  const gateway = await startGateway({ identity, clientCa: ca, target: bank.service.apiUrl });
  const courier = await startCourier({ identity, ca, target: () => `https://localhost:${receiverPorts.trusted}` });
  // Nothing is behind it but a receiver that the bank could not know, so this one is without the trust of the bank too.
  const untrusted = await startCourier({
    identity,
    ca: tested.files['untrusted-root.pem'] ?? '',
    target: () => `https://localhost:${receiverPorts.untrusted}`,
  });
  const keys: MutantKeys = { bank: bank.signingKey, clients: tested.signing, organisationId: ORGANISATION_ID };
  const good = { api: gateway.origin, receiver: courier.origin };
  return {
    run: async (mutant, only) => {
      const fault = mutant?.fault(keys) ?? {};
      Object.assign(gateway, { answering: fault.api });
      Object.assign(courier, { answering: fault.delivery });
      const origins = fault.untrusted === undefined ? good : { ...good, untrusted: untrusted.origin };
      const config = tested.config(origins);
      const session = await openAspspSession(config, systemClock, () => Promise.reject(new Error('nobody is asked')));
      try {
        return await checked(session, only, config.name);
      } finally {
        for (const proxy of [gateway, courier] satisfies FaultyProxy[]) proxy.answering = undefined;
        await session.close();
      }
    },
    stop: async () => {
      await Promise.all([gateway, courier, untrusted].map((each) => each.close()));
      await tested.stop();
    },
  };
}

async function checked(session: AspspSession, only: readonly string[], name: string): Promise<readonly CheckResult[]> {
  const { results } = await runChecks({
    ...({ side: 'aspsp', target: { name, url: 'https://bank.example' }, version: '0' } as const),
    checks: selectChecks(ASPSP_CHECKS, only),
    contextOf: session.contextOf,
    clock: systemClock,
  });
  return results;
}
