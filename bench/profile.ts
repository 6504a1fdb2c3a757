import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Report, Window } from './report.ts';

/** A CPU profile of V8: samples of the main thread. */
interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds between consecutive samples. */
  readonly timeDeltas: readonly number[];
  /** Microseconds of the system's monotonic clock. */
  readonly startTime: number;
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
  readonly children?: readonly number[];
}

/** Groups of functions: the first pattern that matches the file applies. */
const GROUPS: readonly (readonly [RegExp, string])[] = [
  [/\/store\/sqlite\/|node:sqlite/, 'sqlite (our SQL, statements, commits)'],
  [/\/store\/postgres\/|\/(?:pg|pg-[a-z]+|postgres-[a-z]+)\//, 'postgres (our SQL, pg)'],
  [/\/undici\//, 'undici'],
  [/\/(?:pino|sonic-boom|thread-stream|quick-format-unescaped|safe-stable-stringify)\//, 'pino'],
  [/\/(?:fastify|@fastify|find-my-way|avvio|light-my-request|fast-json-stringify|secure-json-parse)\//, 'fastify'],
  [/\/typebox\/|\/read-events|\/read-body|\/publish-events|strict-json|\/shape\.ts/, 'publish: reading and checking'],
  [/\/protocol\/src\/(?:jws|jose-header|set|signer|claims|base64url)/, 'signing (claims, JWS)'],
  [/node:internal\/crypto/, 'signing (crypto jobs)'],
  [/node:_tls|node:tls|node:internal\/tls|tls_wrap/, 'tls'],
  [
    /node:net|node:_http|node:http|node:https|node:internal\/(?:js_)?stream|node:stream|stream_base_commons/,
    'node net, http, streams',
  ],
  [
    /node:events|event_target|abort_controller|node:internal\/timers|node:timers|task_queues|async_hooks|promise/,
    'events, timers, aborts, ticks',
  ],
  [/\/notify\/|\/net\//, 'engine (notify, net)'],
  [/\/bench\//, 'bench'],
  [/packages\//, 'service, other'],
  [/^node:/, 'node, other'],
];

const NATIVE_GROUPS: Readonly<Record<string, string>> = {
  '(idle)': 'idle',
  '(garbage collector)': 'gc',
  '(program)': 'program (native code outside of any function: the event loop, TLS, sockets)',
};

/** Prints how the main threads spent their time during the measurement. */
export function printProfiles(folder: string, { window }: Report, say: (line: string) => void): void {
  for (const name of ['service', 'receiver', 'publisher']) {
    const profile: CpuProfile = JSON.parse(readFileSync(join(folder, `${name}.cpuprofile`), 'utf8'));
    say(`\n${name}: self time of the main thread, ${window === undefined ? 'whole run' : 'during the measurement'}`);
    for (const line of table(profile, window)) say(line);
  }
}

function table(profile: CpuProfile, window: Window | undefined): string[] {
  const groupOf = groupsOf(profile.nodes);
  const byGroup = new Map<string, number>();
  const byFunction = new Map<string, number>();
  let atUs = profile.startTime;
  let totalUs = 0;
  for (const [at, id] of profile.samples.entries()) {
    const tookUs = profile.timeDeltas[at + 1] ?? 0;
    atUs += profile.timeDeltas[at] ?? 0;
    if (window !== undefined && (atUs < window.beganMs * 1000 || atUs > window.endedMs * 1000)) continue;
    totalUs += tookUs;
    const { group, name } = groupOf.get(id) ?? { group: 'unknown', name: 'unknown' };
    byGroup.set(group, (byGroup.get(group) ?? 0) + tookUs);
    byFunction.set(name, (byFunction.get(name) ?? 0) + tookUs);
  }
  const percent = (us: number) => `${((us / totalUs) * 100).toFixed(1).padStart(6)} %`;
  const largest = (counts: ReadonlyMap<string, number>, count: number) =>
    [...counts].toSorted(([, left], [, right]) => right - left).slice(0, count);
  return [
    ...largest(byGroup, 20).map(([group, us]) => `${percent(us)}  ${group}`),
    '  of these, functions:',
    ...largest(byFunction, 25).map(([name, us]) => `${percent(us)}  ${name}`),
  ];
}

/** Attributes a native function to the JavaScript function that called it. */
function groupsOf(nodes: readonly ProfileNode[]): ReadonlyMap<number, { group: string; name: string }> {
  const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node] as const)));
  const byId = new Map<number, { group: string; name: string }>();
  for (const node of nodes) {
    let owner: ProfileNode | undefined = node;
    while (owner !== undefined && owner.callFrame.url === '') owner = parents.get(owner.id);
    const { functionName, url } = node.callFrame;
    const group = NATIVE_GROUPS[functionName] ?? groupOfUrl(owner?.callFrame.url ?? '', functionName);
    const from = owner === undefined || owner === node ? '' : ` < ${owner.callFrame.functionName}`;
    const file = (url || owner?.callFrame.url || '').replace(/^.*\/(?=[^/]+\/[^/]+$)/, '');
    byId.set(node.id, { group, name: `${functionName || '(anonymous)'}${from}  ${file}` });
  }
  return byId;
}

function groupOfUrl(url: string, functionName: string): string {
  if (url === '') return `native, called from none: ${functionName}`;
  return GROUPS.find(([pattern]) => pattern.test(url))?.[1] ?? 'other';
}
