"""CSS and the script of the view in which words are taught."""

from __future__ import annotations

CSS = """
.keywords-lesson h4 { display: flex; flex-wrap: wrap; align-items: baseline; gap: .2rem .8rem; margin: .8rem 0 .3rem;
  font-size: 1.15rem; overflow-wrap: anywhere; }
.keywords-lesson h4 small { font-weight: 400; font-size: .9rem; color: var(--body-text-color-subdued); }
.keywords-examples { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.4rem, 1fr)); gap: .5rem;
  list-style: none; margin: 0; padding: 0; }
.keywords-examples li { margin: 0; padding: .4rem .5rem; border-radius: .4rem; font-size: .85rem; min-width: 0;
  overflow-wrap: anywhere;
  border: 1px solid var(--border-color-primary); background: var(--background-fill-secondary); }
.keywords-examples li.keywords-odd { border: 2px solid var(--keywords-mattered); }
.keywords-examples svg { display: block; width: 100%; height: 2.6rem; }
.keywords-examples path { fill: var(--keywords-0); }
.keywords-examples div { display: flex; align-items: center; gap: .3rem; }
.keywords-examples div span { flex: 1; min-width: 0; }
.keywords-examples p, .keywords-lesson p { margin: .2rem 0; }
.keywords-examples p b { color: var(--keywords-mattered); }
.keywords-lesson button { min-width: 2.2rem; min-height: 2.2rem; padding: 0 .5rem; border-radius: .4rem;
  cursor: pointer; color: var(--body-text-color); background: var(--background-fill-primary);
  border: 1px solid var(--border-color-primary); font-size: .9rem; }
.keywords-lesson button:hover { border-color: var(--primary-500); }
.keywords-lesson .keywords-large { font-size: 1.5rem; }
.keywords-confusion td, .keywords-confusion th { text-align: center !important; padding: .25rem .6rem !important;
  max-width: 9rem; overflow-wrap: break-word; }
.keywords-confusion th[scope=row] { text-align: left !important; }
.keywords-confusion td.keywords-right { font-weight: 700; outline: 2px solid var(--primary-600); outline-offset: -2px; }
.keywords-confusion td.keywords-wrong { font-weight: 700; color: var(--keywords-mattered); }
.keywords-map { position: relative; aspect-ratio: 5 / 3; max-width: 44rem; margin: .4rem 0; border-radius: .4rem;
  overflow: hidden; background: var(--background-fill-secondary); border: 1px solid var(--border-color-primary); }
.keywords-map svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.keywords-map .keywords-other { fill: var(--body-text-color-subdued); opacity: .35; }
.keywords-map b { position: absolute; transform: translate(-50%, -165%); padding: 0 .35rem; border-radius: .3rem;
  font-size: .9rem; white-space: nowrap; max-width: 45%; overflow: hidden; text-overflow: ellipsis;
  color: var(--body-text-color); background: var(--background-fill-primary); pointer-events: none; }
.keywords-map b.keywords-below { transform: translate(-50%, 65%); }
"""

# One listener for the whole list, which is drawn anew after each change.
SCRIPT = """
let playing = null;
element.addEventListener("click", event => {
  const button = event.target.closest("button[data-do]");
  if (!button) return;
  if (button.dataset.do === "play") {
    if (playing) playing.pause();
    playing = new Audio(button.dataset.sound);
    playing.play();
    return;
  }
  trigger("click", {do: button.dataset.do, key: button.dataset.key, word: button.dataset.word});
});
"""
