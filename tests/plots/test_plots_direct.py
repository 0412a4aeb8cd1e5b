from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.lines import Line2D

from vaelib.plots import label_line_ends, use_style
from vaelib.plots.direct import spread


def test_spread_leaves_distant_positions_alone() -> None:
    assert spread([0.9, 0.1, 0.5], gap=0.2).tolist() == [0.9, 0.1, 0.5]
    assert spread([0.3], gap=0.2).tolist() == [0.3]
    assert spread([], gap=0.2).tolist() == []


def test_spread_centres_a_crowd() -> None:
    np.testing.assert_allclose(spread([0.5, 0.5, 0.5], gap=0.1), [0.4, 0.5, 0.6])
    np.testing.assert_allclose(spread([0.52, 0.48], gap=0.1), [0.55, 0.45])


def test_spread_stays_inside() -> None:
    np.testing.assert_allclose(spread([1.0, 1.0], gap=0.1), [0.9, 1.0])
    np.testing.assert_allclose(spread([-3.0, 0.0], gap=0.1), [0.0, 0.1])
    assert spread([7.0], gap=0.1).tolist() == [1.0]


def test_spread_shrinks_the_gap_where_it_must() -> None:
    np.testing.assert_allclose(spread(np.full(5, 0.5), gap=0.4), [0, 0.25, 0.5, 0.75, 1])


def test_spread_keeps_order_and_gap_for_any_positions() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        wanted = rng.random(rng.integers(2, 9))
        placed = spread(wanted, gap=0.1)
        order = np.argsort(wanted)
        assert np.diff(placed[order]).min() >= 0.1 - 1e-12
        assert 0 <= placed.min() <= placed.max() <= 1


def test_labels_do_not_overlap_when_drawn() -> None:
    use_style()
    figure, ax = plt.subplots()
    lines = [ax.plot([0, 1], [0, end])[0] for end in (1.0, 1.0, 0.99, 0.1)]
    label_line_ends(ax, lines, list("abcd"))
    figure.canvas.draw()
    boxes = sorted((text.get_window_extent() for text in ax.texts), key=lambda box: box.y0)
    for lower, upper in pairwise(boxes):
        assert lower.y1 <= upper.y0 + 1
    assert all(box.x0 > ax.get_window_extent().x1 * 0.9 for box in boxes)


def test_lines_without_points_get_no_label() -> None:
    _, ax = plt.subplots()
    lines = [ax.plot([0, 1, 2], [0.0, 1.0, np.nan])[0], ax.plot([0, 1], [np.nan, np.nan])[0]]
    label_line_ends(ax, lines, ["ends early", "empty"])
    assert [text.get_text() for text in ax.texts] == ["ends early"]
    assert ax.texts[0].xy[0] == 1.0


def test_no_line_at_all() -> None:
    _, ax = plt.subplots()
    label_line_ends(ax, [], [])
    assert len(ax.texts) == 0


def test_one_label_for_each_line() -> None:
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="^Argument `labels` must have one entry for each of 1 lines"):
        label_line_ends(ax, ax.plot([0, 1]), [])
    with pytest.raises(ValueError, match="^Argument `labels` must have .* 0 lines. Received: labels=1 entries"):
        label_line_ends(ax, [], ["a"])


@pytest.mark.parametrize("lines", [5, [5], None, [Line2D([0], [0])]])
def test_lines_must_be_drawn(lines: Any) -> None:
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="^Argument `lines` must be a list of lines that are drawn on Axes"):
        label_line_ends(ax, lines, ["a"])


@pytest.mark.parametrize("ax", [5, None])
def test_labels_need_axes(ax: Any) -> None:
    with pytest.raises(ValueError, match=f"^Argument `ax` must be a matplotlib Axes. Received: ax={ax}"):
        label_line_ends(ax, [], [])
