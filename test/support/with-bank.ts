import { type Bank, type BankOptions, startBank } from './bank.ts';
import { makeTpp, type Tpp } from './tpp.ts';

/** Runs a check with a bank of its own and one TPP, and stops both however it ends. */
export async function withBank(
  options: Partial<BankOptions>,
  check: (tpp: Tpp, bank: Bank) => Promise<void>,
): Promise<void> {
  const bank = await startBank({ clients: ['tpp-a'], ...options });
  try {
    const tpp = await makeTpp(bank, 'tpp-a');
    try {
      await check(tpp, bank);
    } finally {
      tpp.close();
    }
  } finally {
    await bank.stop();
  }
}
