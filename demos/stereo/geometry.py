"""The geometry of a rectified stereo pair: from two pixels to a point in space, its error, and a distance's error.

The one idea: two equal cameras look the same way, the right one `b` metres to the right of the left one. A point at
depth z then appears on the same row in both pictures, and f b / z pixels further left in the right one. That shift, the
disparity, is all that stereo measures; depth is its reciprocal, which is why far things are measured badly.

Pixels: the centre of the top-left pixel is (0, 0), u goes right, v goes down. Positions: metres, in the left camera's
frame, origin at its pinhole, x right, y down, z forward. Every function takes arrays of any leading shape, or numbers.

A point whose rays do not meet in front of the cameras (disparity plus doffs at or below 0) is at infinity: its depth is
`inf`, its position is (nan, nan, inf), its covariance is nan. A missing disparity is nan, and so is all that follows.

Sources:
    Hartley & Zisserman, Multiple View Geometry, 2nd ed.: sections 6.1 (pinhole camera) and 11.12 (rectified pairs).
    Scharstein et al., High-resolution stereo datasets with subpixel-accurate ground truth, GCPR 2014, and the
    description of calib.txt that comes with it (doffs).
    Matthies & Shafer, Error modeling in stereo navigation, IEEE J. Robotics and Automation 3(3), 1987, and Gallup et
    al., Variable baseline/resolution stereo, CVPR 2008 (first-order errors).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hub.errors import InvalidInput

F64 = NDArray[np.float64]

GREATEST_FOCAL_PX = 1e6
GREATEST_BASELINE_M = 1e4  # kilometres apart: satellites, not a desk
GREATEST_CENTRE_PX = 1e6  # where the size of the pictures is not known
SAME_ASPECT = 0.01  # relative; a resize that rounds to whole pixels changes the aspect ratio by less


@dataclass(frozen=True)
class Calibration:
    """Intrinsics and baseline of a rectified pair.

    Attributes:
        focal_x_px, focal_y_px: fx and fy, of both cameras, pixels.
        centre_x_px, centre_y_px: (Ox, Oy), the left camera's principal point, pixels.
        baseline_m: distance between the pinholes, metres.
        doffs_px: the right principal point's u minus the left one's, pixels.
        width_px, height_px: size of the pictures that these numbers are for, where it is known.
    """

    focal_x_px: float
    focal_y_px: float
    centre_x_px: float
    centre_y_px: float
    baseline_m: float
    doffs_px: float = 0.0
    width_px: int | None = None
    height_px: int | None = None

    @property
    def matrix(self) -> F64:
        """Return the left camera's (3, 3) intrinsic matrix K, in pixels."""
        return np.array(
            [[self.focal_x_px, 0.0, self.centre_x_px], [0.0, self.focal_y_px, self.centre_y_px], [0.0, 0.0, 1.0]]
        )

    def checked(self) -> Calibration:
        """Return the calibration itself.

        Raises:
            InvalidInput: when a number is not finite, baseline or focal length is not above 0, or the principal point
                is further from the picture than the picture is wide or high.
        """
        for name, value, most, unit in (
            ("focal length fx", self.focal_x_px, GREATEST_FOCAL_PX, "pixels"),
            ("focal length fy", self.focal_y_px, GREATEST_FOCAL_PX, "pixels"),
            ("baseline", self.baseline_m, GREATEST_BASELINE_M, "metres"),
        ):
            if not 0 < value <= most:  # (never true of NaN)
                raise InvalidInput(
                    f"The {name} is {value:g} {unit}: it must be above 0 and at most {most:g}.",
                    "Type what the camera's maker or your own calibration gives.",
                )
        for name, value, side in (
            ("principal point's Ox", self.centre_x_px, self.width_px),
            ("principal point's Oy", self.centre_y_px, self.height_px),
            ("right principal point's Ox", self.centre_x_px + self.doffs_px, self.width_px),
        ):
            lowest, highest = (-GREATEST_CENTRE_PX, GREATEST_CENTRE_PX) if side is None else (-side, 2 * side)
            if not lowest <= value <= highest:
                raise InvalidInput(
                    f"The {name} is {value:g} pixels: expected {lowest:g} to {highest:g}, near the picture's middle.",
                    "Check that the calibration belongs to pictures of this size.",
                )
        return self

    def scaled(self, factor_x: float, factor_y: float) -> Calibration:
        """Return the calibration of the same pair resized by these factors (0.5: half the width or height).

        Pixel centres are at whole numbers, so a picture's left edge is at -0.5: edges scale, and a centre goes along as
        c' = (c + 0.5) s - 0.5. Focal lengths, doffs and disparities scale by s alone, and so depth stays what it was.

        >>> half = Calibration(900.0, 900.0, 319.5, 239.5, 0.075, 31.0, 640, 480).scaled(0.5, 0.5)
        >>> half.focal_x_px, half.centre_x_px, half.centre_y_px, half.doffs_px, half.width_px
        (450.0, 159.5, 119.5, 15.5, 320)
        """
        if not (0 < factor_x < math.inf and 0 < factor_y < math.inf):
            raise ValueError(f"expected factors above 0, got {factor_x} and {factor_y}")
        return replace(
            self,
            focal_x_px=self.focal_x_px * factor_x,
            focal_y_px=self.focal_y_px * factor_y,
            centre_x_px=(self.centre_x_px + 0.5) * factor_x - 0.5,
            centre_y_px=(self.centre_y_px + 0.5) * factor_y - 0.5,
            doffs_px=self.doffs_px * factor_x,
            width_px=None if self.width_px is None else round(self.width_px * factor_x),
            height_px=None if self.height_px is None else round(self.height_px * factor_y),
        )

    def for_size(self, width_px: int, height_px: int) -> Calibration:
        """Return the calibration of these pictures when they are `width_px` x `height_px`.

        One that does not say its own size is taken to be for this one.

        Raises:
            InvalidInput: when the shape differs, so that the pictures were cropped and not merely resized.
        """
        if self.width_px is None or self.height_px is None:
            return replace(self, width_px=width_px, height_px=height_px)
        factor_x, factor_y = width_px / self.width_px, height_px / self.height_px
        if abs(factor_x / factor_y - 1) > SAME_ASPECT:
            raise InvalidInput(
                f"The calibration is for {self.width_px} x {self.height_px} pixels, the pictures are "
                f"{width_px} x {height_px}: another shape.",
                "Use the calibration of these pictures; after a crop the principal point must be moved along.",
            )
        return replace(self.scaled(factor_x, factor_y), width_px=width_px, height_px=height_px)


# From space to the pictures and back


def project(calibration: Calibration, positions_m: ArrayLike) -> tuple[F64, F64, F64]:
    """Project positions (..., 3), metres, into both pictures.

        u = fx x / z + Ox        v = fy y / z + Oy        u_right = u - d, with d = fx b / z - doffs

    Returns:
        u, v and u_right, each (...), pixels; v is that of both pictures. NaN for a point not in front of the cameras.

    Source: Hartley & Zisserman, section 6.1.

    >>> oak = Calibration(452.9, 452.9, 298.85, 245.52, 0.075)
    >>> [round(float(pixel), 2) for pixel in project(oak, (0.1, -0.05, 1.0))]
    [344.14, 222.88, 310.17]
    """
    x, y, z = np.moveaxis(np.asarray(positions_m, dtype=np.float64), -1, 0)
    z = np.where(z > 0, z, np.nan)
    u = calibration.focal_x_px * x / z + calibration.centre_x_px
    v = calibration.focal_y_px * y / z + calibration.centre_y_px
    return u, v, u - disparity_from_depth(calibration, z)


def at_infinity(calibration: Calibration, disparity_px: ArrayLike) -> NDArray[np.bool_]:
    """Return (...) whether the rays of a match do not meet in front of the cameras; False where it is missing (NaN).

    >>> at_infinity(Calibration(450.0, 450.0, 320.0, 240.0, 0.075), [0.0, -1.0, 1.0]).tolist()
    [True, True, False]
    """
    return np.asarray(disparity_px, dtype=np.float64) + calibration.doffs_px <= 0


def depth_from_disparity(calibration: Calibration, disparity_px: ArrayLike) -> F64:
    """Return depths z (...), metres, of disparities (...), pixels: z = b fx / (d + doffs); `inf` at infinity.

    Source: similar triangles; Middlebury 2014, "Z = baseline * f / (d + doffs)".

    >>> depth_from_disparity(Calibration(452.9, 452.9, 298.85, 245.52, 0.075), [36.0, 0.0]).round(4).tolist()
    [0.9435, inf]
    """
    shift = _parallax(calibration, disparity_px)
    with np.errstate(divide="ignore"):  # at infinity
        return calibration.baseline_m * calibration.focal_x_px / shift


def disparity_from_depth(calibration: Calibration, depth_m: ArrayLike) -> F64:
    """Return disparities (...), pixels, of depths (...), metres: d = b fx / z - doffs; NaN where z is not above 0.

    >>> disparity_from_depth(Calibration(450.0, 450.0, 320.0, 240.0, 0.1, doffs_px=5.0), [0.9, np.inf]).tolist()
    [45.0, -5.0]
    """
    depth = np.asarray(depth_m, dtype=np.float64)
    return calibration.baseline_m * calibration.focal_x_px / np.where(depth > 0, depth, np.nan) - calibration.doffs_px


def triangulate(calibration: Calibration, u_px: ArrayLike, v_px: ArrayLike, disparity_px: ArrayLike) -> F64:
    """Return positions (..., 3), metres, of left pixels (u, v) with disparity d = u - u_right, each (...), pixels.

        x = b (u - Ox) / (d + doffs)        y = b fx (v - Oy) / (fy (d + doffs))        z = b fx / (d + doffs)

    At infinity a match has a direction and no place: (nan, nan, inf).

    Source: Hartley & Zisserman, section 6.1, solved for x, y, z; with equal principal points, doffs is 0.

    >>> oak = Calibration(452.9, 452.9, 298.85, 245.52, 0.075)
    >>> triangulate(oak, 138, 219, 36).round(4).tolist()
    [-0.3351, -0.0553, 0.9435]
    """
    c = calibration
    u, v, shift = np.broadcast_arrays(
        np.asarray(u_px, dtype=np.float64), np.asarray(v_px, dtype=np.float64), _parallax(c, disparity_px)
    )
    metres_per_pixel = c.baseline_m / np.where(shift > 0, shift, np.nan)
    x = (u - c.centre_x_px) * metres_per_pixel
    y = (v - c.centre_y_px) * metres_per_pixel * (c.focal_x_px / c.focal_y_px)
    return np.stack([x, y, depth_from_disparity(c, np.broadcast_to(disparity_px, shift.shape))], axis=-1)


# How sure that is


def hand_covariance(click_error_px: float) -> F64:
    """Return the (3, 3) covariance of (u, v, d), square pixels, of a point marked by hand in both pictures.

    Each click errs by `click_error_px` (one standard deviation) in u and in v, independently. As d = u - u_right, its
    variance is twice that of one click, and it errs along with u: the covariance of u and d is the variance of u.

    Source: propagation of uncorrelated errors through a linear map, Hartley & Zisserman, section 5.2.1.

    >>> hand_covariance(0.5).tolist()
    [[0.25, 0.0, 0.25], [0.0, 0.25, 0.0], [0.25, 0.0, 0.5]]
    """
    return click_error_px**2 * np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 2.0]])


def matched_covariance(click_error_px: ArrayLike, disparity_error_px: ArrayLike) -> F64:
    """Return the (..., 3, 3) covariance of (u, v, d), square pixels, of a left point whose partner a matcher found.

    The matcher finds the partner of the very pixel that was marked, so its error does not depend on the click's.

    Args:
        click_error_px: (...) one standard deviation of the marked point in u and in v; 0 for a pixel taken as it is.
        disparity_error_px: (...) one standard deviation of the match.
    """
    click, match = np.broadcast_arrays(
        np.square(np.asarray(click_error_px, dtype=np.float64)),
        np.square(np.asarray(disparity_error_px, dtype=np.float64)),
    )
    return np.stack([click, click, match], axis=-1)[..., None] * np.eye(3)


def depth_error(calibration: Calibration, depth_m: ArrayLike, disparity_error_px: ArrayLike) -> F64:
    """Return one standard deviation (...) of depth, metres: dz = z² / (b fx) · dd. Twice as far is four times as bad.

    Source: Gallup et al. 2008; the derivative of z = b fx / (d + doffs).

    >>> depth_error(Calibration(450.0, 450.0, 320.0, 240.0, 0.1), [1.0, 2.0], 0.5).round(4).tolist()
    [0.0111, 0.0444]
    """
    depth, error = np.asarray(depth_m, dtype=np.float64), np.asarray(disparity_error_px, dtype=np.float64)
    return np.where(np.isfinite(depth), depth, np.nan) ** 2 / (calibration.baseline_m * calibration.focal_x_px) * error


def position_covariance(
    calibration: Calibration, u_px: ArrayLike, v_px: ArrayLike, disparity_px: ArrayLike, covariance_px2: ArrayLike
) -> F64:
    """Return the covariance (..., 3, 3) of positions, square metres, from that of their pixels, to first order.

    With s = d + doffs, x = b (u - Ox) / s errs by dx = b/s du - x/s dd, likewise y by dy = b fx / (fy s) dv - y/s dd,
    and z by dz = -z/s dd: all three err together through d, mostly along the line of sight. The covariance is J C Jᵀ,
    J being these derivatives. First order holds while the disparity is many times its error; it knows nothing of
    errors of the calibration, which scale all lengths alike.

    Args:
        calibration: of the pair.
        u_px: (...) as for `triangulate`.
        v_px: (...) likewise.
        disparity_px: (...) likewise.
        covariance_px2: (..., 3, 3) or (3, 3), of (u, v, d): see `hand_covariance` and `matched_covariance`.

    Source: Matthies & Shafer 1987; Hartley & Zisserman, section 5.2.1 (forward propagation of covariance).
    """
    c = calibration
    position = triangulate(c, u_px, v_px, disparity_px)
    shift = _parallax(c, disparity_px)
    shift = np.broadcast_to(np.where(shift > 0, shift, np.nan), position.shape[:-1])
    jacobian = np.zeros((*position.shape, 3))
    jacobian[..., 0, 0] = c.baseline_m / shift
    jacobian[..., 1, 1] = c.baseline_m * c.focal_x_px / (c.focal_y_px * shift)
    jacobian[..., :, 2] = -np.where(np.isfinite(position), position, np.nan) / shift[..., None]
    return jacobian @ np.asarray(covariance_px2, dtype=np.float64) @ np.swapaxes(jacobian, -1, -2)


def distance_and_error(
    start_m: ArrayLike, start_covariance_m2: ArrayLike, end_m: ArrayLike, end_covariance_m2: ArrayLike
) -> tuple[F64, F64]:
    """Return distances (...) between positions (..., 3) and their standard deviations (...), metres, to first order.

    With n the unit vector from start to end, the variance is nᵀ (C_start + C_end) n: only errors along the line
    between the points change its length. The points' errors are taken as independent. A distance of 0 has no
    direction: its error is then that of the whole difference, the root of the trace. NaN where a point is missing or
    at infinity.

    Source: Hartley & Zisserman, section 5.2.1, with the gradient of the Euclidean norm.

    >>> distance, error = distance_and_error((0, 0, 1), np.eye(3) * 9e-6, (0.3, 0.4, 1), np.eye(3) * 16e-6)
    >>> round(float(distance), 6), round(float(error), 6)
    (0.5, 0.005)
    """
    start, end = np.asarray(start_m, dtype=np.float64), np.asarray(end_m, dtype=np.float64)
    difference = np.where(np.isfinite(start) & np.isfinite(end), end, np.nan) - np.where(np.isfinite(start), start, 0)
    covariance = np.asarray(start_covariance_m2, dtype=np.float64) + np.asarray(end_covariance_m2, dtype=np.float64)
    distance = np.linalg.norm(difference, axis=-1)
    direction = difference / np.where(distance > 0, distance, 1)[..., None]
    along = np.einsum("...i,...ij,...j->...", direction, covariance, direction)
    whole = np.trace(covariance, axis1=-2, axis2=-1)
    return distance, np.sqrt(np.where(distance == 0, whole, along))


def _parallax(calibration: Calibration, disparity_px: ArrayLike) -> F64:
    """Return d + doffs (...), pixels, with everything at infinity at exactly 0."""
    return np.maximum(np.asarray(disparity_px, dtype=np.float64) + calibration.doffs_px, 0.0)
