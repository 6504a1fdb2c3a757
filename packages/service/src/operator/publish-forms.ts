import type { IncomingHttpHeaders } from 'node:http';
import { isJsonObject, parseMediaType, shapeOf, textFault } from '@tidings/protocol';
import { CLOUD_EVENT_BATCH_TYPE, CLOUD_EVENT_TYPE } from './cloud-event-names.ts';
import { type HandedEvent, readCloudEvent } from './cloud-events.ts';
import { EVENTS_PER_BATCH_MAX, PublishedEvent } from './publish-schemas.ts';
import { fieldProblem, joinPath, readJson, shapedValue } from './read-body.ts';

const HEADER_PREFIX = 'ce-';
// Attributes that binary mode has no header for: the body is the data, and Content-Type its type.
const NO_HEADERS = new Set(['data', 'data_base64', 'datacontenttype']);

const shapeEvent = shapeOf(PublishedEvent);

/**
 * Reads the body of a publish, in whatever form it came: JSON, or CloudEvents 1.0, structured, batched or binary (one whose
 * attributes are headers, `ce-specversion` among them). Only shapes are checked.
 *
 * @throws {Problem} 400 that names the field, as in `[3].resource.id`
 */
export function readForms(headers: IncomingHttpHeaders, body: unknown): readonly HandedEvent[] {
  const type = parseMediaType(headers['content-type'])?.essence;
  if (type === CLOUD_EVENT_BATCH_TYPE) return readBatch(readJson(body), readStructured);
  if (type === CLOUD_EVENT_TYPE) return [readOneCloudEvent(readJson(body))];
  const value = readJson(body);
  if (headers['ce-specversion'] !== undefined) return [readBinary(headers, value)];
  return Array.isArray(value) ? readBatch(value, readPlain) : [readPlain(value, '')];
}

function readBatch(value: unknown, read: (value: unknown, at: string) => HandedEvent): readonly HandedEvent[] {
  if (!Array.isArray(value)) throw fieldProblem('', 'must be an array of events');
  if (value.length === 0) throw fieldProblem('', 'must hold at least one event');
  if (value.length > EVENTS_PER_BATCH_MAX) {
    throw fieldProblem('', `holds ${value.length} events; send at most ${EVENTS_PER_BATCH_MAX} at once`);
  }
  return value.map((event: unknown, index) => read(event, `[${index}]`));
}

function readPlain(value: unknown, at: string): HandedEvent {
  return { published: shapedValue(shapeEvent(value), at), where: (path) => joinPath(at, path) };
}

function readStructured(value: unknown, at: string): HandedEvent {
  return readCloudEvent(value, (path) => joinPath(at, path));
}

function readOneCloudEvent(value: unknown): HandedEvent {
  if (Array.isArray(value)) throw fieldProblem('', `must be one CloudEvent; send several as ${CLOUD_EVENT_BATCH_TYPE}`);
  return readStructured(value, '');
}

/** Attributes are headers, and the body is the data. */
function readBinary(headers: IncomingHttpHeaders, data: unknown): HandedEvent {
  if (!isJsonObject(data)) throw fieldProblem('', 'must be the data of one CloudEvent, which is an object');
  const attributes = Object.entries(headers).flatMap(([header, value]) => {
    if (!header.startsWith(HEADER_PREFIX)) return [];
    const name = header.slice(HEADER_PREFIX.length);
    if (NO_HEADERS.has(name)) throw fieldProblem(header, 'is no header of a CloudEvent; take it out');
    return [[name, decodeHeader(header, String(value))] as const];
  });
  return readCloudEvent({ ...Object.fromEntries(attributes), data }, (path) => {
    if (path === 'data') return '';
    return path.startsWith('data.') ? path.slice('data.'.length) : `${HEADER_PREFIX}${path}`;
  });
}

/** HTTP binding, section 3.1.3.2: percent-encoded UTF-8. */
function decodeHeader(header: string, text: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(text);
  } catch {
    throw fieldProblem(header, 'must be percent-encoded UTF-8, as CloudEvents has it');
  }
  const fault = textFault(decoded);
  if (fault !== undefined) throw fieldProblem(header, fault);
  return decoded;
}
