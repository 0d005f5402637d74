/** The page's one style sheet; colors follow the reader's light or dark scheme. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f4f5f7; --card: #ffffff; --line: #e1e3e8; --text: #1f2328; --faint: #646b75;
  --accent: #0078d4; --good: #1a7f37; --bad: #cf222e; --warn: #9a6700; --off: #6e7781;
  --log: #0d1117; --log-text: #d6dbe2; --log-faint: #7d8590; --code: #eef0f3; --head: #eef3fa;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1217; --card: #181c23; --line: #2b313b; --text: #e4e8ee; --faint: #98a2b0;
    --accent: #4aa8ff; --good: #4cc26a; --bad: #ff7b72; --warn: #e0b341; --off: #8b949e;
    --log: #0a0d12; --code: #242a34; --head: #1d2530;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
main { max-width: 1120px; margin: 0 auto; padding: 28px 20px 64px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 19px; margin: 0; }
h3, h4, h5, h6 { font-size: 15px; margin: 18px 0 6px; }
a { color: var(--accent); }
code, .log, .value { font-family: ui-monospace, "Cascadia Mono", "SF Mono", Menlo, Consolas, monospace; }
code { background: var(--code); border-radius: 4px; padding: 1px 5px; font-size: 0.88em; overflow-wrap: anywhere; }
pre { background: var(--code); border-radius: 6px; padding: 12px 14px; overflow-x: auto; }
pre code { background: none; padding: 0; overflow-wrap: normal; }
.lead { color: var(--faint); margin: 0 0 20px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; margin: 0 0 20px; overflow: hidden; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)); }
.facts div { padding: 12px 18px; box-shadow: 0 0 0 0.5px var(--line); }
.facts dt { color: var(--faint); font-size: 13px; }
.facts dd { margin: 2px 0 0; overflow-wrap: anywhere; }
.facts, .facts dd { margin-inline: 0; }
.run > header { display: flex; gap: 12px; align-items: center; padding: 16px 18px; border-bottom: 1px solid var(--line); }
.run > header div { flex: 1; min-width: 0; }
.run > header p { margin: 0; color: var(--faint); font-size: 13.5px; overflow-wrap: anywhere; }
.badge { font-size: 13px; font-weight: 600; padding: 3px 10px; border-radius: 999px; border: 1px solid currentColor; white-space: nowrap; }
.icon { width: 18px; height: 18px; flex: none; display: block; }
.run > header .icon { width: 26px; height: 26px; }
.Succeeded { color: var(--good); } .Failed { color: var(--bad); } .SucceededWithIssues { color: var(--warn); }
.Canceled, .Skipped, .Abandoned { color: var(--off); }
.issues.failures { margin: 0; padding: 8px 18px; }
.failures a { color: inherit; font-weight: 600; }
.job { margin: 0; padding: 10px 18px; font-size: 13.5px; font-weight: 600; color: var(--faint); background: var(--head); }
.steps { list-style: none; margin: 0; padding: 0; }
.steps > li { border-top: 1px solid var(--line); }
.steps > li:first-child { border-top: 0; }
.step > summary { display: flex; gap: 12px; align-items: center; padding: 9px 18px; cursor: pointer; list-style: none; }
.step > summary::-webkit-details-marker { display: none; }
.step > summary:hover { background: var(--head); }
.step > summary::after {
  content: ""; width: 7px; height: 7px; flex: none; border: solid var(--faint); border-width: 0 1.5px 1.5px 0;
  transform: rotate(-45deg); margin: 0 4px;
}
.step[open] > summary::after { transform: rotate(45deg); }
.step .name { flex: 1; min-width: 0; overflow-wrap: anywhere; }
.step .task { color: var(--faint); font-size: 13px; margin-left: 8px; }
.step .time { color: var(--faint); font-size: 13px; font-variant-numeric: tabular-nums; white-space: nowrap; }
.step > div { padding: 4px 18px 18px; }
.step.quiet .name { color: var(--faint); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
.issues { list-style: none; margin: 6px 0 12px; padding: 0; }
.issues li { border-left: 3px solid currentColor; padding: 6px 12px; margin: 6px 0; background: var(--head); border-radius: 0 6px 6px 0; }
.issues span { color: var(--text); white-space: pre-wrap; overflow-wrap: anywhere; }
.issues .error { color: var(--bad); } .issues .warning { color: var(--warn); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 8px 0 14px; font-size: 14px; }
th, td { text-align: left; padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
thead:not(:has(th:not(:empty))) { display: none; }
th { color: var(--faint); font-weight: 600; font-size: 13px; }
.right { text-align: right; } .center { text-align: center; }
.value { font-size: 13px; overflow-wrap: anywhere; }
.log {
  background: var(--log); color: var(--log-text); border-radius: 8px; padding: 10px 0; margin-top: 10px;
  font-size: 12.5px; line-height: 1.6; max-height: 560px; overflow: auto;
}
.line { display: flex; padding: 0 16px 0 0; }
.line i { flex: none; width: 46px; padding-right: 14px; text-align: right; color: var(--log-faint); font-style: normal; user-select: none; }
.line > span { white-space: pre-wrap; overflow-wrap: anywhere; min-width: 0; }
.line.section { color: #5dd879; font-weight: 600; } .line.command { color: #79b8ff; }
.line.error { color: #ff8f87; background: #3a1518; } .line.warning { color: #f2cc60; background: #332800; }
.line.debug { color: #b392f0; }
.group > summary { cursor: pointer; list-style: none; font-weight: 600; }
.group > summary .line > span::before { content: "▸ "; color: var(--log-faint); }
.group[open] > summary .line > span::before { content: "▾ "; }
.summary { padding: 4px 18px 14px; border-top: 1px solid var(--line); }
.summary > h3 { display: flex; align-items: baseline; gap: 10px; }
.summary > h3 small { color: var(--faint); font-weight: 400; }
blockquote { margin: 10px 0; padding: 2px 14px; border-left: 3px solid var(--accent); background: var(--head); border-radius: 0 6px 6px 0; }
.extra { padding: 14px 18px; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 560px) {
  main { padding: 18px 10px 40px; }
  .run > header { flex-wrap: wrap; } .badge { order: 3; }
  .step > summary, .step > div, .summary, .run > header, .extra { padding-left: 12px; padding-right: 12px; }
  .step .task { display: block; margin-left: 0; }
  .line i { width: 34px; padding-right: 8px; }
}
`;
