import path from 'node:path';
import { checkCallbackUrl } from '@tidings/protocol';
import { systemClock } from '@tidings/service';
import { BankError } from '@tidings/tpp';
import type { AuthorisationServer } from '../authorisation-server/authorisation-server.ts';
import type { OperatorClient } from '../bank/operator-client.ts';
import { openOwnTpp } from '../pki/own-tpp.ts';
import type { Identity } from '../pki/participants.ts';
import type { SandboxPki } from '../pki/pki.ts';
import { PRIVATE_FILE_MODE, writeStateFile } from '../pki/state-folder.ts';
import { connectToBank } from '../sample-tpp/sample-tpp.ts';
import { ENV_FILE, type KeptTpp, readKeptTpps, TPP_FILE } from './kept-tpp.ts';
import { type BankOfOwnTpps, envTextOf, type OwnTpp, type TppFile, tppFileOf } from './tpp-file.ts';

/** Request for a TPP. */
export interface NewTpp {
  readonly callbackUrl: string;
  /** Default: that of the TPP with this callback URL; otherwise one that is free. */
  readonly clientId?: string | undefined;
}

/** A TPP that was added: everything about it, and the files that have it. */
export interface AddedTpp {
  readonly tpp: TppFile;
  readonly jsonFile: string;
  readonly envFile: string;
}

/** A request that cannot be granted; the message says why and what to do. */
export class ControlError extends Error {
  override readonly name = 'ControlError';
}

/** The TPPs of developers. */
export interface OwnTpps {
  /** The client_ids of the TPPs. */
  readonly clientIds: readonly string[];
  /** Registers those that earlier runs added, and writes their files again: addresses may have changed. */
  reopen(): Promise<void>;
  /**
   * Adds a TPP: makes its keys and certificates, registers it at the bank and at the authorisation server, and creates an event
   * subscription for its callback URL unless it has one. Repeated, it changes nothing.
   *
   * @throws {ControlError}
   */
  add(wanted: NewTpp): Promise<AddedTpp>;
}

export interface OwnTppsOptions {
  /** Absolute path of the state folder. */
  readonly stateFolder: string;
  readonly pki: SandboxPki;
  readonly bank: BankOfOwnTpps;
  readonly operator: OperatorClient;
  readonly authorisationServer: AuthorisationServer;
  /** client_ids of the sandbox's own TPPs. */
  readonly reserved: readonly string[];
}

const NAME = 'my-tpp';
const TPPS_MAX = 50;
// A folder has this name.
const CLIENT_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
// A receiver that is started after a pause of its developer has waited for at most the delay.
const RETRY = { delayMaxMs: 5000, retriesMax: 1000 };

export function createOwnTpps(options: OwnTppsOptions): OwnTpps {
  const folder = path.join(options.stateFolder, 'tpps');
  const kept = new Map<string, KeptTpp>();
  let last: Promise<unknown> = Promise.resolve();

  /** Two that are added at once would take the same client_id. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  }

  /** Opens the certificates of a TPP, and registers it. */
  async function enter(tpp: KeptTpp): Promise<OwnTpp> {
    const certificates = await openOwnTpp({
      pkiFolder: path.dirname(options.pki.root.certificateFile),
      folder: path.join(folder, tpp.clientId),
      identity: identityOf(tpp),
      callbackHost: new URL(tpp.callbackUrl).hostname.replace(/^\[(.*)\]$/, '$1'),
      nowMs: systemClock.nowMs(),
    });
    const { clientId, organisationId, softwareStatementId } = tpp;
    options.authorisationServer.addClient({
      clientId,
      certificateSubjectDn: certificates.transport.subjectDn,
      scopes: options.bank.scopes,
    });
    const jwks = { keys: [certificates.signing.publicJwk] };
    await options.operator.registerTpp(clientId, { organisationId, softwareStatementId, jwks, retry: RETRY });
    return { clientId, softwareStatementId, callbackUrl: tpp.callbackUrl, certificates };
  }

  /** Writes the files of a TPP, which is kept from then on. */
  async function keep(own: OwnTpp): Promise<AddedTpp> {
    const tpp = tppFileOf(own, options.bank);
    const files = path.join(folder, tpp.clientId);
    const json = `${JSON.stringify(tpp, undefined, 2)}\n`;
    await writeStateFile(files, ENV_FILE, { text: envTextOf(tpp), mode: PRIVATE_FILE_MODE });
    await writeStateFile(files, TPP_FILE, { text: json, mode: PRIVATE_FILE_MODE });
    kept.set(tpp.clientId, tpp);
    return { tpp, jsonFile: path.join(files, TPP_FILE), envFile: path.join(files, ENV_FILE) };
  }

  return {
    get clientIds() {
      return [...kept.keys()];
    },
    reopen: () =>
      inTurn(async () => {
        for (const tpp of await readKeptTpps(folder)) await keep(await enter(tpp));
      }),
    add: (wanted) =>
      inTurn(async () => {
        const own = await enter(identify(wanted, kept, options.reserved));
        try {
          await subscribe(own, options);
        } catch (error) {
          if (!kept.has(own.clientId)) await options.operator.removeTpp(own.clientId);
          throw error;
        }
        return keep(own);
      }),
  };
}

/** @returns the TPP that is meant, or a new one. @throws {ControlError} */
function identify(wanted: NewTpp, kept: ReadonlyMap<string, KeptTpp>, reserved: readonly string[]): KeptTpp {
  const { callbackUrl, clientId } = wanted;
  const why = checkCallbackUrl(callbackUrl, 'v4.0');
  if (why !== undefined) throw new ControlError(`The callback URL ${why}.`);
  if (clientId !== undefined && !CLIENT_ID.test(clientId)) {
    throw new ControlError('The client_id must have 1 to 64 letters, digits, dots, hyphens and underscores.');
  }
  if (clientId !== undefined && reserved.includes(clientId)) {
    throw new ControlError(`${clientId} is a TPP of the sandbox itself; choose another client_id.`);
  }
  const same =
    clientId === undefined ? [...kept.values()].find((tpp) => tpp.callbackUrl === callbackUrl) : kept.get(clientId);
  if (same !== undefined) return { ...same, callbackUrl };
  const number = freeNumber(kept);
  const digits = String(number).padStart(2, '0');
  return {
    clientId: clientId ?? freeClientId(kept),
    callbackUrl,
    organisationId: `0015800001TDGOWN${digits}`,
    softwareStatementId: `TidingsOwnTpp0000000${digits}`,
  };
}

function freeNumber(kept: ReadonlyMap<string, KeptTpp>): number {
  const taken = new Set([...kept.values()].map(({ organisationId }) => Number(organisationId.slice(-2))));
  for (let number = 1; number <= TPPS_MAX; number += 1) if (!taken.has(number)) return number;
  throw new ControlError(
    `The sandbox has ${TPPS_MAX} TPPs of your own, and takes no more; remove folders below "tpps" in its state folder, and restart it.`,
  );
}

function freeClientId(kept: ReadonlyMap<string, KeptTpp>): string {
  for (let number = 2, clientId = NAME; ; number += 1) {
    if (!kept.has(clientId)) return clientId;
    clientId = `${NAME}-${number}`;
  }
}

function identityOf({ organisationId }: KeptTpp): Identity {
  const legalName = `My TPP ${Number(organisationId.slice(-2))} Ltd`;
  return { organisationId, legalName, transportCommonName: organisationId, roles: ['PSP_PI', 'PSP_AI', 'PSP_IC'] };
}

/** Creates the event subscription of a TPP, or changes its callback URL. @throws {ControlError} if the bank refuses */
async function subscribe({ clientId, callbackUrl, ...own }: OwnTpp, { pki, bank }: OwnTppsOptions): Promise<void> {
  const tpp = { ...own.certificates, softwareStatementId: own.softwareStatementId };
  const client = await connectToBank({ clientId, pki: { ...pki, tpp }, bank }, { scope: bank.scopes.join(' ') });
  try {
    const existing = await client.eventSubscriptions.get();
    if (existing === undefined) await client.eventSubscriptions.create({ callbackUrl, version: '4.0' });
    else if (existing.callbackUrl !== callbackUrl)
      await client.eventSubscriptions.replace({ ...existing, callbackUrl });
  } catch (error) {
    if (!(error instanceof BankError) || error.kind !== 'refused') throw error;
    const details = error.details.map(({ message }) => message).join(' ');
    throw new ControlError(
      `The bank refuses the event subscription of ${clientId}: ${details || error.message} The sandbox also calls this machine, as localhost.`,
    );
  } finally {
    client.close();
  }
}
