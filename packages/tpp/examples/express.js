// Express 5, behind a proxy or load balancer that ends TLS.
import { nodeListener } from '@tidings/tpp';
import express from 'express';
import { myReceiver } from './my-receiver.js';

const app = express();

// In front of any body parser: the signature covers the bytes that the bank sent.
app.all('/open-banking/v4.0/event-notifications', nodeListener(myReceiver()));

app.use(express.json()); // for the other routes

export const server = app.listen(Number(process.env['PORT'] ?? 8080));
server.requestTimeout = 10_000;
