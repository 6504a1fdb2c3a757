// node:http, behind a proxy or load balancer that ends TLS.
import { createServer } from 'node:http';
import { nodeListener } from '@tidings/tpp';
import { myReceiver } from './my-receiver.js';

const listener = nodeListener(myReceiver());

export const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, (request, response) => {
  if (request.url === '/open-banking/v4.0/event-notifications') listener(request, response);
  else response.writeHead(404).end();
});
server.listen(Number(process.env['PORT'] ?? 8080));
