import { BODY_MUTANTS } from './bodies.ts';
import { CALLBACK_URL_MUTANTS, VERSION_MUTANTS } from './callback-urls.ts';
import { DELIVERY_MUTANTS } from './delivery.ts';
import type { Mutant } from './mutant.ts';
import { POLLING_MUTANTS } from './polling.ts';
import { REGISTRATION_MUTANTS } from './registrations.ts';
import { SIGNATURE_MUTANTS } from './signatures.ts';

/** Banks that each break one rule, and the check that catches each. */
export const MUTANTS: readonly Mutant[] = [
  ...REGISTRATION_MUTANTS,
  ...SIGNATURE_MUTANTS,
  ...POLLING_MUTANTS,
  ...BODY_MUTANTS,
  ...CALLBACK_URL_MUTANTS,
  ...VERSION_MUTANTS,
  ...DELIVERY_MUTANTS,
];
