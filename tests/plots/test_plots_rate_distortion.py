from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from vaelib.plots import plot_rate_distortion

RATES, DISTORTIONS = [0.0, 3.0, 10.0], [40.0, 20.0, 16.0]  # negative ELBOs 40, 23, 26


def test_models_and_the_line_through_the_best() -> None:
    ax = plot_rate_distortion(RATES, DISTORTIONS)
    dots, line = ax.lines
    assert (dots.get_xdata().tolist(), dots.get_ydata().tolist()) == (RATES, DISTORTIONS)
    assert (dots.get_marker(), dots.get_linestyle()) == ("o", "None")
    assert (line.get_xy1(), line.get_slope()) == ((3.0, 20.0), -1)
    assert [text.get_text() for text in ax.texts] == ["lowest negative ELBO: 23 nats"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("rate (nats per example)", "distortion (nats per example)")


def test_the_line_does_not_widen_the_axes() -> None:
    ax = plot_rate_distortion(RATES, DISTORTIONS)
    ax.figure.canvas.draw()
    assert ax.get_xlim() == pytest.approx((-1.0, 11.0))
    assert ax.get_ylim() == pytest.approx((13.6, 42.4))


def test_models_are_named_at_their_dots() -> None:
    _, own = plt.subplots()
    ax = plot_rate_distortion(RATES, DISTORTIONS, labels=[4, "β = 1", 0.5], ax=own)
    assert ax is own
    assert [(text.get_text(), text.xy) for text in ax.texts[1:]] == [
        ("4", (0.0, 40.0)),
        ("β = 1", (3.0, 20.0)),
        ("0.5", (10.0, 16.0)),
    ]


def test_sums_of_small_types_do_not_wrap() -> None:
    ax = plot_rate_distortion(np.array([200, 10], np.uint8), np.array([100, 50], np.uint8))
    assert ax.lines[1].get_xy1() == (10.0, 50.0)
    assert [text.get_text() for text in ax.texts] == ["lowest negative ELBO: 60 nats"]


def test_one_model() -> None:
    ax = plot_rate_distortion([2.0], [-5.0], ["one"])
    assert [text.get_text() for text in ax.texts] == ["lowest negative ELBO: -3 nats", "one"]
    ax.figure.canvas.draw()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rates": 3.0}, r"`rates` must have the shape \(n,\)"),
        ({"rates": []}, "`rates` must not be empty"),
        ({"rates": [0.0, np.nan, 1.0]}, "`rates` must hold only finite numbers"),
        ({"distortions": ["a", "b", "c"]}, "`distortions` must hold real numbers"),
        ({"distortions": [[1.0, 2.0, 3.0]]}, r"`distortions` must have the shape \(n,\)"),
        ({"distortions": [1.0]}, "`distortions` must have one value for each of 3 rates. Received: .*1 values"),
        ({"labels": ["a"]}, "`labels` must have one entry for each of 3 models. Received: labels=1 entries"),
        ({"labels": "abc"}, "`labels` must have one entry for each of 3 models. Received: labels='abc'"),
        ({"labels": 3}, "`labels` must have one entry for each of 3 models. Received: labels=3"),
    ],
)
def test_models_that_cannot_be_drawn(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        plot_rate_distortion(**({"rates": RATES, "distortions": DISTORTIONS} | arguments))
    assert plt.get_fignums() == []
