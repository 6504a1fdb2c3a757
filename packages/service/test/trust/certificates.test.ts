import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAuthority } from '@tidings/testing';
import { parseConfig } from '../../src/config/load.ts';
import { createCertificateReader } from '../../src/trust/certificates.ts';
import { withSetting } from '../config/settings.ts';
import { FakeClock } from '../support/fake-clock.ts';

test('certificates of the configuration are read again once a minute, however often they are asked for', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-certificates-'));
  try {
    const authority = await makeAuthority('Test root');
    const file = join(folder, 'callback-roots.pem');
    writeFileSync(file, authority.certificatePem);
    const clock = new FakeClock();
    const read = createCertificateReader(parseConfig(withSetting('delivery.caFile', file), folder), clock);
    const found = () => read().map(({ setting }) => setting);
    assert.deepEqual(found(), ['delivery.caFile']);
    writeFileSync(file, authority.certificatePem + (await authority.issue({ name: 'another' })).certificatePem);
    await clock.advance(59_999);
    assert.deepEqual(found(), ['delivery.caFile']);
    await clock.advance(1);
    assert.deepEqual(found(), ['delivery.caFile', 'delivery.caFile']);
    rmSync(file);
    await clock.advance(60_000);
    assert.deepEqual(found(), [], 'a file that cannot be read has none');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
