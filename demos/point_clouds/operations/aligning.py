"""The rigid transform between two clouds (o3d.t): a first guess from what surfaces look like, then a fine fit.

Plain Open3D and NumPy: these functions are copied into scripts as they stand.

Sources: Rusu, Blodow & Beetz 2009, "Fast Point Feature Histograms (FPFH) for 3D registration", ICRA; Fischler & Bolles
1981, "Random sample consensus", CACM 24(6); Zhou, Park & Koltun 2016, "Fast global registration", ECCV; Chen & Medioni
1992, "Object modelling by registration of multiple range images", IVC 10(3) (point to plane); Park, Zhou & Koltun 2017,
"Colored point cloud registration revisited", ICCV.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from demos.point_clouds.operations.thinning import one_a_voxel


def detail_of(first: Any, second: Any) -> float:
    """Return the size of a detail of two clouds: a fiftieth of the diagonal of the smaller one's box."""
    extents = (cloud.get_max_bound() - cloud.get_min_bound() for cloud in (first, second))
    return float(min(np.linalg.norm(extent.cpu().numpy()) for extent in extents)) / 50


def registration(
    still: Any, moving: Any, size: float, coarse: str, fine: str, seed: int, check: Any = lambda: None
) -> dict[str, Any]:
    """Find the rigid transform of a moving cloud (o3d.t) onto another; `size` is that of a detail.

    Returns:
        transform (4, 4), fitness (the share of the moving cloud that has a partner within 3/4 of a detail), rmse (of
        the distances to these partners), and coarse_fitness (the same share before the fine fit).
    """
    import open3d as o3d

    method = o3d.t.pipelines.registration
    clouds = [with_normals(one_a_voxel(cloud, size), 2 * size) for cloud in (still, moving)]
    transform = np.eye(4)
    if coarse != "none":
        features = [method.compute_fpfh_feature(cloud, max_nn=100, radius=5 * size) for cloud in clouds]
        check()
        guess = ransac if coarse == "RANSAC" else fast_global
        transform = guess(clouds[1], clouds[0], features[1], features[0], size, seed)
        check()
    finer = [with_normals(one_a_voxel(cloud, size / 2), 2 * size) for cloud in (still, moving)]
    near = 0.75 * size
    before = method.evaluate_registration(finer[1], finer[0], near, o3d.core.Tensor(transform))
    finest = [with_normals(one_a_voxel(cloud, size / 4), 2 * size) for cloud in (still, moving)]
    stages = ((clouds, 1.5 * size), (finer, near), (finest, near / 2))
    for (target, source), within in stages if fine != "none" else ():
        check()
        fit = fit_colours if fine == "coloured" else fit_planes
        transform = fit(source, target, within, transform)
    result = method.evaluate_registration(finer[1], finer[0], near, o3d.core.Tensor(transform))
    return {
        "transform": transform,
        "fitness": float(result.fitness),
        "rmse": float(result.inlier_rmse),
        "coarse_fitness": float(before.fitness),
    }


def with_normals(cloud: Any, radius: float) -> Any:
    """Return a cloud with normals, estimated from the neighbours within `radius`."""
    cloud.estimate_normals(max_nn=30, radius=radius)
    return cloud


def fit_planes(source: Any, target: Any, within: float, transform: np.ndarray) -> np.ndarray:
    """Return the (4, 4) transform refined by ICP, point to plane, with partners up to `within`."""
    import open3d as o3d

    method = o3d.t.pipelines.registration
    criteria = method.ICPConvergenceCriteria(1e-9, 1e-9, 100)
    start, planes = o3d.core.Tensor(transform), method.TransformationEstimationPointToPlane()
    return method.icp(source, target, within, start, planes, criteria).transformation.cpu().numpy()


def fit_colours(source: Any, target: Any, within: float, transform: np.ndarray) -> np.ndarray:
    """Return the (4, 4) transform refined by coloured ICP, with partners up to `within`.

    By Open3D's older interface: the newer one was off by a tenth of a slide that this one found to nine digits.
    """
    import open3d as o3d

    method = o3d.pipelines.registration
    criteria = method.ICPConvergenceCriteria(1e-9, 1e-9, 100)
    return np.array(
        method.registration_colored_icp(
            source.to_legacy(),
            target.to_legacy(),
            within,
            transform,
            method.TransformationEstimationForColoredICP(),
            criteria,
        ).transformation
    )


def ransac(source: Any, target: Any, source_features: Any, target_features: Any, size: float, seed: int) -> np.ndarray:
    """Return the (4, 4) transform of three matched points under which most of the source lies on the target.

    Of all triples tried, the twenty that most matches agree with (within 1.5 details) are fitted to these matches and
    compared by how much of the clouds overlaps. Open3D's own draws on several threads, and never the same twice.
    """
    import open3d as o3d

    method, near = o3d.t.pipelines.registration, 1.5 * size
    pairs = method.correspondences_from_features(
        source_features, target_features, mutual_filter=True, mutual_consistency_ratio=0.01
    )
    pairs = pairs.cpu().numpy()
    here = source.point.positions.cpu().numpy()[pairs[:, 0]]
    there = target.point.positions.cpu().numpy()[pairs[:, 1]]
    drawn = np.random.default_rng(seed).integers(0, len(pairs), (200_000, 3))
    sides = [np.linalg.norm(ends[drawn] - ends[np.roll(drawn, 1, 1)], axis=2) for ends in (here, there)]
    least, most = np.minimum(*sides), np.maximum(*sides)
    drawn = drawn[((least >= 0.9 * most) & (least > size)).all(1)][:4000]  # equal triangles that are not tiny
    agreeing = [np.zeros((0, len(pairs)), bool)]
    for chosen in np.array_split(drawn, range(100, len(drawn), 100)):
        rigid = rigid_between(here[chosen], there[chosen])
        moved = here @ rigid[:, :3, :3].transpose(0, 2, 1) + rigid[:, None, :3, 3]
        agreeing.append(((moved - there) ** 2).sum(axis=2) < near**2)
    agree = np.concatenate(agreeing)
    best, transform = -1.0, np.eye(4)
    for which in agree[np.argsort(-agree.sum(axis=1), kind="stable")[:20]]:
        if which.sum() > 3:
            rigid = rigid_between(here[None, which], there[None, which])[0]
            fitness = method.evaluate_registration(source, target, near, o3d.core.Tensor(rigid)).fitness
            if fitness > best:
                best, transform = fitness, rigid
    return transform


def rigid_between(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the rigid transforms (B, 4, 4) that bring points (B, K, 3) nearest to their partners, least squares.

    Source: Umeyama 1991, "Least-squares estimation of transformation parameters between two point patterns", PAMI.
    """
    middles = here.mean(1, keepdims=True), there.mean(1, keepdims=True)
    u, _, v = np.linalg.svd((there - middles[1]).transpose(0, 2, 1) @ (here - middles[0]))
    mirrored = np.linalg.det(u @ v) < 0
    u[mirrored, :, 2] *= -1
    transforms = np.tile(np.eye(4), (len(here), 1, 1))
    transforms[:, :3, :3] = u @ v
    transforms[:, :3, 3] = (middles[1] - middles[0] @ (u @ v).transpose(0, 2, 1))[:, 0]
    return transforms


def fast_global(
    source: Any, target: Any, source_features: Any, target_features: Any, size: float, seed: int
) -> np.ndarray:
    """Return the (4, 4) transform of fast global registration, which weighs all matches and leaves out none."""
    import open3d as o3d

    method = o3d.pipelines.registration
    features = []
    for values in (source_features, target_features):
        features.append(method.Feature())
        features[-1].data = values.cpu().numpy().T.astype(np.float64)
    o3d.utility.random.seed(seed)
    result = method.registration_fgr_based_on_feature_matching(
        source.to_legacy(),
        target.to_legacy(),
        *features,
        method.FastGlobalRegistrationOption(maximum_correspondence_distance=0.5 * size),
    )
    return np.array(result.transformation)


def brought(still: Any, moving: Any, transform: np.ndarray, result: str, paint: str) -> Any:
    """Return two clouds (o3d.t) as one, or the second alone, moved; with normals and colours that all points have.

    Where only one cloud has colours of its own, the other is grey.
    """
    import open3d as o3d

    clouds = [still.clone(), moving.clone().transform(o3d.core.Tensor(transform))]
    coloured = any("colors" in cloud.point for cloud in clouds)
    for cloud, colour in zip(clouds, ((230, 130, 30), (40, 110, 220)), strict=True):
        if paint == "orange and blue" or (coloured and "colors" not in cloud.point):
            rgb = colour if paint == "orange and blue" else (160, 160, 160)
            painted = np.tile(np.array(rgb, np.uint8), (len(cloud.point.positions), 1))
            cloud.point.colors = o3d.core.Tensor(painted).to(cloud.device)
    kept = clouds[1:] if result == "the second cloud" else clouds
    made = o3d.t.geometry.PointCloud(still.device)
    for name in ("positions", "colors", "normals"):
        if all(name in cloud.point for cloud in kept):
            parts = [cloud.point[name] for cloud in kept]
            made.point[name] = o3d.core.concatenate(parts, 0) if len(parts) > 1 else parts[0]
    return made


DEFINITIONS = (
    detail_of,
    registration,
    with_normals,
    fit_planes,
    fit_colours,
    ransac,
    rigid_between,
    fast_global,
    brought,
)
