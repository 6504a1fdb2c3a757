import { waitFor } from '../../clock.ts';
import type { Bank, BankKey } from '../bank.ts';
import { described } from '../endpoint.ts';
import { pss } from '../forge.ts';
import { afterBaseline, checksOf, failed, isAcknowledged, isRefused, passed, skipped } from '../judge.ts';
import { RW_SIGNING, rfc } from '../sources.ts';

const { check } = checksOf('Keys');

const NOT_SERVED = 'The runner does not serve the JWKS of the bank: set signing.jwks in the configuration.';
const TRIES = 20;

/** Checks of the keys of the bank; they need a JWKS that the runner serves. */
export const KEY_CHECKS = [
  check(
    'must',
    {
      id: 'TPP-KEY-01',
      title: 'Every signing key of the bank’s JWKS is accepted',
      source: RW_SIGNING,
      rule: 'A bank has more than one key in its JWKS while it rotates them. The kid tells which one signed.',
      remedy: 'Take the key with the kid of the token, not the first one.',
    },
    async ({ bank, endpoint, jwks }) => {
      if (jwks === undefined) return skipped(NOT_SERVED);
      const answer = await endpoint.deliver({ token: signedWith(bank, jwks.second) });
      return isAcknowledged(answer) ? passed : failed('202 to a token of the second key', described(answer));
    },
  ),
  check(
    'should',
    {
      id: 'TPP-KEY-02',
      title: 'A token signed with a key that is not for signatures is refused',
      source: rfc(7517, '4.2'),
      rule: 'A JWKS holds keys for transport too: use tells them apart.',
      remedy: 'Use the keys with use sig only.',
    },
    afterBaseline(async ({ bank, endpoint, jwks }) => {
      if (jwks === undefined) return skipped(NOT_SERVED);
      const answer = await endpoint.deliver({ token: signedWith(bank, jwks.encryption) });
      return isRefused(answer) ? passed : failed('a refusal', described(answer));
    }),
  ),
  check(
    'should',
    {
      id: 'TPP-KEY-03',
      title: 'A key that the bank adds to its JWKS is accepted soon',
      source: RW_SIGNING,
      rule: 'Signing keys rotate. A notification with a new kid is refused at most until the TPP has fetched the JWKS again; the bank delivers it again meanwhile.',
      remedy: 'Fetch the JWKS again when a kid is unknown, with a pause between two requests, and without a restart.',
    },
    afterBaseline(async ({ bank, endpoint, jwks, config, clock, signal }) => {
      if (jwks === undefined) return skipped(NOT_SERVED);
      const withinMs = config.timing.keyRefreshMs;
      if (withinMs === 0) return skipped('timing.keyRefreshMs is 0, so that this takes no time.');
      const token = signedWith(bank, jwks.addKey());
      const pauseMs = withinMs / TRIES;
      let last = 'no response';
      for (let at = 0; at <= TRIES; at += 1) {
        const answer = await endpoint.deliver({ token });
        if (isAcknowledged(answer)) return passed;
        last = described(answer);
        if (at < TRIES) await waitFor(clock, pauseMs, signal);
      }
      return failed(`202 within ${withinMs / 1000} s`, last);
    }),
  ),
];

function signedWith(bank: Bank, { kid, privateKey }: BankKey): string {
  return bank.token({ header: { kid }, signing: pss(privateKey) });
}
