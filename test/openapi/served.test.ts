import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { type BankService, startBank } from '../registry/bank-service.ts';
import { operationsOf } from './documented.ts';

// What the operator listener serves of the documents, over real TLS.

// Names that would be markup, were they not escaped.
const HOSTILE = { urn: 'urn:bank:"><script>alert(1)</script>', subscribeCode: "Own-'<b>&amp;" };

let bank: BankService;
before(async () => {
  bank = await startBank({ ownEventTypes: [HOSTILE] });
});
after(() => bank.stop());

const get = (name: string) => bank.call('GET', `/operator/v1/openapi/${name}`, { withToken: false });

describe('the documents that a running service serves', () => {
  test('need no token, and are JSON', async () => {
    for (const name of ['tpp-facing.json', 'operator.json']) {
      const { status, headers, body } = await get(name);
      assert.equal(status, 200);
      assert.match(String(headers['content-type']), /^application\/json/);
      assert.equal(body.openapi, '3.1.1');
    }
    assert.equal((await get('other.json')).status, 401, 'what is not there is not told to strangers');
  });

  test('tell of the URL under which TPPs reach this very service', async () => {
    assert.equal((await get('tpp-facing.json')).body.servers[0].url, bank.service.apiUrl);
  });

  test('hold nothing of the token', async () => {
    const sha256 = createHash('sha256').update(bank.token).digest('hex');
    for (const name of ['tpp-facing.json', 'operator.json', '']) {
      const { text } = await get(name);
      assert.ok(!text.includes(bank.token) && !text.includes(sha256), name);
    }
  });

  test('tell of no operation of the operator API that is not served', async () => {
    for (const { method, path, operation } of operationsOf((await get('operator.json')).body)) {
      // The stream would never end.
      const isStream = 'text/event-stream' in (operation.responses[200]?.content ?? {});
      const target = `${path.replaceAll(/\{\w+\}/g, 'none')}${isStream ? '?no-such-parameter=1' : ''}`;
      const { status, body } = await bank.call(method.toUpperCase(), target);
      assert.doesNotMatch(String(body?.detail), /There is no \w+ \/operator/, `${operation.operationId}: ${status}`);
    }
  });
});

describe('the page', () => {
  test('holds every operation and schema of both documents', async () => {
    const { status, headers, text } = await get('');
    assert.equal(status, 200);
    assert.match(String(headers['content-type']), /^text\/html/);
    for (const name of ['tpp-facing.json', 'operator.json']) {
      const { body } = await get(name);
      for (const { operation } of operationsOf(body)) assert.ok(text.includes(`id="${operation.operationId}"`));
      for (const schema of Object.keys(body.components.schemas)) assert.ok(text.includes(`id="schema-${schema}"`));
    }
  });

  test('has no script, takes nothing from elsewhere, and says so to the browser', async () => {
    const { headers, text } = await get('');
    assert.doesNotMatch(text, /<script|<link|<img|<iframe|\son\w+=|javascript:/i);
    const page = `${bank.service.operatorUrl}/operator/v1/openapi/`;
    const links = [...text.matchAll(/\b(?:href|src|action)="([^"]*)"/g)].map(([, target]) => target ?? '');
    assert.ok(links.length > 0);
    for (const target of links) assert.equal(new URL(target, page).origin, new URL(page).origin, target);
    const policy = String(headers['content-security-policy']);
    assert.match(policy, /^default-src 'none'; style-src 'sha256-/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe/);
    const style = /<style>([\s\S]*?)<\/style>/.exec(text)?.[1] ?? '';
    assert.ok(
      policy.includes(createHash('sha256').update(style).digest('base64')),
      'the style is the one that is allowed',
    );
    assert.equal(headers['x-content-type-options'], 'nosniff');
  });

  test('shows what the configuration names as text, whatever is in it', async () => {
    const { text } = await get('');
    assert.ok(text.includes('Own-&#39;&lt;b&gt;&amp;amp;'));
    assert.ok(!text.includes(HOSTILE.subscribeCode));
  });

  test('is well-formed: every element that is opened is closed, and every link within it leads somewhere', async () => {
    const { text } = await get('');
    const open: string[] = [];
    for (const [, slash, name = ''] of text.matchAll(/<(\/?)([a-z][a-z0-9]*)\b[^>]*>/g)) {
      if (['meta', 'br'].includes(name)) continue;
      if (slash === '') open.push(name);
      else assert.equal(open.pop(), name);
    }
    assert.deepEqual(open, []);
    const ids = new Set([...text.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id));
    for (const [, target] of text.matchAll(/href="#([^"]*)"/g)) assert.ok(ids.has(target), target);
  });
});
