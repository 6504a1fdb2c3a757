import { type EventTypeCatalogue, parseMediaType, textFault } from '@tidings/protocol';
import type { MappingSettings } from '../config/intake.ts';
import type { BankEvent } from '../model/event.ts';
import { CLOUD_EVENT_TYPE, readBinaryCloudEvent, readCloudEvent } from '../operator/cloud-events.ts';
import { type HandedEvent, readEvents, readPublishedEvent, readTraceContext } from '../operator/events.ts';
import { fieldProblem, readJson } from '../operator/request.ts';
import { createMapping } from './mapping.ts';
import type { IntakeRecord } from './source.ts';

/** Reads the event of a record; undefined: the mapping passes it over. @throws {Problem} 400 if it can never be accepted */
export type ReadRecord = (record: IntakeRecord, nowMs: number) => BankEvent | undefined;

// CloudEvents 1.0.2, its Kafka binding.
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
const HEADER_PREFIX = 'ce_';

/**
 * Makes the function that reads records: by the mapping, if there is one. Otherwise each is a CloudEvent, structured or binary,
 * if its headers say so, or else an event in the form of this project.
 */
export function createRecordReader(mapping: MappingSettings | undefined, catalogue: EventTypeCatalogue): ReadRecord {
  const map = mapping && createMapping(mapping);
  const hand = (record: IntakeRecord): HandedEvent | undefined => {
    if (record.value === undefined) throw fieldProblem('', 'is missing: the record has no value');
    if (map === undefined) return readForms(record);
    const mapped = map(record);
    return mapped && readPublishedEvent(mapped);
  };
  return (record, nowMs) => {
    const handed = hand(record);
    if (handed === undefined) return undefined;
    const [traceparent, tracestate] = ['traceparent', 'tracestate'].map((name) => headerOf(record, name));
    const [event] = readEvents([handed], catalogue, nowMs, readTraceContext({ traceparent, tracestate }));
    return event;
  };
}

function readForms(record: IntakeRecord): HandedEvent {
  const value = readJson(record.value);
  if (parseMediaType(headerOf(record, 'content-type'))?.essence === CLOUD_EVENT_TYPE) {
    return readCloudEvent(value, (path) => path);
  }
  if (headerOf(record, `${HEADER_PREFIX}specversion`) === undefined) return readPublishedEvent(value);
  const attributes = record.headers.flatMap(([header, bytes]) => {
    if (!header.startsWith(HEADER_PREFIX) || bytes === undefined) return [];
    return [[header.slice(HEADER_PREFIX.length), decodeHeader(header, bytes)] as const];
  });
  return readBinaryCloudEvent(attributes, value, HEADER_PREFIX);
}

/** Kafka binding, section 3.2.3: UTF-8 as it is. */
function decodeHeader(header: string, bytes: Uint8Array): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw fieldProblem(header, 'must be UTF-8');
  }
  const fault = textFault(text);
  if (fault !== undefined) throw fieldProblem(header, fault);
  return text;
}

/** The first header of this name as text; undefined: there is none, or it is null. */
function headerOf({ headers }: IntakeRecord, name: string): string | undefined {
  const bytes = headers.find(([each]) => each.toLowerCase() === name)?.[1];
  return bytes && new TextDecoder().decode(bytes);
}
