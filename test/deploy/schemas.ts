import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';

/** A part of a JSON schema. */
interface Schema {
  readonly [keyword: string]: unknown;
}

/** The members of a custom resource definition that are used here. */
interface Crd {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string };
    readonly versions: readonly { readonly name: string; readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
}

/** What the chart makes, beside custom resources. */
const KINDS = [
  ...['configmap-v1', 'deployment-apps-v1', 'horizontalpodautoscaler-autoscaling-v2', 'job-batch-v1'],
  ...['networkpolicy-networking-v1', 'poddisruptionbudget-policy-v1', 'service-v1', 'serviceaccount-v1'],
];

/** Writes the schemas of Kubernetes as kubeconform reads them: it follows no reference to another file. */
export function writeKubernetesSchemas(from: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const read = (name: string): Schema =>
    JSON.parse(readFileSync(join(from, `${name}.json`), 'utf8').replaceAll('/api/_definitions.json#', '#'));
  const { $defs } = read('_definitions');
  for (const kind of KINDS) writeFileSync(join(folder, `${kind}.json`), JSON.stringify({ ...read(kind), $defs }));
}

/**
 * Writes the schemas of custom resource definitions as kubeconform reads them, `kind-group-version.json`. A member that a schema
 * does not know is refused, as the API server refuses it with strict validation.
 */
export function writeCrdSchemas(files: readonly string[], folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const file of files) {
    for (const document of parseAllDocuments(readFileSync(file, 'utf8'))) {
      const { spec }: Crd = document.toJS();
      for (const { name, schema } of spec.versions) {
        const path = join(folder, `${spec.names.kind.toLowerCase()}-${spec.group.split('.')[0]}-${name}.json`);
        // What every resource has comes from the API server.
        const { properties, ...rest } = schema.openAPIV3Schema;
        const members = { ...(isSchema(properties) ? properties : {}), metadata: { type: 'object' } };
        writeFileSync(path, JSON.stringify(closed({ ...rest, properties: members }, true)));
      }
    }
  }
}

/** Refuses members that are not declared, down to the leaves. */
function closed(value: unknown, isTop = false): unknown {
  if (Array.isArray(value)) return value.map((each) => closed(each));
  if (!isSchema(value)) return value;
  const entries = Object.entries(value).map(([name, each]) => [name, closed(each)]);
  const schema: Schema = Object.fromEntries(entries);
  const isObject = isSchema(schema['properties']) && schema['type'] === 'object';
  const isOpen = schema['x-kubernetes-preserve-unknown-fields'] === true || 'additionalProperties' in schema;
  return isObject && (isTop || !isOpen) ? { ...schema, additionalProperties: false } : schema;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
