import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { parseAllDocuments } from 'yaml';
import { parseDeployed, secretsOf } from './settings.ts';

export const CHART = 'deploy/helm/tidings';
export const EXAMPLES = ['deploy/helm/examples/brand-one.yaml', 'deploy/helm/examples/brand-two.yaml'] as const;
export const KUBERNETES = '1.37.0';

/** A rendered resource; only the members that are looked at. */
interface Resource {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly template?: { readonly spec: PodSpec };
    readonly data?: readonly { readonly secretKey: string }[];
    readonly groups?: readonly unknown[];
  };
}

interface PodSpec {
  readonly automountServiceAccountToken?: boolean;
  readonly securityContext?: { readonly runAsNonRoot?: boolean; readonly seccompProfile?: { readonly type: string } };
  readonly terminationGracePeriodSeconds?: number;
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
}

interface Container {
  readonly name: string;
  readonly securityContext?: {
    readonly readOnlyRootFilesystem?: boolean;
    readonly allowPrivilegeEscalation?: boolean;
    readonly capabilities?: { readonly drop: readonly string[] };
  };
}

/** What Helm makes of the chart. */
export class Rendered {
  readonly text: string;
  readonly resources: readonly Resource[];

  constructor(text: string) {
    this.text = text;
    this.resources = parseAllDocuments(text)
      .map((document): Resource | null => document.toJS())
      .filter((each) => each !== null);
  }

  of(kind: string): Resource[] {
    return this.resources.filter((each) => each.kind === kind);
  }
}

/** Settings that the chart must refuse, and the words that it does so with. */
const REFUSED: readonly (readonly [settings: readonly string[], words: RegExp])[] = [
  [
    ['terminationGracePeriodSeconds=15'],
    /must exceed preStopSeconds and config.shutdown.graceMs together \(15000 ms\)/,
  ],
  [['config.shutdown.graceMs=60000'], /would be killed/],
  [['config.store.file=a.db'], /for a single instance/],
  [['config.store.url='], /set config.store.url/],
  [['config.operator.tls.clientCaFile=a.pem'], /no client certificate/],
  [['secrets=null'], /name the Secrets/],
  [['externalSecrets.enabled=true', 'externalSecrets.storeRef.name=vault'], /set migration.mode to initContainer/],
  [['serviceMonitor.serverName='], /set serviceMonitor.serverName/],
  [['image.tag=latest'], /tag/],
  [['replica=3'], /replica/],
];

/** @returns the standard output of Helm, or what it complains about */
function helmTemplate(helm: string, values: string, settings: readonly string[] = []): { out: string; error: string } {
  const sets = settings.flatMap((each) => ['--set', each]);
  const words = ['template', 'brand', CHART, '--kube-version', KUBERNETES, '--values', values, ...sets];
  const { status, stdout, stderr } = spawnSync(helm, words, { encoding: 'utf8', maxBuffer: 100_000_000 });
  return status === 0 ? { out: stdout, error: '' } : { out: '', error: stderr };
}

export function render(helm: string, values: string): Rendered {
  const { out, error } = helmTemplate(helm, values);
  assert.equal(error, '');
  return new Rendered(out);
}

/** @throws when the chart accepts what it must refuse */
export function assertRefusals(helm: string): void {
  for (const [settings, words] of REFUSED) {
    assert.match(helmTemplate(helm, EXAMPLES[0], settings).error, words, settings.join(' '));
  }
}

/** Checks what schemas cannot say. @throws what is wrong */
export function assertSound({ resources, ...rendered }: Rendered): void {
  const of = (kind: string) => resources.filter((each) => each.kind === kind);
  const texts = of('ConfigMap').flatMap(({ data }) => data?.['tidings.json'] ?? []);
  const [written, ...others] = texts.filter((text) => text.includes('"issuer"'));
  assert.ok(written !== undefined, `a configuration in ${rendered.text.length} characters`);
  for (const each of others) assert.equal(each, written);
  const config = parseDeployed(written, 'the ConfigMap');
  const pods = resources.flatMap(({ spec }) => spec?.template?.spec ?? []);
  assert.ok(pods.length > 0);
  for (const pod of pods) {
    assert.equal(pod.automountServiceAccountToken, false);
    assert.equal(pod.securityContext?.runAsNonRoot, true);
    assert.equal(pod.securityContext?.seccompProfile?.type, 'RuntimeDefault');
    for (const { name, securityContext } of [...pod.containers, ...(pod.initContainers ?? [])]) {
      assert.equal(securityContext?.readOnlyRootFilesystem, true, name);
      assert.equal(securityContext?.allowPrivilegeEscalation, false, name);
      assert.deepEqual(securityContext?.capabilities?.drop, ['ALL'], name);
    }
  }
  const graceSeconds = of('Deployment')[0]?.spec?.template?.spec.terminationGracePeriodSeconds ?? 0;
  assert.ok(graceSeconds * 1000 > config.shutdown.graceMs);
  for (const { spec } of of('ExternalSecret')) {
    const files = new Set(spec?.data?.map(({ secretKey }) => secretKey));
    assert.deepEqual(files, secretsOf(written));
  }
}
