import { JWKS_KEYS_MAX, type JwsSigner } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import { StartUpError } from '../base/start-up-error.ts';
import type { SigningKeyJwk, StoredSigningKey } from '../model/signing-key.ts';
import type { Store } from '../store/store.ts';
import type { OwnSigningKey, OwnSigningKeys } from './signing-key.ts';

/** The operations of the store that concern our signing keys. */
type SigningKeyStore = Pick<
  Store,
  'useSigningKey' | 'announceSigningKey' | 'noteSigningKeyUsed' | 'signingKeys' | 'oldestAwaitingAtMs'
>;

export interface SigningKeysOptions {
  /** Reloads the key files and the kids. @throws {StartUpError} when they are invalid */
  readonly load: () => Promise<OwnSigningKeys>;
  readonly store: SigningKeyStore;
  /** Shortest time that a former key stays in the JWKS. */
  readonly formerKeysKeptMs: number;
  /** True: no other instance uses the store, so the configured key signs even if it was retired. */
  readonly isAlone: boolean;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly log: { error(facts: object, message: string): void; info(facts: object, message: string): void };
}

/** The result of reloading the keys. */
export interface Reloaded {
  /** The kid in use. */
  readonly kid: string;
  /** Whether it differs from the one used before. */
  readonly changed: boolean;
  /** The kid of a next key that this reload added to the JWKS. */
  readonly announced: string | undefined;
}

/** Our own signing keys: the current one, and those whose signatures may still be verified. */
export interface SigningKeys {
  /** A signer with the current key, which does not follow a rotation. Call this before every signature. */
  current(): JwsSigner;
  /**
   * A signer that follows rotations. `kid` and `sign` must be used in the same turn of the event loop, as `signCompact` and
   * `signDetached` do, or a rotation could come between them.
   */
  readonly signer: JwsSigner;
  /** The kids whose private keys this instance has. */
  held(): readonly string[];
  /** Why this instance does not sign with the current key, or not at all now; undefined when it does. */
  problem(): string | undefined;
  /** True while the provider of the key that signs is away; see {@link OwnSigningKey.providerProblem}. */
  isPaused(): boolean;
  /** False when this instance has no key that it may sign with. */
  canSign(): boolean;
  /**
   * Reloads the keys. A `signing.kid` that never signed becomes the current key of all instances at once; a
   * `signing.next` is announced. On failure the previous keys stay in use. Concurrent calls run one after the other.
   *
   * @throws {StartUpError} when a new key is invalid, its kid belonged to another key, or it was withdrawn
   */
  reload(): Promise<Reloaded>;
  /** Adopts the key that the store says is current, if this instance has it. To be called often where other instances rotate. */
  follow(): Promise<void>;
  /** A text that changes when this instance learns that a key was announced, rotated or withdrawn. */
  revision(): string;
  /** The keys of the JWKS, the one that this instance signs with first. Public members only. */
  publicJwks(): Promise<readonly SigningKeyJwk[]>;
}

// How often the store is told that a former key still signs.
const NOTED_MS = 60_000;

/** The keys that this instance has, and the one that it signs with. */
interface KeyRing {
  readonly held: ReadonlyMap<string, OwnSigningKey>;
  /** The kid of `signing.kid`. */
  readonly main: string;
  readonly signing: OwnSigningKey;
  readonly problem: string | undefined;
  readonly canSign: boolean;
  /** The kids and states of the keys in the store, when it was last read. */
  readonly revision: string;
}

/**
 * Loads our signing keys. The store decides which key is current, for all instances. An instance that has that key signs
 * with it. One that lacks it goes on with the key it has and logs the problem; that key is a former one, and stays in the
 * JWKS of all instances while it is used.
 *
 * @throws {StartUpError} when a key is invalid, its kid belonged to another key, or all were withdrawn
 */
export async function createSigningKeys(options: SigningKeysOptions): Promise<SigningKeys> {
  const { store, clock } = options;
  const first = await loadKeys(options);
  let ring = first.ring;
  let turn: Promise<unknown> = Promise.resolve();
  let notedAtMs = Number.NEGATIVE_INFINITY;
  logProblem(undefined, ring, options);

  /** One after the other: whoever is last has seen the newest. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = turn.then(work);
    turn = done.catch(() => undefined);
    return done;
  };
  const take = (next: KeyRing) => {
    logProblem(ring, next, options);
    ring = next;
  };
  const noteUse = async () => {
    const nowMs = clock.nowMs();
    if (ring.problem === undefined || !ring.canSign || nowMs - notedAtMs < NOTED_MS) return;
    await store.noteSigningKeyUsed(ring.signing.publicJwk.kid, nowMs);
    notedAtMs = nowMs;
  };
  await noteUse();

  return {
    current: () => ring.signing.signer,
    signer: followingSigner(() => ring),
    held: () => [...ring.held.keys()],
    problem: () => ring.problem ?? ring.signing.providerProblem?.(),
    isPaused: () => ring.signing.providerProblem?.() !== undefined,
    canSign: () => ring.canSign,
    reload: () =>
      inTurn(async () => {
        const before = ring.signing.publicJwk.kid;
        const { ring: next, announced } = await loadKeys(options, ring);
        take(next);
        const { kid } = next.signing.publicJwk;
        return { kid, changed: kid !== before, announced };
      }),
    follow: () =>
      inTurn(async () => {
        take(choose(ring, await store.signingKeys()));
        await noteUse();
      }),
    revision: () => ring.revision,
    publicJwks: () => publishedKeys(options, ring.signing.publicJwk),
  };
}

function followingSigner(ring: () => KeyRing): JwsSigner {
  return {
    get kid() {
      return ring().signing.signer.kid;
    },
    get iss() {
      return ring().signing.signer.iss;
    },
    get tan() {
      return ring().signing.signer.tan;
    },
    sign: (signingInput) => ring().signing.signer.sign(signingInput),
  };
}

/** Loads the keys, and stores each before it signs anything, so that the key of every signature is known. */
async function loadKeys(
  options: SigningKeysOptions,
  before?: KeyRing,
): Promise<{ ring: KeyRing; announced: string | undefined }> {
  const { load, store, clock, isAlone } = options;
  const { main, next } = await load();
  const kept = await store.signingKeys();
  for (const [setting, key] of [['signing.kid', main] as const, ['signing.next.kid', next] as const]) {
    if (key !== undefined) assertKidNotReused(setting, key, kept);
  }
  const keys = [main, ...(next === undefined ? [] : [next])];
  const held = new Map(keys.map((key) => [key.publicJwk.kid, frozen(key)]));
  const { kid } = main.publicJwk;
  const current = kept.find(({ state }) => state === 'current')?.publicJwk.kid;
  const state = stateOf(kid, kept);
  const isCurrentElsewhere = current !== undefined && !held.has(current);
  const takesOver = isCurrentElsewhere && (state === 'next' || (state === 'former' && isAlone));
  if (current === undefined ? state !== 'withdrawn' : state === undefined || takesOver) {
    await store.useSigningKey(main.publicJwk, clock.nowMs());
  }
  const isAnnounced = next !== undefined && (await store.announceSigningKey(next.publicJwk, clock.nowMs()));
  const loaded = {
    held,
    main: kid,
    signing: before?.signing ?? frozen(main),
    problem: undefined,
    canSign: true,
    revision: '',
  };
  const ring = choose(loaded, await store.signingKeys());
  if (ring.canSign) return { ring, announced: isAnnounced ? next.publicJwk.kid : undefined };
  throw new StartUpError(
    `"signing.kid" (${kid}) was retired from the JWKS, and nothing may be signed with it; give a new key.`,
  );
}

function frozen(key: OwnSigningKey): OwnSigningKey {
  return { ...key, signer: Object.freeze({ ...key.signer }) };
}

/** @returns undefined when it is unknown */
function stateOf(kid: string, kept: readonly StoredSigningKey[]): StoredSigningKey['state'] | undefined {
  return kept.find(({ publicJwk }) => publicJwk.kid === kid)?.state;
}

function assertKidNotReused(setting: string, { publicJwk }: OwnSigningKey, kept: readonly StoredSigningKey[]): void {
  const before = kept.find((each) => each.publicJwk.kid === publicJwk.kid)?.publicJwk;
  if (before === undefined || (before['n'] === publicJwk['n'] && before['e'] === publicJwk['e'])) return;
  throw new StartUpError(
    `"${setting}" (${publicJwk.kid}) was the kid of another key, whose signatures would no longer verify; give the new ` +
      'key a kid of its own.',
  );
}

/** Chooses the key to sign with: the current one; else the one in use, the configured one, or any that may sign. */
function choose(before: KeyRing, kept: readonly StoredSigningKey[]): KeyRing {
  const ring = { ...before, revision: kept.map(({ publicJwk, state }) => `${publicJwk.kid} ${state}`).join() };
  const { held, main, signing } = ring;
  const current = kept.find(({ state }) => state === 'current')?.publicJwk.kid;
  const key = current === undefined ? undefined : held.get(current);
  if (key !== undefined) return { ...ring, signing: key, problem: undefined, canSign: true };
  const mayBe = [signing.publicJwk.kid, main, ...held.keys()];
  const kid = mayBe.find((each) => held.has(each) && stateOf(each, kept) !== 'withdrawn');
  const other = kid === undefined ? undefined : held.get(kid);
  const lacks = `the current signing key ${current} is not in the configuration of this instance`;
  const remedy = 'name it in "signing.next" or "signing" and reload';
  if (other !== undefined) {
    return { ...ring, signing: other, problem: `${lacks}, which signs with ${kid}; ${remedy}`, canSign: true };
  }
  const barred = { ...signing, signer: barredSigner(signing.signer) };
  return { ...ring, signing: barred, problem: `${lacks}, and the one it has was retired; ${remedy}`, canSign: false };
}

/** Refuses to sign, since nobody could verify the signature. Another instance delivers the notification. */
function barredSigner({ kid, iss, tan }: JwsSigner): JwsSigner {
  const sign = () => Promise.reject(new Error(`the signing key ${kid} was retired, and this instance has no other`));
  return Object.freeze({ kid, iss, tan, sign });
}

/** Logs a problem once, when it begins, and its end. */
function logProblem(before: KeyRing | undefined, now: KeyRing, { log }: SigningKeysOptions): void {
  if (now.problem === before?.problem) return;
  if (now.problem !== undefined) log.error({ kid: now.signing.publicJwk.kid, held: [...now.held.keys()] }, now.problem);
  else if (before !== undefined) log.info({ kid: now.signing.publicJwk.kid }, 'signs with the current key again');
}

async function publishedKeys(
  { store, formerKeysKeptMs, clock }: SigningKeysOptions,
  signing: SigningKeyJwk,
): Promise<readonly SigningKeyJwk[]> {
  const [kept, oldestAwaitingAtMs] = await Promise.all([store.signingKeys(), store.oldestAwaitingAtMs()]);
  const now = { nowMs: clock.nowMs(), formerKeysKeptMs, oldestAwaitingAtMs };
  const others = kept.filter((key) => key.publicJwk.kid !== signing.kid && publicationOf(key, now).isPublished);
  // The key that this instance signs with, unless it was withdrawn.
  const own = stateOf(signing.kid, kept) === 'withdrawn' ? [] : [signing];
  return [...own, ...others.map(({ publicJwk }) => publicJwk)].slice(0, JWKS_KEYS_MAX);
}

/** Whether a key is in the JWKS. */
export interface Publication {
  readonly isPublished: boolean;
  /**
   * It is published until then at least, and longer while a notification that it may have signed is awaiting. Undefined
   * when no end is known, or it is not published.
   */
  readonly untilMs: number | undefined;
}

/** A signature made this long after a key was retired counts as made before: it was under way, or its instance had not heard. */
export const UNDER_WAY_MS = 60_000;

/** When a key that no longer signs was last used. */
export function lastUsedAtMs({ retiredAtMs = 0, usedUntilMs = 0 }: StoredSigningKey): number {
  return Math.max(retiredAtMs, usedUntilMs);
}

/** Whether an awaiting notification may be signed with a former key. A SET is signed after its event was published. */
export function mayBeNeeded(key: StoredSigningKey, oldestAwaitingAtMs: number | undefined): boolean {
  return oldestAwaitingAtMs !== undefined && oldestAwaitingAtMs < lastUsedAtMs(key) + UNDER_WAY_MS;
}

/**
 * Whether a key is in the JWKS (rules, section 8): a former one stays for `formerKeysKeptMs` after its last use, and
 * beyond that while a notification is awaiting that may have been signed with it.
 */
export function publicationOf(
  key: StoredSigningKey,
  now: {
    readonly nowMs: number;
    readonly formerKeysKeptMs: number;
    readonly oldestAwaitingAtMs: number | undefined;
  },
): Publication {
  if (key.state === 'withdrawn') return { isPublished: false, untilMs: undefined };
  if (key.state !== 'former') return { isPublished: true, untilMs: undefined };
  const untilMs = lastUsedAtMs(key) + now.formerKeysKeptMs;
  if (now.nowMs < untilMs) return { isPublished: true, untilMs };
  return { isPublished: mayBeNeeded(key, now.oldestAwaitingAtMs), untilMs: undefined };
}
