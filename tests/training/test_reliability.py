"""Reliability: bins hold what belongs to them, and the error is the gap between what is said and what comes true."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from training.reliability import calibration_error, plot_svg, reliability


def test_every_answer_falls_into_one_bin() -> None:
    probabilities = np.random.default_rng(0).random(500)
    probabilities[:2] = 0.0, 1.0
    found = reliability(probabilities, probabilities < 0.5)
    assert sum(one.count for one in found) == 500
    assert all(one.low <= one.probability <= one.high for one in found)
    assert [one.low for one in found] == sorted(one.low for one in found)


def test_honest_probabilities_have_a_small_error_and_boasts_a_large_one() -> None:
    rng = np.random.default_rng(1)
    probabilities = rng.random(50_000)
    right = rng.random(50_000) < probabilities
    assert calibration_error(reliability(probabilities, right)) < 0.02
    boasts = np.full(50_000, 0.99)
    assert calibration_error(reliability(boasts, right)) == pytest.approx(0.99 - right.mean())


def test_the_plot_is_a_picture_with_a_curve_a_model() -> None:
    curves = {"full": reliability([0.9, 0.4], [True, False]), "early": reliability([0.6], [True])}
    root = ElementTree.fromstring(plot_svg(curves))
    texts = " ".join(element.text or "" for element in root.iter() if element.tag.endswith("text"))
    assert "full: expected calibration error 0.250" in texts
    assert "early: expected calibration error 0.400" in texts
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    dots = [element.attrib for element in root.iter() if element.tag.endswith("circle")]
    assert len(dots) == 3 + 2  # of the curves and of the legend
    assert all(0 < float(dot["cx"]) < width and 0 < float(dot["cy"]) < height for dot in dots)
