import type { FastifyInstance } from 'fastify';
import { PAGE_HEADERS, renderPage } from '../openapi/page.ts';
import { tppFacingDocument } from '../openapi/tpp-facing.ts';
import { operatorDocument } from './operations.ts';
import type { OperatorOptions } from './options.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route can be called without an operator token. */
    needsNoToken?: boolean;
  }
}

// A browser sends no bearer token with a link, and the documents hold nothing that the developer portal and this
// project's sources do not tell: no token, key, TPP or event. So they are the one thing here that needs no token.
const PUBLIC = { config: { needsNoToken: true } } as const;

/** Where the documents are served. */
export const DOCUMENTS_PATH = '/operator/v1/openapi/';

/** The OpenAPI documents and the page that shows them. */
export function registerDocumentRoutes(app: FastifyInstance, { config, publicUrl }: OperatorOptions): void {
  const operator = { name: 'operator', document: operatorDocument('/') };
  const tppFacing = () =>
    config === undefined
      ? []
      : [{ name: 'tpp-facing', document: tppFacingDocument(config, publicUrl?.() ?? config.api.publicUrl ?? '') }];

  app.get(DOCUMENTS_PATH, PUBLIC, (_request, reply) =>
    reply.headers(PAGE_HEADERS).send(renderPage([...tppFacing(), operator])),
  );
  app.get(`${DOCUMENTS_PATH}operator.json`, PUBLIC, () => operator.document);
  if (config !== undefined) app.get(`${DOCUMENTS_PATH}tpp-facing.json`, PUBLIC, () => tppFacing()[0]?.document);
}
