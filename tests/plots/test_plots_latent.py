from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from vaelib.plots import plot_kl_per_unit, plot_latent_map
from vaelib.plots.style import readable

Z = np.random.default_rng(0).normal(size=(60, 4)) * [0.1, 1.0, 0.01, 2.0]


def test_the_two_units_that_vary_most_are_drawn() -> None:
    ax = plot_latent_map(Z)
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), Z[:, [3, 1]])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("z_mean of unit 3", "z_mean of unit 1")
    assert ax.get_aspect() == 1
    assert len(ax.texts) == 0


def test_classes_are_named_at_an_example_of_theirs() -> None:
    _, own = plt.subplots()
    labels = np.arange(60) % 10
    ax = plot_latent_map(Z, labels, ax=own)
    assert ax is own
    assert [text.get_text() for text in ax.texts] == [str(digit) for digit in range(10)]
    fours = Z[labels == 4][:, [3, 1]]
    at = np.abs(fours - ax.texts[4].get_position()).sum(axis=1)
    assert at.min() == 0
    assert np.linalg.norm(fours - np.median(fours, axis=0), axis=1).argmin() == at.argmin()
    colours = [tuple(dots.get_facecolor()[0][:3]) for dots in ax.collections]
    assert len(set(colours)) == 10
    assert ax.texts[0].get_bbox_patch().get_facecolor()[:3] == pytest.approx(
        plt.matplotlib.colors.to_rgb(readable("#0072b2"))
    )


def test_labels_may_be_words() -> None:
    for labels in (["a", "b"], pd.Series(["a", "b"]), pd.Categorical(["a", "b"])):
        ax = plot_latent_map(Z[:2], labels)
        assert [text.get_text() for text in ax.texts] == ["a", "b"]
    mixed: Any = [1, "a"]
    assert [text.get_text() for text in plot_latent_map(Z[:2], mixed).texts] == ["1", "a"]


@pytest.mark.parametrize(
    ("z_mean", "labels", "message"),
    [
        (np.zeros((5, 1)), None, "`z_mean` must have two latent units or more"),
        (np.zeros(5), None, r"`z_mean` must have the shape \(n, latent_dim\)"),
        (np.full((5, 2), np.nan), None, "`z_mean` must hold only finite numbers"),
        (Z, [0, 1], "`labels` must have one entry for each of 60 examples. Received: labels=2 entries"),
        (Z, 5, "`labels` must have one entry for each of 60 examples. Received: labels=5"),
        (Z, "a" * 60, "`labels` must have one entry for each of 60 examples"),
        (Z[:3], [0.0, np.nan, 1.0], r"`labels` must hold words or numbers, no NaN. Received: labels=.*nan.* at \[1\]"),
        (Z[:2], np.array([np.nan, 1.0]), r"`labels` must hold words or numbers, no NaN. Received: .* at \[0\]"),
        (Z[:2], ["a", np.nan], r"`labels` must hold words or numbers, no NaN. Received: labels=nan at \[1\]"),
        (Z[:2], [[1, 2], [3]], r"`labels` must hold words or numbers, no NaN. Received: labels=\[1, 2\] at \[0\]"),
        (Z[:2], np.eye(2), "`labels` must hold words or numbers, no NaN"),
        (Z[:2], ["a", None], r"`labels` must hold words or numbers, no NaN. Received: labels=None at \[1\]"),
        (Z[:2], np.ma.array([0, 1], mask=[False, True]), r"`labels` must hold words or numbers.* at \[1\]"),
        (Z, np.arange(60), "`labels` must hold at most 20 classes. Received: labels=60 distinct values"),
    ],
)
def test_maps_that_cannot_be_drawn(z_mean: Any, labels: Any, message: Any) -> None:
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        plot_latent_map(z_mean, labels)
    assert plt.get_fignums() == []


def test_kl_bars_are_sorted_and_carry_their_units() -> None:
    ax = plot_kl_per_unit([0.5, 2.0, 0.0])
    assert [bar.get_height() for bar in ax.patches] == [2.0, 0.5, 0.0]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "0", "2"]
    assert ax.get_ylabel() == "KL (nats per example)"
    assert [text.get_text() for text in ax.texts] == ["total 2.50 nats"]


def test_many_units_are_not_named() -> None:
    _, own = plt.subplots()
    ax = plot_kl_per_unit(np.arange(64.0), ax=own)
    assert ax is own
    assert len(ax.patches) == 64
    assert len(ax.get_xticks()) == 0


@pytest.mark.parametrize("dtype", [bool, np.uint8])
def test_kl_in_types_without_negatives(dtype: Any) -> None:
    ax = plot_kl_per_unit(np.array([0, 1, 0], dtype))
    assert [bar.get_height() for bar in ax.patches] == [1.0, 0.0, 0.0]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "0", "2"]
    assert [text.get_text() for text in ax.texts] == ["total 1.00 nats"]


def test_kl_must_be_a_vector() -> None:
    with pytest.raises(ValueError, match=r"`kl_per_unit` must have the shape \(latent_dim,\)"):
        plot_kl_per_unit(np.zeros((3, 2)))
