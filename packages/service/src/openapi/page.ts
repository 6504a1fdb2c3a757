import { createHash } from 'node:crypto';
import type { MediaType, OpenApiDocument, Operation, Parameter, PathItem, Reference, Response } from './model.ts';

// This page is written by hand because it contains no script: its Content-Security-Policy forbids all. Swagger UI renders in
// the browser, and needs scripts from the listener to which operators send their tokens.

/** The style of the page. Its hash is in the Content-Security-Policy, so it is constant. */
const PAGE_STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --mark: #0b6e4f; }
@media (prefers-color-scheme: dark) { :root { --mark: #5fd0a5; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
h3 { margin-top: 2rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { overflow-x: auto; background: var(--soft); padding: .75rem; border-radius: .3rem; }
summary { cursor: pointer; padding: .4rem 0; }
details { border-bottom: 1px solid var(--line); }
details > :not(summary) { margin-left: 1rem; }
.method { display: inline-block; min-width: 4.5rem; font-weight: 700; color: var(--mark); }
.path { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
.note { opacity: .8; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }
td, th { overflow-wrap: anywhere; }
a { color: var(--mark); }
`;

const STYLE_HASH = createHash('sha256').update(PAGE_STYLE).digest('base64');

/**
 * Headers of the page. It is one file without scripts, and the policy makes a browser fetch nothing and run nothing for it,
 * whatever a description contains.
 */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

/** A document and the name under which it is served. */
export interface NamedDocument {
  readonly name: string;
  readonly document: OpenApiDocument;
}

/** Renders documents as one self-contained page. */
export function renderPage(documents: readonly NamedDocument[]): string {
  const { text } = html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tidings: the APIs</title><style>${raw(PAGE_STYLE)}</style></head>
<body>
<h1>Tidings: the APIs</h1>
<ul>${documents.map(({ name, document }) => html`<li><a href="#${name}">${document.info.title}</a> (<a href="${name}.json">${name}.json</a>, OpenAPI ${document.openapi})</li>`)}</ul>
${documents.map(renderDocument)}
</body></html>
`;
  return text;
}

/** Constant text, which must stay byte by byte as it was hashed. */
function raw(text: string): Html {
  return new Html(text);
}

function renderDocument({ name, document }: NamedDocument): Html {
  const { info, servers, paths, components } = document;
  return html`<section id="${name}"><h2>${info.title}</h2>
<p>${info.description}</p>
<p class="note">Version ${info.version}. ${servers.map(({ url, description }) => html`<code>${url}</code> (${description}) `)}</p>
<dl>${Object.entries(components.securitySchemes).map(([scheme, value]) => html`<dt><code>${scheme}</code></dt><dd>${descriptionOf(value)}</dd>`)}</dl>
<h3>Operations</h3>
${Object.entries(paths).map(([path, item]) => renderPath(path, item, document))}
<h3>Schemas</h3>
${Object.entries(components.schemas).map(([schema, value]) => html`<details id="schema-${schema}"><summary><code>${schema}</code></summary><p>${descriptionOf(value)}</p>${schemaTable(value)}</details>`)}
</section>`;
}

function descriptionOf(value: object): string {
  return 'description' in value && typeof value.description === 'string' ? value.description : '';
}

function renderPath(path: string, item: PathItem, document: OpenApiDocument): Html {
  return html`${Object.entries(item).map(
    ([method, operation]) => html`<details id="${operation.operationId}">
<summary><span class="method">${method.toUpperCase()}</span> <span class="path">${path}</span> <span class="note">${operation.summary}</span></summary>
${renderOperation(operation, document)}</details>
`,
  )}`;
}

function renderOperation(operation: Operation, document: OpenApiDocument): Html {
  const {
    description,
    parameters = [],
    requestBody,
    responses,
    callbacks = {},
    security,
    'x-tidings-role': role,
  } = operation;
  return html`${description === undefined ? '' : html`<p>${description}</p>`}
<p class="note">${describeSecurity(security)}${role === undefined ? '' : ` Least role: ${role}.`}</p>
${parameters.length === 0 ? '' : renderParameters(parameters.map((each) => resolve<Parameter>(each, document)))}
${requestBody === undefined ? '' : html`<h4>Body</h4>${renderContent(requestBody.content)}`}
<h4>Responses</h4>
${Object.entries(responses).map(([status, response]) => renderResponse(status, resolve<Response>(response, document)))}
${Object.values(callbacks).flatMap((callback) => Object.entries(callback).map(([to, item]) => html`<h4>Sent to the TPP</h4>${renderPath(to, item, document)}`))}`;
}

function describeSecurity(security: Operation['security']): string {
  if (security.length === 0) return 'No token.';
  const alternatives = security.map((schemes) =>
    Object.entries(schemes)
      .map(([scheme, scopes]) => (scopes.length === 0 ? scheme : `${scheme} (${scopes.join(', ')})`))
      .join(' and '),
  );
  return `Requires ${alternatives.join(', or ')}.`;
}

function renderParameters(parameters: readonly Parameter[]): Html {
  return html`<h4>Parameters</h4><table><tbody>${parameters.map(
    (each) =>
      html`<tr><td><code>${each.name}</code></td><td>${each.in}</td><td>${each.required === true ? 'required' : 'optional'}</td><td>${each.description}</td></tr>`,
  )}</tbody></table>`;
}

function renderResponse(status: string, { description, headers = {}, content = {} }: Response): Html {
  const names = Object.keys(headers);
  return html`<details><summary><strong>${status}</strong> ${description}</summary>
${names.length === 0 ? '' : html`<p class="note">Headers: ${names.join(', ')}</p>`}${renderContent(content)}</details>`;
}

function renderContent(content: Readonly<Record<string, MediaType>>): Html {
  return html`${Object.entries(content).map(
    ([type, { schema, examples = {} }]) => html`<p><code>${type}</code>: ${typeName(schema)}</p>
${Object.values(examples).map(({ summary, value }) => html`${summary === undefined ? '' : html`<p class="note">${summary}</p>`}<pre>${JSON.stringify(value, undefined, 2)}</pre>`)}`,
  )}`;
}

function typeName(schema: object): Html {
  if ('$ref' in schema && typeof schema.$ref === 'string') return linkToSchema(schema.$ref);
  return html`${descriptionOf(schema)}`;
}

/** Resolves a reference to the components of the same document. */
function resolve<T extends object>(value: T | Reference, document: OpenApiDocument): T {
  if (!('$ref' in value)) return value;
  const { responses, parameters } = document.components;
  const found = { ...responses, ...parameters }[value.$ref.split('/').at(-1) ?? ''];
  if (found === undefined) throw new Error(`the document has no ${value.$ref}`);
  return found as object as T;
}

/** The part of a JSON schema that the page shows. */
interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly description?: string;
  readonly format?: string;
  readonly pattern?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
}

/** A table with one row for each member of a schema, at any depth. */
function schemaTable(schema: object): Html {
  const rows = rowsOf(schema, '', true);
  return html`<table><thead><tr><th>member</th><th>type</th><th></th><th>meaning</th></tr></thead>
<tbody>${rows.map(({ path, type, need, meaning }) => html`<tr><td><code>${path}</code></td><td>${type}</td><td>${need}</td><td>${meaning}</td></tr>`)}</tbody></table>`;
}

interface Row {
  readonly path: string;
  readonly type: Html;
  readonly need: string;
  readonly meaning: string;
}

function rowsOf(schema: Schema, path: string, isRequired: boolean): Row[] {
  const own = {
    path,
    type: typeOf(schema),
    need: isRequired ? 'required' : 'optional',
    meaning: schema.description ?? '',
  };
  const members = Object.entries(schema.properties ?? {}).flatMap(([name, member]) =>
    rowsOf(member, path === '' ? name : `${path}.${name}`, schema.required?.includes(name) === true),
  );
  const byName = Object.values(schema.patternProperties ?? {}).flatMap((member) =>
    rowsOf(member, `${path}.{name}`, false),
  );
  const items = schema.items?.properties === undefined ? [] : rowsOf(schema.items, `${path}[]`, true);
  return [...(path === '' ? [] : [own]), ...members, ...byName, ...items];
}

function typeOf(schema: Schema): Html {
  if (schema.$ref !== undefined) return linkToSchema(schema.$ref);
  if (schema.anyOf !== undefined)
    return html`${schema.anyOf.map((one, at) => html`${at > 0 ? ' or ' : ''}${typeOf(one)}`)}`;
  if (schema.const !== undefined) return html`<code>${JSON.stringify(schema.const)}</code>`;
  if (schema.enum !== undefined) {
    return html`one of ${schema.enum.map((value, at) => html`${at > 0 ? ', ' : ''}<code>${String(value)}</code>`)}`;
  }
  const items = schema.items === undefined ? '' : html` of ${typeOf(schema.items)}`;
  return html`${schema.type ?? 'anything'}${items}${limitsOf(schema)}`;
}

/** A reference as a link to the schema on the page. */
function linkToSchema(reference: string): Html {
  const name = reference.split('/').at(-1) ?? '';
  return html`<a href="#schema-${name}">${name}</a>`;
}

function limitsOf(schema: Schema): string {
  const unit = schema.type === 'array' ? 'entries' : 'characters';
  const limits = [
    schema.format,
    rangeOf(schema.minimum, schema.maximum, ''),
    rangeOf(schema.minLength ?? schema.minItems, schema.maxLength ?? schema.maxItems, ` ${unit}`),
    schema.pattern === undefined ? undefined : `as ${schema.pattern}`,
  ].filter((limit) => limit !== undefined);
  return limits.length === 0 ? '' : ` (${limits.join('; ')})`;
}

function rangeOf(from: number | undefined, to: number | undefined, unit: string): string | undefined {
  if (from === undefined && to === undefined) return undefined;
  if (to === undefined) return `at least ${from}${unit}`;
  return from === undefined ? `at most ${to}${unit}` : `${from} to ${to}${unit}`;
}

/** HTML that is safe to send: every value in it was escaped. */
class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A value in a template: text is escaped, HTML is not, lists are joined, undefined is omitted. */
type HtmlPart = string | number | Html | undefined | readonly HtmlPart[];

/** Makes HTML from a template, and escapes its values. */
function html(strings: TemplateStringsArray, ...parts: readonly HtmlPart[]): Html {
  return new Html(strings.map((text, at) => `${text}${at < parts.length ? textOf(parts[at]) : ''}`).join(''));
}

function textOf(part: HtmlPart): string {
  if (part === undefined) return '';
  if (part instanceof Html) return part.text;
  if (typeof part === 'object') return part.map(textOf).join('');
  return escapeHtml(String(part));
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (char) => ENTITIES[char] ?? char);
}
