"""Colours, fonts and the few rules of CSS that Gradio's theme cannot say. System fonts only: nothing is fetched."""

from __future__ import annotations

import gradio as gr

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    """Return the look of all tabs, readable from the back of a lecture hall, in light and dark."""
    return gr.themes.Soft(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.slate,
        neutral_hue=gr.themes.colors.slate,
        text_size=gr.themes.sizes.text_lg,
        radius_size=gr.themes.sizes.radius_md,
        font=list(SANS),
        font_mono=list(MONO),
    ).set(
        # The stock steps are too pale for a projector: these give at least 4.5:1 (WCAG 2.2, 1.4.3), as a test checks.
        background_fill_primary="*neutral_100",  # `set` puts the stock theme's value back to white
        input_border_color="*neutral_300",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        block_label_text_color="*primary_800",
        block_title_text_color="*primary_800",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
        checkbox_label_background_fill_selected="*primary_700",
        checkbox_label_background_fill_selected_dark="*primary_700",
        block_label_background_fill_dark="*primary_800",
        block_title_background_fill_dark="*primary_800",
        input_border_width="1px",
        slider_color="*primary_600",
    )


CSS = """
.gradio-container { width: 100%; max-width: 1400px !important; margin: 0 auto; }
.gradio-container button[role="tab"][aria-selected="true"] { color: var(--primary-700); }
.dark .gradio-container button[role="tab"][aria-selected="true"],
.gradio-container.dark button[role="tab"][aria-selected="true"] { color: var(--primary-300); }
.lectern-head { display: flex; flex-wrap: wrap; align-items: baseline; gap: .2rem 1rem; }
.lectern-head h1 { font-size: 1.5rem; margin: 0; }
.lectern-head p { margin: 0; color: var(--body-text-color-subdued); }
.lectern-purpose { font-size: 1.05rem; margin: 0; }
.lectern-status { min-height: 1.4rem; color: var(--body-text-color-subdued); }
.lectern-status progress { width: 12rem; vertical-align: middle; accent-color: var(--primary-500); }
.lectern-strip { display: flex; flex-wrap: wrap; gap: .35rem; font-size: .85rem; }
.lectern-strip span { padding: .1rem .55rem; border-radius: 1rem; background: var(--background-fill-secondary);
  border: 1px solid var(--border-color-primary); }
.lectern-notes { font-size: .9rem; margin-top: .6rem; color: var(--body-text-color-subdued); overflow-wrap: anywhere; }
.lectern-card { width: 100%; border: 0 !important; font-size: .9rem; border-collapse: collapse; }
.lectern-card th { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; font-weight: 600; }
.lectern-card td { overflow-wrap: anywhere; padding: .2rem 0; }
.lectern-card th, .lectern-card td, .lectern-card tr { border: 0 !important; background: none !important; }
.lectern-card tr { border-bottom: 1px solid var(--border-color-primary) !important; }
/* A wide table or a long line scrolls in its own box instead of widening the page. */
.gradio-container .html-container, .gradio-container .codemirror-wrapper { overflow-x: auto; }
.gradio-container .app, .gradio-container .contain, .gradio-container .column { min-width: 0; max-width: 100%; }
@media (max-width: 760px) {
  /* One column, in the order of use: inputs and Run, the result, then models and options. */
  .lectern-columns { flex-direction: column; contain: inline-size; } /* no table inside widens the page */
  .lectern-left { display: contents !important; }
  .lectern-results { order: 2; }
  .lectern-more { order: 3; }
  .lectern-head p { display: none; }
  /* The row of tabs must not make the page as wide as all of them: what does not fit goes into Gradio's own menu. */
  .tab-wrapper { contain: inline-size; }
  .tab-container button { padding: .4rem .5rem; font-size: .95rem; }
}
"""
