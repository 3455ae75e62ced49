"""The pieces that "Show code" is put together from, as text with places for the run's own numbers."""

from __future__ import annotations

PICTURES = """
import cv2
from PIL import Image, ImageOps

left, right = (
    np.asarray(ImageOps.exif_transpose(Image.open(name)).convert("RGB")) for name in ("left.png", "right.png")
)
"""

PICTURE = """
import cv2
from PIL import Image, ImageOps

left = np.asarray(ImageOps.exif_transpose(Image.open("left.png")).convert("RGB"))
right = left
disparity = None
"""

NO_PICTURES = """
left = None  # no pictures: every partner was marked by hand
"""

SHRINK = """
left, right = (
    np.asarray(Image.fromarray(picture).resize({size}, Image.Resampling.BILINEAR)) for picture in (left, right)
)
"""

STRAIGHTEN = """
size = left.shape[1::-1]
left = cv2.warpPerspective(left, np.array({here}), size, flags=cv2.INTER_CUBIC)
right = cv2.warpPerspective(right, np.array({there}), size, flags=cv2.INTER_CUBIC)
"""

WIDEN = """
# OpenCV searches only where the whole range fits into the picture, so both are widened.
before, after = max(lowest + count, 0), max(-lowest, 0)
wide = [cv2.copyMakeBorder(picture, 0, 0, before, after, cv2.BORDER_REPLICATE) for picture in (left, right)]
"""

SEMI_GLOBAL_MATCHER = (
    WIDEN
    + """matcher = cv2.StereoSGBM_create(
    minDisparity=lowest,
    numDisparities=count,
    blockSize={block},
    P1={small},
    P2={large},
    disp12MaxDiff={left_right},
    preFilterCap=63,
    uniquenessRatio={uniqueness},
    mode=cv2.StereoSGBM_MODE_SGBM_3WAY,
)
sixteenths = matcher.compute(*wide)
empty = (lowest - 1) * 16
"""
)

BLOCK_MATCHER = (
    WIDEN
    + """wide = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in wide]
matcher = cv2.StereoBM_create(count, {block})
matcher.setMinDisparity(lowest)
matcher.setUniquenessRatio({uniqueness})
matcher.setDisp12MaxDiff({left_right})
sixteenths = matcher.compute(*wide)
empty = (lowest - 1) * 16
"""
)

CHECK_RIGHT = """
wider = [cv2.copyMakeBorder(picture, 0, 0, 0, before, cv2.BORDER_REPLICATE) for picture in wide[::-1]]
from_right = cv2.ximgproc.createRightMatcher(matcher).compute(*wider)[:, : wide[0].shape[1]]
there = np.clip(np.arange(sixteenths.shape[1]) - (sixteenths + 8) // 16, 0, sixteenths.shape[1] - 1)
disagreement = np.abs(sixteenths + np.take_along_axis(from_right, there.astype(int), 1))
sixteenths[disagreement > {left_right} * 16] = empty
"""

SPECKLES = """
cv2.filterSpeckles(sixteenths, empty, {speckle}, 2 * 16)
"""

DENSE = """
sixteenths = sixteenths[:, before : before + left.shape[1]]
disparity = sixteenths.astype(np.float32) / np.float32(16)
found = sixteenths > empty
"""

FILTER = """
around, far = np.ones((5, 5), np.uint8), np.float32(1e6)
spread = cv2.dilate(np.where(found, disparity, -far), around) - cv2.erode(np.where(found, disparity, far), around)
sure = np.where(found, 1 / (1 + np.maximum(spread - 1, 0)) ** 2, np.float32(0)).astype(np.float32)
smoother = cv2.ximgproc.createFastGlobalSmootherFilter(left, 100.0, 1.5)
support = smoother.filter(sure)
smooth = smoother.filter(sure * np.where(found, disparity, np.float32(0))) / np.maximum(support, 1e-6)
disparity = np.where(found & (support > 0.5), disparity, smooth).astype(np.float32)
found |= support >= 1e-3
"""

VALID = """
landing = np.arange(left.shape[1], dtype=np.float32) - disparity
disparity[~found | (landing < -0.5) | (landing > left.shape[1] - 0.5)] = np.nan
matches = None
"""

SIFT = """
sift = cv2.SIFT_create(nfeatures={keypoints}, contrastThreshold={contrast})
(here, first), (there, second) = (
    sift.detectAndCompute(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), None) for picture in (left, right)
)
matches = []
if min(len(here), len(there)) >= 2:
    back = {{match.queryIdx: match.trainIdx for match in cv2.BFMatcher().match(second, first)}}
    for best, other in cv2.BFMatcher().knnMatch(first, second, k=2):
        if best.distance < {ratio} * other.distance and back[best.trainIdx] == best.queryIdx:
            matches.append((*here[best.queryIdx].pt, *there[best.trainIdx].pt))
matches = np.array(list(dict.fromkeys(matches)), np.float32).reshape(-1, 4)
"""

KEYPOINTS = """
import torch
from transformers import AutoImageProcessor, AutoModelForKeypointMatching

# float32, on the CPU; a GPU run is in half precision. The keypoint-matching pipeline does the same, but rounds places
# down to whole pixels, and takes the width of a picture for its height.
processor = AutoImageProcessor.from_pretrained({path}, backend="pil")
model = AutoModelForKeypointMatching.from_pretrained({path}, dtype=torch.float32).eval()
with torch.inference_mode():
    outputs = model(**processor([Image.fromarray(left), Image.fromarray(right)], return_tensors="pt"))
places, partners = outputs.keypoints[0].numpy(), outputs.matches[0].long().numpy()
sure = outputs.matching_scores[0, 0].numpy() > {score}
kept = np.nonzero(sure & (partners[0] > -1) & (partners[0] < places.shape[1]))[0]
paired = "loftr" in model.config.model_type  # its places of equal number are partners
matches = np.concatenate([places[0][kept], places[1][kept if paired else partners[0][kept]]], axis=1)
size = np.array(left.shape[1::-1] * 2, np.float32)
seen = np.array([processor.size["width"], processor.size["height"]] * 2, np.float32)
matches = (matches * size + (size / seen - 1) / 2).astype(np.float32)
matches = matches[np.abs(matches[:, 1] - matches[:, 3]) <= {rows}]
disparity = None
"""

DEPTH = """
import torch
from transformers import AutoImageProcessor, AutoModelForDepthEstimation, pipeline

# float32, on the CPU; a GPU run is in half precision. Depth Pro's own image processor needs torchvision.
model = AutoModelForDepthEstimation.from_pretrained({path}, dtype=torch.float32).eval()
metric = model.config.model_type == "depth_pro" or model.config.depth_estimation_type == "metric"
backend = {{}} if model.config.model_type == "depth_pro" else {{"backend": "pil"}}
processor = AutoImageProcessor.from_pretrained({path}, **backend)
said = pipeline("depth-estimation", model=model, image_processor=processor)(Image.fromarray(left))["predicted_depth"]
said = said.detach().float().numpy()
if disparity is None:
    scale = 1.0
else:  # give the model the scale of stereo
    shift = disparity.astype(np.float64) + doffs
    common = np.isfinite(shift) & (shift > 0) & ((said > 0) | (not metric))
    if metric:
        scale = np.median(baseline * fx / np.maximum(disparity[common].astype(np.float64) + doffs, 0) / said[common])
    else:
        x, y = said[common].astype(np.float64), shift[common]
        kept = np.ones(len(x), bool)
        for _ in range(5):
            (scale, offset), *_ = np.linalg.lstsq(np.stack([x[kept], np.ones(kept.sum())], axis=1), y[kept], rcond=None)
            residual = np.abs(scale * x + offset - y)
            kept = residual <= np.quantile(residual, 0.8)
if metric:
    scaled = (said * float(scale)).astype(np.float64)
    disparity = baseline * fx / np.where(scaled > 0, scaled, np.nan) - doffs
else:
    disparity = float(scale) * said.astype(np.float64) + float(offset) - doffs
disparity = disparity.astype(np.float32)
disparity[~np.isfinite(disparity) | (disparity + doffs <= 0)] = np.nan
matches = None
"""

CENSUS = """
from dataclasses import dataclass

import torch
from torch import Tensor

CENSUS_HEIGHT, CENSUS_WIDTH = {height}, {width}
MOST_DIFFERENCE, DIFFERENCE_WEIGHT, WORST = {most}, {weight}, {worst}
SMALL_PENALTY, LARGE_PENALTY = {small}, {large}


@dataclass
class SearchRange:
    minimum_px: int
    count: int


class Watch:
    def raise_if_all_cancelled(self):
        pass


{functions}

small_left, small_right, searched = left, right, SearchRange(lowest, count)
{smaller}with torch.inference_mode():
    answer = aggregate(
        torch.from_numpy(small_left.copy()),
        torch.from_numpy(small_right.copy()),
        searched,
        paths={paths},
        uniqueness={uniqueness},
        watch=Watch(),
    )
disparity = cv2.medianBlur(answer.disparity_px.numpy(), 3)
width = disparity.shape[1]
landing = np.arange(width) - disparity
found = answer.unique.numpy()
if {left_right} >= 0:
    there = np.clip(np.rint(landing), 0, width - 1).astype(int)
    found &= np.abs(np.take_along_axis(answer.right_px.numpy(), there, 1) - disparity) <= {left_right} + 0.5
sixteenths, empty = np.rint(disparity * 16).astype(np.int16), (searched.minimum_px - 1) * 16
sixteenths[~found] = empty
cv2.filterSpeckles(sixteenths, empty, 100, 2 * 16)
disparity[(sixteenths == empty) | (landing < -0.5) | (landing > width - 0.5)] = np.nan
{larger}matches = None
"""

OWN = """
def dense(u, v):
    return None if disparity is None else disparity_at(disparity, u, v, {most})
"""

SURFACE = """
def dense(u, v):
    plane = plane_at(disparity, u, v)
    return disparity_at(disparity, u, v) if plane is None else plane[0]
"""

PARTNERS = """
def slide(u, v):  # the patch round the point, along its row of the right picture
    low, high = lowest, lowest + count - 1
    if matches is not None and len(matches) >= 4:
        nearest = matches[np.argsort(np.hypot(matches[:, 0] - u, matches[:, 1] - v))[:4]]
        shifts = nearest[:, 0] - nearest[:, 2]
        margin = 6.0 + float(np.ptp(shifts)) / 2
        low, high = math.floor(shifts.min() - margin), math.ceil(shifts.max() + margin)
    curve = score_curve(left, right, u, v, (low, high))
    if curve is None:
        return None
    peak = peak_of(*curve)
    _, refuted = judged(left, right, u, v, peak, (low, high))
    return None if refuted else peak.disparity_px


def nearby(u, v):  # the nearest sparse match
    if matches is None or not len(matches):
        return None
    away = np.hypot(matches[:, 0] - u, matches[:, 1] - v)
    best = int(away.argmin())
    return float(matches[best, 0] - matches[best, 2]) if away[best] <= 3 else None


def partner(u, v):
    for look in (dense, slide, nearby):
        found = look(u, v)
        if found is not None:
            return found
    return None
"""

PLACES = """
def inside(u, v):
    return left is None or (-0.5 <= u <= left.shape[1] - 0.5 and -0.5 <= v <= left.shape[0] - 0.5)


places = {{}}
for name, (u, v, u_right, v_right) in points.items():
    d = None
    if inside(u, v) and u_right is not None and inside(u_right, v_right):
        d = u - u_right
    elif inside(u, v) and u_right is None and left is not None:
        found = partner(u, v)
        d = None if found is None else u - (u - found)
    if d is None or d + doffs <= 0:
        print(f"{{name}}: no position")
        continue
    x, y = (u - cx) * baseline / (d + doffs), (v - cy) * baseline / (d + doffs) * (fx / fy)
    places[name] = np.array([x, y, baseline * fx / (d + doffs)])
    x, y, z = (f"{{length * {per_metre!r}:.{decimals}f}}" for length in places[name].tolist())
    print(f"{{name}}: x {{x}}, y {{y}}, z {{z}} {unit}")
for start, end in dimensions:
    if start in places and end in places:
        length = float(np.linalg.norm(places[end] - places[start]))
        print(f"{{start}} to {{end}}: {{length * {per_metre!r}:.{decimals}f}} {unit}")
    else:
        print(f"{{start}} to {{end}}: no length")
"""
