import { makeParticipant, type Participant, TRUST_ANCHOR } from '@tidings/testing';

export { TRUST_ANCHOR };

/** The moment at which every test takes place, so that none reads a clock. */
export const NOW_SECONDS = 1_760_000_000;
export const CLOCK_SKEW_SECONDS = 30;

/** The participant whose signatures the tests expect. */
export const tpp: Participant = await makeParticipant('0015800001041REAAY/2fNwVYePN8WqqDFvVf7XMN', 'tpp-signing-key-1');
/** Another participant, whose keys are just as valid. */
export const stranger: Participant = await makeParticipant(
  '0015800001099ZZZZZ/5xSdfhV7ePN8WqqDFvVf7XM',
  'stranger-signing-key-1',
);
