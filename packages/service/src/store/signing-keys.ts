import assert from 'node:assert/strict';
import { decodeBase64url, isJsonObject, parseStrictJson } from '@tidings/protocol';
import type { SigningKeyState, SigningKeyUse, SigningKeyUses, StoredSigningKey } from '../model/signing-key.ts';
import { json, optionalWhole, type Row, text } from './rows.ts';

const ORDER: readonly SigningKeyState[] = ['current', 'next', 'former', 'withdrawn'];

/**
 * A key with its state, from what is kept of it. A key that was announced and never used is no former one whatever an
 * older version of Tidings, which knows nothing of announcing, wrote about it.
 */
function withState(key: Omit<StoredSigningKey, 'state'>): StoredSigningKey {
  return { ...key, state: stateOf(key) };
}

function stateOf(key: Omit<StoredSigningKey, 'state'>): SigningKeyState {
  if (key.withdrawnAtMs !== undefined) return 'withdrawn';
  if (key.announcedAtMs !== undefined && key.usedFromMs === undefined) return 'next';
  return key.retiredAtMs === undefined ? 'current' : 'former';
}

/** The current key first, then announced keys, then retired ones (the last first), then withdrawn ones. */
export function inOrder(keys: readonly StoredSigningKey[]): StoredSigningKey[] {
  const last = ({ retiredAtMs = 0, announcedAtMs = 0 }: StoredSigningKey) => Math.max(retiredAtMs, announcedAtMs);
  return keys.toSorted(
    (left, right) =>
      ORDER.indexOf(left.state) - ORDER.indexOf(right.state) ||
      last(right) - last(left) ||
      (left.publicJwk.kid < right.publicJwk.kid ? -1 : 1),
  );
}

/** Awaiting notifications whose SETs have the same header. */
export interface SameHeader extends SigningKeyUse {
  /** The first segment of the SET; undefined: they are not signed yet. */
  readonly header: string | undefined;
}

/** Adds up by key. The headers are of SETs that this service signed itself. */
export function usesOf(groups: Iterable<SameHeader>, isAll: boolean): SigningKeyUses {
  const byKid = new Map<string, SigningKeyUse>();
  for (const { header, count, oldestJti, oldestPublishedAtMs } of groups) {
    const kid = header === undefined ? undefined : kidOf(header);
    if (kid === undefined) continue;
    const before = byKid.get(kid);
    const isOlder = before === undefined || oldestPublishedAtMs < before.oldestPublishedAtMs;
    const oldest = isOlder ? { oldestJti, oldestPublishedAtMs } : before;
    byKid.set(kid, { ...oldest, count: (before?.count ?? 0) + count });
  }
  return { byKid, isAll };
}

function kidOf(header: string): string | undefined {
  const bytes = decodeBase64url(header);
  const members: unknown = bytes === undefined ? undefined : parseStrictJson(bytes);
  return isJsonObject(members) && typeof members['kid'] === 'string' ? members['kid'] : undefined;
}

/** A row of the signing keys as both databases give it. @throws {AssertionError} when it is no key */
export function signingKeyOf(row: Row): StoredSigningKey {
  const publicJwk: unknown = json(row, 'public_jwk');
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
