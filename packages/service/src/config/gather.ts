import { closeSync, openSync, readSync } from 'node:fs';
import { resolve } from 'node:path';
import { isJsonObject } from '@tidings/protocol';
import type { Environment } from '../base/process.ts';
import { systemErrorCode } from '../base/start-up-error.ts';
import { namesIn, schemaAt } from './paths.ts';
import { parseReferences, type TextPart } from './references.ts';
import { settingsIn } from './variables.ts';

/** Where the value of a setting comes from, if it does not stand in the file itself. */
export type Origin =
  | { readonly kind: 'environment'; readonly variable: string }
  /** `files` are absolute paths. */
  | { readonly kind: 'reference'; readonly references: readonly string[]; readonly files: readonly string[] };

/** A fault of a value's origin. */
export interface OriginFault {
  /** Undefined: of a variable that gives no setting. */
  readonly setting?: string;
  /** Names the setting or variable and the remedy, and never a value. It follows the name of the configuration. */
  readonly sentence: string;
}

/** Settings as the schema has them, put together from the file, the environment, and what the file refers to. */
export interface Gathered {
  readonly settings: unknown;
  /** By path; a list of values may have entries with an origin. */
  readonly origins: ReadonlyMap<string, Origin>;
  readonly faults: readonly OriginFault[];
}

/**
 * Puts settings together: variables override what is written in the file, and references in the texts of the file are
 * replaced. What a variable overrides is not looked at.
 *
 * @param folder base of relative paths
 */
export function gatherSettings(written: unknown, folder: string, environment: Environment): Gathered {
  const origins = new Map<string, Origin>();
  const { given, faults: unknown } = settingsIn(environment);
  const faults: OriginFault[] = unknown.map((sentence) => ({ sentence }));
  let settings = structuredClone(written);
  for (const { setting, variable, value } of given) {
    settings = withValue(settings, namesIn(setting), value);
    origins.set(setting, { kind: 'environment', variable });
  }

  const resolved = (value: unknown, path: string): unknown => {
    if (origins.get(path)?.kind === 'environment') return value;
    if (Array.isArray(value)) return value.map((entry, at) => resolved(entry, `${path}[${at}]`));
    if (isJsonObject(value)) {
      const at = (name: string) => (path === '' ? name : `${path}.${name}`);
      return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, resolved(inner, at(name))]));
    }
    if (typeof value !== 'string') return value;
    const read = readText(value, { isSecret: schemaAt(path).isSecret === true, folder, environment });
    if ('why' in read) {
      faults.push({ setting: path, sentence: `the setting "${path}" ${read.why}.` });
      return value;
    }
    if (read.origin !== undefined) origins.set(path, read.origin);
    return read.text;
  };
  return { settings: resolved(settings, ''), origins, faults };
}

/** Why a value is not there: a clause without a full stop. */
interface Missing {
  readonly why: string;
}

interface Surroundings {
  readonly folder: string;
  readonly environment: Environment;
}

/** Replaces the references in a text of the file. A text without any has no origin. */
function readText(
  written: string,
  { isSecret, ...surroundings }: Surroundings & { readonly isSecret: boolean },
): { readonly text: string; readonly origin?: Origin } | Missing {
  const parts = parseReferences(written);
  if (parts === undefined) {
    return {
      why: `has "\${" that is the beginning of neither \${env:NAME} nor \${file:PATH}; write "$\${" for these two characters`,
    };
  }
  const texts = parts.map((part) => textOf(part, surroundings));
  const missing = texts.find((text) => typeof text !== 'string');
  if (missing !== undefined) return { why: `needs ${missing.why}` };
  const text = texts.join('');
  const references = parts.filter(({ kind }) => kind !== 'literal').map(writtenAs);
  if (references.length === 0) {
    if (!isSecret) return { text };
    // biome-ignore lint/suspicious/noTemplateCurlyInString: this is what an administrator writes
    return { why: 'is a secret, which must not stand in the file; write ${env:NAME} or ${file:PATH} in its place' };
  }
  const files = parts.flatMap((part) => (part.kind === 'file' ? [resolve(surroundings.folder, part.path)] : []));
  return { text, origin: { kind: 'reference', references, files } };
}

function writtenAs(part: TextPart): string {
  if (part.kind === 'literal') return part.text;
  return part.kind === 'env' ? `\${env:${part.name}}` : `\${file:${part.path}}`;
}

/** Sets a value, and makes the sections that it is in. A section that is no object stays as it is: the schema refuses it. */
function withValue(section: unknown, [name = '', ...inner]: readonly string[], value: unknown): unknown {
  if (section !== undefined && !isJsonObject(section)) return section;
  return { ...section, [name]: inner.length === 0 ? value : withValue(section?.[name], inner, value) };
}

function textOf(part: TextPart, { folder, environment }: Surroundings): string | Missing {
  if (part.kind === 'literal') return part.text;
  if (part.kind === 'file') return contentOf(resolve(folder, part.path));
  const value = environment[part.name];
  const variable = `the environment variable ${part.name}`;
  if (value === undefined) return { why: `${variable}, which is not set; set it where the service is started` };
  return value === '' ? { why: `${variable}, which is empty; give it a value` } : value;
}

const BYTES_MAX = 65_536;

/** The text of a file, without the end of its last line. */
function contentOf(file: string): string | Missing {
  const unfit = (why: string) => ({ why: `the file ${file}, which ${why}` });
  let bytes: Buffer;
  try {
    bytes = readAtMost(file, BYTES_MAX + 1);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT') return unfit('does not exist; create it, or correct the path');
    return unfit(`cannot be read (${code ?? 'unknown'}); make it readable for the user of the service`);
  }
  if (bytes.length > BYTES_MAX) return unfit(`is longer than ${BYTES_MAX} bytes; correct the path`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r?\n$/, '');
  } catch {
    return unfit('is not text in UTF-8; correct the path');
  }
  return text === '' ? unfit('is empty; write the value into it') : text;
}

/** Also of what has no size, such as a pipe. */
function readAtMost(file: string, bytesMax: number): Buffer {
  const descriptor = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(bytesMax);
    let length = 0;
    for (;;) {
      const read = readSync(descriptor, buffer, length, bytesMax - length, null);
      length += read;
      if (read === 0 || length === bytesMax) return buffer.subarray(0, length);
    }
  } finally {
    closeSync(descriptor);
  }
}
