import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { readAspspConfig, readTppConfig } from '@tidings/conformance';
import { conformanceConfigurationPage } from '../../scripts/conformance-doc.ts';

const GUIDE = 'docs/guides/conformance.md';
const EXAMPLE = 'packages/conformance/examples/bank.json';

function read(value: unknown) {
  return readAspspConfig({ value, readFile: () => 'the text of a file' });
}

test('the page of the settings is what the schemas say (npm run docs writes it)', () => {
  assert.equal(readFileSync('docs/conformance-configuration.md', 'utf8'), conformanceConfigurationPage());
});

test('the example of a configuration is a good one', () => {
  assert.equal(read(JSON.parse(readFileSync(EXAMPLE, 'utf8'))).name, 'Example Bank, test facility');
});

test('the example of a configuration of a TPP is a good one', () => {
  const value = JSON.parse(readFileSync('packages/conformance/examples/tpp.json', 'utf8'));
  assert.equal(readTppConfig({ value, readFile: () => 'a file' }).signing.jwks?.port, 9444);
});

test('the ways to make events that the guide shows are good ones', () => {
  const example = JSON.parse(readFileSync(EXAMPLE, 'utf8'));
  const shown = [...readFileSync(GUIDE, 'utf8').matchAll(/```json\n(.*?)```/gs)].map(([, json = '']) =>
    JSON.parse(json),
  );
  const kinds = shown.map((make) => read({ ...example, events: { make } }).events?.make.kind);
  assert.deepEqual(kinds, ['http', 'command', 'ask']);
});
