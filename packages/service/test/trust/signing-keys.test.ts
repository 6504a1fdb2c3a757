import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createSigner,
  importSigningKeys,
  type JwsSigner,
  signCompact,
  signDetached,
  verifyCompact,
  verifyDetached,
} from '@tidings/protocol';
import { makeSigningKey, type SigningKey } from '@tidings/testing';
import { StartUpError } from '../../src/base/start-up-error.ts';
import type { StoredSigningKey } from '../../src/model/signing-key.ts';
import { createSigningKeys, type SigningKeys } from '../../src/trust/signing-keys.ts';
import { type HeldClock, heldClock, NOW_MS } from '../support/trust-clock.ts';

const KEPT_MS = 1000;
const BEYOND_UNDER_WAY_MS = 60_000;
const first = makeSigningKey('first');
const second = makeSigningKey('second');
const third = makeSigningKey('third');
const IDENTITY = { iss: 'bank', tan: 'openbanking.org.uk' };

/** A bank whose key file the test changes, and whose store is a list. */
interface Bank {
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

function bankWith(file: SigningKey): Bank {
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

const NEW: Omit<StoredSigningKey, 'publicJwk'> = {
  state: 'next',
  announcedAtMs: undefined,
  usedFromMs: undefined,
  retiredAtMs: undefined,
  usedUntilMs: undefined,
  withdrawnAtMs: undefined,
};

/** As the store keeps it when a key becomes the current one. */
function makeCurrent(bank: Bank, key: StoredSigningKey, nowMs: number): void {
  const others = bank.kept.filter(({ publicJwk }) => publicJwk.kid !== key.publicJwk.kid);
  const retired = others.map((each): StoredSigningKey => {
    return each.state === 'current' ? { ...each, state: 'former', retiredAtMs: nowMs } : each;
  });
  const newestFirst = retired.sort((a, b) => (b.retiredAtMs ?? 0) - (a.retiredAtMs ?? 0));
  bank.kept = [{ ...key, ...NEW, state: 'current' }, ...newestFirst];
}

/** Another instance, or an operator, changes what the store keeps. */
function change(bank: Bank, kid: string, how: 'rotate' | 'withdraw'): void {
  const key = bank.kept.find(({ publicJwk }) => publicJwk.kid === kid) ?? assert.fail(`${kid} is not known`);
  if (how === 'rotate') makeCurrent(bank, key, bank.clock.nowMs());
  else bank.kept = bank.kept.map((each) => (each === key ? { ...each, state: 'withdrawn' } : each));
}

async function load({ did, hold }: Bank, file: SigningKey | Error) {
  await hold;
  if (file instanceof Error) throw file;
  const signer = await createSigner({ ...IDENTITY, kid: file.kid }, file.keyPem);
  const sign: JwsSigner['sign'] = (input) => {
    did.push(`sign ${file.kid}`);
    return signer.sign(input);
  };
  return { signer: { ...signer, sign }, publicJwk: file.jwk };
}

async function kidsOf(keys: SigningKeys): Promise<string[]> {
  return (await keys.publicJwks()).map(({ kid }) => kid);
}

async function verifies(keys: SigningKeys, token: string): Promise<string> {
  const { header } = await verifyCompact(token, {
    ...{ iss: 'bank', trustAnchors: [IDENTITY.tan], nowSeconds: NOW_MS / 1000, clockSkewSeconds: 0 },
    ...{ typesAccepted: [], unencodedPayloadAccepted: false },
    keys: await importSigningKeys({ keys: await keys.publicJwks() }),
  });
  return header.kid;
}

const payload = Buffer.from('{}');

test('the key is kept in the store before it signs anything', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  await signCompact(payload, keys.current(), 1);
  bank.file = second;
  await keys.reload();
  await signCompact(payload, keys.current(), 1);
  assert.deepEqual(bank.did, ['remember first', 'sign first', 'remember second', 'sign second']);
});

test('a reload changes the key without a restart, and says so', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  const held = keys.signer;
  assert.deepEqual(await keys.reload(), { kid: 'first', changed: false, announced: undefined });
  bank.file = second;
  assert.deepEqual(await keys.reload(), { kid: 'second', changed: true, announced: undefined });
  assert.deepEqual([keys.current().kid, held.kid, held.iss, held.tan], ['second', 'second', 'bank', IDENTITY.tan]);
  assert.equal(await verifies(keys, await signCompact(payload, keys.current(), 1)), 'second');
  assert.equal(await verifies(keys, await signCompact(payload, held, 1)), 'second');
});

test('a signer that was taken before a rotation keeps its key, and cannot be changed', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  const taken = keys.current();
  assert.ok(Object.isFrozen(taken));
  bank.file = second;
  await keys.reload();
  assert.equal(taken.kid, 'first');
  assert.equal(await verifies(keys, await signCompact(payload, taken, 1)), 'first');
});

test('no rotation comes between the header and the signature', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  const signing: Promise<string>[] = [];
  for (const file of [second, third, second, first, third]) {
    bank.file = file;
    const reloading = keys.reload();
    for (let turns = 0; turns < 20; turns += 1) {
      signing.push(signCompact(payload, keys.signer, 1));
      await Promise.resolve();
    }
    await reloading;
  }
  const kids = await Promise.all(signing.map(async (token) => verifies(keys, await token)));
  assert.deepEqual(new Set(kids), new Set(['first', 'second', 'third']));
});

test('a detached signature under way during a rotation verifies with the key it names', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  const signing = signDetached(payload, keys.signer, 1);
  bank.file = second;
  await keys.reload();
  const { kid } = await verifyDetached(await signing, payload, {
    ...{ iss: 'bank', trustAnchors: [IDENTITY.tan], nowSeconds: 1, clockSkewSeconds: 0 },
    ...{ typesAccepted: [], unencodedPayloadAccepted: false },
    keys: await importSigningKeys({ keys: await keys.publicJwks() }),
  });
  assert.equal(kid, 'first');
});

test('a bad key file leaves the old key in use and is an error', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  bank.file = new StartUpError('The file key.pem does not exist.');
  await assert.rejects(keys.reload(), bank.file);
  assert.equal(keys.current().kid, 'first');
  assert.deepEqual(await kidsOf(keys), ['first']);
  bank.file = second;
  assert.deepEqual(
    await keys.reload(),
    { kid: 'second', changed: true, announced: undefined },
    'and the next reload is as ever',
  );
});

test('a store that cannot keep the new key leaves the old one in use and is an error', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  bank.file = second;
  bank.storeFails = true;
  await assert.rejects(keys.reload(), { message: 'the store is full' });
  assert.equal(keys.current().kid, 'first');
  assert.equal(keys.signer.kid, 'first');
  assert.deepEqual(bank.did, ['remember first']);
});

test('a kid that was another key is refused, at a reload and at the start', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  bank.file = { ...second, kid: 'first', jwk: { ...second.jwk, kid: 'first' } };
  await assert.rejects(keys.reload(), { name: 'StartUpError', message: /"signing\.kid" \(first\)/ });
  assert.deepEqual(await kidsOf(keys), ['first']);
  assert.equal((await keys.publicJwks())[0]?.['n'], first.jwk['n']);
  await assert.rejects(bank.keys(), StartUpError);
});

test('a former key can become the current one again', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  for (const file of [second, first]) {
    bank.file = file;
    await keys.reload();
  }
  bank.clock.advance(KEPT_MS);
  assert.deepEqual(await kidsOf(keys), ['first']);
});

test('reloads at the same time run one after the other, so that the file of the last one stays', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  const { promise, resolve } = Promise.withResolvers<void>();
  bank.hold = promise;
  bank.file = second;
  const slow = keys.reload();
  await Promise.resolve();
  bank.hold = undefined;
  bank.file = third;
  const quick = keys.reload();
  resolve();
  assert.deepEqual(await Promise.all([slow, quick]), [
    { kid: 'second', changed: true, announced: undefined },
    { kid: 'third', changed: true, announced: undefined },
  ]);
  assert.equal(keys.current().kid, 'third');
});

test('of two reloads of one file the first one changes the key', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  bank.file = second;
  assert.deepEqual(await Promise.all([keys.reload(), keys.reload()]), [
    { kid: 'second', changed: true, announced: undefined },
    { kid: 'second', changed: false, announced: undefined },
  ]);
});

test('old public keys stay resolvable for formerKeysKeptMs, the current one first', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  bank.file = second;
  await keys.reload();
  bank.clock.advance(KEPT_MS - 1);
  bank.file = third;
  await keys.reload();
  assert.deepEqual(await kidsOf(keys), ['third', 'second', 'first']);
  bank.clock.advance(1);
  assert.deepEqual(await kidsOf(keys), ['third', 'second']);
});

test('an old public key stays resolvable as long as a token that it may have signed is awaiting', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  bank.clock.advance(5000);
  bank.file = second;
  await keys.reload();
  bank.clock.advance(10 * 365 * 86_400_000);
  bank.oldestAwaitingAtMs = NOW_MS;
  assert.deepEqual(await kidsOf(keys), ['second', 'first']);
  bank.oldestAwaitingAtMs = NOW_MS + 5000 + BEYOND_UNDER_WAY_MS - 1;
  assert.deepEqual(await kidsOf(keys), ['second', 'first'], 'what was being signed while it was retired');
  bank.oldestAwaitingAtMs = NOW_MS + 5000 + BEYOND_UNDER_WAY_MS;
  assert.deepEqual(await kidsOf(keys), ['second']);
  bank.oldestAwaitingAtMs = undefined;
  assert.deepEqual(await kidsOf(keys), ['second']);
});

test('former keys are known after a restart', async () => {
  const bank = bankWith(first);
  await bank.keys();
  bank.file = second;
  assert.deepEqual(await kidsOf(await bank.keys()), ['second', 'first']);
});

test('the JWKS never holds more keys than verifiers read, and drops the oldest first', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  const former = Array.from({ length: 150 }, (_, at) => ({
    publicJwk: { ...second.jwk, kid: `former-${at}` },
    ...{ ...NEW, state: 'former' as const, retiredAtMs: NOW_MS - at },
  }));
  bank.kept = [...bank.kept, ...former];
  const kids = await kidsOf(keys);
  assert.equal(kids.length, 100);
  assert.deepEqual([kids[0], kids[1], kids.at(-1)], ['first', 'former-0', 'former-98']);
});

/** Instances of one fleet: `first` is their key, `second` the next one. */
async function announcing(changes: Partial<Bank> = {}): Promise<[Bank, SigningKeys]> {
  const bank = bankWith(first);
  Object.assign(bank, { isShared: true, next: second, ...changes });
  return [bank, await bank.keys()];
}

test('a next key is in the JWKS, and signs nothing until it is the current one', async () => {
  const bank = bankWith(first);
  bank.isShared = true;
  const keys = await bank.keys();
  bank.next = second;
  assert.deepEqual(await keys.reload(), { kid: 'first', changed: false, announced: 'second' });
  assert.deepEqual(await keys.reload(), { kid: 'first', changed: false, announced: undefined });
  assert.deepEqual(await kidsOf(keys), ['first', 'second']);
  assert.deepEqual([keys.current().kid, keys.held()], ['first', ['first', 'second']]);
  change(bank, 'second', 'rotate');
  await keys.follow();
  assert.equal(await verifies(keys, await signCompact(payload, keys.signer, 1)), 'second');
  assert.deepEqual(await kidsOf(keys), ['second', 'first']);
  assert.equal(keys.problem(), undefined);
});

test('a restart with the configuration of before a rotation does not undo it', async () => {
  for (const isShared of [true, false]) {
    const [bank] = await announcing({ isShared });
    change(bank, 'second', 'rotate');
    assert.equal((await bank.keys()).current().kid, 'second');
    bank.file = second;
    bank.next = undefined;
    const keys = await bank.keys();
    assert.equal(keys.current().kid, 'second');
    assert.equal(keys.problem(), undefined);
  }
});

test('an instance that lacks the current key says so once, and goes on with its own, which stays in the JWKS', async () => {
  const [bank, keys] = await announcing();
  bank.next = undefined;
  const lacking = await bank.keys();
  change(bank, 'second', 'rotate');
  for (let days = 0; days < 5; days += 1) {
    bank.clock.advance(86_400_000);
    await Promise.all([keys.follow(), lacking.follow()]);
    assert.equal(lacking.current().kid, 'first');
    assert.equal(keys.current().kid, 'second');
    assert.deepEqual(await kidsOf(keys), ['second', 'first'], 'others publish what it signs with');
  }
  assert.match(String(lacking.problem()), /current signing key second is not .* signs with first; name its file/);
  assert.equal(bank.logged.filter((line) => line === lacking.problem()).length, 1);
  bank.file = second;
  assert.deepEqual(await lacking.reload(), { kid: 'second', changed: true, announced: undefined });
  assert.equal(lacking.problem(), undefined);
  bank.clock.advance(KEPT_MS);
  assert.deepEqual(await kidsOf(keys), ['second']);
});

test('an instance that starts with a former key alone does not make it the current one of all', async () => {
  const [bank, keys] = await announcing();
  change(bank, 'second', 'rotate');
  bank.next = undefined;
  const stale = await bank.keys();
  await keys.follow();
  assert.deepEqual([stale.current().kid, keys.current().kid], ['first', 'second']);
});

test('an instance whose only key was withdrawn signs nothing, publishes it no more, and recovers', async () => {
  const [bank, keys] = await announcing();
  bank.next = undefined;
  const lacking = await bank.keys();
  change(bank, 'second', 'rotate');
  change(bank, 'first', 'withdraw');
  await Promise.all([keys.follow(), lacking.follow()]);
  assert.deepEqual([lacking.canSign(), keys.canSign()], [false, true]);
  await assert.rejects(signCompact(payload, lacking.signer, 1), /signing key first was retired/);
  assert.deepEqual(await kidsOf(lacking), ['second']);
  await assert.rejects(bank.keys(), { name: 'StartUpError', message: /"signing\.kid" \(first\) was retired/ });
  await assert.rejects(lacking.reload(), StartUpError);
  bank.next = second;
  await lacking.reload();
  assert.deepEqual([lacking.canSign(), lacking.current().kid], [true, 'second']);
  assert.equal((await bank.keys()).current().kid, 'second', 'a withdrawn key beside the current one does no harm');
});

test('a kid that was another key is refused as the next one too', async () => {
  const bank = bankWith(first);
  await bank.keys();
  bank.file = third;
  bank.next = { ...second, kid: 'first', jwk: { ...second.jwk, kid: 'first' } };
  await assert.rejects(bank.keys(), { name: 'StartUpError', message: /"signing\.next\.kid" \(first\)/ });
});
