import { JWKS_KEYS_MAX, type JwsSigner } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import { StartUpError } from '../base/start-up-error.ts';
import type { OwnSigningKey, OwnSigningKeys, PublicSigningJwk } from './signing-key.ts';

/** The part of our keys that the store keeps for all instances. */
export interface KeyStore {
  /** Keeps, durably, that this key signs from now on and the one before it is retired. */
  useSigningKey(publicJwk: PublicSigningJwk, nowMs: number): Promise<void>;
  /** Keeps, durably, a key that is to sign later. @returns false when it is known already */
  announceSigningKey(publicJwk: PublicSigningJwk, nowMs: number): Promise<boolean>;
  /** Keeps that a former key still signs. */
  noteSigningKeyUsed(kid: string, nowMs: number): Promise<void>;
  /** Every key, the current one first, then the next ones, then the one that was retired last. */
  signingKeys(): Promise<readonly KeptSigningKey[]>;
  /** When the oldest awaiting notification was published; undefined when none is awaiting. */
  oldestAwaitingAtMs(): Promise<number | undefined>;
}

export interface SigningKeysOptions {
  /** Reloads the key files and the kids. @throws {StartUpError} when they are invalid */
  readonly load: () => Promise<OwnSigningKeys>;
  readonly store: KeyStore;
  /** How long a former key stays in the JWKS at least. */
  readonly formerKeysKeptMs: number;
  /** No other process works on the store: what the configuration names signs, even a key that was retired. */
  readonly isAlone: boolean;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly log: { error(facts: object, message: string): void; info(facts: object, message: string): void };
}

/** The result of reloading the keys. */
export interface Reloaded {
  /** The kid in use. */
  readonly kid: string;
  /** Whether it is another one than before. */
  readonly changed: boolean;
  /** The kid of a next key that is in the JWKS from now on. */
  readonly announced: string | undefined;
}

/** Our own signing keys: the one that signs, and those whose signatures may still be verified. */
export interface SigningKeys {
  /** The current signer, which never changes. Ask for it before every signature. */
  current(): JwsSigner;
  /**
   * For code that holds a signer: always the key of now. `kid` and `sign` must be used in one turn of the event loop,
   * as `signCompact` and `signDetached` do, or a rotation could come between them.
   */
  readonly signer: JwsSigner;
  /** The kids whose private keys this instance has. */
  held(): readonly string[];
  /** The reason why this instance does not sign with the current key; undefined: it does. */
  problem(): string | undefined;
  /** False: this instance has no key that it may sign with. */
  canSign(): boolean;
  /**
   * Reloads the keys. A `signing.kid` that never signed becomes the current key of all instances at once, a
   * `signing.next` is announced. When anything fails, the keys before stay in use. Calls at the same time run one after
   * the other.
   *
   * @throws {StartUpError} when a new key is not good, its kid was another key's, or it was withdrawn
   */
  reload(): Promise<Reloaded>;
  /** Signs with the key that the store says is current, if this instance has it. To be called often where others may rotate. */
  follow(): Promise<void>;
  /** Changes when this instance hears that a key was announced, rotated or withdrawn. */
  revision(): string;
  /** The keys of the JWKS, the one that signs here first. Public members only. */
  publicJwks(): Promise<readonly PublicSigningJwk[]>;
}

/** How often a former key that still signs is noted. */
const NOTED_MS = 60_000;

/** The keys that this instance has, and the one that it signs with. */
interface Having {
  readonly held: ReadonlyMap<string, OwnSigningKey>;
  /** The kid of `signing.kid`. */
  readonly main: string;
  readonly signing: OwnSigningKey;
  readonly problem: string | undefined;
  readonly canSign: boolean;
  /** Which keys the store knew when it was last looked at, and their states. */
  readonly revision: string;
}

/**
 * Loads the keys and gives them out. Which key is the current one is the store's to say, for all instances; an instance
 * signs with it if it has it, and goes on with what it has if not, saying so: that key is a former one, and stays in the
 * JWKS of all while it is used.
 *
 * @throws {StartUpError} when a key is not good, its kid was another key's, or all were withdrawn
 */
export async function createSigningKeys(options: SigningKeysOptions): Promise<SigningKeys> {
  const { store, clock } = options;
  const first = await loadAnew(options);
  let having = first.having;
  let turn: Promise<unknown> = Promise.resolve();
  let notedAtMs = Number.NEGATIVE_INFINITY;
  sayProblem(undefined, having, options);

  /** One after the other: whoever is last has seen the newest. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = turn.then(work);
    turn = done.catch(() => undefined);
    return done;
  };
  const take = (next: Having) => {
    sayProblem(having, next, options);
    having = next;
  };
  const noteUse = async () => {
    const nowMs = clock.nowMs();
    if (having.problem === undefined || !having.canSign || nowMs - notedAtMs < NOTED_MS) return;
    await store.noteSigningKeyUsed(having.signing.publicJwk.kid, nowMs);
    notedAtMs = nowMs;
  };
  await noteUse();

  return {
    current: () => having.signing.signer,
    signer: followingSigner(() => having),
    held: () => [...having.held.keys()],
    problem: () => having.problem,
    canSign: () => having.canSign,
    reload: () =>
      inTurn(async () => {
        const before = having.signing.publicJwk.kid;
        const { having: next, announced } = await loadAnew(options, having);
        take(next);
        const { kid } = next.signing.publicJwk;
        return { kid, changed: kid !== before, announced };
      }),
    follow: () =>
      inTurn(async () => {
        take(choose(having, await store.signingKeys()));
        await noteUse();
      }),
    revision: () => having.revision,
    publicJwks: () => publishedKeys(options, having.signing.publicJwk),
  };
}

function followingSigner(having: () => Having): JwsSigner {
  return {
    get kid() {
      return having().signing.signer.kid;
    },
    get iss() {
      return having().signing.signer.iss;
    },
    get tan() {
      return having().signing.signer.tan;
    },
    sign: (signingInput) => having().signing.signer.sign(signingInput),
  };
}

/** The store knows every key before it signs anything, so that no signature outlives the knowledge of its key. */
async function loadAnew(
  options: SigningKeysOptions,
  before?: Having,
): Promise<{ having: Having; announced: string | undefined }> {
  const { load, store, clock, isAlone } = options;
  const { main, next } = await load();
  const kept = await store.signingKeys();
  for (const [setting, key] of [['signing.kid', main] as const, ['signing.next.kid', next] as const]) {
    if (key !== undefined) refuseReusedKid(setting, key, kept);
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
  const having = choose(loaded, await store.signingKeys());
  if (having.canSign) return { having, announced: isAnnounced ? next.publicJwk.kid : undefined };
  throw new StartUpError(
    `"signing.kid" (${kid}) was retired from the JWKS, and nothing may be signed with it; give a new key.`,
  );
}

function frozen(key: OwnSigningKey): OwnSigningKey {
  return { ...key, signer: Object.freeze({ ...key.signer }) };
}

/** @returns undefined when it is unknown */
function stateOf(kid: string, kept: readonly KeptSigningKey[]): KeptSigningKey['state'] | undefined {
  return kept.find(({ publicJwk }) => publicJwk.kid === kid)?.state;
}

function refuseReusedKid(setting: string, { publicJwk }: OwnSigningKey, kept: readonly KeptSigningKey[]): void {
  const before = kept.find((each) => each.publicJwk.kid === publicJwk.kid)?.publicJwk;
  if (before === undefined || (before['n'] === publicJwk['n'] && before['e'] === publicJwk['e'])) return;
  throw new StartUpError(
    `"${setting}" (${publicJwk.kid}) was the kid of another key, whose signatures would no longer verify; give the new ` +
      'key a kid of its own.',
  );
}

/** The current key if it is there; else what signs now, what the configuration names, or anything that may sign. */
function choose(before: Having, kept: readonly KeptSigningKey[]): Having {
  const having = { ...before, revision: kept.map(({ publicJwk, state }) => `${publicJwk.kid} ${state}`).join() };
  const { held, main, signing } = having;
  const current = kept.find(({ state }) => state === 'current')?.publicJwk.kid;
  const key = current === undefined ? undefined : held.get(current);
  if (key !== undefined) return { ...having, signing: key, problem: undefined, canSign: true };
  const mayBe = [signing.publicJwk.kid, main, ...held.keys()];
  const kid = mayBe.find((each) => held.has(each) && stateOf(each, kept) !== 'withdrawn');
  const other = kid === undefined ? undefined : held.get(kid);
  const lacks = `the current signing key ${current} is not in the configuration of this instance`;
  const remedy = 'name its file in "signing.next" or "signing" and reload';
  if (other !== undefined) {
    return { ...having, signing: other, problem: `${lacks}, which signs with ${kid}; ${remedy}`, canSign: true };
  }
  const barred = { ...signing, signer: barredSigner(signing.signer) };
  return { ...having, signing: barred, problem: `${lacks}, and the one it has was retired; ${remedy}`, canSign: false };
}

/** Nobody could verify its signatures: better nothing is signed, and another instance delivers it. */
function barredSigner({ kid, iss, tan }: JwsSigner): JwsSigner {
  const sign = () => Promise.reject(new Error(`the signing key ${kid} was retired, and this instance has no other`));
  return Object.freeze({ kid, iss, tan, sign });
}

/** Once, not at each look. */
function sayProblem(before: Having | undefined, now: Having, { log }: SigningKeysOptions): void {
  if (now.problem === before?.problem) return;
  if (now.problem !== undefined) log.error({ kid: now.signing.publicJwk.kid, held: [...now.held.keys()] }, now.problem);
  else if (before !== undefined) log.info({ kid: now.signing.publicJwk.kid }, 'signs with the current key again');
}

async function publishedKeys(
  { store, formerKeysKeptMs, clock }: SigningKeysOptions,
  signing: PublicSigningJwk,
): Promise<readonly PublicSigningJwk[]> {
  const [kept, oldestAwaitingAtMs] = await Promise.all([store.signingKeys(), store.oldestAwaitingAtMs()]);
  const now = { nowMs: clock.nowMs(), formerKeysKeptMs, oldestAwaitingAtMs };
  const others = kept.filter((key) => key.publicJwk.kid !== signing.kid && publicationOf(key, now).isPublished);
  // The key that signs here, but for one that was withdrawn.
  const own = stateOf(signing.kid, kept) === 'withdrawn' ? [] : [signing];
  return [...own, ...others.map(({ publicJwk }) => publicJwk)].slice(0, JWKS_KEYS_MAX);
}

/** A signing key of ours that is announced, or was used at some time, as the store keeps it. */
export interface KeptSigningKey {
  readonly publicJwk: PublicSigningJwk;
  /** `next`: announced, not used yet. `former`: it signed. `withdrawn`: taken out of the JWKS for good. */
  readonly state: 'next' | 'current' | 'former' | 'withdrawn';
  /** When another took its place. */
  readonly retiredAtMs: number | undefined;
  /** When an instance that lacks the current key last said that it still signs with this one. */
  readonly usedUntilMs: number | undefined;
}

/** Whether a key is in the JWKS. */
export interface Publication {
  readonly isPublished: boolean;
  /** Until when at least, and longer while something that it may have signed is awaiting; undefined: no end is known, or it is not there. */
  readonly untilMs: number | undefined;
}

/** A signature that was under way while the key was retired, or before other instances heard of it, counts as made before. */
export const UNDER_WAY_MS = 60_000;

/** When a key that signs no more last did. */
export function lastUsedAtMs({ retiredAtMs = 0, usedUntilMs = 0 }: KeptSigningKey): number {
  return Math.max(retiredAtMs, usedUntilMs);
}

/** Whether something that awaits may have been signed with a former key: a token is signed after it was published. */
export function mayBeNeeded(key: KeptSigningKey, oldestAwaitingAtMs: number | undefined): boolean {
  return oldestAwaitingAtMs !== undefined && oldestAwaitingAtMs < lastUsedAtMs(key) + UNDER_WAY_MS;
}

/**
 * Whether a key is in the JWKS (rules, section 8): a former one stays for `formerKeysKeptMs` after its last use, and
 * beyond that while a notification is awaiting that may have been signed with it.
 */
export function publicationOf(
  key: KeptSigningKey,
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
