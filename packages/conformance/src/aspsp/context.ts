import type { ApiVersion, SetClaims } from '@tidings/protocol';
import { type Clock, waitFor } from '../clock.ts';
import { ConfigError } from '../config-file.ts';
import { withoutSecrets } from '../redact.ts';
import type { CheckScope } from '../run.ts';
import { createAccessTokens } from './access-tokens.ts';
import { BankClient, type ClientSession, newestVersion, type Polled, versionsOf } from './bank-client.ts';
import { BankKeys } from './bank-keys.ts';
import type { AspspConfig, ClientConfig, ListenerConfig } from './config.ts';
import { type Ask, createEventMaker, type EventMaker } from './event-maker.ts';
import { fail, requires, Skipped } from './expect.ts';
import { readPrivateKey } from './forge.ts';
import { checkMaterial } from './material.ts';
import { type CallbackEndpoint, type Receiver, startReceiver } from './receiver.ts';
import { claimsOfSet } from './sets.ts';
import { WireClient, type WireTls } from './wire.ts';

/** The parts that last for a whole run: connections, tokens, keys and the receiver. */
export interface AspspSession {
  readonly config: AspspConfig;
  /** The context of one check. */
  contextOf(scope: CheckScope): AspspContext;
  close(): Promise<void>;
}

/** A SET that was offered or sent. */
export interface OfferedSet {
  readonly jti: string;
  readonly token: string;
  readonly claims: SetClaims;
}

const POLL_PAUSE_MS = 200;
const DRAIN_POLLS_MAX = 50;

/**
 * Opens connections and, if it is configured, the receiver.
 *
 * @throws {ConfigError} when a key or certificate cannot be used, or nothing can listen at the receiver's port
 */
export async function openAspspSession(config: AspspConfig, clock: Clock, ask: Ask): Promise<AspspSession> {
  checkMaterial(config);
  const clients = config.clients.map((client) => clientSession(client, config, clock));
  const [first, second] = clients;
  if (first === undefined || second === undefined) throw new Error('Two clients are needed.');
  const { requestMs } = config.timing;
  const stranger = new WireClient({ ca: config.bank.caPem }, clock);
  const receiver = await openReceiver('receiver', config.receiver, clock);
  const untrusted = await openReceiver('receiver.untrusted', config.receiver?.untrusted, clock).catch(async (error) => {
    await receiver?.close();
    throw error;
  });
  const maker = config.events && createEventMaker(config.events, { clock, ask, requestMs });
  const keys = new BankKeys(config.bank.jwksUrl, first.http, requestMs);
  const shared: Shared = { config, clock, first, second, stranger, receiver, untrusted, maker, keys };
  return {
    config,
    contextOf: (scope) => new AspspContext(shared, withoutTokens(scope, clients)),
    close: async () => {
      for (const { http } of clients) http.close();
      stranger.close();
      maker?.close();
      await Promise.all([receiver?.close(), untrusted?.close()]);
    },
  };
}

async function openReceiver(
  field: string,
  config: ListenerConfig | undefined,
  clock: Clock,
): Promise<Receiver | undefined> {
  if (config === undefined) return undefined;
  try {
    return await startReceiver(config, clock);
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error && error.syscall === 'listen' && 'code' in error)) throw error;
    const where = `${config.host}:${config.port}`;
    throw new ConfigError(
      `${field}.port`,
      `names a port at which nothing can listen: ${where} (${error.code}); choose another port or host`,
    );
  }
}

/** Tokens of the clients are in no record, wherever they stand. */
function withoutTokens(scope: CheckScope, clients: readonly ClientSession[]): CheckScope {
  const secrets = () => clients.flatMap(({ tokens }) => [...tokens.given]);
  return { ...scope, record: (exchange) => scope.record(withoutSecrets(exchange, secrets())) };
}

function clientSession(client: ClientConfig, config: AspspConfig, clock: Clock): ClientSession {
  const { kid, iss, tan, keyPem } = client.signing;
  const key = { kid, iss, tan, privateKey: readPrivateKey(keyPem) };
  const http = new WireClient(tlsOf(client, config), clock);
  const { bank, timing } = config;
  return {
    ...{ config: client, key, http },
    tokens: createAccessTokens({ client, bank, key, http, clock, requestMs: timing.requestMs }),
  };
}

function tlsOf({ certificatePem, keyPem }: ClientConfig, { bank }: AspspConfig): WireTls {
  return { ca: bank.caPem, cert: certificatePem, key: keyPem };
}

interface Shared {
  readonly config: AspspConfig;
  readonly clock: Clock;
  readonly first: ClientSession;
  readonly second: ClientSession;
  readonly stranger: WireClient;
  readonly receiver: Receiver | undefined;
  readonly untrusted: Receiver | undefined;
  readonly maker: EventMaker | undefined;
  readonly keys: BankKeys;
}

/** Everything that a check of a bank works with. */
export class AspspContext {
  readonly config: AspspConfig;
  readonly clock: Clock;
  readonly wire: CheckScope;
  readonly first: BankClient;
  readonly second: BankClient;
  readonly #shared: Shared;

  constructor(shared: Shared, scope: CheckScope) {
    const { config, clock } = shared;
    this.config = config;
    this.clock = clock;
    this.wire = scope;
    this.first = new BankClient(shared.first, config, clock, scope);
    this.second = new BankClient(shared.second, config, clock, scope);
    this.#shared = shared;
  }

  /** The versions that the bank offers, oldest first. */
  get versions(): readonly ApiVersion[] {
    return versionsOf(this.config);
  }

  get newest(): ApiVersion {
    return newestVersion(this.config);
  }

  /** `Version` of a registration for events of every type. */
  get registrationVersion(): string {
    return this.newest === 'v4.0' ? '4.0' : '3.1.11';
  }

  /** Connections without a client certificate. */
  get stranger(): WireClient {
    return this.#shared.stranger;
  }

  /** The bank's public keys. */
  get keys() {
    return this.#shared.keys.within(this.wire);
  }

  /** The bank's JWKS, fetched again. */
  fetchKeys() {
    return this.#shared.keys.fetch(this.wire);
  }

  /** Connections of the first client that speak at most a version of TLS; the check closes them. */
  olderTls(maxVersion: 'TLSv1.1'): WireClient {
    const [client] = this.config.clients;
    return new WireClient({ ...tlsOf(client, this.config), maxVersion }, this.clock);
  }

  /** @throws {Skipped} unless the bank offers this version */
  requireVersion(version: ApiVersion): void {
    requires(this.versions.includes(version), `The bank does not offer ${version} (bank.apiUrls).`);
  }

  requirePolling(): void {
    requires(this.config.features.polling, 'The bank does not offer aggregated polling (features.polling).');
  }

  requireAcknowledgements(): void {
    const { acknowledgements } = this.config.features;
    requires(acknowledgements, 'The bank offers each SET once (features.acknowledgements).');
  }

  requireCallbackUrls(): void {
    requires(this.config.features.callbackUrls, 'The bank does not offer callback-urls (features.callbackUrls).');
  }

  requireRealTime(): void {
    requires(this.config.features.realTime, 'The bank does not send events in real time (features.realTime).');
  }

  /** Waits, unless the check is over. */
  wait(delayMs: number): Promise<void> {
    return waitFor(this.clock, delayMs, this.wire.signal);
  }

  /** Opens a callback URL of the runner. @throws {Skipped} where there is none, or no delivery in real time */
  receiver(version = this.newest): CallbackEndpoint {
    this.requireRealTime();
    const { receiver } = this.#shared;
    if (receiver === undefined) throw new Skipped('No receiver is configured (receiver).');
    return receiver.open(this.wire, version);
  }

  /** As {@link receiver}, with a certificate that the bank must not trust. */
  untrustedReceiver(): CallbackEndpoint {
    this.requireRealTime();
    const { untrusted } = this.#shared;
    if (untrusted === undefined)
      throw new Skipped('No receiver with an untrusted certificate is configured (receiver.untrusted).');
    return untrusted.open(this.wire, this.newest);
  }

  /** @throws {Skipped} where no event, or none of this type, can be made */
  requireEvents(eventType?: string): void {
    const { events } = this.config;
    requires(events !== undefined, 'No way to make an event is configured (events).');
    requires(
      eventType === undefined || events?.types.includes(eventType) === true,
      `No event of type ${eventType} can be made (events.types).`,
    );
  }

  /** Makes an event happen. @param eventType default: the first that can be made */
  async makeEvent({ clientId }: BankClient, eventType?: string): Promise<void> {
    this.requireEvents(eventType);
    const { maker, config } = this.#shared;
    await maker?.make({ clientId, eventType: eventType ?? config.events?.types[0] ?? '' }, this.wire);
  }

  /** Leaves both clients without registrations, then gives the first an event subscription without a callback URL. */
  async subscribeForPolling(more: object = {}, clients: readonly BankClient[] = [this.first]): Promise<void> {
    this.requirePolling();
    for (const client of clients) {
      await client.clear();
      await client.create('event-subscriptions', { Version: this.registrationVersion, ...more });
      await this.drain(client);
    }
  }

  /** Acknowledges what earlier checks have left. */
  async drain(client: BankClient): Promise<void> {
    let ack: string[] = [];
    for (let count = 0; count < DRAIN_POLLS_MAX; count += 1) {
      const { sets, moreAvailable } = await client.poll({ ack });
      ack = [...sets.keys()];
      if (ack.length === 0 && !moreAvailable) return;
    }
  }

  /**
   * Polls until a SET satisfies a condition.
   *
   * @param body of the polls
   * @returns undefined when none came in time
   */
  async pollUntil(
    client: BankClient,
    { timeoutMs, body = {}, holds }: { timeoutMs: number; body?: object; holds: (polled: Polled) => boolean },
  ): Promise<Polled | undefined> {
    const endMs = this.clock.monotonicMs() + timeoutMs;
    for (;;) {
      const polled = await client.poll(body);
      if (holds(polled)) return polled;
      if (this.clock.monotonicMs() >= endMs) return undefined;
      await this.wait(POLL_PAUSE_MS);
    }
  }

  /** Makes an event and polls until it is offered. @throws {Failure} when it is not */
  async offeredEvent(client = this.first, eventType?: string): Promise<OfferedSet> {
    await this.makeEvent(client, eventType);
    const { eventMs: timeoutMs } = this.config.timing;
    const polled = await this.pollUntil(client, { timeoutMs, holds: ({ sets }) => sets.size > 0 });
    const [entry] = polled?.sets ?? [];
    if (entry === undefined) {
      return fail(`a poll to offer the event of ${client.clientId} within ${timeoutMs / 1000} s`, 'no SET');
    }
    const [jti, token] = entry;
    return { jti, token, claims: claimsOfSet(token) };
  }
}
