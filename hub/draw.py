"""The small pieces of HTML that all tabs share. Everything that a user or a model wrote is escaped here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from hub.batch import Progress
from hub.cards import ModelCard
from hub.pool import gigabytes
from hub.run import Run


def hint_html(text: str) -> str:
    """Draw a line of plain text where progress is shown."""
    return f'<div class="lectern-status">{escape(text)}</div>'


def progress_html(progress: Progress) -> str:
    """Draw a progress line, with a bar where the fraction is known."""
    bar = "" if progress.fraction is None else f'<progress value="{progress.fraction:.3f}" max="1"></progress>'
    return f'<div class="lectern-status" role="status">{escape(progress.text)} … {bar}</div>'


def notes_html(notes: Sequence[str], limits: str) -> str:
    """Draw what was done to the input, what to beware of in the result, and what the model cannot do."""
    lines = "".join(f"<p>Note: {escape(note.rstrip('.'))}.</p>" for note in notes)
    return f'<div class="lectern-notes">{lines}<p>Limits: {escape(limits)}</p></div>'


def strip_html(run: Run) -> str:
    """Draw which model answered, where, and how long each part took."""
    parts = [
        f"<b>{escape(run.model)}</b>",
        "embedded" if run.embedded else f"Hub, {escape(run.revision[:12])}",
        f"{escape(run.device)}, {escape(run.dtype)}",
        f"{run.timings.compute_s * 1000:.0f} ms compute",
        f"{run.timings.queue_s * 1000:.0f} ms queue",
    ]
    if run.timings.load_s >= 0.05:  # less would read "0.0 s"
        parts.append(f"{run.timings.load_s:.1f} s load")
    if run.batch_size > 1:
        parts.append(f"in a batch of {run.batch_size}")
    if run.seed is not None:
        parts.append(f"seed {run.seed}")
    return '<div class="lectern-strip">' + "".join(f"<span>{part}</span>" for part in parts) + "</div>"


def card_html(card: ModelCard) -> str:
    """Draw a model card: what to know before trusting the model."""
    revision = "ships with Lectern" if card.embedded else card.revision
    if not card.pinned:
        revision += " (no fixed commit is known to us, so the files may change)"
    source = card.source if not card.ships_weights else f"assets/models/{card.source}"
    rows = {
        "Source": f"{source}, in the package {card.package}" if card.package else source,
        **({} if card.package else {"Revision": revision}),
        "Licence": card.licence,
        "Download": "none" if card.embedded else gigabytes(card.download_bytes),
        **({} if card.package else {"Memory": f"{gigabytes(card.memory_bytes)} in float32 (CPU), half of it on a GPU"}),
        "Knows": card.knows,
        "Limits": card.limits,
        "Cite": card.citation,
    }
    body = "".join(f"<tr><th>{name}</th><td>{escape(text)}</td></tr>" for name, text in rows.items())
    return f'<table class="lectern-card">{body}</table>'
