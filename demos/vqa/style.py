"""CSS of the question answering tab: bars, weighed words, the map or the boxes over the picture, marked tables."""

from __future__ import annotations

CSS = """
.vqa-question { font-size: 1.35rem; line-height: 1.9; margin: .2rem 0 0; overflow-wrap: anywhere; }
.vqa-question span { padding: .12em .25em; border-radius: .3em; }
.vqa-question span[style] { background: hsl(175 60% 45% / calc(.5 * var(--w))); }
.vqa-hint { font-size: .9rem; line-height: 1.3; margin: .2rem 0 .5rem; color: var(--body-text-color-subdued); }
.vqa-answers { list-style: none; margin: .6rem 0; padding: 0; display: grid; gap: .45rem; max-width: 560px; }
.vqa-answers li { display: grid; grid-template-columns: 1fr auto; gap: .1rem .8rem; align-items: baseline; }
.vqa-answer { overflow-wrap: anywhere; }
.vqa-answers li:first-child .vqa-answer { font-size: 1.6rem; font-weight: 650; }
.vqa-percent { font-variant-numeric: tabular-nums; }
.vqa-answers .vqa-bar { grid-column: 1 / -1; }
.vqa-bar { display: block; height: .55rem; border-radius: .3rem; overflow: hidden;
  background: var(--border-color-primary); }
.vqa-bar i { display: block; height: 100%; background: var(--primary-600); }
.vqa-answers li:not(:first-child) .vqa-bar { height: .3rem; }
.vqa input[type=checkbox] { margin-right: .4rem; }
.vqa-stage { position: relative; max-width: 560px; margin-top: .4rem; }
.vqa-page { max-width: 900px; }
.vqa-stage img { display: block; width: 100%; border-radius: .4rem; }
.vqa-stage .vqa-look { position: absolute; inset: 0; height: 100%; opacity: 0; }
.vqa input:checked ~ .vqa-stage .vqa-look { opacity: 1; }
.vqa-stage svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.vqa-stage rect { fill: hsl(175 80% 35% / .08); stroke: hsl(175 80% 30%); stroke-width: 1px;
  vector-effect: non-scaling-stroke; }
.vqa-stage rect.found { fill: hsl(35 100% 50% / .45); stroke: hsl(20 100% 40%); stroke-width: 2px; }
.vqa-truth { overflow-wrap: anywhere; }
.vqa-truth summary { cursor: pointer; color: var(--body-text-color-subdued); }
.vqa-battery { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; margin-top: .5rem;
  contain: inline-size; }
.vqa-battery img { flex: 1 1 220px; max-width: 380px; min-width: 0; border-radius: .4rem; }
.vqa-battery table { flex: 2 1 340px; min-width: 0; }
.vqa-table { width: 100%; border: 0 !important; border-collapse: collapse; font-size: .95rem; }
.vqa-table caption { text-align: left; font-weight: 600; padding: .3rem 0; }
.vqa-table th { text-align: left; font-weight: 600; }
.vqa-table th, .vqa-table td { padding: .25rem .6rem .25rem 0; vertical-align: top; overflow-wrap: anywhere;
  border: 0 !important; background: none !important; }
.vqa-table tr { border: 0 !important; background: none !important; }
.vqa-table tr + tr { border-top: 1px solid var(--border-color-primary) !important; }
.vqa-table small { color: var(--body-text-color-subdued); font-size: .85rem; }
.vqa-table .right, .vqa-table .wrong { font-weight: 600; }
.vqa-battery td:last-child { white-space: nowrap; }
.vqa-table .right { color: hsl(150 90% 22%); }
.vqa-table .wrong { color: hsl(0 80% 38%); }
.dark .vqa-table .right { color: hsl(150 60% 65%); }
.dark .vqa-table .wrong { color: hsl(0 90% 78%); }
.vqa-tally { max-width: 700px; margin-top: .8rem; }
.vqa-tally td:first-child { white-space: nowrap; }
.vqa-sheet table { min-width: 34rem; }
.vqa-tally .vqa-bar { max-width: 12rem; }
#vqa-examples td, #vqa-history td, #vqa-document-examples td { padding: .2rem .6rem; text-align: left; }
#vqa-examples td .container { width: 3rem; height: 3rem; }
/* What is wider than the page scrolls in its own box. */
.vqa-sheet { max-height: 26rem; overflow: auto; contain: inline-size; }
.vqa-tallies, #vqa-history .table-wrap, #vqa-examples .table-wrap, #vqa-document-examples .table-wrap {
  overflow-x: auto; contain: inline-size; }
@media (max-width: 760px) {
  .vqa-battery tr { display: grid; grid-template-columns: 1fr 1fr auto; padding: .2rem 0; }
  .vqa-battery td:first-child, .vqa-battery th:first-child { grid-column: 1 / -1; }
}
"""
