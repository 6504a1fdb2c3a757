import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { daysFromNow, listenHttps, unusedPort } from '@tidings/testing';
import {
  assertTold,
  authority,
  type Installation,
  install,
  loopback,
  stranger,
  type Told,
} from '../support/installation.ts';

// What the doctor says of a callback URL.

const error = (check: Told['check'], what: RegExp, remedy: RegExp): Told => ({
  ...{ check, severity: 'error', what, remedy },
});

describe('a callback URL', () => {
  const examined = (it: Installation, callbackUrl: string) => it.faults({ callbackUrl });
  const urlAt = (host: string, port: number) => `https://${host}:${port}/open-banking/v4.0/event-notifications`;

  test('that is allowed and trusted is good, and nothing is asked of it', async (t) => {
    const it = install(t);
    const { port } = await listenHttps(t, () => assert.fail('it was asked for something'), loopback.tls);
    const findings = await it.findings({ callbackUrl: urlAt('localhost', port) });
    const [told] = findings.filter(({ check }) => check === 'callback URL');
    assert.match(told?.what ?? '', /localhost resolves to 127\.0\.0\.1, ::1, is allowed, and speaks TLSv1\.3/);
    assert.deepEqual(await examined(it, urlAt('localhost', port)), []);
  });

  test('in a network that is not allowed is refused before anything is connected', async (t) => {
    const it = install(t);
    it.set('delivery.callbackAddressesAllowed', []);
    const { port, connections } = await listenHttps(t, () => assert.fail('it was asked for something'), loopback.tls);
    const told = error(
      'callback URL',
      /not allowed for callback URLs \(loopback\)/,
      /"delivery\.callbackAddressesAllowed"/,
    );
    assertTold(await examined(it, urlAt('127.0.0.1', port)), told);
    assert.equal(connections(), 0);
  });

  test('whose certificate leads to other roots is not trusted', async (t) => {
    const it = install(t);
    it.write('strange.pem', stranger.certificatePem);
    it.set('delivery.caFile', 'strange.pem');
    const { port } = await listenHttps(t, () => assert.fail('it was asked for something'), loopback.tls);
    assertTold(await examined(it, urlAt('localhost', port)), error('callback URL', /\(tls: /, /"delivery\.caFile"/));
  });

  test('whose host has no address is said to have none', async (t) => {
    const resolveHost = () => Promise.reject(Object.assign(new Error('none'), { code: 'DNS_ENOTFOUND' }));
    const faults = await install(t).faults({ callbackUrl: urlAt('tpp.example', 8443), resolveHost });
    assertTold(
      faults,
      error('callback URL', /tpp\.example cannot be resolved \(ENOTFOUND\)/, /"delivery\.dnsServers"/),
    );
  });

  test('at which nobody listens is unreachable', async (t) => {
    const faults = await examined(install(t), urlAt('127.0.0.1', await unusedPort()));
    assertTold(faults, error('callback URL', /\(connect: ECONNREFUSED\)/, /firewall/));
  });

  test('whose first address refuses is reached at the next, as deliveries reach it', async (t) => {
    const it = install(t);
    const identity = await authority.issue({ ...daysFromNow(-1, 300), dns: 'tpp.example' });
    const { port, connections } = await listenHttps(t, () => assert.fail('it was asked for something'), identity.tls);
    const resolveHost = async () => ['127.0.0.2', '127.0.0.1'];
    assert.deepEqual(await it.faults({ callbackUrl: urlAt('tpp.example', port), resolveHost }), []);
    assert.equal(connections(), 1);
  });

  test('all of whose addresses refuse is unreachable, and all are named', async (t) => {
    const resolveHost = async () => ['127.0.0.2', '127.0.0.1'];
    const faults = await install(t).faults({ callbackUrl: urlAt('tpp.example', await unusedPort()), resolveHost });
    assertTold(
      faults,
      error(
        'callback URL',
        /tpp\.example cannot be reached .* at 127\.0\.0\.2, 127\.0\.0\.1 \(connect: ECONNREFUSED\)/,
        /firewall/,
      ),
    );
  });

  test('that no TPP could register is refused with the reason', async (t) => {
    const faults = await examined(install(t), 'http://tpp.example/callback');
    assertTold(
      faults,
      error('callback URL', /cannot be registered: it must start with https/, /v4\.0\/event-notifications/),
    );
  });
});
