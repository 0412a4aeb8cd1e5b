"""`plot_members`: a row for each schedule, a dot for each seed."""

from __future__ import annotations

import pandas as pd
import pytest

from vaelib.plots import plot_members

TABLE = pd.DataFrame(
    {
        "schedule": ["constant"] * 3 + ["linear"] * 3,
        "seed": [0, 1, 2] * 2,
        "kl": [1.0, 2.0, 6.0, 3.0, 4.0, 5.0],
        "failure": [None, None, None, None, "broke", None],
    }
)


def test_dots_line_and_labels() -> None:
    ax = plot_members(TABLE, "kl", "constant", log=True)
    line, constant, linear = ax.get_lines()
    assert set(line.get_xdata()) == {2.0}  # the median
    assert constant.get_xdata().tolist() == [1.0, 2.0, 6.0]
    assert linear.get_xdata()[[0, 2]].tolist() == [3.0, 5.0]  # the failed one is left out
    assert pd.isna(linear.get_xdata()[1])
    assert [dots.get_ydata()[0] for dots in (constant, linear)] == [0, 1]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["constant", "linear"]
    assert (ax.get_xlabel(), ax.get_xscale()) == ("KL (nats per example)", "log")
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first schedule above


def test_without_a_baseline_there_is_no_line() -> None:
    assert len(plot_members(TABLE, "kl").get_lines()) == 2


def test_refused() -> None:
    with pytest.raises(ValueError, match="Argument `baseline` must be one of 'constant', 'linear', or None."):
        plot_members(TABLE, "kl", "cosine")
