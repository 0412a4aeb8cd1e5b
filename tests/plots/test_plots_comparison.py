import math
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.collections import FillBetweenPolyCollection, LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from vaelib import paired_differences
from vaelib.plots import plot_differences, plot_learning_curves

FRAME = pd.DataFrame(
    {
        "schedule": ["linear", "cosine", "cyclical", "geco"],
        "baseline": "constant",
        "measure": "negative_elbo",
        "dropped": [0, 0, 2, 9],
        "difference": [-3.0, 0.1, 4.0, math.nan],
        "low": [-4.0, -0.5, -math.inf, math.nan],
        "high": [-2.0, 0.7, math.inf, math.nan],
        "smallest_effect": 1.0,
        "verdict": ["better", "no practical difference", "cannot tell at this size", "cannot tell at this size"],
    }
)


def drawn(ax: plt.Axes, kind: type) -> list[Any]:
    return [artist for artist in ax.collections if isinstance(artist, kind)]


def test_differences_with_intervals() -> None:
    ax = plot_differences(FRAME)
    (dots,) = drawn(ax, PathCollection)
    left, right = ax.get_xlim()
    assert (left, right) == pytest.approx((-4.4, 4.4))  # a twentieth more than −4 to 4 on each side
    assert [line.get_segments()[0].tolist() for line in drawn(ax, LineCollection)] == [
        [[-4.0, 0.0], [-2.0, 0.0]],
        [[-0.5, 1.0], [0.7, 1.0]],
        [[left, 2.0], [right, 2.0]],  # without ends
    ]
    assert dots.get_offsets()[:3].tolist() == [[-3.0, 0.0], [0.1, 1.0], [4.0, 2.0]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["linear", "cosine", "cyclical", "geco"]
    assert ax.get_ylim() == (3.5, -0.5)  # the first above
    assert ax.get_xlabel() == "difference from constant\nin negative ELBO (nats per example)"
    ax.figure.canvas.draw()


def test_the_line_of_no_difference_and_the_band_that_does_not_matter() -> None:
    ax = plot_differences(FRAME)
    assert [list(line.get_xdata()) for line in ax.lines] == [[0.0, 0.0]]
    (band,) = (patch for patch in ax.patches if isinstance(patch, Rectangle))
    assert (band.get_x(), band.get_x() + band.get_width()) == (-1.0, 1.0)


def test_verdicts_stand_beside_their_intervals() -> None:
    ax = plot_differences(FRAME)
    assert [(text.get_text(), text.xy) for text in ax.texts] == [
        ("better", (1, 0)),
        ("no practical difference", (1, 1)),
        ("cannot tell at this size (2 dropped)", (1, 2)),
        ("cannot tell at this size (9 dropped)", (1, 3)),
    ]
    (dots,) = drawn(ax, PathCollection)
    colours = [to_hex(colour) for colour in dots.get_facecolors()]
    assert len(set(colours[:3])) == 3
    assert colours[2] == colours[3]


@pytest.mark.parametrize("differences", [[0.0, 0.0], [math.nan, math.nan]])
def test_one_schedule_without_any_width(differences: list[float]) -> None:
    table = pd.DataFrame(
        {"schedule": ["constant"] * 2 + ["a"] * 2, "seed": [0, 1] * 2, "active_units": [0.0, 0, *differences]}
    )
    frame = paired_differences(table, "active_units", smallest_effect=0)
    ax = plot_differences(frame)
    assert ax.get_xlim() == (-1.0, 1.0)
    assert ax.get_xlabel() == "difference from constant\nin active units"
    ax.figure.canvas.draw()


@pytest.mark.parametrize(
    ("frame", "received"),
    [
        ([1.0], "a list"),
        (FRAME.drop(columns=["low", "verdict"]), "one without 'low', 'verdict'"),
        (FRAME.iloc[:0], "one without rows"),
        (FRAME.assign(low="a"), "one with other than numbers in 'low'"),
        (FRAME.assign(verdict="perhaps"), "one with the verdict 'perhaps'"),
        (FRAME.assign(baseline=list("abcd")), "one with several values of 'baseline'"),
    ],
)
def test_what_is_no_frame_of_differences(frame: Any, received: str) -> None:
    with pytest.raises(ValueError, match=f"^Argument `frame` must be what .* returns. Received: frame={received}"):
        plot_differences(frame)
    assert plt.get_fignums() == []


# ---------------------------------------------------------------- learning curves


def history(values: dict[str, list[list[float]]], measure: str = "val_negative_elbo") -> pd.DataFrame:
    """A table from each schedule's seeds, and their values over the epochs."""
    rows = [
        {"schedule": name, "seed": seed, "epoch": epoch, measure: value}
        for name, seeds in values.items()
        for seed, own in enumerate(seeds)
        for epoch, value in enumerate(own)
    ]
    return pd.DataFrame(rows)


CURVES = history({"linear": [[9.0, 5.0], [1.0, 1.0], [5.0, 3.0]], "constant": [[8.0, 8.0], [6.0], [7.0, math.nan]]})


def test_medians_and_the_middle_half() -> None:
    ax = plot_learning_curves(CURVES)
    linear, constant = ax.lines
    assert linear.get_xydata().tolist() == [[0.0, 5.0], [1.0, 3.0]]
    assert constant.get_xydata().tolist() == [[0.0, 7.0], [1.0, 8.0]]  # the one seed that came so far
    bands = drawn(ax, FillBetweenPolyCollection)
    corners = [{tuple(point) for point in band.get_paths()[0].vertices.tolist()} for band in bands]
    assert corners[0] == {(0.0, 3.0), (0.0, 7.0), (1.0, 2.0), (1.0, 4.0)}
    assert corners[1] == {(0.0, 6.5), (0.0, 7.5), (1.0, 8.0)}
    assert [text.get_text() for text in ax.texts] == ["linear", "constant"]
    assert [to_hex(band.get_facecolor()[0][:3]) for band in bands] == [to_hex(line.get_color()) for line in ax.lines]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "validation negative ELBO\n(nats per example)")
    ax.figure.canvas.draw()


def test_other_measures_in_one_epoch() -> None:
    ax = plot_learning_curves(history({"a": [[3.0], [5.0]]}, "kl_weight"), "kl_weight")
    assert ax.lines[0].get_xydata().tolist() == [[0.0, 4.0]]
    assert ax.lines[0].get_marker() == "o"
    assert ax.get_ylabel() == "kl weight"


def test_a_schedule_that_broke_at_once_has_no_curve() -> None:
    ax = plot_learning_curves(history({"a": [[3.0, 2.0]], "b": [[math.nan, math.inf]]}))
    assert [text.get_text() for text in ax.texts] == ["a"]
    ax.figure.canvas.draw()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"a": [1.0]}, "`history` must be a pandas DataFrame. Received: history=a dict"),
        (CURVES.drop(columns="epoch"), "`history` must have the columns 'schedule', 'seed', 'epoch'"),
        (pd.concat([CURVES, CURVES]), "`history` must have one row for each schedule and seed and epoch"),
        (CURVES.assign(epoch=[str(epoch) for epoch in CURVES["epoch"]]), "`history` must have numbers as epochs"),
        (CURVES.rename(columns={"val_negative_elbo": "val_loss"}), "`measure` must be .* one of 'val_loss'"),
    ],
)
def test_what_is_no_history(table: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        plot_learning_curves(table)
    assert plt.get_fignums() == []
