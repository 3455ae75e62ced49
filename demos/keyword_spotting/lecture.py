"""Time against frequency, for a lecture: one moment of a sound, step by step from samples to what the model sees.

The length of the FFT is the lesson. A frame of N samples lasts N / 16,000 s and tells frequencies apart that are 16,000
/ N Hz apart: whoever wants to know better when something was, knows less well which frequency it had.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component

from demos.keyword_spotting import spectrum
from demos.keyword_spotting.chart import area, chart_html, line, svg, ticks
from demos.keyword_spotting.shades import coloured, height, hertz, mel_picture
from hub import ui
from hub.errors import InvalidInput
from hub.events import told_to_user
from hub.options import checked_text
from hub.runtime import Hub
from hub.sounds import RATE_HZ, Samples, sound

LENGTHS = (64, 128, 256, 400, 512, 1024, 2048, 4096)  # samples of an FFT; 400 is what the model uses
EXCERPT_S = 4.0  # what the spectrograms show of a longer sound
STFT_COLUMNS = 500
FLOOR_DB = -100.0  # of the spectrum's chart
RANGE_DB = 80.0  # below the greatest level, of the mel bands and of the spectrogram: what a model is shown
MAIN_LOBE_BINS = {"Hann": 4, "Hamming": 4, "Blackman": 6, "rectangular": 2}  # Harris 1978, from zero to zero
HZ_TICKS = (0, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000)
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
NOTHING = '<p class="keywords-hint">Record, upload or choose a sound on the left: it is taken apart here.</p>'


def build(hub: Hub, tab: ui.Tab, audio: Component) -> None:
    """Lay out the view of the sound in `audio`."""
    with gr.Row():
        moment = gr.Slider(
            0, 1, 0.5, step=0.01, min_width=240, label="Moment", info="Seconds; the middle of the frame."
        )
        length = gr.Dropdown(
            [(f"{samples} samples, {1000 * samples / RATE_HZ:g} ms", samples) for samples in LENGTHS],
            value=spectrum.FFT_LENGTH,
            label="FFT length",
            info="How long a frame is.",
            min_width=240,
            elem_id=f"{tab.demo.slug}-fft-length",
        )
    name = gr.Radio(list(spectrum.WINDOWS), value="Hann", label="Window", info="What a frame is multiplied by.")
    drawn = gr.HTML(NOTHING, elem_id=f"{tab.demo.slug}-lecture")

    def start(path: str | None, length: Any, window: Any) -> tuple[Any, str]:
        """Show the loudest moment of a new sound."""
        if not path:
            return gr.skip(), NOTHING
        with told_to_user():
            samples = sound(path, hub.sound_limits).samples
            loudest = round(loudest_s(samples), 2)
            seconds = len(samples) / RATE_HZ
            return gr.Slider(0, round(seconds, 2), loudest), lecture_html(
                samples, *checked_frame(loudest, length, window)
            )

    def show(path: str | None, at_s: Any, samples: Any, window: Any) -> str:
        if not path:
            return NOTHING
        with told_to_user():
            return lecture_html(sound(path, hub.sound_limits).samples, *checked_frame(at_s, samples, window))

    choices: list[Any] = [moment, length, name]
    audio.change(start, [audio, length, name], [moment, drawn], **QUIET)  # type: ignore[attr-defined]
    for listener in (moment.release, length.input, name.input):
        listener(show, [audio, *choices], drawn, trigger_mode="always_last", **QUIET)


def checked_frame(at_s: Any, length: Any, name: Any) -> tuple[float, int, str]:
    """Check which frame was asked for.

    Raises:
        InvalidInput: says which choice is none.
    """
    if isinstance(at_s, bool) or not isinstance(at_s, int | float) or not 0 <= at_s < 1e6:
        raise InvalidInput("The moment is not a number of seconds.", "Move the slider.")
    if length not in LENGTHS:
        raise InvalidInput("There is no such FFT length.", f"Choose one of {', '.join(map(str, LENGTHS))}.")
    if checked_text(name, 20, "Window") not in spectrum.WINDOWS:
        raise InvalidInput("There is no such window.", f"Choose {' or '.join(spectrum.WINDOWS)}.")
    return float(at_s), int(length), str(name)


def loudest_s(samples: Samples) -> float:
    """Return the middle of the loudest 25 ms."""
    size = min(spectrum.FFT_LENGTH, len(samples))
    sums = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    return float(np.argmax(sums[size:] - sums[:-size]) + size / 2) / RATE_HZ


def frame_at(samples: Samples, at_s: float, length: int) -> Samples:
    """Return the frame (length,) with its middle at a moment; before the start and after the end is silence."""
    start = round(at_s * RATE_HZ) - length // 2
    padded = np.pad(samples, length)
    start = min(max(start + length, 0), len(padded) - length)
    return padded[start : start + length]


def lecture_html(samples: Samples, at_s: float, length: int, name: str) -> str:
    """Draw a moment of a sound in time and in frequency, and the way from there to the log-mel picture.

    Args:
        samples: (n,), -1 to 1, at 16 kHz.
        at_s: the moment, seconds.
        length: of the FFT, samples.
        name: of the window.
    """
    at_s = min(at_s, len(samples) / RATE_HZ)
    frame = frame_at(samples, at_s, length)
    return (
        f'<div class="keywords keywords-lecture">{traded_html(length, name)}'
        f"{frame_html(frame, name, at_s)}{spectrum_html(frame, name)}{mel_bands_html(frame, name)}"
        f"{spectrograms_html(samples, at_s, length, name)}</div>"
    )


def traded_html(length: int, name: str) -> str:
    """Say what the length of the FFT trades, with the numbers of this one."""
    frame_ms, bin_hz = 1000 * length / RATE_HZ, RATE_HZ / length
    return (
        f"<p><b>{length} samples = {frame_ms:g} ms</b>: frequencies {bin_hz:.4g} Hz apart. {frame_ms:g} ms × "
        f"{bin_hz:.4g} Hz = 1, whatever the length: twice as sharp in frequency is half as sharp in time. Two clicks "
        f"within {frame_ms:g} ms fall into one frame. Two tones run together when they are closer than about "
        f"{MAIN_LOBE_BINS[name] * bin_hz / 2:.4g} Hz: with the {name} window a tone is a hill "
        f"{MAIN_LOBE_BINS[name]} bins ({MAIN_LOBE_BINS[name] * bin_hz:.4g} Hz) wide.</p>"
    )


def frame_html(frame: Samples, name: str, at_s: float) -> str:
    """Draw the frame in time, with the window laid over it."""
    x = np.linspace(0, 1, len(frame))
    peak = max(float(np.abs(frame).max()), 1e-3)
    weights = spectrum.window(name, len(frame))
    half_ms = 500 * len(frame) / RATE_HZ
    middles = {0.0: f"−{half_ms:g} ms", 0.5: f"{at_s:.2f} s", 1.0: f"+{half_ms:g} ms"}
    faded = frame * weights
    return chart_html(
        svg(
            line(x, 0.5 + frame / (2 * peak), "thin"),
            line(x, 0.5 + faded / (2 * peak), "strong"),
            line(x, 0.5 + weights / 2, "dashed"),
        ),
        kind="frame",
        described=f"Waveform of the frame around {at_s:.2f} s; its peak is {peak:.3f} of full scale.",
        x=middles,
        y={0.0: f"−{peak:.2g}", 0.5: "0", 1.0: f"{peak:.2g}"},
        caption=f"1. In time: the frame (thin), the {name} window (dashed), their product (thick); full scale = 1",
    )


def spectrum_html(frame: Samples, name: str) -> str:
    """Draw the magnitude spectrum of the frame, name its peak, and check the energy in both domains."""
    hz, levels = spectrum.spectrum_db(frame, name)
    top = int(levels.argmax())
    in_time, in_frequency = energies_db(frame, name)
    y = np.clip((levels - FLOOR_DB) / -FLOOR_DB, 0, 1)
    peak = f"{hz[top]:.4g} Hz, {signed(levels[top])} dB"
    return (
        chart_html(
            svg(line(hz / spectrum.NYQUIST_HZ, y, "strong")),
            kind="spectrum",
            described=f"Magnitude spectrum; strongest at {peak}.",
            x=hz_ticks(),
            y=ticks((-100, -80, -60, -40, -20, 0), FLOOR_DB, 0),
            caption="2. In frequency: magnitude, dB re full scale (a sine of amplitude 1 is 0 dB)",
        )
        + f'<p class="keywords-hint">Strongest: <b>{peak}</b>. Energy is the same in both domains (Parseval): RMS of '
        f"the product {signed(in_time)} dB from samples, {signed(in_frequency)} dB from frequencies.</p>"
    )


def energies_db(frame: Samples, name: str) -> tuple[float, float]:
    """Return the RMS of the windowed frame in dB re 1, from its samples and from its spectrum (Parseval's theorem)."""
    faded = frame * spectrum.window(name, len(frame))
    in_time = float(np.mean(faded**2))
    powers = np.abs(np.fft.rfft(faded)) ** 2
    powers[1 : (len(frame) + 1) // 2] *= 2  # the negative frequencies, which rfft leaves out
    in_frequency = float(powers.sum()) / len(frame) ** 2
    least = 10 ** (spectrum.LEAST_DB / 10)
    return 10 * np.log10(max(in_time, least)), 10 * np.log10(max(in_frequency, least))


def mel_bands_html(frame: Samples, name: str) -> str:
    """Draw the mel filters over the same axis of frequency, and below what they gather of this frame."""
    edges = spectrum.mel_edges_hz() / spectrum.NYQUIST_HZ
    triangles = "".join(
        line(edges[band : band + 3], np.array([0.0, 1.0, 0.0]), f"band{band % 2}") for band in range(spectrum.MEL_BANDS)
    )
    powers = spectrum.mel_filters(fft_length=len(frame)) @ spectrum.power(frame[None], name)[:, 0]
    levels = 10 * np.log10(np.maximum(powers, spectrum.LEAST_POWER))
    top = float(np.ceil(levels.max() / 10) * 10)
    x = np.repeat(np.arange(spectrum.MEL_BANDS + 1) / spectrum.MEL_BANDS, 2)[1:-1]
    y = np.repeat(np.clip((levels - top + RANGE_DB) / RANGE_DB, 0, 1), 2)
    peaks = spectrum.mel_edges_hz()[1:-1]
    named = {
        (float(np.argmin(np.abs(peaks - hz))) + 0.5) / spectrum.MEL_BANDS: hertz(hz) for hz in (500, 1000, 2000, 4000)
    }
    return chart_html(
        svg(triangles),
        kind="filters",
        described="80 triangular mel filters: equally wide below 1 kHz, ever wider above.",
        x=hz_ticks(),
        y={},
        caption="3. The mel filters: 80 triangles, narrow where the ear is fine",
    ) + chart_html(
        svg(area(x, y, "filled")),
        kind="bands",
        described=f"Power in each mel band; highest in band {int(levels.argmax()) + 1}.",
        x=named,
        y=ticks((top - RANGE_DB, top - RANGE_DB / 2, top), top - RANGE_DB, top),
        caption="4. What they gather: power in each band, dB",
    )


def spectrograms_html(samples: Samples, at_s: float, length: int, name: str) -> str:
    """Draw the spectrogram with the chosen FFT, and the log-mel picture that the model sees, of the same stretch."""
    start = int(max(0.0, min(at_s - EXCERPT_S / 2, len(samples) / RATE_HZ - EXCERPT_S)) * RATE_HZ)
    excerpt = samples[start : start + int(EXCERPT_S * RATE_HZ)]
    hop = max(1, len(excerpt) // STFT_COLUMNS)
    powers = spectrum.power(spectrum.frames_of(excerpt, length, hop)[: max(1, len(excerpt) // hop)], name)
    amplitudes = np.sqrt(powers) * 2 / spectrum.window(name, length).sum()
    levels = 20 * np.log10(np.maximum(amplitudes, 10 ** (spectrum.LEAST_DB / 20)))
    shades = np.clip((levels - levels.max() + RANGE_DB) / RANGE_DB, 0, 1)[::-1]
    mel = spectrum.log_mel(excerpt)
    seconds = len(excerpt) / RATE_HZ
    from_s = start / RATE_HZ
    mark = f'<b class="keywords-mark" style="left:{min(max((at_s - from_s) / seconds, 0), 1):.2%}"></b>'
    moments = {share: f"{from_s + share * seconds:.2f} s" for share in (0.0, 0.25, 0.5, 0.75, 1.0)}
    return chart_html(
        f'<img alt="" src="{coloured((shades * 255).astype(np.uint8))}">{mark}',
        kind="stft",
        described=f"Spectrogram with frames of {length} samples.",
        x=moments,
        y=ticks((0, 2, 4, 6, 8), 0, 8, " kHz"),
        caption=f"5. Frame after frame: frequency over time with {length} samples; {RANGE_DB:g} dB from black to white",
    ) + chart_html(
        f'<img alt="" src="{mel_picture(mel)}">{mark}',
        kind="stft",
        described="Log-mel spectrogram as the model sees it.",
        x=moments,
        y={height(hz): hertz(hz) for hz in (500, 1000, 2000, 4000)},
        caption="6. What the model sees: mel bands over time, always 400 samples (25 ms) every 10 ms, Hann",
    )


def hz_ticks() -> dict[float, str]:
    """Label an axis from 0 to 8 kHz."""
    return {hz / spectrum.NYQUIST_HZ: hertz(hz) for hz in HZ_TICKS[::2]}


def signed(level_db: float) -> str:
    """Spell a level with a real minus sign.

    >>> signed(-6.02)
    '−6.0'
    """
    return f"{level_db:.1f}".replace("-", "−")
