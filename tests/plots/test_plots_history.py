from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from vaelib.plots import COLOURS, plot_curves, plot_vae_history

LOSSES = {"total_loss": [3.0, 2.0], "reconstruction_loss": [2.0, 1.0], "kl_loss": [1.0, 1.5]}
VALIDATION = {f"val_{key}": [value + 0.1 for value in values] for key, values in LOSSES.items()}
BETA = {"beta": [0.0, 0.001]}


def texts(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("wrap", [dict, pd.DataFrame, lambda h: SimpleNamespace(history=h)])
def test_losses_are_drawn_from_mapping_table_and_history(wrap: Any) -> None:
    axes = plot_vae_history(wrap(LOSSES))
    assert axes.shape == (3,)
    for ax, (key, values) in zip(axes, LOSSES.items(), strict=True):
        (line,) = ax.lines
        assert line.get_xdata().tolist() == [0, 1]
        assert line.get_ydata().tolist() == values
        assert line.get_color() == COLOURS[key]
        assert texts(ax) == ["training"]
        assert ax.get_ylabel() == "per example"
    assert [ax.get_title() for ax in axes] == ["Total loss", "Reconstruction loss", "KL loss"]
    assert [ax.get_xlabel() for ax in axes] == ["", "", "epoch"]
    assert len(axes[0].figure.axes) == 3


def test_validation_and_beta() -> None:
    axes = plot_vae_history(LOSSES | VALIDATION | BETA | {"learning_rate": ["any", "thing"]}, unit="nats per example")
    for ax, key in zip(axes, LOSSES, strict=True):
        assert ax.lines[1].get_ydata().tolist() == VALIDATION[f"val_{key}"]
        assert ax.get_ylabel() == "nats per example"
    assert texts(axes[0]) == ["training", "validation"]
    assert sorted(texts(axes[2])) == ["training", "validation", "β, highest 0.001"]
    twin = axes[0].figure.axes[3]
    assert twin.lines[0].get_ydata().tolist() == BETA["beta"]
    assert twin.lines[0].get_drawstyle() == "steps-post"
    assert twin.get_ylim()[0] == 0


def test_constant_beta_is_named_by_its_value() -> None:
    axes = plot_vae_history(LOSSES | {"beta": [4.0, 4.0]})
    assert "β = 4" in texts(axes[2])


def test_capacity_stands_beside_its_constant_weight() -> None:
    axes = plot_vae_history(LOSSES | {"beta": [30.0, 30.0], "capacity": [0.0, 12.5]})
    assert sorted(texts(axes[2])) == ["capacity, highest 12.5", "training", "β = 30"]
    beta, capacity = axes[0].figure.axes[3:]
    assert beta.lines[0].get_ydata().tolist() == [30.0, 30.0]
    assert capacity.lines[0].get_ydata().tolist() == [0.0, 12.5]


def test_restarts_are_drawn_as_beta_says_and_their_figures_not() -> None:
    restarts = {"last_restart_epoch": [0, 1], "epochs_since_restart": [0, 0], "is_restart_epoch": [0, 1]}
    axes = plot_vae_history(LOSSES | {"beta": [1.0, 0.0]} | restarts)
    assert sorted(texts(axes[2])) == ["training", "β, highest 1"]
    assert axes[0].figure.axes[3].lines[0].get_ydata().tolist() == [1.0, 0.0]


GROUPS = {"global_kl_loss": [0.75, 0.5], "local_kl_loss": [0.25, 1.0]}
WEIGHTS = {"global_kl_weight": [0.0, 0.01], "local_kl_weight": [0.02, 0.02]}


def test_a_hierarchical_history_shows_both_groups_in_place_of_their_sum() -> None:
    validation = {f"val_{key}": [value + 0.1 for value in values] for key, values in GROUPS.items()}
    axes = plot_vae_history(LOSSES | VALIDATION | GROUPS | validation | WEIGHTS)
    drawn = [(line.get_ydata().tolist(), line.get_linestyle(), line.get_color()) for line in axes[2].lines]
    assert drawn == [
        (GROUPS["global_kl_loss"], "-", COLOURS["global_kl_loss"]),
        (validation["val_global_kl_loss"], "--", COLOURS["global_kl_loss"]),
        (GROUPS["local_kl_loss"], "-", COLOURS["local_kl_loss"]),
        (validation["val_local_kl_loss"], "--", COLOURS["local_kl_loss"]),
    ]
    assert sorted(texts(axes[2])) == ["global", "global weight, highest 0.01", "local", "local weight = 0.02"]
    weights = {ax.lines[0].get_color(): ax.lines[0].get_ydata().tolist() for ax in axes[0].figure.axes[3:]}
    assert weights == {
        COLOURS["global_kl_loss"]: WEIGHTS["global_kl_weight"],
        COLOURS["local_kl_loss"]: WEIGHTS["local_kl_weight"],
    }
    assert texts(axes[0]) == ["training", "validation"]


def test_a_hierarchical_history_without_validation_and_weights() -> None:
    axes = plot_vae_history(LOSSES | GROUPS)
    assert sorted(texts(axes[2])) == ["global", "local"]
    assert len(axes[0].figure.axes) == 3


def test_epochs_can_be_given_and_one_epoch_is_a_dot() -> None:
    axes = plot_vae_history({key: [values[0]] for key, values in LOSSES.items()} | {"epoch": [7]})
    assert axes[0].lines[0].get_xdata().tolist() == [7]
    assert axes[0].lines[0].get_marker() == "o"


def test_nan_is_a_gap() -> None:
    axes = plot_vae_history(LOSSES | {"total_loss": [3.0, np.nan]})
    assert axes[0].texts[0].xy[0] == 0


def test_own_axes_are_used() -> None:
    _, axes = plt.subplots(1, 3)
    assert list(plot_vae_history(LOSSES, axes=axes)) == list(axes)
    assert [ax.get_xlabel() for ax in axes] == ["epoch"] * 3


@pytest.mark.parametrize(
    ("history", "message"),
    [
        (
            {"total_loss": [1.0], "kl_loss": [1.0]},
            "must hold `reconstruction_loss`. Received: history=one with kl_loss, total_",
        ),
        ({}, "must hold `total_loss`. Received: history=one with nothing"),
        (3, "`history` must be a mapping, a DataFrame or have a `.history`"),
        (LOSSES | {"beta": [0.0]}, "columns of one length"),
        (LOSSES | GROUPS | {"local_kl_weight": [1.0]}, "columns of one length"),
        (dict.fromkeys(LOSSES, ()), "hold one number or more for each name"),
        (LOSSES | {"kl_loss": ["a", "b"]}, "`history` must hold numbers. Received: history='kl_loss' with other"),
        (LOSSES | {"kl_loss": [[1.0], [2.0]]}, r"one number or more.*'kl_loss' of shape \(2, 1\)"),
    ],
)
def test_histories_that_cannot_be_drawn(history: Any, message: Any) -> None:
    with pytest.raises(ValueError, match=message):
        plot_vae_history(history)
    assert plt.get_fignums() == []


def test_three_axes_are_needed() -> None:
    _, axes = plt.subplots(2)
    with pytest.raises(ValueError, match="`axes` must be three Axes. Received: axes=2 of them"):
        plot_vae_history(LOSSES, axes=axes)


@pytest.mark.parametrize("axes", [5, [1, 2, 3]])
def test_what_is_no_axes(axes: Any) -> None:
    with pytest.raises(ValueError, match="^Argument `axes` must be three Axes. Received: axes="):
        plot_vae_history(LOSSES, axes=axes)


def test_curves() -> None:
    ax = plot_curves({"constant": [1.0, 2.0], "linear": [1.0, 2.0, 3.0]}, ylabel="KL (nats per example)")
    assert [line.get_ydata().tolist() for line in ax.lines] == [[1.0, 2.0], [1.0, 2.0, 3.0]]
    assert texts(ax) == ["constant", "linear"]
    assert [text.xy[0] for text in ax.texts] == [1, 2]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("epoch", "KL (nats per example)", "linear")


def test_curves_over_given_x_on_own_axes() -> None:
    _, own = plt.subplots()
    ax = plot_curves({"a": [1.0, 10.0], "b": [0.0, 0.0]}, x=[0.1, 1.0], ax=own, xlabel="KL weight", log=True)
    assert ax is own
    assert ax.lines[0].get_xdata().tolist() == [0.1, 1.0]
    assert (ax.get_xlabel(), ax.get_yscale()) == ("KL weight", "log")
    ax.figure.canvas.draw()


def test_a_curve_of_one_point_is_a_dot() -> None:
    assert plot_curves({"a": [1.0]}).lines[0].get_marker() == "o"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"curves": {}}, "be a mapping from names to curves, at least one"),
        ({"curves": [1, 2]}, r"be a mapping from names to curves.*Received: curves=\[1, 2\]"),
        ({"curves": {"a": []}}, "one number or more"),
        (
            {"curves": {"a": [1.0, 2.0]}, "x": [1.0]},
            r"one value for each x.*'a' of shape \(2,\) with x of shape \(1,\)",
        ),
    ],
)
def test_curves_that_cannot_be_drawn(arguments: Any, message: Any) -> None:
    with pytest.raises(ValueError, match=f"`curves` must .*{message}|`curves` must {message}"):
        plot_curves(**arguments)
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[1, 2], [3]], "hold rows of equal length"),
        ([[1, 2]], r"have the shape \(n,\)"),
        (["a", "b"], "hold real numbers"),
        ([0.0, np.nan], "hold only finite numbers"),
        (5, r"have the shape \(n,\). Received: x=5"),
    ],
)
def test_x_must_be_a_vector(x: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^Argument `x` must {message}"):
        plot_curves({"a": [1.0, 2.0]}, x=x)
    assert plt.get_fignums() == []
