// The health check of the image, which has no curl: exits with 0 if the service answers that it is ready. It reads the
// variables that the commands of `tidings` read, and needs no token.
import { readFileSync } from 'node:fs';
import { get as getClear } from 'node:http';
import { get as getTls } from 'node:https';

const TIMEOUT_MS = 3000;
const { TIDINGS_OPERATOR_URL: origin = 'https://localhost:8444', TIDINGS_CA_FILE: caFile } = process.env;
const url = new URL('/readyz', origin);
const get = url.protocol === 'https:' ? getTls : getClear;
const ca = caFile === undefined ? undefined : readFileSync(caFile);

const request = get(url, { ca, timeout: TIMEOUT_MS }, (response) => {
  response.resume();
  const isReady = response.statusCode === 200;
  if (!isReady) process.stdout.write(`${url.href} answered ${response.statusCode}\n`);
  process.exitCode = isReady ? 0 : 1;
});
request.on('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
request.on('error', (error) => {
  process.stdout.write(`${url.href}: ${error.message}\n`);
  process.exitCode = 1;
});
