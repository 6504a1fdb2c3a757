import type { FastifyInstance } from 'fastify';
import { PAGE_HEADERS, renderPage } from '../openapi/page.ts';
import { tppFacingDocument } from '../openapi/tpp-facing.ts';
import { forOperation } from './access.ts';
import { operatorDocument } from './operations.ts';
import type { OperatorOptions } from './options.ts';

/** Where the documents are served. */
const DOCUMENTS_PATH = '/operator/v1/openapi/';

/** The OpenAPI documents and the page that shows them. */
export function registerDocumentRoutes(app: FastifyInstance, { config, publicUrl }: OperatorOptions): void {
  const operator = { name: 'operator', document: operatorDocument('/') };
  const tppFacing = () =>
    config === undefined
      ? []
      : [{ name: 'tpp-facing', document: tppFacingDocument(config, publicUrl?.() ?? config.api.publicUrl ?? '') }];

  app.get(DOCUMENTS_PATH, forOperation('showDocuments'), (_request, reply) =>
    reply.headers(PAGE_HEADERS).send(renderPage([...tppFacing(), operator])),
  );
  app.get(`${DOCUMENTS_PATH}operator.json`, forOperation('getOperatorDocument'), () => operator.document);
  if (config !== undefined) {
    const operation = forOperation('getTppFacingDocument');
    app.get(`${DOCUMENTS_PATH}tpp-facing.json`, operation, () => tppFacing()[0]?.document);
  }
}
