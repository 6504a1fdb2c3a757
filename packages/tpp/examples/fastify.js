// Fastify 5, behind a proxy or load balancer that ends TLS.
import { nodeListener } from '@tidings/tpp';
import fastify from 'fastify';
import { myReceiver } from './my-receiver.js';

const app = fastify({ requestTimeout: 10_000 });
const listener = nodeListener(myReceiver());

// A plugin of its own: its other routes keep their parsers.
app.register((scope, _options, done) => {
  // Fastify must not read the body: the signature covers the bytes that the bank sent.
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', (_request, _payload, parsed) => parsed(null));
  scope.all('/open-banking/v4.0/event-notifications', (request, reply) => {
    reply.hijack();
    listener(request.raw, reply.raw);
  });
  done();
});

await app.listen({ port: Number(process.env['PORT'] ?? 8080) });
export const server = app.server;
