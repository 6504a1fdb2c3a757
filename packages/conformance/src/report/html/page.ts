import { createHash } from 'node:crypto';
import type { CheckResult, Outcome, Report, Severity } from '../../model.ts';
import {
  countsAgainst,
  durationText,
  SEVERITIES,
  type Summary,
  summarise,
  type Tally,
  timeText,
  VERDICTS,
} from '../summary.ts';
import { exchangeSection } from './exchange.ts';
import { html, Markup } from './markup.ts';
import { STYLE } from './style.ts';

/**
 * The report as one HTML page that needs nothing else: no script, no image, nothing from the network, which its own Content
 * Security Policy forbids too. Fit to be handed on, shown in light and dark, and printed; a check that is open on the screen
 * is open on paper.
 *
 * @param failOn as in {@link summarise}
 */
export function htmlReport(report: Report, failOn: Severity = 'must'): string {
  const summary = summarise(report, failOn);
  const title = `Conformance of ${report.target.name}`;
  const policy = `default-src 'none'; style-src 'sha256-${hashOf(STYLE)}'; base-uri 'none'; form-action 'none'`;
  const notPassed = report.results.filter(({ outcome }) => outcome.kind === 'failed' || outcome.kind === 'error');
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
${head(report, summary)}
<main>
${numbers(summary)}
${notPassedList(notPassed, failOn)}
${controls(summary)}
${summary.byArea.map(({ area, results, tally }, at) => areaSection(area, results, { tally, at, failOn }))}
</main>
${foot(report, failOn)}
</body>
</html>
`.text;
}

function hashOf(style: string): string {
  return createHash('sha256').update(style).digest('base64');
}

const SIDES: Readonly<Record<Report['side'], string>> = {
  aspsp: 'the event notification endpoints of an ASPSP',
  tpp: 'the callback URL of a TPP',
};

function head({ side, target, version, startedAtMs, durationMs, results }: Report, summary: Summary): Markup {
  return html`<header>
<p class="kicker">Open Banking event notifications: conformance report</p>
<h1>${target.name}</h1>
<p class="verdict ${summary.verdict}"><strong>${VERDICTS[summary.verdict]}</strong> <span>${summary.sentence}</span></p>
<dl class="facts">
<div><dt>Tested</dt><dd>${SIDES[side]}</dd></div>
<div><dt>URL</dt><dd><code>${target.url}</code></dd></div>
<div><dt>Started</dt><dd>${timeText(startedAtMs)}</dd></div>
<div><dt>Took</dt><dd>${durationText(durationMs)}, ${results.length} checks</dd></div>
<div><dt>Runner</dt><dd>@tidings/conformance ${version}</dd></div>
</dl>
</header>`;
}

function numbers({ byArea, bySeverity, total }: Summary): Markup {
  const cells = ({ passed, failed, error, skipped }: Tally) =>
    html`<td>${count(passed, 'passed')}</td><td>${count(failed, 'failed')}</td><td>${count(error, 'error')}</td><td>${count(skipped, 'skipped')}</td>`;
  const columns = html`<th scope="col">Passed</th><th scope="col">Failed</th><th scope="col">Error</th><th scope="col">Skipped</th>`;
  return html`<section aria-labelledby="summary"><h2 id="summary">Summary</h2>
<div class="tables">
<table><caption>By area</caption><thead><tr><th scope="col">Area</th><th scope="col" class="bar-column">Share</th>${columns}</tr></thead>
<tbody>${byArea.map(({ area, tally }, at) => html`<tr><th scope="row"><a href="#area-${at}">${area}</a></th><td class="bar-column">${bar(tally)}</td>${cells(tally)}</tr>`)}</tbody>
<tfoot><tr><th scope="row">All</th><td class="bar-column">${bar(total)}</td>${cells(total)}</tr></tfoot></table>
<table><caption>By severity</caption><thead><tr><th scope="col">Severity</th>${columns}</tr></thead>
<tbody>${SEVERITIES.map((severity) => html`<tr><th scope="row"><span class="severity">${severity}</span></th>${cells(bySeverity[severity])}</tr>`)}</tbody></table>
</div></section>`;
}

function count(value: number, kind: Outcome['kind']): Markup {
  return value === 0 ? html`<span class="none">0</span>` : html`<span class="count ${kind}">${value}</span>`;
}

const BAR_WIDTH = 100;

/** The shares as a bar; the numbers beside it say the same to those who do not see it. */
function bar({ passed, failed, error, skipped }: Tally): Markup {
  const sum = passed + failed + error + skipped;
  let at = 0;
  const parts = Object.entries({ passed, failed, error, skipped }).map(([kind, value]) => {
    const width = sum === 0 ? 0 : (value / sum) * BAR_WIDTH;
    const part = width > 0 && html`<rect class="${kind}" x="${at.toFixed(2)}" width="${width.toFixed(2)}" height="8"/>`;
    at += width;
    return part;
  });
  return html`<svg class="bar" viewBox="0 0 ${BAR_WIDTH} 8" preserveAspectRatio="none" aria-hidden="true" focusable="false">${parts}</svg>`;
}

function notPassedList(results: readonly CheckResult[], failOn: Severity): Markup {
  if (results.length === 0) return html``;
  return html`<section aria-labelledby="not-passed"><h2 id="not-passed">Not passed</h2>
<ul class="not-passed">${results.map(
    (result) =>
      html`<li><a href="#${result.id}">${result.id}</a> ${severityTag(result, failOn)} <span>${result.title}</span></li>`,
  )}</ul></section>`;
}

const FILTERS: readonly (readonly [id: string, label: string])[] = [
  ['all', 'All'],
  ['failed', 'Not passed'],
  ['passed', 'Passed'],
  ['skipped', 'Skipped'],
];

/** Works by style rules alone. */
function controls({ total }: Summary): Markup {
  const counts = new Map([
    ['all', total.passed + total.failed + total.error + total.skipped],
    ['failed', total.failed + total.error],
    ['passed', total.passed],
    ['skipped', total.skipped],
  ]);
  return html`<div class="controls"><fieldset><legend>Show</legend>${FILTERS.map(
    ([id, label]) =>
      html`<label><input type="radio" name="show" id="show-${id}" autocomplete="off"${id === 'all' && html` checked`}> ${label} (${counts.get(id) ?? 0})</label>`,
  )}</fieldset>
<label><input type="checkbox" id="open-all" autocomplete="off"> Open everything</label></div>`;
}

function areaSection(
  area: string,
  results: readonly CheckResult[],
  { tally, at, failOn }: { readonly tally: Tally; readonly at: number; readonly failOn: Severity },
): Markup {
  const all = tally.passed + tally.failed + tally.error + tally.skipped;
  return html`<section class="area" aria-labelledby="area-${at}"><h2 id="area-${at}">${area} <span class="share">${tally.passed} of ${all} passed</span></h2>
${results.map((result) => checkSection(result, failOn))}</section>
`;
}

const WORDS: Readonly<Record<Outcome['kind'], string>> = {
  passed: 'Passed',
  failed: 'Failed',
  skipped: 'Skipped',
  error: 'Error',
};

function checkSection(result: CheckResult, failOn: Severity): Markup {
  const { id, title, outcome, durationMs, exchanges, exchangesOmitted = 0 } = result;
  const isOpen = outcome.kind === 'failed' || outcome.kind === 'error';
  return html`<details class="check ${outcome.kind}" id="${id}"${isOpen && html` open`}><summary><span class="outcome ${outcome.kind}">${WORDS[outcome.kind]}</span> <span class="id">${id}</span> <h3 class="title">${title}</h3> ${severityTag(result, failOn)} <span class="time">${durationText(durationMs)}</span></summary>
<div class="content"><dl>${facts(result).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
${exchanges.length > 0 && html`<h4>What went over the wire</h4>`}
${exchangesOmitted > 0 && html`<p class="when">There were ${exchanges.length + exchangesOmitted} exchanges; ${exchangesOmitted} in the middle are left out.</p>`}
${exchanges.map((exchange, at) => exchangeSection(exchange, at + 1))}</div></details>
`;
}

function facts({ outcome, rule, source, remedy }: CheckResult): readonly (readonly [string, string])[] {
  return [
    ...(outcome.kind === 'failed'
      ? ([
          ['Expected', outcome.expected],
          ['Actual', outcome.actual],
        ] as const)
      : []),
    ...(outcome.kind === 'error' ? ([['Could not be carried out', outcome.message]] as const) : []),
    ...(outcome.kind === 'skipped' ? ([['Skipped, because', outcome.reason]] as const) : []),
    ...(outcome.kind === 'failed' && remedy !== undefined ? ([['Remedy', remedy]] as const) : []),
    ...(rule === undefined ? [] : ([['The rule', rule]] as const)),
    ['Source', source],
  ];
}

function severityTag(result: CheckResult, failOn: Severity): Markup {
  const { severity } = result;
  return html`<span class="severity${countsAgainst(result, failOn) && html` counts`}">${severity}</span>`;
}

function foot({ version }: Report, failOn: Severity): Markup {
  const counting = SEVERITIES.slice(0, SEVERITIES.indexOf(failOn) + 1);
  return html`<footer>
<h2>How to read this report</h2>
<p><b>must</b>: a failure breaks the standard. <b>should</b>: it departs from what the standard or an RFC advises, or from good practice. <b>may</b>: the standard leaves it open; others may expect it.
For the verdict, failures of ${counting.join(' and ')} count. A check is skipped where the tested side does not offer what it looks at, or the configuration does not say what it needs.</p>
<p>The tests saw the tested side from outside only, at the time given above. Passwords and access tokens were redacted when they were recorded, and long bodies were cut. Texts of the other side are shown as they came, except that characters without a visible form are written as <code>\\u{…}</code>.</p>
<p>Made by @tidings/conformance ${version}, part of Tidings, under the Apache License 2.0.</p>
</footer>`;
}
