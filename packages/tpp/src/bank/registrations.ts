import type { Shaped } from '@tidings/protocol';
import { type BankAnswer, readSigned, untrusted } from './bank-answer.ts';
import { BankError } from './bank-error.ts';
import type { BankHttp } from './bank-http.ts';
import { isUnanswered } from './bank-retries.ts';

/** The action that `ensure` took. */
export type Ensured = 'created' | 'replaced' | 'nothing';

/** The differences between the two kinds of registration (rules, section 2). */
export interface RegistrationKind<Wanted, Held> {
  /** Path of the collection below the base URL. */
  readonly path: string;
  /** Plural name for messages. */
  readonly plural: string;
  /** Name of the id for messages. */
  readonly idName: string;
  idOf(held: Held): string;
  postBody(wanted: Wanted): object;
  putBody(wanted: Wanted, id: string): object;
  readOne(value: unknown): Shaped<Held>;
  readList(value: unknown): Shaped<readonly Held[]>;
  /** Whether the registration at the bank equals the wanted one. */
  isSame(held: Held, wanted: Wanted): boolean;
}

/** The calls common to both kinds of registration. All reject with `BankError`. */
export interface Registrations<Wanted, Held> {
  create(wanted: Wanted): Promise<Held>;
  get(): Promise<Held | undefined>;
  /** @throws {TypeError} for a malformed id */
  replace(id: string, wanted: Wanted): Promise<Held>;
  /** @throws {TypeError} for a malformed id */
  delete(id: string): Promise<void>;
  ensure(wanted: Wanted): Promise<{ readonly held: Held; readonly did: Ensured }>;
}

const ID = /^(?!\.{1,2}$).{1,40}$/su;
const CONFLICT = 409;
// Codes for a registration that no longer exists (rules, section 7): v4.0 and v3.1.
const NOT_FOUND_CODES: readonly string[] = ['U011', 'UK.OBIE.Resource.NotFound'];

/**
 * Creates the client of one kind of registration, of which there is at most one. Signs requests and verifies responses.
 *
 * @param baseUrl without a trailing slash
 */
export function createRegistrations<Wanted, Held>(
  http: BankHttp,
  baseUrl: string,
  kind: RegistrationKind<Wanted, Held>,
): Registrations<Wanted, Held> {
  const collection = `${baseUrl}/${kind.path}`;
  const urlOf = (id: string) => `${collection}/${pathSegment(kind.idName, id)}`;
  const readOne = (answer: BankAnswer) => readSigned(http.verify, answer, kind.readOne);

  async function get(): Promise<Held | undefined> {
    const answer = await http.send({ method: 'GET', url: collection });
    const found = await readSigned(http.verify, answer, kind.readList);
    if (found.length > 1) throw untrusted(answer, `lists several ${kind.plural}, where at most one is allowed`);
    return found[0];
  }

  async function create(wanted: Wanted): Promise<Held> {
    return await readOne(await http.send({ method: 'POST', url: collection, body: kind.postBody(wanted) }));
  }

  async function replace(id: string, wanted: Wanted): Promise<Held> {
    const answer = await http.send({ method: 'PUT', url: urlOf(id), body: kind.putBody(wanted, id) });
    const replaced = await readOne(answer);
    if (kind.idOf(replaced) !== id) throw untrusted(answer, 'is about another id');
    return replaced;
  }

  /** A POST without an answer may have had its effect. It is not repeated: the registration is looked up. */
  async function createOrFind(wanted: Wanted): Promise<Held> {
    try {
      return await create(wanted);
    } catch (error) {
      if (!isUnanswered(error)) throw error;
      const held = await get();
      if (held === undefined || !kind.isSame(held, wanted)) throw error;
      return held;
    }
  }

  async function ensureOnce(wanted: Wanted): Promise<{ held: Held; did: Ensured }> {
    const held = await get();
    if (held === undefined) return { held: await createOrFind(wanted), did: 'created' };
    if (kind.isSame(held, wanted)) return { held, did: 'nothing' };
    return { held: await replace(kind.idOf(held), wanted), did: 'replaced' };
  }

  return {
    create,
    get,
    replace,
    delete: async (id) => {
      await http.send({ method: 'DELETE', url: urlOf(id), isDoneBy: isNotFound });
    },
    ensure: async (wanted) => {
      try {
        return await ensureOnce(wanted);
      } catch (error) {
        // The registration changed between reading and writing: retry once with the current one.
        if (!lostRace(error)) throw error;
        return await ensureOnce(wanted);
      }
    },
  };
}

function pathSegment(idName: string, id: string): string {
  if (!ID.test(id)) throw new TypeError(`${idName} must have 1 to 40 characters`);
  return encodeURIComponent(id);
}

function lostRace(error: unknown): boolean {
  if (!(error instanceof BankError) || error.kind !== 'refused') return false;
  return error.status === CONFLICT || isNotFound(error.codes);
}

function isNotFound(codes: readonly string[]): boolean {
  return codes.some((code) => NOT_FOUND_CODES.includes(code));
}

/** Applies a function to a valid value; passes a fault on. */
export function mapShaped<T, U>(shaped: Shaped<T>, map: (value: T) => U): Shaped<U> {
  return shaped.ok ? { ok: true, value: map(shaped.value) } : shaped;
}
