import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { API_VERSIONS, checkCallbackUrl } from '../src/index.ts';

describe('a callback URL that ends in the API version and /event-notifications', () => {
  const good = [
    'https://tpp.example/open-banking/v4.0/event-notifications',
    'https://tpp.example/open-banking/v3.1/event-notifications',
    'https://tpp.example/open-banking/v3.1.2/event-notifications',
    'https://tpp.example/open-banking/v4.0.1/event-notifications',
    'https://tpp.example/v4.0/event-notifications',
    'https://tpp.example:8443/a/b/c/open-banking/v4.0/event-notifications',
    'https://192.0.2.1/v4.0/event-notifications',
    'https://[2001:db8::1]/v4.0/event-notifications',
    'https://xn--bcher-kva.example/v4.0/event-notifications',
    'https://tpp.example/with%20space/v4.0/event-notifications',
    'https://tpp.example./a//b/%2F/%7e/v4.0/event-notifications',
    'https://tpp.example/v4.0/event-notifications/v4.0/event-notifications',
  ];
  for (const url of good) {
    test(`is accepted on both versions: ${url}`, () => {
      for (const apiVersion of API_VERSIONS) assert.equal(checkCallbackUrl(url, apiVersion), undefined);
    });
  }
});

describe('a callback URL that ends in /event-notifications without an API version', () => {
  const early = [
    'https://tpp.example/open-banking/event-notifications',
    'https://tpp.example/event-notifications',
    'https://tpp.example/open-banking/v4/event-notifications',
    'https://tpp.example/open-banking/4.0/event-notifications',
    'https://tpp.example/open-banking/V4.0/event-notifications',
    'https://tpp.example/open-banking/xv4.0/event-notifications',
    'https://tpp.example/open-banking/v4.0x/event-notifications',
    'https://tpp.example/open-banking/v4.0//event-notifications',
  ];
  for (const url of early) {
    test(`is accepted on v3.1, and refused on v4.0: ${url}`, () => {
      assert.equal(checkCallbackUrl(url, 'v3.1'), undefined);
      assert.match(checkCallbackUrl(url, 'v4.0') ?? '', /must end with the API version and \/event-notifications/);
    });
  }
});

describe('a callback URL is refused on both versions', () => {
  const refused: Record<string, readonly string[]> = {
    'when it is not https': [
      'http://tpp.example/open-banking/v4.0/event-notifications',
      'HTTP://tpp.example/open-banking/v4.0/event-notifications',
    ],
    'when it is no absolute URL': [
      '',
      'tpp.example/open-banking/v4.0/event-notifications',
      '/open-banking/v4.0/event-notifications',
      '//tpp.example/open-banking/v4.0/event-notifications',
      'https:tpp.example/open-banking/v4.0/event-notifications',
      'https:/tpp.example/open-banking/v4.0/event-notifications',
      'https:///tpp.example/open-banking/v4.0/event-notifications',
      'https://',
      'https:///v4.0/event-notifications',
      'https://tpp.example:65536/v4.0/event-notifications',
      'https://tpp example/v4.0/event-notifications',
      'https://[::1/v4.0/event-notifications',
      'ftp://tpp.example/v4.0/event-notifications',
      'javascript://tpp.example/v4.0/event-notifications',
      'file:///v4.0/event-notifications',
      'data:text/plain,/v4.0/event-notifications',
    ],
    'when it ends in anything else': [
      'https://tpp.example',
      'https://tpp.example/',
      'https://tpp.example/open-banking/v4.0',
      'https://tpp.example/open-banking/v4.0/',
      'https://tpp.example/open-banking/v4.0/event-notifications/',
      'https://tpp.example/open-banking/v4.0/event-notifications/x',
      'https://tpp.example/open-banking/v4.0/event-notification',
      'https://tpp.example/open-banking/v4.0/Event-Notifications',
      'https://tpp.example/open-banking/v4.0/xevent-notifications',
      'https://tpp.example/open-banking/v4.0/event-notifications;a=b',
      'https://tpp.example/open-banking/v4.0/event-notification%73',
      'https://tpp.example/open-banking/v4.0%2Fevent-notifications',
      'https://tpp.example/open-banking/v4.0/event-notifications/.',
      'https://tpp.example/open-banking/v4.0/event-notifications/x/..',
      'https://event-notifications',
    ],
    'when it has a query or a fragment': [
      'https://tpp.example/v4.0/event-notifications?',
      'https://tpp.example/v4.0/event-notifications?a=b',
      'https://tpp.example/x?y=/v4.0/event-notifications',
      'https://tpp.example/v4.0/event-notifications#',
      'https://tpp.example/x#/v4.0/event-notifications',
      'https://tpp.example/v4.0/event-notifications?/v4.0/event-notifications',
      'https://tpp.example/v4.0/event-notifications#/v4.0/event-notifications',
    ],
    'when it has user information': [
      'https://user@tpp.example/v4.0/event-notifications',
      'https://user:password@tpp.example/v4.0/event-notifications',
      'https://:password@tpp.example/v4.0/event-notifications',
      'https://@tpp.example/v4.0/event-notifications',
      'https://:@tpp.example/v4.0/event-notifications',
      'https://tpp.example@stranger.example/v4.0/event-notifications',
    ],
    'when it has what a URL parser drops or turns': [
      ' https://tpp.example/v4.0/event-notifications',
      'https://tpp.example/v4.0/event-notifications ',
      'https://tpp.example/v4.0/event-notifications\n',
      'https://tpp.example/v4.0/event-noti\tfications',
      'https://tpp.example/v4.0/event-noti\r\nfications',
      '\u0000https://tpp.example/v4.0/event-notifications',
      'https://tpp.example\\v4.0\\event-notifications',
      'https://tpp.example/open-banking\\v4.0/event-notifications',
      'https://bücher.example/v4.0/event-notifications',
      'https://tpp.example/ü/v4.0/event-notifications',
      'https://tpp.example/v4.0/event-notifications\u200b',
      'https://tpp.example/\ud800/v4.0/event-notifications',
    ],
    'when a URL parser would write it in another way': [
      'HTTPS://tpp.example/v4.0/event-notifications',
      'https://TPP.example/v4.0/event-notifications',
      'https://tpp.example:443/v4.0/event-notifications',
      'https://tpp.example:08443/v4.0/event-notifications',
      'https://tpp.example:/v4.0/event-notifications',
      'https://tpp.example/x/../v4.0/event-notifications',
      'https://tpp.example/./v4.0/event-notifications',
      'https://tpp.example/../v4.0/event-notifications',
      'https://tpp.example/x/%2e%2e/v4.0/event-notifications',
      'https://tpp.example/x/.%2E/v4.0/event-notifications',
      'https://tpp.example/%2e/v4.0/event-notifications',
      'https://tpp.example/{id}/v4.0/event-notifications',
      'https://tpp.example/"/v4.0/event-notifications',
      'https://tpp.example/<x>/v4.0/event-notifications',
      'https://tpp.example/`/v4.0/event-notifications',
      'https://%74pp.example/v4.0/event-notifications',
      'https://127.1/v4.0/event-notifications',
      'https://0x7f000001/v4.0/event-notifications',
      'https://2130706433/v4.0/event-notifications',
      'https://[2001:DB8::1]/v4.0/event-notifications',
      'https://[2001:db8:0:0:0:0:0:1]/v4.0/event-notifications',
      'https://[::ffff:192.0.2.1]/v4.0/event-notifications',
      'https://XN--bcher-kva.example/v4.0/event-notifications',
    ],
    'when it is longer than 2048 characters': [`https://tpp.example/${'x'.repeat(2048)}/v4.0/event-notifications`],
  };
  for (const [why, urls] of Object.entries(refused)) {
    for (const url of urls) {
      test(`${why}: ${JSON.stringify(url.slice(0, 80))}`, () => {
        for (const apiVersion of API_VERSIONS) {
          assert.equal(typeof checkCallbackUrl(url, apiVersion), 'string', apiVersion);
        }
      });
    }
  }

  test('when dot segments remove its version', () => {
    const url = 'https://tpp.example/v4.0/x/../event-notifications';
    assert.equal(typeof checkCallbackUrl(url, 'v4.0'), 'string');
    const other = 'https://tpp.example/x/v4.0/../event-notifications';
    assert.equal(typeof checkCallbackUrl(other, 'v4.0'), 'string');
  });
});

test('a callback URL that is not normalised is rejected with a message that shows the normalised form', () => {
  const why = checkCallbackUrl('https://TPP.example:443/x/../v4.0/event-notifications', 'v4.0');
  assert.match(String(why), /in normalised form: https:\/\/tpp\.example\/v4\.0\/event-notifications$/);
  const long = checkCallbackUrl(`https://TPP.example/${'x'.repeat(1900)}/v4.0/event-notifications`, 'v4.0');
  assert.ok(String(long).length < 300);
});

test('a callback URL of 2048 characters is accepted', () => {
  const ending = '/v4.0/event-notifications';
  const url = `https://tpp.example/${'x'.repeat(2048 - 20 - ending.length)}${ending}`;
  assert.equal(url.length, 2048);
  assert.equal(checkCallbackUrl(url, 'v4.0'), undefined);
});

test('for any text, an accepted one is an https URL with that ending, and v4.0 accepts no more than v3.1', () => {
  const around = fc.tuple(fc.string(), fc.string());
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.webUrl({ validSchemes: ['https', 'http'] }).map((url) => `${url}/v4.0/event-notifications`),
    around.map(([before, after]) => `https://${before}/v4.0/event-notifications${after}`),
    around.map(([before, after]) => `https://tpp.example/${before}/v4.0${after}/event-notifications`),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const onV31 = checkCallbackUrl(text, 'v3.1');
      const onV40 = checkCallbackUrl(text, 'v4.0');
      if (onV40 === undefined) {
        assert.equal(onV31, undefined);
        assert.match(text, /^https:\/\/[^/?#@\\]+\/([^?#]*\/)?v\d+\.\d+(\.\d+)?\/event-notifications$/i);
      }
      if (onV31 === undefined) {
        assert.equal(new URL(text).href, text, 'what is called is what was registered');
        assert.ok(text.endsWith('/event-notifications'));
      }
    }),
    { numRuns: 1000 },
  );
});
