import { constants, generateKeyPairSync, sign } from 'node:crypto';
import { availableParallelism } from 'node:os';

const SIGNED_BYTES = 1200;
const WARM_UP_MS = 500;

/**
 * PS256 signatures per second with RSA-2048 on all cores of this machine. Other figures are compared to it, because
 * absolute figures differ between machines. Warms up for half a second first.
 */
export async function signingLimitPerSecond(seconds: number): Promise<number> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  const data = Buffer.alloc(SIGNED_BYTES, 'a');
  const signOnce = () =>
    new Promise<void>((resolve, reject) => {
      sign('sha256', data, key, (error) => (error === null ? resolve() : reject(error)));
    });
  const began = performance.now();
  const countsFromMs = began + WARM_UP_MS;
  const endsMs = countsFromMs + seconds * 1000;
  let signatures = 0;
  const worker = async () => {
    for (let nowMs = began; nowMs < endsMs; ) {
      await signOnce();
      nowMs = performance.now();
      if (nowMs >= countsFromMs && nowMs < endsMs) signatures += 1;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() * 8 }, worker));
  return signatures / seconds;
}
