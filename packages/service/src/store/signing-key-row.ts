import assert from 'node:assert/strict';
import { isJsonObject } from '@tidings/protocol';
import type { StoredSigningKey } from '../model/signing-key.ts';
import { optionalWhole, parseText, type Row, text } from './row.ts';
import { withState } from './signing-key-states.ts';

/** A row of the signing keys as both databases give it. @throws {AssertionError} when it is no key */
export function signingKeyOf(row: Row): StoredSigningKey {
  const publicJwk = parseText(row, 'public_jwk');
  assert(isJsonObject(publicJwk), 'a kept key must be an object');
  return withState({
    publicJwk: { ...publicJwk, kid: text(row, 'kid') },
    announcedAtMs: optionalWhole(row, 'announced_at_ms'),
    usedFromMs: optionalWhole(row, 'used_from_ms'),
    retiredAtMs: optionalWhole(row, 'retired_at_ms'),
    usedUntilMs: optionalWhole(row, 'used_until_ms'),
    withdrawnAtMs: optionalWhole(row, 'withdrawn_at_ms'),
  });
}
