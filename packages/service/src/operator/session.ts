import type { FastifyInstance, FastifyRequest } from 'fastify';
import { EncryptJWT, errors, type JWTPayload, jwtDecrypt } from 'jose';
import type { Clock } from '../base/clock.ts';
import { LruMap } from '../base/lru-map.ts';
import type { Random } from '../base/random.ts';
import type { PendingSignIn } from '../trust/oidc-sign-in.ts';
import type { Staff } from './access.ts';
import { Problem } from './problem.ts';

/** Longest token that fits into a cookie (RFC 6265 section 6.1: 4096 bytes), encrypted and encoded. */
export const SESSION_TOKEN_CHARS_MAX = 2600;

/** The header that scripts of the console send; a form or a link of another site cannot. */
const CONSOLE_HEADER = 'tidings-console';

// A session that is in use gets a new cookie this often.
const RENEWED_AFTER_MS = 60_000;
const ENDED_MAX = 10_000;
const PENDING_MAX_MS = 600_000;
const PENDING_COOKIE = 'tidings-sign-in';
// Subjects, so that a cookie is good for one thing only.
const SESSION = 'session';
const PENDING = 'sign-in';
const ENCRYPTION = { alg: 'dir', enc: 'A256GCM' } as const;

/** Whose session it is: whoever has a token, or staff who signed in at the identity provider. */
export type SessionOwner = { readonly token: string } | { readonly staff: Staff };

/** A session of the console: whose it is, and its times. */
interface Session {
  readonly id: string;
  readonly owner: SessionOwner;
  readonly startedAtMs: number;
  /** When the person last did something. */
  readonly seenAtMs: number;
}

/** Claims of a session cookie. Only this service makes them, so that their types are what they were. */
type SessionClaims = JWTPayload & Partial<Omit<Session, 'id'>>;

/** Settings and dependencies of sessions. */
interface SessionOptions {
  /** Encrypts the cookies; `SESSION_KEY_BYTES` long. */
  readonly key: Uint8Array;
  /** Longest time without an action of the person. */
  readonly idleMs: number;
  /** Longest time from sign-in. */
  readonly maxMs: number;
  /** True: browsers reach the listener over TLS. */
  readonly isOverTls: boolean;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly random: Pick<Random, 'uuid'>;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The session that authenticated the call; undefined: it brought a token, or nothing. */
    consoleSession: Session | undefined;
  }
}

/**
 * Sessions of the console. A session is an encrypted cookie that holds the token of the sign-in, so every call is
 * authenticated as if it carried that token: a token that is revoked ends its sessions. Of staff who signed in at the
 * identity provider it holds the name and what gave them their roles. Nothing is stored on the server but the ids of sessions
 * that were signed out, by this process.
 */
export class Sessions {
  readonly #options: SessionOptions;
  readonly #cookie: string;
  readonly #ended = new LruMap<string, object>(ENDED_MAX);

  constructor(options: SessionOptions) {
    this.#options = options;
    // A browser takes the prefix only over TLS.
    this.#cookie = options.isOverTls ? '__Host-tidings-session' : 'tidings-session';
  }

  /** @returns the `Set-Cookie` of a new session */
  start(owner: SessionOwner): Promise<string> {
    const nowMs = this.#options.clock.nowMs();
    return this.#write({ id: this.#options.random.uuid(), owner, startedAtMs: nowMs, seenAtMs: nowMs });
  }

  /** Keeps the pending part of a sign-in with the browser. @returns a `Set-Cookie` */
  async keepPending(pending: PendingSignIn): Promise<string> {
    const value = await this.#seal({ pending, sub: PENDING }, this.#options.clock.nowMs() + PENDING_MAX_MS);
    // The provider sends the browser back from another site, so that a stricter cookie would not come.
    return `${PENDING_COOKIE}=${value}; Path=/console/sign-in; HttpOnly; Secure; SameSite=Lax; Max-Age=${PENDING_MAX_MS / 1000}`;
  }

  /** @returns undefined: this browser began no sign-in, or too long ago */
  async pendingOf({ headers }: FastifyRequest): Promise<PendingSignIn | undefined> {
    const payload = await this.#open<JWTPayload & { readonly pending?: PendingSignIn }>(
      cookieOf(headers.cookie, PENDING_COOKIE),
      PENDING,
    );
    return payload?.pending;
  }

  /** Ends the session of a call. @returns the `Set-Cookie` that removes it */
  async end(request: FastifyRequest): Promise<string> {
    const session = await this.#read(request);
    if (session !== undefined) this.#ended.set(session.id, {});
    return `${this.#cookie}=; ${ATTRIBUTES}; Max-Age=0`;
  }

  /** When the session of a call ends by itself, if nothing more is done in it and at the latest. */
  endsOf({ startedAtMs, seenAtMs }: Session): { readonly idleAtMs: number; readonly maxAtMs: number } {
    const { idleMs, maxMs } = this.#options;
    const maxAtMs = startedAtMs + maxMs;
    return { idleAtMs: Math.min(seenAtMs + idleMs, maxAtMs), maxAtMs };
  }

  /**
   * The session of a call, in place of its token.
   *
   * @returns undefined: the call has no session that goes on
   * @throws {Problem} 403 for a call that another site may have made
   */
  async of(request: FastifyRequest): Promise<Session | undefined> {
    const session = await this.#read(request);
    if (session === undefined) return undefined;
    assertOwnSite(request);
    request.consoleSession = session;
    return session;
  }

  /** Adds what keeps a session going while its person does something. Must be called before the first route is added. */
  addTo(app: FastifyInstance): void {
    app.decorateRequest('consoleSession', undefined);
    app.addHook('onSend', async (request, reply) => {
      const { consoleSession: session, headers } = request;
      const nowMs = this.#options.clock.nowMs();
      if (session === undefined || headers[CONSOLE_HEADER] !== 'active') return;
      if (reply.statusCode === 401 || reply.hasHeader('set-cookie')) return;
      if (nowMs - session.seenAtMs < RENEWED_AFTER_MS) return;
      reply.header('set-cookie', await this.#write({ ...session, seenAtMs: nowMs }));
    });
  }

  async #write(session: Session): Promise<string> {
    const { id, ...claims } = session;
    const { idleAtMs, maxAtMs } = this.endsOf(session);
    const value = await this.#seal({ ...claims, jti: id, sub: SESSION }, idleAtMs);
    const maxAgeSeconds = Math.ceil((maxAtMs - this.#options.clock.nowMs()) / 1000);
    return `${this.#cookie}=${value}; ${ATTRIBUTES}; Max-Age=${maxAgeSeconds}`;
  }

  async #read({ headers }: FastifyRequest): Promise<Session | undefined> {
    const payload = await this.#open<SessionClaims>(cookieOf(headers.cookie, this.#cookie), SESSION);
    const { jti: id, owner, startedAtMs, seenAtMs } = payload ?? {};
    if (id === undefined || owner === undefined || startedAtMs === undefined || seenAtMs === undefined)
      return undefined;
    return this.#ended.get(id) === undefined ? { id, owner, startedAtMs, seenAtMs } : undefined;
  }

  #seal(claims: JWTPayload, endsAtMs: number): Promise<string> {
    return new EncryptJWT(claims)
      .setProtectedHeader(ENCRYPTION)
      .setExpirationTime(Math.floor(endsAtMs / 1000))
      .encrypt(this.#options.key);
  }

  /** @returns undefined: it has expired, is of another key or for something else, or is not one of ours */
  async #open<Claims extends JWTPayload>(value: string | undefined, subject: string): Promise<Claims | undefined> {
    if (value === undefined) return undefined;
    const options = {
      keyManagementAlgorithms: [ENCRYPTION.alg],
      contentEncryptionAlgorithms: [ENCRYPTION.enc],
      requiredClaims: ['exp'],
      currentDate: new Date(this.#options.clock.nowMs()),
      subject,
    };
    try {
      return (await jwtDecrypt<Claims>(value, this.#options.key, options)).payload;
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    }
  }
}

const ATTRIBUTES = 'Path=/; HttpOnly; Secure; SameSite=Strict';

function cookieOf(header: string | undefined, name: string): string | undefined {
  for (const pair of header?.split(';') ?? []) {
    const [key, ...value] = pair.trim().split('=');
    if (key === name) return value.join('=');
  }
  return undefined;
}

const READS = new Set(['GET', 'HEAD']);

/**
 * Refuses a call that a page of another site may have made a browser send: `SameSite` alone leaves out other hosts of the
 * same site. A call that changes something must have a header that no form can send.
 *
 * @throws {Problem} 403
 */
export function assertOwnSite({ method, headers }: FastifyRequest): void {
  const site = headers['sec-fetch-site'];
  const isRead = READS.has(method);
  const isOwn =
    site === undefined
      ? isOwnOrigin(headers.origin, headers.host)
      : site === 'same-origin' || (isRead && site === 'none');
  if (!isOwn)
    throw new Problem(403, 'A session of the console may be used by the console alone; this came from elsewhere.');
  if (isRead || headers[CONSOLE_HEADER] !== undefined) return;
  throw new Problem(403, `A call with a session of the console needs the header "${CONSOLE_HEADER}".`);
}

/** A proxy may end TLS, so the scheme is not compared. */
function isOwnOrigin(origin: string | undefined, host: string | undefined): boolean {
  return origin === undefined || URL.parse(origin)?.host === host;
}
