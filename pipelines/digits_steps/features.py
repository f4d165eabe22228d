"""What can be measured on a scan, in blocks: a step and a contract each, joined into one table of examples."""

from collections.abc import Iterable
from typing import Annotated

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray

import flowkit as fk
from pipelines.digits_steps.data import SIDE, Examples, Scans, to_images

ORIENTATIONS = 4


class Block(pa.DataFrameModel):
    """Measurements of scans, joined to others by the scan's number."""

    scan: int = pa.Field(ge=0, unique=True)


class Projection(Block):
    """How dark each row and each column of pixels is."""

    lines: float = pa.Field(alias=r"^projection_(row|column)_[0-7]$", regex=True, ge=0, le=1)


class Zone(Block):
    """How dark each square of neighbouring pixels is."""

    zones: float = pa.Field(alias=r"^zone_\d_\d$", regex=True, ge=0, le=1)


class Symmetry(Block):
    """How far a digit differs from its mirror images, and where its ink lies, in shares of the scan's side."""

    symmetry_left_right: float = pa.Field(ge=0, le=1)
    symmetry_top_bottom: float = pa.Field(ge=0, le=1)
    symmetry_turned: float = pa.Field(ge=0, le=1)
    symmetry_centre_row: float = pa.Field(ge=0, le=1)
    symmetry_centre_column: float = pa.Field(ge=0, le=1)
    symmetry_height: float = pa.Field(ge=0, le=1)
    symmetry_width: float = pa.Field(ge=0, le=1)
    symmetry_slant: float = pa.Field(ge=-1, le=1)


class Edge(Block):
    """How strong edges of each orientation are in each quarter of a scan."""

    edges: float = pa.Field(alias=r"^edge_[0-3]_[0-3]$", regex=True, ge=0)


class Hole(Block):
    """Paper that ink encloses: an 8 has two such places, a 1 none."""

    hole_count: float = pa.Field(ge=0)
    hole_share: float = pa.Field(ge=0, lt=1)


Projections = Annotated[pd.DataFrame, Projection]
Zones = Annotated[pd.DataFrame, Zone]
Symmetries = Annotated[pd.DataFrame, Symmetry]
Edges = Annotated[pd.DataFrame, Edge]
Holes = Annotated[pd.DataFrame, Hole]


@fk.step
def measure_projections(scans: Scans) -> Projections:
    """Average each row and each column of pixels."""
    images = to_images(scans)
    rows = {f"projection_row_{line}": images[:, line, :].mean(axis=1) for line in range(SIDE)}
    columns = {f"projection_column_{line}": images[:, :, line].mean(axis=1) for line in range(SIDE)}
    return _block(scans, rows | columns)


@fk.step
def measure_zones(scans: Scans, size: int = 2) -> Zones:
    """Average squares of `size` by `size` pixels; `size` divides 8."""
    across = SIDE // size
    squares = to_images(scans).reshape(-1, across, size, across, size).mean(axis=(2, 4))
    return _block(
        scans, {f"zone_{row}_{column}": squares[:, row, column] for row, column in np.ndindex(across, across)}
    )


@fk.step
def measure_symmetry(scans: Scans) -> Symmetries:
    """Compare each scan with its mirror images and find the centre, the extent and the slant of its ink."""
    images = to_images(scans)
    mirrored = {"left_right": images[:, :, ::-1], "top_bottom": images[:, ::-1, :], "turned": images[:, ::-1, ::-1]}
    differences = {name: np.abs(images - other).mean(axis=(1, 2)) for name, other in mirrored.items()}
    measured = differences | _moments(images)
    return _block(scans, {f"symmetry_{name}": values for name, values in measured.items()})


@fk.step
def measure_edges(scans: Scans) -> Edges:
    """Sum the strength of edges by orientation in each quarter of a scan."""
    down, right = np.gradient(to_images(scans), axis=(1, 2))
    strength = np.hypot(down, right)
    # An edge from paper to ink and one from ink to paper have the same orientation: half a turn is all there is.
    orientation = (np.arctan2(down, right) % np.pi / np.pi * ORIENTATIONS).astype(int) % ORIENTATIONS
    half = SIDE // 2
    columns = {}
    for quarter, (top, left) in enumerate([(0, 0), (0, half), (half, 0), (half, half)]):
        window = (slice(None), slice(top, top + half), slice(left, left + half))
        for wanted in range(ORIENTATIONS):
            found = np.where(orientation[window] == wanted, strength[window], 0.0)
            columns[f"edge_{quarter}_{wanted}"] = found.sum(axis=(1, 2))
    return _block(scans, columns)


@fk.step
def measure_holes(scans: Scans, darkness: float = 0.3) -> Holes:
    """Count the places where paper is enclosed by pixels of at least `darkness`, and their share of the scan."""
    paper = to_images(scans) < darkness
    enclosed = paper & ~_reached_from_border(paper)
    count = [_count_places(image) for image in enclosed]
    return _block(scans, {"hole_count": np.array(count, dtype=float), "hole_share": enclosed.mean(axis=(1, 2))})


@fk.step
def join_features(
    scans: Scans, projections: Projections, zones: Zones, symmetries: Symmetries, edges: Edges, holes: Holes
) -> Examples:
    """Join all measurements of a scan with the digit that it shows."""
    return _join(scans[["scan", "digit"]], [projections, zones, symmetries, edges, holes])


def _join(rows: pd.DataFrame, blocks: Iterable[pd.DataFrame]) -> pd.DataFrame:
    for block in blocks:
        rows = rows.merge(block, on="scan", how="left", validate="one_to_one")
    return rows


def _block(scans: pd.DataFrame, columns: dict[str, NDArray[np.float64]]) -> pd.DataFrame:
    return pd.DataFrame({"scan": scans["scan"].to_numpy(), **columns})


def _moments(images: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return where the ink of each image lies: its centre, its spread down and across, and how the two go together."""
    weights = images / images.sum(axis=(1, 2), keepdims=True)
    place = (np.arange(SIDE) + 0.5) / SIDE
    rows, columns = weights.sum(axis=2), weights.sum(axis=1)
    row, column = rows @ place, columns @ place
    height, width = np.sqrt(rows @ place**2 - row**2), np.sqrt(columns @ place**2 - column**2)
    together = np.einsum("nrc,r,c->n", weights, place, place) - row * column
    return {"centre_row": row, "centre_column": column, "height": height, "width": width, "slant": together}


def _reached_from_border(paper: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the paper that is connected with the border, of images of shape (images, 8, 8)."""
    reached = np.zeros_like(paper)
    reached[:, [0, -1], :] = paper[:, [0, -1], :]
    reached[:, :, [0, -1]] = paper[:, :, [0, -1]]
    return _grow(reached, paper)


def _grow(seed: NDArray[np.bool_], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return `seed` grown through `inside`, from pixel to pixel up, down, left and right, until nothing is added."""
    while True:
        grown = seed.copy()
        grown[..., 1:, :] |= seed[..., :-1, :]
        grown[..., :-1, :] |= seed[..., 1:, :]
        grown[..., :, 1:] |= seed[..., :, :-1]
        grown[..., :, :-1] |= seed[..., :, 1:]
        grown &= inside
        if np.array_equal(grown, seed):
            return grown
        seed = grown


def _count_places(image: NDArray[np.bool_]) -> int:
    """Return the number of connected places in one image of shape (8, 8)."""
    left, count = image.copy(), 0
    while left.any():
        seed = np.zeros_like(left)
        seed.flat[int(left.argmax())] = True
        left &= ~_grow(seed, left)
        count += 1
    return count
