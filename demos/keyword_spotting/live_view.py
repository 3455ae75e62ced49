"""The live view in the browser: its markup, the script that starts it, and its style.

The microphone, the sending and the drawing are in `assets/keyword_spotting/`. The component's `input` event carries a
chunk of sound to the server, and its value is the server's last answer, as JSON, which the markup does not show.
"""

from __future__ import annotations

import numpy as np

from demos.keyword_spotting.folders import ASSETS
from demos.keyword_spotting.live_hint import hint_markup
from demos.keyword_spotting.live_mel import COLUMNS_A_SECOND, GREATEST_DECADE, LEAST_DECADE
from demos.keyword_spotting.shades import MAGMA
from demos.keyword_spotting.spectrum import MEL_BANDS
from demos.keyword_spotting.style import TRACES

SCRIPT = """
const root = window.gradio_config && window.gradio_config.root || location.href.split(/[?#]/)[0];
const stage = element.querySelector(".live");
async function start() {
  try {
    const { mount } = await import(new URL(stage.dataset.script, root.replace(/[/]*$/, "/")));
    const receive = mount(stage, piece => trigger("input", piece));
    watch("value", () => receive(JSON.parse(props.value)));
  } catch (error) {
    stage.dataset.state = "failed";
    stage.querySelector(".live-status").textContent = `The live view could not be loaded (${error.message}).`;
  }
}
start();
"""


def view_template() -> str:
    """Return the markup of the live view; nothing in it changes with the component's value."""
    from hub.files import address  # here, because it brings Gradio, and the demo's face must not

    colours = ",".join("".join(f"{channel:02x}" for channel in colour) for colour in np.asarray(MAGMA).tolist())
    dashes = ",".join(dash for _, dash in TRACES)
    return (
        f'<div class="live keywords" data-state="loading" data-script="{address(ASSETS / "live.js")}" '
        f'data-colours="{colours}" data-dashes="{dashes}" data-bands="{MEL_BANDS}" '
        f'data-columns-a-second="{COLUMNS_A_SECOND}" '
        f'data-shades-a-decade="{255 / (GREATEST_DECADE - LEAST_DECADE):.3f}">'
        f"{hint_markup()}"
        '<div class="live-bar"><button type="button" class="live-start" disabled>Start listening</button>'
        '<button type="button" class="live-stop" disabled>Stop</button>'
        '<span class="live-level" title="How loud it is"><i></i></span></div>'
        '<p class="live-status" role="status">Loading …</p>'
        '<p class="live-word" aria-live="polite"><b></b><span></span></p>'
        '<canvas class="live-mel" role="img" aria-label="Mel spectrogram of the last five seconds"></canvas>'
        '<canvas class="live-traces" role="img" aria-label="Scores of the best words over the last five seconds, with '
        'the threshold"></canvas><ul class="live-key keywords-key"></ul>'
        '<ul class="live-latency" aria-label="Latency"></ul><p class="live-measured"></p>'
        '<ol class="live-heard" aria-label="Words heard, the newest first"></ol>'
        '<p class="live-kept">The sound goes to this server in pieces, is listened to, and is forgotten seconds later: '
        "nothing of it is written to a disk.</p></div>"
    )


CSS = """
.live { font-size: .95rem; }
.live p { margin: .35rem 0; }
.live-bar { display: flex; flex-wrap: wrap; align-items: center; gap: .6rem; }
.live-bar button { font: inherit; font-weight: 600; padding: .5rem 1.1rem; border-radius: .5rem; cursor: pointer;
  border: 1px solid var(--border-color-primary); color: var(--body-text-color);
  background: var(--background-fill-secondary); margin: 0 !important; }
.live-bar .live-start:enabled { background: var(--primary-700); border-color: var(--primary-700); color: #fff; }
.live-bar button:disabled { opacity: .55; cursor: default; }
.live-bar button:focus-visible { outline: 3px dashed var(--primary-500); outline-offset: 2px; }
.live-level { flex: 1 1 6rem; max-width: 16rem; height: .8rem; border-radius: .4rem; overflow: hidden;
  background: var(--background-fill-secondary); border: 1px solid var(--border-color-primary); }
.live-level i { display: block; width: 0; height: 100%; background: var(--primary-600); }
.live-status { min-height: 1.5em; }
.live[data-state=failed] .live-status { border-left: .3rem solid #c2410c; padding-left: .6rem; font-weight: 600; }
.live-word { min-height: 4.6rem; line-height: 1.1; overflow-wrap: anywhere; }
.live-word b { font-size: 3.6rem; font-weight: 700; margin-right: 1rem; }
.live-word span { font-size: 1.2rem; color: var(--body-text-color-subdued); font-variant-numeric: tabular-nums; }
.live-word b:empty::before { content: "…"; color: var(--body-text-color-subdued); font-weight: 400; }
.live-word[data-age=old] b { color: var(--body-text-color-subdued); font-weight: 400; }
.live canvas { display: block; width: 100%; border-radius: .2rem; margin-bottom: 3px; }
.live-mel { height: 9rem; background: #000004; }
.live-traces { height: 9rem; background: var(--background-fill-secondary); color: var(--body-text-color); }
.live-key { min-height: 1.5em; }
.live-latency { list-style: none; padding: 0; margin: .4rem 0; display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; }
.live-latency li { margin: 0; font-size: .9rem; color: var(--body-text-color-subdued); }
.live-latency b { color: var(--body-text-color); font-size: 1.15rem; margin-right: .1rem;
  font-variant-numeric: tabular-nums; }
.live-measured, .live-kept { font-size: .9rem; color: var(--body-text-color-subdued);
  font-variant-numeric: tabular-nums; }
.live-heard { list-style: none; padding: 0; margin: .4rem 0; display: flex; flex-wrap: wrap; gap: .4rem; }
.live-heard li { margin: 0; padding: .2rem .7rem; border-radius: .5rem; font-size: 1.15rem;
  border: 1px solid var(--border-color-primary); background: var(--background-fill-secondary); }
.live-heard small { display: block; font-size: .85rem; color: var(--body-text-color-subdued);
  font-variant-numeric: tabular-nums; }
.live-hint { border-left: .3rem solid #c2410c; padding: .1rem 0 .1rem .8rem; margin: .4rem 0; }
.live-hint[hidden] { display: none; }
.live-hint button { font: inherit; text-decoration: underline; background: none; border: 0; padding: 0; cursor: pointer;
  color: var(--primary-700); }
.dark .live-hint button { color: var(--primary-300); }
.live:has(.live-hint:not([hidden])) > :not(.live-hint) { display: none; }
"""
