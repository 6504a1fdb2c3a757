import type { CheckResult, Exchange, Message, Report, Severity } from '../model.ts';
import { countsAgainst, summarise } from './summary.ts';
import { cutTo, escapeXml } from './text.ts';

const MESSAGE_CHARS_MAX = 300;
const BODY_CHARS_MAX = 2000;
const EXCHANGES_MAX = 5;

/**
 * The report as JUnit XML, in the form that Jenkins, GitLab, GitHub actions and Azure DevOps read: a suite for each area, a
 * case for each check. JUnit knows no weight of a failure. So that a CI server and the exit status say the same, a check whose
 * failure does not count is written as skipped, with what was expected and seen.
 *
 * @param failOn as in {@link summarise}
 */
export function junitReport(report: Report, failOn: Severity = 'must'): string {
  const { byArea } = summarise(report, failOn);
  const { side, target, durationMs } = report;
  const suites = byArea.map(({ area, results }) => {
    const cases = results.map((result) => caseOf(result, side, failOn));
    const startedAtMs = results[0]?.startedAtMs ?? report.startedAtMs;
    const timestamp = new Date(startedAtMs).toISOString().slice(0, 19);
    const seconds = secondsOf(results.reduce((sum, result) => sum + result.durationMs, 0));
    const attributes = attributesOf({ name: area, ...countsOf(results, failOn), time: seconds, timestamp });
    return `  <testsuite ${attributes}>\n${cases.join('')}  </testsuite>\n`;
  });
  const name = `${side} conformance: ${target.name}`;
  const attributes = attributesOf({ name, ...countsOf(report.results, failOn), time: secondsOf(durationMs) });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites ${attributes}>\n${suites.join('')}</testsuites>\n`;
}

function countsOf(results: readonly CheckResult[], failOn: Severity): Record<string, string> {
  const failures = results.filter((each) => countsAgainst(each, failOn)).length;
  const errors = results.filter(({ outcome }) => outcome.kind === 'error').length;
  const passed = results.filter(({ outcome }) => outcome.kind === 'passed').length;
  const skipped = results.length - failures - errors - passed;
  const counts = { tests: results.length, failures, errors, skipped };
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, String(count)]));
}

function caseOf(result: CheckResult, side: Report['side'], failOn: Severity): string {
  const { id, title, area, outcome } = result;
  const attributes = attributesOf({
    classname: `${side}.${area}`,
    name: `${id} ${title}`,
    time: secondsOf(result.durationMs),
  });
  if (outcome.kind === 'passed') return `    <testcase ${attributes}/>\n`;
  return `    <testcase ${attributes}>\n${outcomeOf(result, failOn)}    </testcase>\n`;
}

function outcomeOf(result: CheckResult, failOn: Severity): string {
  const { outcome, severity } = result;
  switch (outcome.kind) {
    case 'passed':
      return '';
    case 'skipped':
      return skipped(outcome.reason);
    case 'error':
      return element('error', { message: outcome.message, type: 'error' }, outcome.message) + exchangesOf(result);
    case 'failed': {
      const { expected, actual } = outcome;
      const message = `expected ${expected}; got ${actual}`;
      if (!countsAgainst(result, failOn))
        return skipped(`not followed (${severity}): ${message}`) + exchangesOf(result);
      return element('failure', { message, type: severity }, detailsOf(result, expected, actual)) + exchangesOf(result);
    }
  }
}

function detailsOf({ source, rule, remedy }: CheckResult, expected: string, actual: string): string {
  const lines = { rule, source, expected, actual, remedy };
  return Object.entries(lines)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]))
    .join('\n');
}

function skipped(message: string): string {
  return `      <skipped ${attributesOf({ message: cutTo(message, MESSAGE_CHARS_MAX) })}/>\n`;
}

function element(name: string, { message, type }: { message: string; type: string }, content: string): string {
  const attributes = attributesOf({ message: cutTo(message, MESSAGE_CHARS_MAX), type });
  return `      <${name} ${attributes}>${contentOf(content)}</${name}>\n`;
}

/** The exchanges of a check that did not pass. In each message long bodies are cut: the other reports have them whole. */
function exchangesOf({ exchanges }: CheckResult): string {
  if (exchanges.length === 0) return '';
  const shown = exchanges.slice(-EXCHANGES_MAX);
  const left = exchanges.length - shown.length;
  const text = shown.map(exchangeText).join('\n\n');
  const note = left > 0 ? `${left} earlier exchanges are in the other reports.\n\n` : '';
  return `      <system-out>${contentOf(note + text)}</system-out>\n`;
}

function exchangeText({ label, request, response, error }: Exchange): string {
  const answer = response === undefined ? `no response: ${error ?? 'unknown'}` : messageText(response);
  const heading = label === undefined ? '' : `# ${label}\n`;
  return `${heading}${messageText(request)}\n\n${answer}`;
}

function messageText({ startLine, headers, body }: Message): string {
  const head = [startLine, ...headers.map(([name, value]) => `${name}: ${value}`)].join('\n');
  if (body === '') return head;
  const more = body.length > BODY_CHARS_MAX ? '…' : '';
  return `${head}\n\n${body.slice(0, BODY_CHARS_MAX)}${more}`;
}

/** Line feeds of a content are kept as they are, for people. */
function contentOf(text: string): string {
  return escapeXml(text).replaceAll('&#10;', '\n');
}

function attributesOf(attributes: Readonly<Record<string, string>>): string {
  return Object.entries(attributes)
    .map(([name, value]) => `${name}="${escapeXml(value)}"`)
    .join(' ');
}

function secondsOf(durationMs: number): string {
  return (Math.max(0, durationMs) / 1000).toFixed(3);
}
