import { decodeBase64url } from '@tidings/protocol';

/** A JWS that was found in a message, for people to read. Nothing of it is verified. */
export interface DecodedJws {
  readonly header: string;
  /** Absent for a detached JWS, and where the payload is not text. */
  readonly payload?: string;
}

const JWS = /\beyJ[\w-]+\.[\w-]*\.[\w-]*/g;
const JWS_MAX = 3;
const CHARS_MAX = 20_000;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The first JWSs in a text, decoded and indented. What cannot be decoded is left out. */
export function decodedJws(text: string): readonly DecodedJws[] {
  return [...new Set(text.match(JWS))].slice(0, JWS_MAX).flatMap((jws) => {
    const [header = '', payload = ''] = jws.split('.').map(textOfSegment);
    return header === undefined ? [] : [{ header, ...(payload !== undefined && payload !== '' && { payload }) }];
  });
}

function textOfSegment(segment: string): string | undefined {
  const bytes = decodeBase64url(segment);
  if (bytes === undefined) return undefined;
  try {
    return indented(utf8.decode(bytes).slice(0, CHARS_MAX));
  } catch {
    return undefined;
  }
}

/**
 * Indents JSON without parsing it: a member that is there twice stays there twice, and what is no JSON stays as it is, but for
 * spaces outside of strings.
 */
export function indented(text: string): string {
  if (!/^\s*[{[]/.test(text)) return text;
  let depth = 0;
  const line = () => `\n${'  '.repeat(Math.max(0, depth))}`;
  return text.replaceAll(TOKENS, (token) => {
    switch (token.trim().charAt(0)) {
      case '':
        return '';
      case '{':
      case '[':
        if (/[}\]]$/.test(token)) return token.replaceAll(/\s/g, '');
        depth += 1;
        return `${token.trim()}${line()}`;
      case '}':
      case ']':
        depth -= 1;
        return `${line()}${token}`;
      case ',':
        return `,${line()}`;
      case ':':
        return ': ';
      default:
        return token;
    }
  });
}

// A string that is not closed ends the search: the rest is matched as it is.
const TOKENS = /"(?:[^"\\]|\\.)*(?:"|$)|\{\s*\}|\[\s*\]|[{}[\],:]|\s+/gs;
