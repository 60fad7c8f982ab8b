"""The style sheet of every page: two colour schemes, no font or image from outside."""

CSS = """
:root{color-scheme:light dark;--ground:#fff;--card:#f6f7f9;--ink:#1b1f24;--soft:#5a6472;--rule:#d7dce2;
--good:#1a7f4b;--bad:#c62828;--weights:#2f6fb7;--more:#6ea3dc;--kv:#e08214;--state:#f2ad5c;--compute:#2a9d76;
--scratch:#7cc6a9;--driver:#8059a8;--process:#b295d0;--host:#c9a227;--used:#8b95a1;--on:#fff;--on-light:#16191d}
@media (prefers-color-scheme:dark){:root{--ground:#12151a;--card:#1b2027;--ink:#e8ebef;--soft:#9aa6b4;
--rule:#333b46;--good:#5fd39a;--bad:#ff7b72;--weights:#3d7fcc;--more:#7db4ee;--kv:#e8912d;--state:#f5b96e;
--compute:#35ad84;--scratch:#83cfb2;--driver:#9270bd;--process:#bda4da;--host:#d4b03a;--used:#6b7683}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:60rem;margin:0 auto;padding:2rem 1.25rem 3rem}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .25rem}h2{font-size:1.15rem;margin:2.25rem 0 .75rem}
h3{font-size:1rem;margin:1.5rem 0 .25rem}
p{margin:.5rem 0}.soft{color:var(--soft)}.small{font-size:.875rem}
code,pre,.number{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.875em}
.verdict{border-left:.35rem solid var(--good);background:var(--card);padding:.75rem 1rem;margin:1rem 0;
border-radius:0 .4rem .4rem 0}.verdict strong{color:var(--good)}
.verdict.over{border-color:var(--bad)}.verdict.over strong{color:var(--bad)}
.note{border-left:.35rem solid var(--kv);background:var(--card);padding:.5rem 1rem;margin:.5rem 0}
.bar{display:block;overflow:visible;margin:.25rem 0 0}.bar text{font-size:12px;fill:var(--soft)}
.bar .name{fill:var(--on);font-weight:600;font-size:13px}.bar .size{fill:var(--on);opacity:.92}
.bar .limit{stroke:var(--ink);stroke-width:2}.segment:hover .fill{opacity:.85}
.weights{fill:var(--weights)}.repack,.projector,.draft,.lora{fill:var(--more)}.kv_cache{fill:var(--kv)}
.recurrent_state{fill:var(--state)}.compute{fill:var(--compute)}.scratch,.output{fill:var(--scratch)}
.driver{fill:var(--driver)}.engine_process{fill:var(--process)}.prompt_cache,.checkpoints{fill:var(--host)}
.desktop,.reserve{fill:var(--used)}.headroom{fill:transparent;stroke:var(--rule);stroke-width:1}
.stripe{stroke:#5c0a0a;stroke-width:3}.bar .over{stroke:var(--bad);stroke-width:3}
.bar .excess{fill:var(--bad);font-weight:600}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;
list-style:none;margin:.25rem 0 1rem;padding:0;font-size:.875rem}
.legend svg{width:.8rem;height:.8rem;margin-right:.4rem;vertical-align:-.05rem}
figure{margin:0}summary{cursor:pointer;color:var(--soft)}details{margin:1rem 0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.875rem;margin:.25rem 0 1rem}
caption{text-align:left;font-weight:600;padding:.25rem 0}
th,td{text-align:left;vertical-align:top;padding:.35rem 1.25rem .35rem 0;border-bottom:1px solid var(--rule)}
thead th{color:var(--soft);font-weight:600}td.number,th.number{text-align:right;white-space:nowrap}
tfoot td{border-bottom:0;color:var(--soft)}tfoot td:first-child,tfoot .number{font-weight:600;color:var(--ink)}
tfoot tr:first-child>*{border-top:2px solid var(--rule)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.25rem;margin:.5rem 0}
dt{color:var(--soft)}dd{margin:0}
pre{background:var(--card);padding:.75rem 1rem;border-radius:.4rem;overflow-x:auto;margin:.5rem 0}
.plus{color:var(--good)}.minus{color:var(--bad)}.no{color:var(--bad)}.yes{color:var(--good)}
footer{margin-top:2.5rem;
border-top:1px solid var(--rule);padding-top:.75rem;color:var(--soft);font-size:.875rem}
@media (max-width:40rem){.bar .size,.bar .name{display:none}}
@media print{main{max-width:none;padding:0}}
"""
