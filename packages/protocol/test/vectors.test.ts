import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  importSigningKeys,
  JwsError,
  type VerificationKey,
  verifyCompact,
  verifyDetached,
  verifyPs256,
} from '../src/index.ts';
import { utf8 } from './support/bytes.ts';
import { expecting } from './support/forge.ts';
import { refusesJws } from './support/refusals.ts';

// What others computed. The files are not part of this repository: VECTORS_DIR says where they are.
const folder = process.env['VECTORS_DIR'] ?? join(import.meta.dirname, '../../../../shared/vectors');
const skip = existsSync(folder) ? false : 'the test vectors are not here; say where they are with VECTORS_DIR';

interface Vector {
  readonly tcId: number;
  readonly comment: string;
  readonly jws: string;
  readonly result: 'valid' | 'invalid';
}

interface VectorGroup {
  readonly comment: string;
  readonly public?: Record<string, unknown>;
  readonly tests: readonly Vector[];
}

function read<T>(...path: readonly string[]): T {
  return JSON.parse(readFileSync(join(folder, ...path), 'utf8')) as T;
}

const wycheproof = (): readonly VectorGroup[] =>
  read<{ testGroups: readonly VectorGroup[] }>('wycheproof', 'json_web_signature_test.json').testGroups;

async function importOne(jwk: Record<string, unknown>): Promise<VerificationKey> {
  const keys = await importSigningKeys({ keys: [jwk] });
  const key = await keys.keyFor(String(jwk['kid']));
  assert.ok(key, `left out: ${keys.leftOut[0]?.reason}`);
  return key;
}

describe('Wycheproof, json_web_signature_test', { skip }, () => {
  test('all 48 cases of the group ps256 are judged right', async () => {
    const group = wycheproof().find(({ comment }) => comment === 'ps256');
    assert.ok(group?.public);
    const key = await importOne(group.public);
    const judged = { valid: 0, invalid: 0 };
    for (const { tcId, comment, jws, result } of group.tests) {
      if (result === 'valid') await assert.doesNotReject(verifyPs256(jws, key), `${tcId} ${comment}`);
      else await assert.rejects(verifyPs256(jws, key), { name: 'JwsError' }, `${tcId} ${comment}`);
      judged[result] += 1;
    }
    assert.deepEqual(judged, { valid: 6, invalid: 42 });
  });

  test('346 and 350, PS384 signatures that are labelled valid, are rejected under the very key', async () => {
    for (const tcId of [346, 350]) {
      const { group, vector } = find(tcId);
      assert.equal(vector.result, 'valid');
      // 350 has a key without `use`; given one here, since the key must not be what is rejected.
      const key = await importOne({ ...group.public, use: 'sig' });
      await refusesJws(verifyPs256(vector.jws, key), 'SignatureInvalidClaim', 'alg');
    }
  });

  test('350 has a key without `use`, which is itself left out', async () => {
    const keys = await importSigningKeys({ keys: [find(350).group.public] });
    assert.deepEqual(
      keys.leftOut.map(({ reason }) => reason),
      ['its use is not sig'],
    );
  });

  test('372 and 373, with a ? inside the base64url, are rejected as malformed before any key matters', async () => {
    const rsa = wycheproof().find(({ comment }) => comment === 'ps256')?.public;
    assert.ok(rsa);
    const key = await importOne(rsa);
    for (const tcId of [372, 373]) {
      const { vector } = find(tcId);
      assert.equal(vector.result, 'valid');
      assert.ok(vector.jws.includes('?'));
      // 373 has the ? in its payload, behind a header whose alg is refused first: behind another it is malformed.
      const [, payload, signature] = vector.jws.split('.');
      await assert.rejects(verifyPs256(vector.jws, key), { name: 'JwsError' });
      const underPs256 = `${Buffer.from('{"alg":"PS256"}').toString('base64url')}.${payload}.${signature}`;
      const code = tcId === 372 ? 'SignatureInvalid' : 'SignatureMalformed';
      await refusesJws(verifyPs256(underPs256, key), code);
    }
    await refusesJws(verifyPs256(find(372).vector.jws, key), 'SignatureMalformed');
  });

  test('no case of another group is accepted, even with its RSA key imported as one for PS256', async () => {
    const accepted: number[] = [];
    let rejected = 0;
    for (const group of wycheproof()) {
      if (group.comment === 'ps256' || group.public?.['kty'] !== 'RSA') continue;
      const key = await importOne({ ...group.public, use: 'sig', alg: 'PS256', key_ops: ['verify'] });
      for (const { tcId, jws } of group.tests) {
        const error: unknown = await verifyPs256(jws, key).catch((reason: unknown) => reason);
        if (error instanceof Uint8Array) accepted.push(tcId);
        else {
          assert.ok(error instanceof JwsError, `${tcId}: ${String(error)}`);
          rejected += 1;
        }
      }
    }
    // 338 is a PS256 signature whose key is for PS512: as it stands in its JWKS, the key is left out.
    assert.deepEqual(accepted, [338]);
    const keys = await importSigningKeys({ keys: [find(338).group.public] });
    assert.deepEqual(
      keys.leftOut.map(({ reason }) => reason),
      ['its alg is not PS256'],
    );
    assert.ok(rejected > 250, `${rejected} cases`);
  });

  test('no case at all is a token of the standard', async () => {
    let rejected = 0;
    for (const { tests } of wycheproof()) {
      for (const { jws } of tests) {
        await assert.rejects(verifyCompact(jws, expecting()), { name: 'JwsError' });
        rejected += 1;
      }
    }
    assert.ok(rejected > 400, `${rejected} cases`);
  });

  test('keys for encryption, for another alg, or of another type are left out', async () => {
    let leftOut = 0;
    for (const { comment, public: jwk } of wycheproof()) {
      if (jwk === undefined || (jwk['kty'] === 'RSA' && jwk['alg'] === 'PS256' && jwk['use'] === 'sig')) continue;
      const keys = await importSigningKeys({ keys: [jwk] });
      assert.deepEqual(keys.kids, [], comment);
      leftOut += 1;
    }
    assert.ok(leftOut >= 10, `${leftOut} keys`);
  });

  function find(tcId: number): { group: VectorGroup; vector: Vector } {
    for (const group of wycheproof()) {
      const vector = group.tests.find((each) => each.tcId === tcId);
      if (vector !== undefined) return { group, vector };
    }
    assert.fail(`no case ${tcId}`);
  }
});

interface Cookbook {
  readonly input: { readonly payload: string; readonly key: Record<string, unknown> };
  readonly output: {
    readonly compact?: string;
    readonly json_flat: { readonly protected: string; readonly signature: string };
  };
}

describe('RFC 7520 cookbook', { skip }, () => {
  const publicJwk = () => read<Record<string, unknown>>('rfc7520-cookbook', 'jwk', '3_3.rsa_public_key.json');
  const privateJwk = () => read<Record<string, unknown>>('rfc7520-cookbook', 'jwk', '3_4.rsa_private_key.json');

  test('3.3, an RSA public key with use sig, is imported', async () => {
    assert.equal(publicJwk()['use'], 'sig');
    assert.equal((await importOne(publicJwk())).cryptoKey.type, 'public');
  });

  test('3.4, an RSA private key with use sig, is imported as the public key it contains', async () => {
    assert.equal(privateJwk()['use'], 'sig');
    const key = await importOne(privateJwk());
    assert.equal(key.cryptoKey.type, 'public');
    const again = await importOne(publicJwk());
    assert.deepEqual(
      await crypto.subtle.exportKey('jwk', key.cryptoKey),
      await crypto.subtle.exportKey('jwk', again.cryptoKey),
    );
  });

  test('3.1, 3.2, 3.5 and 3.6, which are no RSA keys, are left out', async () => {
    const files = [
      '1.ec_public_key',
      '2.ec_private_key',
      '5.symmetric_key_mac_computation',
      '6.symmetric_key_encryption',
    ];
    for (const file of files) {
      const jwk = read('rfc7520-cookbook', 'jwk', `3_${file}.json`);
      const { leftOut } = await importSigningKeys({ keys: [jwk] });
      assert.deepEqual(
        leftOut.map(({ reason }) => reason),
        ['it is not an RSA key'],
      );
    }
  });

  test('4.2, a PS384 signature, is rejected', async () => {
    const { output } = read<Cookbook>('rfc7520-cookbook', 'jws', '4_2.rsa-pss_signature.json');
    assert.ok(output.compact);
    const key = await importOne(publicJwk());
    await refusesJws(verifyPs256(output.compact, key), 'SignatureInvalidClaim', 'alg');
    await refusesJws(verifyCompact(output.compact, expecting()), 'SignatureMissingClaim');
  });

  test('4.1, 4.3 and 4.4, of RS256, ES512 and HS256, are rejected', async () => {
    const key = await importOne(publicJwk());
    for (const file of ['1.rsa_v15_signature', '3.ecdsa_signature', '4.hmac-sha2_integrity_protection']) {
      const { output } = read<Cookbook>('rfc7520-cookbook', 'jws', `4_${file}.json`);
      await refusesJws(verifyPs256(output.compact ?? '', key), 'SignatureInvalidClaim', 'alg');
    }
  });
});

describe('RFC 7797', { skip }, () => {
  test('4.2 of the cookbook, b64 false without crit, is rejected', async () => {
    const { input, output } = read<Cookbook>('rfc7797', '4.2.hmac-sha2_b64_false.json');
    const signature = `${output.json_flat.protected}..${output.json_flat.signature}`;
    const enabled = expecting({ unencodedPayloadAccepted: true });
    await refusesJws(verifyDetached(signature, utf8(input.payload), enabled), 'SignatureMissingClaim');
    const key = await importOne(read('rfc7520-cookbook', 'jwk', '3_3.rsa_public_key.json'));
    await refusesJws(verifyPs256(signature, key), 'SignatureInvalidClaim');
  });

  test('a compact JWS with an unencoded payload is rejected', async () => {
    const { output } = read<Cookbook>('rfc7797', 'hmac-sha2_b64_false.json');
    await assert.rejects(verifyCompact(output.compact ?? '', expecting()), { name: 'JwsError' });
  });
});
