import assert from 'node:assert/strict';
import { createSigner, importSigningKeys, type JwsSigner, verifyCompact } from '@tidings/protocol';
import { makeSigningKey, type SigningKey } from '@tidings/testing';
import type { StoredSigningKey } from '../../src/model/signing-key.ts';
import { createSigningKeys, type SigningKeys } from '../../src/trust/signing-keys.ts';
import { type HeldClock, heldClock, NOW_MS } from './trust-clock.ts';

export const KEPT_MS = 1000;
export const BEYOND_UNDER_WAY_MS = 60_000;
export const first = makeSigningKey('first');
export const second = makeSigningKey('second');
export const third = makeSigningKey('third');
export const IDENTITY = { iss: 'bank', tan: 'openbanking.org.uk' };

/** A bank whose key file the test changes, and whose store is a list. */
export interface Bank {
  readonly clock: HeldClock;
  readonly did: string[];
  kept: StoredSigningKey[];
  file: SigningKey | Error;
  /** The file of `signing.next`. */
  next: SigningKey | undefined;
  /** Other instances work on the store. */
  isShared: boolean;
  readonly logged: string[];
  storeFails: boolean;
  /** The key file is read at once, and given out after it. */
  hold: Promise<void> | undefined;
  oldestAwaitingAtMs: number | undefined;
  keys(): Promise<SigningKeys>;
}

export function bankWith(file: SigningKey): Bank {
  const bank: Bank = {
    ...{
      clock: heldClock(),
      did: [],
      kept: [],
      file,
      next: undefined,
      isShared: false,
      logged: [],
      storeFails: false,
      hold: undefined,
      oldestAwaitingAtMs: undefined,
    },
    keys: () =>
      createSigningKeys({
        load: async () => {
          const main = await load(bank, bank.file);
          return { main, next: bank.next && (await load(bank, bank.next)) };
        },
        store: {
          useSigningKey: async (publicJwk, nowMs) => {
            if (bank.storeFails) throw new Error('the store is full');
            bank.did.push(`remember ${publicJwk.kid}`);
            makeCurrent(bank, { publicJwk, ...NEW }, nowMs);
          },
          announceSigningKey: async (publicJwk) => {
            if (bank.kept.some((each) => each.publicJwk.kid === publicJwk.kid)) return false;
            bank.kept.push({ publicJwk, ...NEW });
            return true;
          },
          noteSigningKeyUsed: async (kid, usedUntilMs) => {
            bank.kept = bank.kept.map((each) => (each.publicJwk.kid === kid ? { ...each, usedUntilMs } : each));
          },
          signingKeys: async () => bank.kept,
          oldestAwaitingAtMs: async () => bank.oldestAwaitingAtMs,
        },
        formerKeysKeptMs: KEPT_MS,
        isAlone: !bank.isShared,
        clock: bank.clock,
        log: {
          error: (_, message) => bank.logged.push(message),
          info: (_, message) => bank.logged.push(message),
        },
      }),
  };
  return bank;
}

export const NEW: Omit<StoredSigningKey, 'publicJwk'> = {
  state: 'next',
  announcedAtMs: undefined,
  usedFromMs: undefined,
  retiredAtMs: undefined,
  usedUntilMs: undefined,
  withdrawnAtMs: undefined,
};

/** As the store keeps it when a key becomes the current one. */
export function makeCurrent(bank: Bank, key: StoredSigningKey, nowMs: number): void {
  const others = bank.kept.filter(({ publicJwk }) => publicJwk.kid !== key.publicJwk.kid);
  const retired = others.map((each): StoredSigningKey => {
    return each.state === 'current' ? { ...each, state: 'former', retiredAtMs: nowMs } : each;
  });
  const newestFirst = retired.sort((a, b) => (b.retiredAtMs ?? 0) - (a.retiredAtMs ?? 0));
  bank.kept = [{ ...key, ...NEW, state: 'current' }, ...newestFirst];
}

/** Another instance, or an operator, changes what the store keeps. */
export function change(bank: Bank, kid: string, how: 'rotate' | 'withdraw'): void {
  const key = bank.kept.find(({ publicJwk }) => publicJwk.kid === kid) ?? assert.fail(`${kid} is not known`);
  if (how === 'rotate') makeCurrent(bank, key, bank.clock.nowMs());
  else bank.kept = bank.kept.map((each) => (each === key ? { ...each, state: 'withdrawn' } : each));
}

export async function load({ did, hold }: Bank, file: SigningKey | Error) {
  await hold;
  if (file instanceof Error) throw file;
  const signer = await createSigner({ ...IDENTITY, kid: file.kid }, file.keyPem);
  const sign: JwsSigner['sign'] = (input) => {
    did.push(`sign ${file.kid}`);
    return signer.sign(input);
  };
  return { signer: { ...signer, sign }, publicJwk: file.jwk };
}

export async function kidsOf(keys: SigningKeys): Promise<string[]> {
  return (await keys.publicJwks()).map(({ kid }) => kid);
}

export async function verifies(keys: SigningKeys, token: string): Promise<string> {
  const { header } = await verifyCompact(token, {
    ...{ iss: 'bank', trustAnchors: [IDENTITY.tan], nowSeconds: NOW_MS / 1000, clockSkewSeconds: 0 },
    ...{ typesAccepted: [], unencodedPayloadAccepted: false },
    keys: await importSigningKeys({ keys: await keys.publicJwks() }),
  });
  return header.kid;
}

export const payload = Buffer.from('{}');
