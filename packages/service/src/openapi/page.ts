import { createHash } from 'node:crypto';
import { Html, html } from './html.ts';
import type { MediaType, OpenApiDocument, Operation, Parameter, PathItem, Reference, Response } from './model.ts';
import { linkToSchema, schemaTable } from './page-schema.ts';
import { PAGE_STYLE } from './page-style.ts';

const STYLE_HASH = createHash('sha256').update(PAGE_STYLE).digest('base64');

/**
 * Headers for the page: it is one file without a script, and a browser that follows them fetches nothing for it and runs
 * nothing in it, whatever a description may hold.
 */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

/** A document with the name under which it is served. */
export interface NamedDocument {
  readonly name: string;
  readonly document: OpenApiDocument;
}

/** Shows documents on one self-contained page. */
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

/** The style is ours, and must stay the bytes that were hashed. */
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
<p class="note">${saySecurity(security)}${role === undefined ? '' : ` Least role: ${role}.`}</p>
${parameters.length === 0 ? '' : renderParameters(parameters.map((each) => resolve<Parameter>(each, document)))}
${requestBody === undefined ? '' : html`<h4>Body</h4>${renderContent(requestBody.content)}`}
<h4>Responses</h4>
${Object.entries(responses).map(([status, response]) => renderResponse(status, resolve<Response>(response, document)))}
${Object.values(callbacks).flatMap((callback) => Object.entries(callback).map(([to, item]) => html`<h4>Sent to the TPP</h4>${renderPath(to, item, document)}`))}`;
}

function saySecurity(security: Operation['security']): string {
  if (security.length === 0) return 'No token.';
  const alternatives = security.map((schemes) =>
    Object.entries(schemes)
      .map(([scheme, scopes]) => (scopes.length === 0 ? scheme : `${scheme} (${scopes.join(', ')})`))
      .join(' and '),
  );
  return `Needs ${alternatives.join(', or ')}.`;
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

/** References lead to the components of the same document. */
function resolve<T extends object>(value: T | Reference, document: OpenApiDocument): T {
  if (!('$ref' in value)) return value;
  const { responses, parameters } = document.components;
  const found = { ...responses, ...parameters }[value.$ref.split('/').at(-1) ?? ''];
  if (found === undefined) throw new Error(`the document has no ${value.$ref}`);
  return found as object as T;
}
