"""Why there is no microphone: browsers hand it only to pages from https:// or from the same computer."""

from __future__ import annotations

SCRIPT = """
const hint = element.querySelector(".live-hint");
hint.hidden = window.isSecureContext && navigator.mediaDevices !== undefined;
hint.querySelector("code").textContent = location.origin;
hint.querySelector("button").replaceWith("upload the file");
"""


def hint_markup() -> str:
    """Return the hint, hidden until a script finds that the browser hides the microphone from this page."""
    return (
        '<div class="live-hint" role="note" hidden><p><b>The browser hides the microphone from this page.</b> Browsers '
        "hand it only to pages that come over https://, or from the same computer (http://localhost). This page came "
        "from <code></code>.</p><p>What to do: record with another program and "
        "<button type=button>upload the file</button>; or open Lectern at http://localhost on the "
        "computer that runs it; or have it served over https://.</p></div>"
    )


def microphone_hint() -> None:
    """Draw the hint where it is needed, below a recorder; elsewhere nothing is seen."""
    import gradio as gr  # here, because the demo's face must not bring it

    gr.HTML(html_template=hint_markup(), js_on_load=SCRIPT)
