import { EventTypeCatalogue } from '@tidings/protocol';
import ipaddr from 'ipaddr.js';
import { isLoopback } from '../base/ip-address.ts';
import { StartUpError } from '../base/start-up-error.ts';
import { type DatabaseUrl, DatabaseUrlError, parseDatabaseUrl } from './database-url.ts';
import { type GrantMark, hasGrantMark, portRangeOf } from './derived.ts';
import { assertDirectory } from './directory.ts';
import { assertIntake } from './intake.ts';
import { leavesOf, schemaAt } from './paths.ts';
import type { Config } from './schema.ts';
import { assertSigning } from './signing.ts';

// Signing and two writes to the store also happen under the lease.
const LEASE_MARGIN_MS = 500;

/**
 * Checks settings that are valid one by one against each other.
 *
 * @param source name of the configuration in messages
 * @throws {StartUpError} one sentence that names the settings and the remedy
 */
export function assertConsistent(config: Config, source: string): void {
  const { accessTokens, delivery, retry } = config;
  assertSigning(config.signing, source);
  assertDirectory(config.directory, source);
  assertStore(config, source);
  assertModes(config, source);
  if ((accessTokens.jwksUrl === undefined) === (accessTokens.introspectionUrl === undefined)) {
    throw new StartUpError(`${source}: give one of "accessTokens.jwksUrl" and "accessTokens.introspectionUrl".`);
  }
  if (accessTokens.introspectionClientId !== undefined && accessTokens.introspectionUrl === undefined) {
    throw new StartUpError(
      `${source}: "accessTokens.introspectionClientId" needs "accessTokens.introspectionUrl"; add the URL, or remove the client_id.`,
    );
  }
  if ((accessTokens.certificateFile === undefined) !== (accessTokens.keyFile === undefined)) {
    throw new StartUpError(
      `${source}: "accessTokens.certificateFile" and "accessTokens.keyFile" go together; give both.`,
    );
  }
  assertOperatorAccess(config, source);
  assertKeyAges(config, source);
  if (accessTokens.clientCredentials !== undefined) assertGrantMark(accessTokens.clientCredentials, source);
  if (delivery.leaseMs < delivery.timeoutMs + LEASE_MARGIN_MS) {
    throw new StartUpError(
      `${source}: "delivery.leaseMs" must exceed "delivery.timeoutMs" by ${LEASE_MARGIN_MS} ms, or two instances could make the same attempt at once.`,
    );
  }
  if (retry.delayMaxMs < retry.delayMs) {
    throw new StartUpError(`${source}: "retry.delayMaxMs" must not be below "retry.delayMs".`);
  }
  if (config.polling.pollsPerTppMax < config.polling.longPollsPerTppMax) {
    throw new StartUpError(
      `${source}: "polling.pollsPerTppMax" must not be below "polling.longPollsPerTppMax", or long polls that arrive together would be answered 429.`,
    );
  }
  assertDelivery(config, source);
  assertSecrets(config, source);
  assertNotify(config, source);
  assertIntake(config.intake, source);
  try {
    assertBodyLimit(config, source);
  } catch (error) {
    if (error instanceof TypeError) throw new StartUpError(`${source}: "ownEventTypes": ${error.message}.`);
    throw error;
  }
}

function assertKeyAges({ tppKeys, directory, accessTokens, operator: { oidc } }: Config, source: string): void {
  const wrong = (section: string, maxAge: string, hardMaxAge: string) =>
    new StartUpError(`${source}: "${section}.${hardMaxAge}" must not be below "${section}.${maxAge}".`);
  for (const [section, ages] of Object.entries({ tppKeys, directory })) {
    if (ages !== undefined && ages.hardMaxAgeMs < ages.maxAgeMs) throw wrong(section, 'maxAgeMs', 'hardMaxAgeMs');
  }
  for (const [section, ages] of [
    ['accessTokens', accessTokens],
    ['operator.oidc', oidc],
  ] as const) {
    if (ages === undefined || ages.keysHardMaxAgeMs >= ages.keysMaxAgeMs) continue;
    throw wrong(section, 'keysMaxAgeMs', 'keysHardMaxAgeMs');
  }
}

function assertModes({ api, realTime, polling }: Config, source: string): void {
  if (!realTime.isOffered && !polling.isOffered) {
    throw new StartUpError(
      `${source}: "realTime.isOffered" and "polling.isOffered" are both false; offer one of them.`,
    );
  }
  if (api.tls === undefined && api.gateway === undefined) {
    throw new StartUpError(`${source}: give "api.tls", or "api.gateway" if a gateway in front terminates TLS.`);
  }
}

function assertDelivery({ delivery }: Config, source: string): void {
  const { callbackAddressesAllowed: blocks, callbackPortsAllowed: ports, dnsServers } = delivery;
  for (const [at, port] of ports.entries()) {
    if (portRangeOf(port) !== undefined) continue;
    throw new StartUpError(
      `${source}: "delivery.callbackPortsAllowed[${at}]" (${port}) must be a port, such as 443, or a range, such as 1024-65535.`,
    );
  }
  for (const [at, block] of blocks.entries()) {
    if (ipaddr.isValidCIDR(block)) continue;
    throw new StartUpError(
      `${source}: "delivery.callbackAddressesAllowed[${at}]" (${block}) must be a CIDR block, such as 10.1.0.0/16.`,
    );
  }
  for (const [at, server] of dnsServers.entries()) {
    if (DNS_SERVER.test(server) && ipaddr.isValid(server.replace(/^\[|\](?::\d+)?$|(?<=^[^:]*):\d+$/g, ''))) continue;
    throw new StartUpError(
      `${source}: "delivery.dnsServers[${at}]" (${server}) must be an IP address, such as 10.1.0.53, 10.1.0.53:5353 or [fd00::53]:53.`,
    );
  }
}

const DNS_SERVER = /^(?:[\d.]+(?::\d{1,5})?|[\da-fA-F:]+|\[[\da-fA-F:]+\](?::\d{1,5})?)$/;

function assertStore({ store }: Config, source: string): void {
  if (store.file !== undefined && store.url !== undefined) {
    throw new StartUpError(`${source}: "store.file" and "store.url" are both given; keep one of them.`);
  }
  if (store.url !== undefined) {
    assertEncryptedOrLocal(store, parseStoreUrl(store.url, source), source);
  }
  if (store.url === undefined && store.file === undefined) {
    throw new StartUpError(`${source}: give "store.file" for SQLite, or "store.url" for PostgreSQL.`);
  }
  for (const name of ['password', 'passwordFile', 'caFile'] as const) {
    if (store.url !== undefined || store[name] === undefined) continue;
    throw new StartUpError(`${source}: "store.${name}" needs "store.url"; remove it, or give the URL.`);
  }
}

/** Without TLS all stored data, SETs included, would cross the network in clear text, and anyone could impersonate the database. */
function assertEncryptedOrLocal(
  { caFile, isClearTextAllowed }: Config['store'],
  { servers }: DatabaseUrl,
  source: string,
): void {
  const remote = servers.find(({ host }) => !host.startsWith('/') && !isLoopback(host));
  if (caFile !== undefined || isClearTextAllowed || remote === undefined) return;
  throw new StartUpError(
    `${source}: the host of "store.url" (${remote.host}) is not this machine, so stored data would cross the network in clear text; ` +
      'give "store.caFile" for TLS, or set "store.isClearTextAllowed" if the connection is protected by other means.',
  );
}

/** The URL is shown in logs and messages, so it must not hold a secret. */
function parseStoreUrl(url: string, source: string): DatabaseUrl {
  try {
    return parseDatabaseUrl(url);
  } catch (error) {
    if (!(error instanceof DatabaseUrlError)) throw error;
    const remedy = / the password$/.test(error.message) ? '; give it in "store.password" or "store.passwordFile"' : '';
    throw new StartUpError(`${source}: "store.url" ${error.message}${remedy}.`);
  }
}

/** The operator listener must neither be open to everyone nor send tokens over the network in clear text. */
function assertOperatorAccess({ operator }: Config, source: string): void {
  const { host, tls, isBehindProxy, tokens, oidc } = operator;
  if (tokens.length === 0 && oidc === undefined) {
    throw new StartUpError(
      `${source}: the operator API would be open to everyone; give "operator.tokens" or "operator.oidc".`,
    );
  }
  if (oidc !== undefined && Object.keys(oidc.roles).length === 0) {
    throw new StartUpError(`${source}: "operator.oidc.roles" maps no role; map at least one.`);
  }
  if (tls?.clientCrlFile !== undefined && tls.clientCaFile === undefined) {
    throw new StartUpError(
      `${source}: "operator.tls.clientCrlFile" needs "operator.tls.clientCaFile"; without it no client certificate is requested.`,
    );
  }
  if (tls === undefined && !isLoopback(host) && !isBehindProxy) {
    throw new StartUpError(
      `${source}: "operator.host" (${host}) is not loopback, so operator tokens would cross the network in clear text; ` +
        'give "operator.tls", listen on 127.0.0.1, or set "operator.isBehindProxy" if a proxy in front terminates TLS.',
    );
  }
}

// No authorisation server uses this value for a grant: a pattern that matches it would match customers too.
const ANYONE = 'A customer of the bank';

/** Exactly one of `value` and `pattern`, and a pattern that not every token matches. */
function assertGrantMark({ value, pattern }: GrantMark, source: string): void {
  if ((value === undefined) === (pattern === undefined)) {
    throw new StartUpError(
      `${source}: give one of "accessTokens.clientCredentials.value" and "accessTokens.clientCredentials.pattern".`,
    );
  }
  if (pattern === undefined) return;
  const setting = `${source}: "accessTokens.clientCredentials.pattern" (${pattern})`;
  let matchesAnyone: boolean;
  try {
    matchesAnyone = hasGrantMark(ANYONE, { claim: '', pattern }, 'tpp-1');
  } catch {
    throw new StartUpError(`${setting} is not a valid regular expression.`);
  }
  if (matchesAnyone) {
    throw new StartUpError(`${setting} matches any text, so that customers' tokens would pass; make it narrower.`);
  }
}

/** A secret is given in one way; some have to be given. */
function assertSecrets(config: Config, source: string): void {
  const { notify, intake } = config;
  const given = new Set(leavesOf(config).map(({ setting }) => setting));
  for (const setting of given) {
    if (schemaAt(setting).isSecret !== true || !given.has(`${setting}File`)) continue;
    throw new StartUpError(`${source}: "${setting}" and "${setting}File" are both given; keep one of them.`);
  }
  const needed = [
    ...(intake?.kafka?.sasl === undefined ? [] : ['intake.kafka.sasl.password']),
    ...notify.webhooks.map((_, at) => `notify.webhooks[${at}].secret`),
    ...notify.slack.map((_, at) => `notify.slack[${at}].url`),
  ];
  for (const setting of needed) {
    if (given.has(setting) || given.has(`${setting}File`)) continue;
    throw new StartUpError(`${source}: give one of "${setting}" and "${setting}File".`);
  }
}

/** Destinations are named in commands, so that each needs a name of its own. */
function assertNotify({ notify }: Config, source: string): void {
  const names = new Set<string>();
  for (const [list, destinations] of [
    ['webhooks', notify.webhooks],
    ['slack', notify.slack],
    ['email', notify.email],
  ] as const) {
    for (const [at, { name, kinds }] of destinations.entries()) {
      const setting = `${source}: "notify.${list}[${at}]`;
      if (names.has(name)) throw new StartUpError(`${setting}.name" (${name}) is the name of another destination too.`);
      names.add(name);
      if (kinds.every((kind) => kind === 'recovered')) {
        throw new StartUpError(`${setting}.kinds" has "recovered" alone; add the kinds whose end it is to be told of.`);
      }
    }
  }
  for (const [at, { url, urlFile }] of notify.webhooks.entries()) {
    if ((url === undefined) !== (urlFile === undefined)) continue;
    throw new StartUpError(`${source}: give one of "notify.webhooks[${at}].url" and "notify.webhooks[${at}].urlFile".`);
  }
  for (const [at, { user, password, passwordFile }] of notify.email.entries()) {
    if ((user === undefined) === (password === undefined && passwordFile === undefined)) continue;
    throw new StartUpError(
      `${source}: "notify.email[${at}].user" and its password go together; give "user", and "password" or "passwordFile".`,
    );
  }
}

// The longest callback URL, id and version, and the punctuation.
const OTHER_MEMBERS_BYTES = 2560;

/** A registration that lists every supported event type must fit into a body. */
function assertBodyLimit({ api, ownEventTypes }: Config, source: string): void {
  const names = new EventTypeCatalogue(ownEventTypes).all.map(({ subscribeCode, urn }) => subscribeCode ?? urn);
  const bytes = OTHER_MEMBERS_BYTES + Buffer.byteLength(JSON.stringify(names));
  if (api.bodyBytesMax >= bytes) return;
  throw new StartUpError(
    `${source}: "api.bodyBytesMax" must be at least ${bytes}, or a registration for every event type would be answered 413.`,
  );
}
