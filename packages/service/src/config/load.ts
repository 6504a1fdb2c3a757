import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseStrictJson, type ShapeFault, StrictJsonError, shapeOf } from '@tidings/protocol';
import ipaddr from 'ipaddr.js';
import { Value } from 'typebox/value';
import { StartUpError, systemErrorCode } from '../base/start-up-error.ts';
import { refuseSmallBodies } from './body-limits.ts';
import { refuseWrongGrantMark } from './grant-mark.ts';
import { refuseOpenOperator } from './operator-settings.ts';
import { portRangeOf } from './ports.ts';
import { type Config, ConfigSchema } from './schema.ts';
import { refuseUnclearStore } from './store-settings.ts';

/** Checks settings against the schema, without filling defaults in. */
export const shapeConfig = shapeOf(ConfigSchema);

/**
 * Reads a configuration file: JSON, checked against the schema, defaults filled in, paths made absolute. Does not read
 * the files it names.
 *
 * @throws {StartUpError} one sentence that names the setting and the remedy
 */
export function loadConfig(file: string): Config {
  return parseConfig(readJsonFile(file), dirname(resolve(file)), file);
}

/**
 * Checks settings that are already in memory, as a test or an embedding program has them.
 *
 * @param folder relative paths start here
 * @param source how messages call where the settings came from
 * @throws {StartUpError}
 */
export function parseConfig(settings: unknown, folder: string, source = 'the configuration'): Config {
  const shaped = shapeConfig(Value.Default(ConfigSchema, structuredClone(settings)));
  if (!shaped.ok) throw new StartUpError(`${source}: ${sayFault(shaped.fault)}`);
  const config = withAbsolutePaths(shaped.value, folder);
  refuseContradictions(config, source);
  return deepFreeze(config);
}

/**
 * Reads a configuration file as JSON, and checks nothing else of it.
 *
 * @throws {StartUpError} when it cannot be read, or is no JSON
 */
export function readJsonFile(file: string): unknown {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new StartUpError(`The configuration file ${file} cannot be read (${systemErrorCode(error) ?? 'unknown'}).`);
  }
  try {
    return parseStrictJson(bytes);
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    const where = error.path === '' ? '' : `: the setting "${error.path}"`;
    throw new StartUpError(`The configuration file ${file}${where} ${error.message}.`);
  }
}

/** Describes a fault of a setting and its remedy in one sentence, to be read after the name of the source. */
export function sayFault(fault: ShapeFault): string {
  if (fault.path === '') return 'it must be a JSON object that holds the settings.';
  const setting = `the setting "${fault.path}"`;
  if (fault.kind === 'missing') return `${setting} is missing; add it.`;
  if (fault.kind === 'invalid') {
    const { description } = schemaAt(fault.path);
    return `${setting} ${fault.why}${description === undefined ? '' : ` (${description})`}.`;
  }
  const nearest = nearestSetting(fault.path);
  const remedy = nearest === undefined ? 'take it out.' : `did you mean "${nearest}"?`;
  return `"${fault.path}" is not a setting; ${remedy}`;
}

/** The setting whose name is closest to a misspelt one, in the same section. */
function nearestSetting(path: string): string | undefined {
  const section = path.slice(0, Math.max(path.lastIndexOf('.'), 0));
  const wrong = section === '' ? path : path.slice(section.length + 1);
  const [nearest] = Object.keys(schemaAt(section).properties ?? {})
    .map((name) => ({ name, distance: editDistance(name.toLowerCase(), wrong.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= Math.max(2, name.length / 3))
    .sort((left, right) => left.distance - right.distance);
  return nearest && (section === '' ? nearest.name : `${section}.${nearest.name}`);
}

/** The part of the schema that messages are made from. */
interface SettingSchema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, object>>;
  readonly items?: object;
}

/** The schema of a setting or section, as in `operator.tokens[0].name`; empty where there is none. */
function schemaAt(path: string): SettingSchema {
  let schema: SettingSchema = ConfigSchema;
  for (const part of path === '' ? [] : path.split('.')) {
    const name = part.replace(/\[\d+\]$/, '');
    const found: SettingSchema = schema.properties?.[name] ?? {};
    schema = name === part ? found : (found.items ?? {});
  }
  return schema;
}

/** Levenshtein distance. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, at) => at);
  for (let i = 1; i <= left.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= right.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

/** Settings that end in File, and `file`, are paths. */
function withAbsolutePaths<T>(settings: T, folder: string): T {
  if (Array.isArray(settings)) return settings.map((entry) => withAbsolutePaths(entry, folder)) as T;
  if (typeof settings !== 'object' || settings === null) return settings;
  const entries = Object.entries(settings).map(([name, value]) => {
    const isPath = typeof value === 'string' && (name === 'file' || name.endsWith('File'));
    return [name, isPath ? resolve(folder, value) : withAbsolutePaths(value, folder)];
  });
  return Object.fromEntries(entries) as T;
}

function refuseContradictions(config: Config, source: string): void {
  const { accessTokens, delivery, retry } = config;
  refuseUnclearStore(config, source);
  refuseWrongModes(config, source);
  if ((accessTokens.jwksUrl === undefined) === (accessTokens.introspectionUrl === undefined)) {
    throw new StartUpError(`${source}: give one of "accessTokens.jwksUrl" and "accessTokens.introspectionUrl".`);
  }
  if (accessTokens.introspectionClientId !== undefined && accessTokens.introspectionUrl === undefined) {
    throw new StartUpError(
      `${source}: "accessTokens.introspectionClientId" goes with "accessTokens.introspectionUrl".`,
    );
  }
  if ((accessTokens.certificateFile === undefined) !== (accessTokens.keyFile === undefined)) {
    throw new StartUpError(
      `${source}: "accessTokens.certificateFile" and "accessTokens.keyFile" go together; give both.`,
    );
  }
  refuseOpenOperator(config, source);
  refuseWrongKeyAges(config, source);
  if (accessTokens.clientCredentials !== undefined) refuseWrongGrantMark(accessTokens.clientCredentials, source);
  if (delivery.leaseMs < delivery.timeoutMs + LEASE_MARGIN_MS) {
    throw new StartUpError(
      `${source}: "delivery.leaseMs" must exceed "delivery.timeoutMs" by ${LEASE_MARGIN_MS} ms, or an attempt could be made twice at once.`,
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
  refuseNoAddresses(config, source);
  try {
    refuseSmallBodies(config, source);
  } catch (error) {
    if (error instanceof TypeError) throw new StartUpError(`${source}: "ownEventTypes": ${error.message}.`);
    throw error;
  }
}

function refuseWrongKeyAges({ tppKeys, accessTokens, operator: { oidc } }: Config, source: string): void {
  const wrong = (section: string, maxAge: string, hardMaxAge: string) =>
    new StartUpError(`${source}: "${section}.${hardMaxAge}" must not be below "${section}.${maxAge}".`);
  if (tppKeys.hardMaxAgeMs < tppKeys.maxAgeMs) throw wrong('tppKeys', 'maxAgeMs', 'hardMaxAgeMs');
  for (const [section, ages] of [
    ['accessTokens', accessTokens],
    ['operator.oidc', oidc],
  ] as const) {
    if (ages === undefined || ages.keysHardMaxAgeMs >= ages.keysMaxAgeMs) continue;
    throw wrong(section, 'keysMaxAgeMs', 'keysHardMaxAgeMs');
  }
}

function refuseWrongModes({ api, realTime, polling }: Config, source: string): void {
  if (!realTime.isOffered && !polling.isOffered) {
    throw new StartUpError(
      `${source}: "realTime.isOffered" and "polling.isOffered" are both false; offer one of them.`,
    );
  }
  if (api.tls === undefined && api.gateway === undefined) {
    throw new StartUpError(`${source}: give "api.tls", or "api.gateway" where TLS ends at a gateway in front.`);
  }
}

function refuseNoAddresses({ delivery }: Config, source: string): void {
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

// Signing and two writes to the store happen under the lease as well.
const LEASE_MARGIN_MS = 500;

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const member of Object.values(value)) deepFreeze(member);
    Object.freeze(value);
  }
  return value;
}
