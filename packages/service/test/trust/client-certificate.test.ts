import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type OutgoingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type ClientTls, createHttpClient, type Leaf, listenHttps, makePki, type Pki, testPki } from '@tidings/testing';
import type { CertificateFormat } from '../../src/trust/client-certificate.ts';
import { type ClientCertificate, createClientCertificateReader } from '../../src/trust/client-certificate.ts';

const SUBJECT = String.raw`C=GB,O=Alpha\, Ltd,CN=0015`;
const realNow = { nowMs: () => Date.now() };

interface Gateway {
  readonly addresses?: string[];
  readonly certificateHeader?: string;
  readonly certificateFormat?: CertificateFormat;
  readonly host?: string;
  readonly nowMs?: () => number;
}

// As much as the service's own listeners read.
const HEADER_BYTES_MAX = 32_768;

/** What a service behind a gateway reads from one request over plain HTTP. */
async function readBehind(
  t: TestContext,
  headers: OutgoingHttpHeaders | readonly string[],
  options: Gateway = {},
): Promise<ClientCertificate | undefined> {
  const { host = '127.0.0.1', nowMs = realNow.nowMs, ...gateway } = options;
  const read = createClientCertificateReader(
    { addresses: ['127.0.0.1'], certificateHeader: 'client-cert', certificateFormat: 'rfc9440', ...gateway },
    { nowMs },
  );
  let certificate: ClientCertificate | undefined;
  const server = createServer({ maxHeaderSize: HEADER_BYTES_MAX }, (request, response) => {
    certificate = read(request);
    response.end();
  });
  server.listen(0, host);
  await once(server, 'listening');
  t.after(() => server.close());
  assert.equal(await statusOf(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}`, headers), 200);
  server.closeAllConnections();
  return certificate;
}

/** Sends a GET. @returns the status of its answer */
async function statusOf(
  t: TestContext,
  origin: string,
  headers: OutgoingHttpHeaders | readonly string[],
  tls?: ClientTls,
): Promise<number> {
  const client = createHttpClient(origin, tls);
  t.after(() => client.close());
  return (await client.send('/', { headers })).status;
}

async function clientDer(leaf: Leaf = { subject: SUBJECT }): Promise<Buffer> {
  return (await (await testPki()).authority.issue(leaf)).der;
}

function rfc9440(der: Buffer): string {
  return `:${der.toString('base64')}:`;
}

function pem(der: Buffer, newline = '\n'): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join(newline);
}

function assertIs(certificate: ClientCertificate | undefined, der: Buffer): void {
  assert.ok(certificate);
  assert.equal(certificate.thumbprintS256, createHash('sha256').update(der).digest('base64url'));
  assert.equal(certificate.subjectDn, String.raw`CN=0015,O=Alpha\, Ltd,C=GB`);
  assert.ok(der.equals(certificate.raw));
}

const FORMATS: readonly (readonly [string, CertificateFormat, (der: Buffer) => string])[] = [
  ['RFC 9440', 'rfc9440', rfc9440],
  ['RFC 9440 without padding', 'rfc9440', (der) => rfc9440(der).replaceAll('=', '')],
  ['PEM, percent-encoded as nginx does', 'pem-url-encoded', (der) => encodeURIComponent(pem(der))],
  ['PEM with CRLF', 'pem-url-encoded', (der) => encodeURIComponent(pem(der, '\r\n'))],
  ['PEM without its last newline', 'pem-url-encoded', (der) => encodeURIComponent(pem(der).trimEnd())],
  ['PEM, percent-encoded but for + / =', 'pem-url-encoded', (der) => encodeURI(pem(der))],
  ['base64 of DER', 'base64-der', (der) => der.toString('base64')],
];

for (const [name, certificateFormat, write] of FORMATS) {
  test(`behind a gateway the certificate comes in its header: ${name}`, async (t) => {
    const der = await clientDer();
    assertIs(await readBehind(t, { 'Client-Cert': write(der) }, { certificateFormat }), der);
  });
}

test('the header may be one of the gateway, in any case', async (t) => {
  const der = await clientDer();
  const certificateHeader = 'X-SSL-Client-Cert';
  assertIs(await readBehind(t, { 'x-ssl-client-CERT': rfc9440(der) }, { certificateHeader }), der);
  assert.equal(await readBehind(t, { 'client-cert': rfc9440(der) }, { certificateHeader }), undefined);
});

const MALFORMED: readonly (readonly [string, CertificateFormat, (der: Buffer) => string])[] = [
  ['empty', 'rfc9440', () => ''],
  ['an empty byte sequence', 'rfc9440', () => '::'],
  ['without colons', 'rfc9440', (der) => der.toString('base64')],
  ['with a parameter', 'rfc9440', (der) => `${rfc9440(der)};a=1`],
  ['two byte sequences', 'rfc9440', (der) => `${rfc9440(der)}, ${rfc9440(der)}`],
  ['a chain in one byte sequence', 'rfc9440', (der) => rfc9440(Buffer.concat([der, der]))],
  ['one byte too many', 'rfc9440', (der) => rfc9440(Buffer.concat([der, Buffer.alloc(1)]))],
  ['cut off', 'rfc9440', (der) => rfc9440(der.subarray(0, -1))],
  ['base64url', 'rfc9440', (der) => `:${Buffer.concat([der]).toString('base64url')}-_:`],
  ['with white space in it', 'rfc9440', (der) => rfc9440(der).replace(/^:(.{20})/, ':$1 ')],
  ['a string', 'rfc9440', (der) => `"${der.toString('base64')}"`],
  ['the base64 of PEM', 'rfc9440', (der) => rfc9440(Buffer.from(pem(der)))],
  ['the base64 of PEM', 'base64-der', (der) => Buffer.from(pem(der)).toString('base64')],
  ['the form of RFC 9440', 'base64-der', rfc9440],
  ['no certificate', 'base64-der', () => 'AAAA'],
  ['a chain', 'pem-url-encoded', (der) => encodeURIComponent(pem(der) + pem(der))],
  ['text before it', 'pem-url-encoded', (der) => encodeURIComponent(`x\n${pem(der)}`)],
  ['broken percent-encoding', 'pem-url-encoded', (der) => `${encodeURIComponent(pem(der))}%E0%A4`],
  ['no certificate', 'pem-url-encoded', () => '-----BEGIN%20CERTIFICATE-----%0A%0A-----END%20CERTIFICATE-----'],
  ['another PEM', 'pem-url-encoded', (der) => encodeURIComponent(pem(der).replaceAll('CERTIFICATE', 'PUBLIC KEY'))],
  ['the word of a gateway that has none', 'pem-url-encoded', () => '(null)'],
];

for (const [name, certificateFormat, write] of MALFORMED) {
  test(`a header that is malformed is no certificate: ${name} as ${certificateFormat}`, async (t) => {
    const headers = { 'client-cert': write(await clientDer()) };
    assert.equal(await readBehind(t, headers, { certificateFormat }), undefined);
  });
}

test('a header that is too long is no certificate', async (t) => {
  const der = await clientDer({ subject: `O=${'x'.repeat(12_000)}` });
  assert.equal(await readBehind(t, { 'client-cert': rfc9440(der) }), undefined);
});

test('a header that is given twice is no certificate, even when both are the same', async (t) => {
  const value = rfc9440(await clientDer());
  for (const second of [value, rfc9440(await clientDer()), '']) {
    const headers = ['host', 'localhost', 'client-cert', value, 'Client-Cert', second];
    assert.equal(await readBehind(t, headers), undefined);
  }
});

test('no header is no certificate', async (t) => {
  assert.equal(await readBehind(t, {}), undefined);
});

test('a header from another address than the gateway is ignored', async (t) => {
  const der = await clientDer();
  const headers = { 'client-cert': rfc9440(der), 'x-forwarded-for': '10.0.0.5', forwarded: 'for=10.0.0.5' };
  assert.equal(await readBehind(t, headers, { addresses: ['10.0.0.5'] }), undefined);
});

test('the gateway is known by a block too, and on a listener for both families of addresses', async (t) => {
  const der = await clientDer();
  const headers = { 'client-cert': rfc9440(der) };
  assertIs(await readBehind(t, headers, { addresses: ['127.0.0.0/8'] }), der);
  assertIs(await readBehind(t, headers, { host: '::ffff:127.0.0.1' }), der);
});

test('without a gateway in the configuration every such header is ignored', async (t) => {
  const read = createClientCertificateReader(undefined, realNow);
  let certificate: ClientCertificate | undefined;
  const { origin } = await listenHttps(t, (request, response) => {
    certificate = read(request);
    response.end();
  });
  const headers = { 'client-cert': rfc9440(await clientDer()) };
  assert.equal(await statusOf(t, origin, headers, { ca: (await testPki()).caPem }), 200);
  assert.equal(certificate, undefined);
});

const HOUR_MS = 3_600_000;
const FROM_MS = Date.UTC(2026, 0, 1);
const TO_MS = FROM_MS + HOUR_MS;

const TIMES: readonly (readonly [string, number, boolean])[] = [
  ['a moment before it is valid', FROM_MS - 1, false],
  ['when it becomes valid', FROM_MS, true],
  ['in its last second', TO_MS + 999, true],
  ['when it has expired', TO_MS + 1000, false],
];

for (const [name, nowMs, isGood] of TIMES) {
  test(`a certificate in a header is ${isGood ? 'good' : 'none'} ${name}`, async (t) => {
    const der = await clientDer({ subject: SUBJECT, notBefore: new Date(FROM_MS), notAfter: new Date(TO_MS) });
    const certificate = await readBehind(t, { 'client-cert': rfc9440(der) }, { nowMs: () => nowMs });
    assert.equal(certificate !== undefined, isGood);
  });
}

/** What a service that ends TLS itself reads, with a gateway configured or not. */
async function readDirect(
  t: TestContext,
  pki: Pki,
  options: { readonly gatewayAddress?: string; readonly headers?: OutgoingHttpHeaders } = {},
): Promise<{ certificate: ClientCertificate | undefined; der: Buffer }> {
  const gateway = options.gatewayAddress === undefined ? undefined : gatewayAt(options.gatewayAddress);
  const read = createClientCertificateReader(gateway, realNow);
  let certificate: ClientCertificate | undefined;
  const handler: Parameters<typeof listenHttps>[1] = (request, response) => {
    certificate = read(request);
    response.end();
  };
  const { origin } = await listenHttps(t, handler, { requestCert: true, ...LETS_STRANGERS_IN });
  const client = await pki.authority.issue({ subject: SUBJECT });
  const status = await statusOf(t, origin, options.headers ?? {}, { ca: (await testPki()).caPem, ...client.tls });
  assert.equal(status, 200);
  return { certificate, der: client.der };
}

// So that the reader meets a certificate that the handshake did not verify.
const LETS_STRANGERS_IN = { rejectUnauthorized: false };

function gatewayAt(address: string) {
  return { addresses: [address], certificateHeader: 'client-cert', certificateFormat: 'rfc9440' as const };
}

test('without a gateway the certificate is that of the mutual TLS connection', async (t) => {
  const { certificate, der } = await readDirect(t, await testPki());
  assertIs(certificate, der);
});

test('a certificate of a mutual TLS connection that leads to no root of ours is none', async (t) => {
  assert.equal((await readDirect(t, await makePki())).certificate, undefined);
});

test('beside a gateway a direct mutual TLS connection still counts, and its header does not', async (t) => {
  const headers = { 'client-cert': rfc9440(await clientDer({ subject: 'CN=somebody else' })) };
  const { certificate, der } = await readDirect(t, await testPki(), { gatewayAddress: '10.0.0.5', headers });
  assertIs(certificate, der);
});

test('on a connection from the gateway only the header counts, never the certificate of the gateway itself', async (t) => {
  const gatewayAddress = '127.0.0.1';
  const { certificate } = await readDirect(t, await testPki(), { gatewayAddress });
  assert.equal(certificate, undefined);
  const der = await clientDer();
  const forwarded = await readDirect(t, await testPki(), { gatewayAddress, headers: { 'client-cert': rfc9440(der) } });
  assertIs(forwarded.certificate, der);
});
