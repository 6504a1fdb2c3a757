/** The style of the page; its hash is in the Content-Security-Policy, so it is one constant text. */
export const PAGE_STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --mark: #0b6e4f; }
@media (prefers-color-scheme: dark) { :root { --mark: #5fd0a5; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
h3 { margin-top: 2rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { overflow-x: auto; background: var(--soft); padding: .75rem; border-radius: .3rem; }
summary { cursor: pointer; padding: .4rem 0; }
details { border-bottom: 1px solid var(--line); }
details > :not(summary) { margin-left: 1rem; }
.method { display: inline-block; min-width: 4.5rem; font-weight: 700; color: var(--mark); }
.path { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
.note { opacity: .8; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }
td, th { overflow-wrap: anywhere; }
a { color: var(--mark); }
`;
