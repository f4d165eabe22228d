"""The steps of the digits example, called as the plain functions that they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines.digits_steps import data, features, models, reports

RING = [
    "........",
    "..####..",
    "..#..#..",
    "..#..#..",
    "..#..#..",
    "..####..",
    "........",
    "........",
]
EIGHT = [
    "..####..",
    "..#..#..",
    "..#..#..",
    "..####..",
    "..#..#..",
    "..#..#..",
    "..####..",
    "........",
]
OPEN = [row.replace("#..#", "#...") for row in RING]
BAR = ["...##..."] * 8


def drawn(*pictures: list[str]) -> pd.DataFrame:
    """Return scans of pictures, where `#` is ink."""
    rows = [[data.DARKEST * (pixel == "#") for line in picture for pixel in line] for picture in pictures]
    frame = pd.DataFrame(rows, columns=data.PIXELS)
    return frame.assign(scan=range(len(rows)), digit=0)


@pytest.fixture(scope="module")
def scans() -> pd.DataFrame:
    """Return the bundled scans."""
    return data.validate(data.ingest())


def test_holes_are_paper_that_ink_encloses() -> None:
    """A ring has one hole, an 8 two, an open ring and a bar none; the share counts the enclosed pixels."""
    holes = features.measure_holes(drawn(RING, EIGHT, OPEN, BAR))

    assert holes["hole_count"].tolist() == [1, 2, 0, 0]
    assert holes["hole_share"].tolist() == [6 / 64, 8 / 64, 0, 0]


def test_paper_that_touches_at_a_corner_is_apart() -> None:
    """Paper is connected up, down, left and right, and not across a corner."""
    corner = ["........", ".###....", ".#.#....", ".##.#...", "..###...", "........", "........", "........"]

    assert features.measure_holes(drawn(corner))["hole_count"].tolist() == [2]


def test_symmetric_scan_equals_its_mirror_images() -> None:
    """A centred bar differs from none of its mirror images, lies in the middle and does not slant."""
    (bar,) = features.measure_symmetry(drawn(BAR)).to_dict("records")

    assert (bar["symmetry_left_right"], bar["symmetry_top_bottom"], bar["symmetry_turned"]) == (0, 0, 0)
    assert bar["symmetry_centre_row"] == pytest.approx(0.5)
    assert bar["symmetry_centre_column"] == pytest.approx(0.5)
    assert bar["symmetry_slant"] == pytest.approx(0)
    assert bar["symmetry_height"] > bar["symmetry_width"]


def test_projections_and_zones_keep_the_ink(scans: pd.DataFrame) -> None:
    """Rows, columns and zones of a scan each hold all of its ink: their means agree."""
    ink = data.to_images(scans).mean(axis=(1, 2))
    projections = features.measure_projections(scans).drop(columns="scan")

    np.testing.assert_allclose(projections.filter(like="row").mean(axis=1), ink)
    np.testing.assert_allclose(projections.filter(like="column").mean(axis=1), ink)
    for size in (1, 2, 4):
        np.testing.assert_allclose(features.measure_zones(scans, size).drop(columns="scan").mean(axis=1), ink)


def test_edges_of_a_bar_are_upright() -> None:
    """A bar has edges across and none along it, as strong on the left as on the right."""
    (bar,) = features.measure_edges(drawn(BAR)).drop(columns="scan").to_dict("records")

    assert {name for name, strength in bar.items() if strength > 0} == {f"edge_{quarter}_0" for quarter in range(4)}
    assert bar["edge_0_0"] == pytest.approx(bar["edge_1_0"])


def test_parts_are_disjoint_and_stratified(scans: pd.DataFrame) -> None:
    """Every scan has one part, the parts have their sizes, and each digit is as frequent in each of them."""
    parts = data.assign_parts(scans, seed=3).merge(scans[["scan", "digit"]], on="scan", validate="one_to_one")

    assert parts["part"].value_counts(normalize=True).round(2).to_dict() == {
        "train": 0.6,
        "validation": 0.2,
        "test": 0.2,
    }
    shares = parts.groupby("part")["digit"].value_counts(normalize=True).unstack()
    assert float((shares.max() - shares.min()).max()) < 0.01


def test_share_that_teaches_leaves_the_test_alone(scans: pd.DataFrame) -> None:
    """What is judged by does not depend on how many scans teach."""
    few, many = (data.assign_parts(scans, share)["part"] for share in (0.2, 0.7))

    assert ((few == "test") == (many == "test")).all()
    assert (few == "train").sum() < (many == "train").sum()


@pytest.mark.parametrize("temperature", [0.2, 1.0, 5.0])
def test_temperature_keeps_the_order_of_classes(temperature: float) -> None:
    """Tempered probabilities sum to 1 and name the same class; a higher temperature makes them less sure."""
    probabilities = np.random.default_rng(0).dirichlet(np.ones(10), size=50)

    tempered = models.temper(probabilities, temperature)

    np.testing.assert_allclose(tempered.sum(axis=1), 1)
    np.testing.assert_array_equal(tempered.argmax(axis=1), probabilities.argmax(axis=1))
    surer = tempered.max(axis=1) - probabilities.max(axis=1)
    assert np.all(surer * np.sign(1 - temperature) >= -1e-9)


def test_perfect_confidence_has_no_calibration_error() -> None:
    """The error is the distance between confidence and accuracy, weighted by how many scans it is about."""
    bins = pd.DataFrame({"bin": [0, 1], "scans": [1, 3], "confidence": [0.5, 0.9], "accuracy": [0.5, 0.5]})

    assert reports.calibration_error(bins) == pytest.approx(0.3)
    assert reports.calibration_error(bins.assign(accuracy=bins["confidence"])) == 0


def test_ranking_keeps_the_order_of_equals() -> None:
    """The best comes first; among equals the family and the setting that were named first."""
    ranking = models.rank_candidates({"a": [0.5, 0.9], "b": [0.9]}, {"a": [1, 2], "b": [3]})

    assert list(zip(ranking["family"], ranking["setting"], strict=True)) == [("a", 2), ("b", 3), ("a", 1)]
