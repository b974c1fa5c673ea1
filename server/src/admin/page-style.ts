/** The operator's page: light and dark by the system, one column below 720 px. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --page: light-dark(#f4f5f7, #14161a);
  --card: light-dark(#ffffff, #1c1f25);
  --line: light-dark(#d9dce2, #333842);
  --text: light-dark(#1a1d23, #e8eaee);
  --quiet: light-dark(#5a6270, #a3abb8);
  --accent: light-dark(#0b5cad, #7ab8ff);
  --on-accent: light-dark(#ffffff, #0c1a2b);
  --good: light-dark(#18703a, #6fd694);
  --bad: light-dark(#b3261e, #ff9a92);
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header, main { max-width: 1040px; margin: 0 auto; padding: 0 16px; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 16px; padding-top: 20px; }
h1 { font-size: 20px; margin: 0; flex: 1 1 auto; }
h1 span { color: var(--quiet); font-weight: 400; }
h2 { font-size: 15px; margin: 0 0 10px; }
#updated { color: var(--quiet); font-variant-numeric: tabular-nums; }
#updated.stale { color: var(--bad); font-weight: 600; }
main { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; padding-block: 16px 40px; }
section, #login { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px; min-width: 0; }
.wide { grid-column: 1 / -1; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(120px, 1fr)); gap: 12px; margin: 0; }
.tiles div { min-width: 0; }
.tiles dt { color: var(--quiet); font-size: 13px; }
.tiles dd { margin: 0; font-size: 24px; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.tiles dd small { font-size: 13px; font-weight: 400; color: var(--quiet); }
table { width: 100%; border-collapse: collapse; }
th { text-align: left; font-weight: 500; font-size: 13px; color: var(--quiet); }
th, td { padding: 7px 8px 7px 0; border-bottom: 1px solid var(--line); vertical-align: middle; }
tbody tr:last-child td { border-bottom: 0; }
th:last-child, td:last-child { padding-right: 0; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.cause { padding-right: 24px; }
.narrow { display: none; }
code { font: 13px/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.share { display: block; height: 4px; border-radius: 2px; background: var(--line); margin-top: 5px; overflow: hidden; }
.share i { display: block; height: 100%; background: var(--bad); border-radius: 2px; }
.quiet { color: var(--quiet); }
.good { color: var(--good); }
.bad { color: var(--bad); }
button, input { font: inherit; border-radius: 7px; min-height: 36px; }
button { cursor: pointer; padding: 5px 14px; border: 1px solid var(--line); background: transparent; color: inherit; }
button:hover { border-color: var(--accent); }
button.main { background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600; }
button:disabled { opacity: .5; cursor: default; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
input { width: 100%; padding: 5px 10px; border: 1px solid var(--quiet); background: var(--card); color: inherit; }
#login { max-width: 440px; margin: 12vh auto 0; display: grid; gap: 12px; }
#login p { margin: 0; }
#notice { grid-column: 1 / -1; margin: 0; padding: 10px 14px; border-radius: 8px; border: 1px solid var(--line); background: var(--card); }
#notice.bad { border-color: var(--bad); }
#notice.good { border-color: var(--good); }
dialog { border: 1px solid var(--line); border-radius: 12px; background: var(--card); color: var(--text); max-width: min(440px, calc(100vw - 32px)); padding: 20px; }
dialog::backdrop { background: rgb(0 0 0 / .5); }
dialog p { margin: 0 0 14px; }
.actions { display: flex; gap: 10px; justify-content: flex-end; flex-wrap: wrap; }
@media (max-width: 720px) {
  main { grid-template-columns: minmax(0, 1fr); gap: 12px; }
  h1 { flex-basis: 100%; }
}
@media (max-width: 480px) {
  .optional { display: none; }
  .narrow { display: block; font-size: 13px; }
  section { padding: 14px 12px; }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  button { padding: 5px 10px; }
}
`;
