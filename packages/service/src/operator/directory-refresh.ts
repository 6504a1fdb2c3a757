import { isDeepStrictEqual } from 'node:util';
import { JwksError } from '@tidings/protocol';
import { startInterval } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { messageOf } from '../base/start-up-error.ts';
import type { Config } from '../config/schema.ts';
import { BY_SERVICE } from '../model/audit.ts';
import type { Tpp } from '../model/tpp.ts';
import type { ClientTls } from '../net/connector.ts';
import { createHttpsClient, type HttpsClient } from '../net/https-client.ts';
import type { Store } from '../store/store.ts';
import { readConfiguredFile } from '../trust/files.ts';
import { JwksUnavailableError } from '../trust/jwks-cache.ts';
import { InactiveOrganisationError, type SoftwareStatementVerifier } from '../trust/software-statement.ts';
import type { TppKeys } from '../trust/tpp-keys.ts';
import { TppRegistry } from './tpp-registry.ts';

/** The state of the software statement of a TPP at the directory, when it was last looked up. */
export interface StatementCheck {
  readonly checkedAtMs: number;
  /** `revoked`: the directory says that the TPP may no longer act. `failed`: it is not known. */
  readonly outcome: 'unchanged' | 'changed' | 'revoked' | 'failed';
  /** Why it is revoked or failed. */
  readonly reason: string | undefined;
}

/** Looks up what the directory says of the registered TPPs, on a schedule. */
export interface DirectoryRefresh {
  /** Undefined: it was not looked up by this process. */
  checkOf(clientId: string): StatementCheck | undefined;
  /** The TPPs that may no longer act, and why. */
  revoked(): readonly { readonly clientId: string; readonly why: string; readonly sinceMs: number }[];
  /** Looks up all TPPs now. */
  refresh(): Promise<void>;
  /** Ends a look-up under way. */
  close(): Promise<void>;
}

export interface DirectoryRefreshOptions {
  readonly directory: NonNullable<Config['directory']>;
  readonly tls: ClientTls;
  readonly softwareStatements: SoftwareStatementVerifier;
  readonly store: Store;
  readonly tppKeys: Pick<TppKeys, 'keysOf' | 'heldOf'>;
  readonly onTppChanged: (clientId: string) => void;
  readonly clock: Clock;
  readonly random: Pick<Random, 'fraction'>;
  readonly log: Pick<Log, 'info' | 'warn'>;
}

const STATEMENT_BYTES_MAX = 65_536;
const PAGE = 100;
const CONCURRENT = 8;
const KEYS_CHANGED = 'tpp-keys-changed';

/**
 * Every `directory.refreshMs` looks up each TPP: its software statement, where there is a URL for it, and the keys behind its JWKS
 * URL. Endpoints follow the statement. Scopes are taken away with the role that they need, and never given: a bank may have allowed
 * less. Each change is audited as the service's own. Instances do the same beside each other; what one has changed is no change
 * for the next.
 */
export function startDirectoryRefresh(options: DirectoryRefreshOptions): DirectoryRefresh {
  const { directory, clock, random, log } = options;
  const refresher = new Refresher(options);
  const { refreshMs } = directory;
  const onError = (error: unknown) => log.warn({ err: error }, 'TPPs could not be looked up; the next round continues');
  // Instances that were started together do not call together.
  const everyMs = refreshMs * (1 - random.fraction() / 10);
  const end =
    refreshMs === 0 ? async () => undefined : startInterval(clock, { everyMs, work: () => refresher.round(), onError });
  return {
    checkOf: (clientId) => refresher.checks.get(clientId),
    revoked: () => refresher.revoked(),
    refresh: () => refresher.round(),
    close: async () => {
      await Promise.all([refresher.close(), end()]);
    },
  };
}

class Refresher {
  readonly #options: DirectoryRefreshOptions;
  readonly #https: HttpsClient;
  readonly #registry: TppRegistry;
  readonly #by;
  #isClosed = false;
  checks = new Map<string, StatementCheck>();

  constructor(options: DirectoryRefreshOptions) {
    const { directory, tls, clock, log, onTppChanged: onChanged } = options;
    this.#options = options;
    const { timeoutMs } = directory;
    this.#https = createHttpsClient({
      ...{ tls, guard: undefined, timeoutMs, responseBytesMax: STATEMENT_BYTES_MAX, clock },
    });
    this.#registry = new TppRegistry({ ...options, onChanged });
    this.#by = { name: BY_SERVICE.actor, audited: BY_SERVICE, log };
  }

  revoked() {
    return [...this.checks].flatMap(([clientId, { outcome, reason, checkedAtMs }]) =>
      outcome === 'revoked' ? [{ clientId, why: `${reason}`, sinceMs: checkedAtMs }] : [],
    );
  }

  async round(): Promise<void> {
    const checks = new Map<string, StatementCheck>();
    const failed: string[] = [];
    for await (const some of this.#tpps()) {
      await Promise.all(
        some.map(async (tpp) => {
          const check = await this.#checkStatement(tpp);
          if (check !== undefined) checks.set(tpp.clientId, this.#since(tpp.clientId, check));
          const keysFault = await this.#auditKeys(tpp).catch(messageOf);
          const why = keysFault ?? (check?.outcome === 'failed' ? check.reason : undefined);
          if (why !== undefined) failed.push(`${tpp.clientId}: ${why}`);
        }),
      );
    }
    if (this.#isClosed) return;
    this.checks = checks;
    const [first] = failed;
    if (first !== undefined) this.#options.log.warn({ failed: failed.length, first }, 'TPPs could not be looked up');
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#https.close();
  }

  /** All TPPs, some at a time. */
  async *#tpps(): AsyncGenerator<readonly Tpp[]> {
    for (let after = ''; ; ) {
      const page = await this.#options.store.tpps(after, PAGE);
      for (let at = 0; at < page.length && !this.#isClosed; at += CONCURRENT) yield page.slice(at, at + CONCURRENT);
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE || this.#isClosed) return;
      after = last.clientId;
    }
  }

  /** A revocation counts from when it was first noticed. */
  #since(clientId: string, check: StatementCheck): StatementCheck {
    const before = this.checks.get(clientId);
    if (check.outcome !== 'revoked' || before?.outcome !== 'revoked') return check;
    return { ...check, checkedAtMs: before.checkedAtMs };
  }

  /** Never rejects. @returns undefined where there is no URL */
  async #checkStatement(tpp: Tpp): Promise<StatementCheck | undefined> {
    const { directory, clock } = this.#options;
    if (directory.statementUrl === undefined) return undefined;
    const checkedAtMs = clock.nowMs();
    try {
      const assertion = await this.#fetch(tpp, directory.statementUrl);
      return { checkedAtMs, ...(await this.#follow(tpp, assertion)) };
    } catch (error) {
      return { checkedAtMs, outcome: 'failed', reason: messageOf(error).replace(/\.$/, '') };
    }
  }

  async #follow(tpp: Tpp, assertion: string): Promise<Omit<StatementCheck, 'checkedAtMs'>> {
    const { softwareStatements } = this.#options;
    const statement = await softwareStatements.verify(assertion).catch((error: unknown) => {
      if (error instanceof InactiveOrganisationError) return error;
      throw error;
    });
    const isInactive = statement instanceof InactiveOrganisationError;
    const { organisationId, softwareStatementId } = isInactive ? statement.about : statement;
    if (organisationId !== tpp.organisationId || softwareStatementId !== tpp.softwareStatementId) {
      throw new Error(`the statement is about ${organisationId}/${softwareStatementId}`);
    }
    if (isInactive) return this.#revoke(tpp, 'the directory says that its organisation is not active');
    const isChanged = await this.#registry.follow(tpp.clientId, statement, this.#by);
    if (isChanged === 'no-role')
      return this.#revoke(tpp, 'the directory gives it no role any more that its scopes need');
    return { outcome: isChanged ? 'changed' : 'unchanged', reason: undefined };
  }

  async #fetch({ organisationId, softwareStatementId }: Tpp, template: string): Promise<string> {
    const { tokenFile } = this.#options.directory;
    const url = template
      .replaceAll('{organisationId}', encodeURIComponent(organisationId))
      .replaceAll('{softwareStatementId}', encodeURIComponent(softwareStatementId));
    const headers = {
      accept: 'application/jwt',
      // Read at each call, so that it can be renewed.
      ...(tokenFile !== undefined && {
        authorization: `Bearer ${readConfiguredFile('directory.tokenFile', tokenFile).trim()}`,
      }),
    };
    const { status, body } = await this.#https.exchange({ url, headers });
    if (status !== 200) throw new Error(`the directory answered ${status} to the request for its software statement`);
    return Buffer.from(body).toString().trim();
  }

  async #revoke({ clientId, isSuspended }: Tpp, why: string): Promise<Omit<StatementCheck, 'checkedAtMs'>> {
    const { directory } = this.#options;
    if (directory.isRevokedSuspended && isSuspended !== true) {
      await this.#registry.setSuspended(clientId, true, this.#by, { why });
    }
    return { outcome: 'revoked', reason: why };
  }

  /** Compares the kids with those that were audited last. @returns why the keys are not known */
  async #auditKeys(tpp: Tpp): Promise<string | undefined> {
    const { tppKeys, store, clock } = this.#options;
    const { clientId, jwksUrl } = tpp;
    if (jwksUrl === undefined) return undefined;
    try {
      // Of no key: it only makes the keys be fetched.
      await (await tppKeys.keysOf(tpp)).keyFor('');
    } catch (error) {
      if (error instanceof JwksUnavailableError || error instanceof JwksError) return error.message;
      throw error;
    }
    const held = await tppKeys.heldOf(tpp);
    if (held.from === 'inline' || held.fetched === undefined) return undefined;
    const { keys, revokedKids } = held.fetched;
    const after = { kids: shown(keys.kids), revokedKids: shown(revokedKids) };
    const [last] = await store.auditEntries(undefined, 1, { action: KEYS_CHANGED, subject: clientId });
    if (isDeepStrictEqual(last?.after, after)) return undefined;
    const entry = { ...BY_SERVICE, atMs: clock.nowMs(), action: KEYS_CHANGED, subject: clientId, detail: { jwksUrl } };
    await store.audit({ ...entry, ...(last?.after !== undefined && { before: last.after }), after });
    return undefined;
  }
}

const KID_CHARS_MAX = 128;

/** Their publisher chooses them, and the audit keeps them for ever. */
function shown(kids: readonly string[]): readonly string[] {
  return kids.map((kid) => kid.slice(0, KID_CHARS_MAX)).sort();
}
