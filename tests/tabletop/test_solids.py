from __future__ import annotations

import math

import numpy as np
import pytest

from tabletop.solids import (
    UNIT_FOOTPRINT,
    UNIT_HEIGHT,
    bounding_rims,
    footprint_radius_m,
    height_m,
    surface,
    unit_mesh,
    unit_normals,
    unit_surface,
)
from tabletop.world import SHAPES, SIZES, Solid


@pytest.mark.parametrize("shape", SHAPES)
def test_a_mesh_is_closed_and_faces_outwards(shape: str) -> None:
    vertices, faces = unit_mesh(shape)
    _, welded = np.unique(vertices.round(6), axis=0, return_inverse=True)  # a pole is one point, many vertices
    ring = welded.ravel()[faces.astype(np.int64)]
    ring = ring[(ring[:, 0] != ring[:, 1]) & (ring[:, 1] != ring[:, 2]) & (ring[:, 2] != ring[:, 0])]
    edges = np.concatenate([ring[:, [0, 1]], ring[:, [1, 2]], ring[:, [2, 0]]])
    there = {tuple(edge) for edge in edges.tolist()}
    assert all((b, a) in there for a, b in there), "every edge is used once in each direction"

    corners = vertices[faces].astype(np.float64)
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert volume > 0


@pytest.mark.parametrize("shape", SHAPES)
def test_a_mesh_fills_its_stated_height_and_footprint(shape: str) -> None:
    vertices, _ = unit_mesh(shape)
    assert vertices[:, 2].min() == pytest.approx(0, abs=1e-6)
    assert vertices[:, 2].max() == pytest.approx(UNIT_HEIGHT[shape], abs=1e-6)
    assert np.hypot(vertices[:, 0], vertices[:, 1]).max() == pytest.approx(UNIT_FOOTPRINT[shape], abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_exact_normals_agree_with_the_facets_of_the_mesh(shape: str) -> None:
    vertices, faces = unit_mesh(shape)
    corners = vertices[faces].astype(np.float64)
    facet = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facet /= np.linalg.norm(facet, axis=1, keepdims=True)
    exact = unit_normals(shape, corners.mean(axis=1))
    np.testing.assert_allclose(np.linalg.norm(exact, axis=1), 1, atol=1e-6)
    assert np.einsum("ij,ij->i", facet, exact).min() > math.cos(math.radians(3))


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="got 'pyramid'"):
        unit_normals("pyramid", np.zeros((1, 3)))
    with pytest.raises(ValueError, match="got 'pyramid'"):
        unit_mesh("pyramid")


def test_surface_points_cover_a_sphere_evenly() -> None:
    points, normals = unit_surface("sphere")
    np.testing.assert_allclose(points.mean(axis=0), (0, 0, 0.5), atol=0.02)
    np.testing.assert_allclose(points, (0, 0, 0.5) + 0.5 * normals, atol=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", SIZES)
def test_the_surface_in_the_world_stays_inside_the_bounding_cylinder(shape: str, size: str) -> None:
    solid = Solid(shape, "red", size, x_m=0.1, y_m=-0.2, yaw_rad=0.7)
    points, normals = surface(solid)
    assert np.hypot(points[:, 0] - 0.1, points[:, 1] + 0.2).max() <= footprint_radius_m(solid) + 1e-9
    assert points[:, 2].min() >= -1e-9
    assert points[:, 2].max() <= height_m(solid) + 1e-9
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
    rims = bounding_rims(solid)
    assert (rims.min(axis=0) <= points.min(axis=0) + 1e-9).all()
    assert (rims.max(axis=0) >= points.max(axis=0) - 1e-9).all()
