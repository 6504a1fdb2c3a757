import fc from 'fast-check';

const PIECES = [
  ...['<script>alert(1)</script>', '</pre>', '">', "' onload='x", '&lt;', '&#x3c;', ']]>', '<!--', '-->', '<![CDATA['],
  ...[
    '\u001b[2J',
    '\u001b]0;title\u0007',
    '\u009b31m',
    '\0',
    '\r\n',
    '\n',
    '\t',
    '\u202e',
    '\u2066',
    '\ud800',
    '\udc00',
  ],
  ...['\ufffe', '\uffff', '\ufeff', '你好', '👩‍👩‍👧', 'a'.repeat(90), ' ', 'eyJhbGciOiJub25lIn0.e30.', '\\u{1b}', '${'],
];

/** Texts that a hostile side may send: markup, escape sequences, halves of characters, and any other text. */
export const hostileText: fc.Arbitrary<string> = fc
  .array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ unit: 'binary' }), fc.string()), { maxLength: 6 })
  .map((parts) => parts.join(''));
