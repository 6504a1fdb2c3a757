import { type Bank, type BankOptions, startBank } from './bank.ts';
import { makeTpp, type Tpp } from './tpp.ts';

/** A bank with its TPPs. */
export interface BankWithTpps extends Bank {
  /** A TPP with a certificate, keys, and a client at the authorisation server; registered with the service. */
  tpp(clientId: string): Tpp;
}

/** Starts a bank and registers its TPPs, but for those whose client_id starts with `unregistered`; stop it in `after`. */
export async function startBankWithTpps(options: Partial<BankOptions> = {}): Promise<BankWithTpps> {
  const { clients = [] } = options;
  const bank = await startBank({ ...options, clients });
  const made = await Promise.all(
    clients.map((clientId) => makeTpp(bank, clientId, { isRegistered: !clientId.startsWith('unregistered') })),
  );
  const tpps = new Map(made.map((tpp) => [tpp.clientId, tpp]));
  return {
    ...bank,
    tpp: (clientId) => {
      const tpp = tpps.get(clientId);
      if (tpp === undefined) throw new Error(`name ${clientId} when the bank is started`);
      return tpp;
    },
    stop: async () => {
      for (const tpp of made) tpp.close();
      await bank.stop();
    },
  };
}
