import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { asJson, asText, isSound } from '../../bench/report.ts';
import { benchThroughput } from '../../bench/throughput.ts';

function runBench(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ['bench/run.ts', ...args], (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, stdout, stderr });
    });
  });
}

test('a short throughput bench delivers what the service accepts, once each, and tells what it cost', async () => {
  const report = await benchThroughput({
    ...{ store: 'sqlite', seconds: 1, warmUpSeconds: 0.2, signingLimitSeconds: 0.1, batch: 50, outstandingMax: 300 },
    ...{ logLevel: 'info', profileFolder: undefined, say: () => undefined },
  });
  const { ledgers, figures, machine, targets } = report;
  assert.ok(ledgers.accepted > 0, 'nothing was accepted: the bench shows nothing');
  assert.ok(ledgers.signaturesVerified > 0, 'no SET was looked at');
  assert.deepEqual(ledgers, { ...ledgers, lost: 0, duplicates: 0, unknown: 0, signaturesWrong: 0 });
  assert.equal(isSound(report), true);
  assert.equal(isSound({ ...report, ledgers: { ...ledgers, lost: 1 } }), false);
  assert.ok(machine.signingLimitPerSecond.before > 0 && machine.signingLimitPerSecond.after > 0);
  const { deliveredPerSecond, acceptTo202FromSent, serviceCpuMsPerDelivery, servicePeakRssBytes } = figures;
  assert.ok(deliveredPerSecond > 0);
  assert.equal(targets[0]?.value, deliveredPerSecond / machine.signingLimitPerSecond.mean);
  const { samples, p50Ms, p99Ms, maxMs } = acceptTo202FromSent;
  assert.ok(samples > 0 && samples <= ledgers.accepted, `${samples} samples of ${ledgers.accepted} accepted`);
  assert.ok(p50Ms > 0 && p50Ms <= p99Ms && p99Ms <= maxMs, `p50 ${p50Ms}, p99 ${p99Ms}, max ${maxMs}`);
  assert.ok(serviceCpuMsPerDelivery > 0);
  assert.ok(servicePeakRssBytes > 20_000_000, `${servicePeakRssBytes} bytes is no Node process`);
  assert.match(asText(report), /^(MISSED|reached|beyond) .*delivered\/s ÷ signing limit$/m);
  assert.match(JSON.stringify(asJson(report)), /"measure":"lost",.*"standing":"beyond"/);
});

test('npm run bench says how it is used', async () => {
  const [help, none, wrong] = await Promise.all([
    runBench('--help'),
    runBench(),
    runBench('latency', '--store', 'ram'),
  ]);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /^npm run bench -- throughput\|latency\|isolation\|burst\|backlog /);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /name one bench\n\nnpm run bench -- /);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /--store must be sqlite or postgres/);
});
