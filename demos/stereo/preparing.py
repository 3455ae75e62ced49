"""Before anything is matched: is this a pair, small enough, rectified? And the marked points moved along."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from PIL import Image

from demos.stereo.checks import PairCheck, ShrunkPair, check_pair, refuse_sizes, shrink_pair
from demos.stereo.geometry import Calibration
from demos.stereo.matching import Pair
from demos.stereo.measurement import F64, MarkedPoint
from demos.stereo.options import MeasureRequest
from demos.stereo.straighten import StraightPair, move, rectify_uncalibrated
from hub.errors import InvalidInput

T = TypeVar("T")
Check = Callable[[Pair], PairCheck]

MOST_MEGAPIXELS = 2.0  # matching one takes about a second
ENOUGH_MATCHES = 25  # fewer sit on a few plain edges, along which a match may slide up or down


class Remember(Protocol):
    """Returns what was computed for `what` of the same pictures before, or computes it."""

    def __call__(self, what: Hashable, make: Callable[[], T]) -> T:
        """Return the value."""


@dataclass(frozen=True)
class Prepared:
    """A request's pictures and points as they are used.

    Attributes:
        left, right: the pictures; None where they were not sent.
        pair: the same as arrays, with calibration; None without pictures.
        calibration: of the pictures as used.
        points: moved along with the pictures.
        homographies: (3, 3) of the left and the right picture, where the pair was straightened.
        notes: what was done.
    """

    left: Image.Image | None
    right: Image.Image | None
    pair: Pair | None
    calibration: Calibration
    points: tuple[MarkedPoint, ...]
    homographies: tuple[F64, F64] | None = None
    notes: tuple[str, ...] = ()

    @property
    def relative(self) -> bool:
        """Whether the scale was lost."""
        return self.homographies is not None


def prepare(request: MeasureRequest, check: Check, remember: Remember) -> Prepared:
    """Make the pair small enough and check it; straighten it where that is needed and wanted.

    Args:
        request: as it came.
        check: says of the pair what is wrong with it.
        remember: of the same pictures.

    Raises:
        InvalidInput: for a pair that cannot be measured.
    """
    calibration = request.calibration.checked()
    if request.left is None:
        if request.right is not None:
            raise InvalidInput("There is a right picture and no left one.", "Send the left picture too.")
        if not request.points:
            raise InvalidInput("There is nothing to measure.", "Send a pair of pictures, or points with partners.")
        return Prepared(None, None, None, calibration, request.points)
    calibration = calibration.for_size(*request.left.size)
    refuse_sizes(request.left, request.right or request.left)
    small = shrink_pair(request.left, request.right or request.left, calibration, MOST_MEGAPIXELS)
    points = tuple(_moved(point, small) for point in request.points)
    notes: tuple[str, ...] = (small.note,) if small.note else ()
    left = np.asarray(small.left)
    if request.right is None:
        pair = Pair(left, None, small.calibration)
        return Prepared(small.left, None, pair, small.calibration, points, notes=notes)
    pair = Pair(left, np.asarray(small.right), small.calibration)
    found = check(pair)
    problems = found.problems
    if len(found.matches) < ENOUGH_MATCHES and "unrectified" in problems:
        problems = tuple(problem for problem in problems if problem != "unrectified")
        notes += ("Only a few badly placed matches tell whether the pair is rectified, and they are not sure.",)
    if "unrectified" in problems and request.options.unrectified == "as is":
        problems = tuple(problem for problem in problems if problem != "unrectified")
        notes += (f"{found.advice('unrectified')[0]} It was matched as it is, as asked.",)
    for problem in problems:
        if problem == "textureless":  # a plain scene is no mistake, and matching says how far it got
            notes += (" ".join(found.advice(problem)),)
        elif not (problem == "unrectified" and request.options.unrectified == "rectify"):
            raise InvalidInput(*found.advice(problem))
    if "unrectified" in problems:
        straight = remember(
            ("straight", small.calibration),
            lambda: rectify_uncalibrated(small.left, small.right, small.calibration),
        )
        return _straightened(straight, points, notes)
    return Prepared(small.left, small.right, pair, small.calibration, points, notes=notes)


def check_by_keypoints(pair: Pair) -> PairCheck:
    """Check a pair by matching keypoints wherever they lie."""
    assert pair.right is not None
    return check_pair(Image.fromarray(pair.left), Image.fromarray(pair.right), pair.calibration.doffs_px)


def _straightened(straight: StraightPair, points: tuple[MarkedPoint, ...], notes: tuple[str, ...]) -> Prepared:
    pair = Pair(np.asarray(straight.left), np.asarray(straight.right), straight.calibration)
    return Prepared(
        left=straight.left,
        right=straight.right,
        pair=pair,
        calibration=straight.calibration,
        points=tuple(_turned(point, straight) for point in points),
        homographies=(straight.left_homography, straight.right_homography),
        notes=(*notes, straight.warning),
    )


def _moved(point: MarkedPoint, small: ShrunkPair) -> MarkedPoint:
    """Return a point of the pair as sent where it is in the smaller pair."""
    if small.factor_x == small.factor_y == 1:
        return point
    u, v = (point.u_px + 0.5) * small.factor_x - 0.5, (point.v_px + 0.5) * small.factor_y - 0.5
    u_right = None if point.u_right_px is None else (point.u_right_px + 0.5) * small.factor_x - 0.5
    v_right = None if point.v_right_px is None else (point.v_right_px + 0.5) * small.factor_y - 0.5
    return MarkedPoint(point.name, u, v, u_right, v_right)


def _turned(point: MarkedPoint, straight: StraightPair) -> MarkedPoint:
    """Return a point of the pair as sent where it is in the straightened pair."""
    u, v = move(straight.left_homography, np.array([[point.u_px, point.v_px]]))[0].tolist()
    if point.u_right_px is None:
        return MarkedPoint(point.name, u, v)
    v_right = point.v_px if point.v_right_px is None else point.v_right_px
    u_right, v_right = move(straight.right_homography, np.array([[point.u_right_px, v_right]]))[0].tolist()
    return MarkedPoint(point.name, u, v, u_right, v_right)
