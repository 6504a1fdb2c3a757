import { describeFinds } from './finds.ts';
import { MUTANTS } from './mutations.ts';

describeFinds(MUTANTS.filter(({ isRare }) => isRare));
