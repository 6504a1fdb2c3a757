/** The style sheet of the HTML report. Colours have a contrast of at least 4.5 to 1, checked in both themes by a test. */
export const STYLE = `
:root {
  --paper: #fff; --raised: #f6f7f9; --ink: #1b2330; --soft: #56606f; --line: #d9dee5; --link: #1456a8;
  --passed: #17693a; --passed-bg: #e2f3e8; --failed: #b3261e; --failed-bg: #fde7e5;
  --error: #8a4b00; --error-bg: #fdeed8; --skipped: #4d5766; --skipped-bg: #e9ecf1;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #12161c; --raised: #1b212a; --ink: #e4e8ee; --soft: #a3adbb; --line: #333c49; --link: #8cbcff;
    --passed: #7fd6a0; --passed-bg: #123322; --failed: #ff9c94; --failed-bg: #431a18;
    --error: #ffc178; --error-bg: #3d2a0e; --skipped: #b4bdc9; --skipped-bg: #2a323d;
  }
}
* { box-sizing: border-box; }
html { color-scheme: light dark; -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem; }
body {
  margin: 0 auto; padding: 2rem clamp(1rem, 4vw, 3rem) 4rem; max-width: 76rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; overflow-wrap: anywhere;
}
h1, h2, h3, h4, h5 { line-height: 1.25; margin: 0; }
h1 { font-size: 2rem; letter-spacing: -0.01em; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.75rem; }
h4 { font-size: 0.875rem; margin: 1rem 0 0.375rem; color: var(--soft); }
h5 { font-size: 0.75rem; margin: 0.5rem 0 0.25rem; color: var(--soft); }
a { color: var(--link); }
code, pre, .id { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; font-size: 0.8125rem; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.kicker { margin: 0 0 0.25rem; color: var(--soft); font-size: 0.875rem; }
.verdict { margin: 1.25rem 0; padding: 0.75rem 1rem; border-left: 0.375rem solid; border-radius: 0.25rem; }
.verdict strong { font-size: 1.125rem; margin-right: 0.5rem; }
.verdict span { color: var(--ink); }
.verdict.conforms { color: var(--passed); background: var(--passed-bg); }
.verdict.does-not-conform { color: var(--failed); background: var(--failed-bg); }
.verdict.incomplete { color: var(--error); background: var(--error-bg); }
dl { margin: 0; }
dl > div { display: grid; grid-template-columns: 9rem 1fr; gap: 0 1rem; padding: 0.1875rem 0; }
dt { color: var(--soft); font-size: 0.875rem; line-height: 1.5rem; }
dd { margin: 0; }
.tables { display: grid; gap: 1.5rem 3rem; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); align-items: start; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 0.9375rem; overflow-wrap: normal; }
caption { text-align: left; color: var(--soft); font-size: 0.875rem; padding-bottom: 0.25rem; }
th, td { padding: 0.3125rem 0.5rem; text-align: right; border-bottom: 1px solid var(--line); font-weight: 400; }
thead th { color: var(--soft); font-size: 0.8125rem; }
th:first-child { text-align: left; padding-left: 0; overflow-wrap: anywhere; }
tfoot th, tfoot td { font-weight: 600; border-bottom: 0; }
.bar-column { width: 22%; } thead .bar-column { text-align: left; }
.bar { display: block; width: 100%; height: 0.5rem; border-radius: 0.25rem; background: var(--line); }
rect.passed { fill: var(--passed); } rect.failed { fill: var(--failed); } rect.error { fill: var(--error); } rect.skipped { fill: transparent; }
.none { color: var(--soft); }
.count { font-weight: 600; } .count.failed { color: var(--failed); } .count.error { color: var(--error); } .count.passed { color: var(--passed); }
.not-passed { margin: 0; padding: 0; list-style: none; }
.not-passed li { display: grid; grid-template-columns: 8rem 4.5rem 1fr; gap: 0 0.5rem; align-items: baseline; padding: 0.25rem 0; }
.not-passed .severity { justify-self: start; }
.not-passed a { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 0.8125rem; }
.severity {
  display: inline-block; padding: 0 0.4375rem; border: 1px solid var(--line); border-radius: 1rem; color: var(--soft);
  font-size: 0.75rem; line-height: 1.25rem; white-space: nowrap;
}
.severity.counts { border-color: var(--failed); color: var(--failed); font-weight: 600; }
.controls {
  display: flex; flex-wrap: wrap; gap: 0.25rem 2rem; align-items: center; margin-top: 2.5rem; padding: 0.5rem 1rem;
  background: var(--raised); border-radius: 0.5rem; font-size: 0.9375rem;
}
fieldset { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; border: 0; margin: 0; padding: 0; }
legend { float: left; padding: 0 1rem 0 0; color: var(--soft); }
label { display: inline-flex; align-items: center; gap: 0.375rem; min-height: 1.75rem; }
.share { color: var(--soft); font-size: 0.875rem; font-weight: 400; margin-left: 0.5rem; white-space: nowrap; }
.check { border: 1px solid var(--line); border-radius: 0.5rem; margin: 0.375rem 0; }
.check.failed { border-color: var(--failed); } .check.error { border-color: var(--error); }
.check:target { outline: 2px solid var(--link); }
summary { cursor: pointer; }
.check > summary { display: flex; gap: 0.25rem 0.75rem; align-items: baseline; padding: 0.5rem 0.75rem; list-style: none; border-radius: 0.5rem; }
.check > summary::-webkit-details-marker { display: none; }
.check > summary:hover { background: var(--raised); }
.title { flex: 1 1 16rem; min-width: 0; font-size: 1rem; font-weight: 400; }
.id { color: var(--soft); white-space: nowrap; }
.time { color: var(--soft); font-size: 0.8125rem; white-space: nowrap; font-variant-numeric: tabular-nums; }
.check > summary .time { min-width: 4rem; text-align: right; }
.outcome {
  flex: none; min-width: 4.25rem; padding: 0 0.5rem; border-radius: 0.25rem; text-align: center;
  font-size: 0.75rem; font-weight: 600; line-height: 1.375rem;
}
.outcome.passed { color: var(--passed); background: var(--passed-bg); }
.outcome.failed { color: var(--failed); background: var(--failed-bg); }
.outcome.error { color: var(--error); background: var(--error-bg); }
.outcome.skipped { color: var(--skipped); background: var(--skipped-bg); }
.content { padding: 0.25rem 0.75rem 0.75rem; border-top: 1px solid var(--line); margin: 0 0.75rem; padding-inline: 0; }
.exchange { border-top: 1px solid var(--line); }
.exchange > summary { padding: 0.375rem 0; font-size: 0.875rem; }
.number { color: var(--soft); font-variant-numeric: tabular-nums; }
.arrow { color: var(--soft); }
.when { margin: 0 0 0.25rem; color: var(--soft); font-size: 0.8125rem; }
.messages { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0 1rem; padding-bottom: 0.5rem; }
pre {
  margin: 0; padding: 0.5rem 0.75rem; background: var(--raised); border-radius: 0.25rem; max-height: 28rem; overflow: auto;
  white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.45; font-size: 0.75rem;
}
pre b { font-weight: 600; }
.message p { margin: 0; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); color: var(--soft); font-size: 0.875rem; }
footer h2 { font-size: 1rem; margin: 1.25rem 0 0.5rem; color: var(--ink); }
footer p { max-width: 60rem; margin: 0.5rem 0; }
body:has(#show-failed:checked) .check:not(.failed, .error),
body:has(#show-passed:checked) .check:not(.passed),
body:has(#show-skipped:checked) .check:not(.skipped),
body:has(#show-failed:checked) .area:not(:has(.failed, .error)),
body:has(#show-passed:checked) .area:not(:has(.check.passed)),
body:has(#show-skipped:checked) .area:not(:has(.check.skipped)) { display: none; }
body:has(#open-all:checked) details::details-content { content-visibility: visible; block-size: auto; }
@media screen and (max-width: 50rem) {
  body { padding-top: 1rem; }
  h1 { font-size: 1.5rem; }
  .tables, .messages { grid-template-columns: minmax(0, 1fr); }
  .bar-column { display: none; }
  .check > summary { flex-wrap: wrap; }
  .title { flex-basis: 100%; order: 1; }
  .check > summary .severity { margin-left: auto; }
  .check > summary .time { min-width: 0; }
  dl > div { grid-template-columns: 1fr; padding: 0.25rem 0; }
  .not-passed li { grid-template-columns: auto 1fr; }
  .not-passed li > :last-child { grid-column: 1 / -1; }
  dt { line-height: 1.25; }
  th, td { padding-inline: 0.125rem; }
  table { font-size: 0.875rem; } thead th { font-size: 0.75rem; }
}
@media print {
  @page { margin: 16mm 14mm; }
  html { color-scheme: light; }
  html { font-size: 10pt; }
  body { max-width: none; padding: 0; }
  h2 { margin-top: 1.75rem; }
  .check > summary { padding-block: 0.25rem; }
  .check:is(.failed, .error) .exchange::details-content { content-visibility: visible; block-size: auto; }
  .controls { display: none; }
  .outcome, .verdict, .bar, rect, pre { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h2, h4, h5, summary, .check > summary { break-after: avoid; }
  tr, dl > div, .verdict { break-inside: avoid; }
  pre { max-height: none; overflow: visible; border: 1px solid var(--line); font-size: 7.5pt; }
  code, .id, .not-passed a { font-size: 8pt; }
  a { color: inherit; text-decoration: none; }
}
`;
