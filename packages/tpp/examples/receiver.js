// Receives notifications with the HTTPS server of Node.js:
//
//   node --env-file=tpp.env receiver.js
//
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { nodeListener } from '@tidings/tpp';
import { myReceiver, setting } from './my-receiver.js';

const callbackUrl = new URL(setting('TPP_CALLBACK_URL'));
const tls = {
  cert: readFileSync(setting('TPP_RECEIVER_CERTIFICATE_FILE')),
  key: readFileSync(setting('TPP_RECEIVER_KEY_FILE')),
};
const limits = { requestTimeout: 10_000, headersTimeout: 10_000 };

export const server = createServer({ ...tls, ...limits }, nodeListener(myReceiver()));
server.listen(Number(callbackUrl.port || 443), () => console.log(`Listening at ${callbackUrl.href}`));
