// Hono on Node.js, behind a proxy or load balancer that ends TLS. On Deno, Bun and edge runtimes the route is the same.
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { myReceiver } from './my-receiver.js';

const app = new Hono();
const receiver = myReceiver();

// In front of any middleware that reads the body: the signature covers the bytes that the bank sent.
app.all('/open-banking/v4.0/event-notifications', (context) => receiver.handle(context.req.raw));

export const server = serve({ fetch: app.fetch, port: Number(process.env['PORT'] ?? 8080) });
