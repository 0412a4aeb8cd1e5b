"""Latent traversals of a model: the decoder's means at codes worked out here."""

from typing import Any

import keras
import numpy as np
import pytest
from small_models import SHAPE, examples, small_vae

from vaelib import BetaVAE, Objective, build_vae, dense_encoder, encode, traversals
from vaelib.plots import plot_traversal

X = examples(3)
MODEL = small_vae(dropout=0.5)


def test_one_unit_moves_and_the_others_stay() -> None:
    """A decoder that returns z itself shows the codes."""
    identity = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, kernel_initializer="identity")])
    model = BetaVAE(dense_encoder((3,), 3), identity)
    x = np.array([[0.3, -1.0, 2.0]], "float32")
    a, b, c = encode(model, x)[0][0].tolist()
    images = traversals(model, x, [-2.0, 0.5], units=[2, 0])
    expected = [[[a, b, -2.0], [a, b, 0.5]], [[-2.0, b, c], [0.5, b, c]]]
    np.testing.assert_allclose(images, expected, atol=1e-6)
    assert traversals(model, x, [7.0]).shape == (3, 1, 3)


def test_at_its_own_value_a_unit_shows_the_reconstruction() -> None:
    z_mean = encode(MODEL, X)[0]
    images = traversals(MODEL, X[1:2], [z_mean[1, 1], 3.0], units=[1])
    assert images.dtype == np.float32
    assert not np.allclose(images[0, 0], images[0, 1], atol=1e-3)
    np.testing.assert_allclose(images[0, 0], np.asarray(MODEL(X))[1], rtol=1e-4, atol=1e-6)


def test_the_grid_is_what_plot_traversal_draws() -> None:
    images = traversals(MODEL, X[:1], [-3.0, 0.0, 3.0])
    assert images.shape == (2, 3, *SHAPE)
    plot_traversal(images, [-3.0, 0.0, 3.0])


def test_means_not_logits_are_returned() -> None:
    model = small_vae(Objective("bernoulli"))
    images = traversals(model, (X[:1] > 0.5).astype("float32"), [-50.0, 50.0])
    assert 0 <= images.min() < images.max() <= 1


def test_conditions_go_along() -> None:
    model = build_vae(SHAPE, 2, condition_dim=3, hidden=(24,), dropout=0.0)
    z_mean = encode(model, (X, [0, 1, 2]))[0]
    images = traversals(model, (X[2:], [2]), [1.0, z_mean[2, 0]], units=[0])
    np.testing.assert_allclose(images[0, 1], np.asarray(model((X, np.eye(3, dtype="float32"))))[2], atol=1e-5)
    other = traversals(model, (X[2:], [1]), [1.0])
    assert not np.allclose(images[0, 0], other[0, 0], atol=1e-4)


def test_global_units_come_before_local_ones() -> None:
    model = build_vae(SHAPE, 2, local_dim=1, hidden=(24,), dropout=0.0)
    images = traversals(model, X[:1], [-1.0, 1.0])
    assert images.shape == (3, 2, *SHAPE)
    assert np.abs(images[:, 0] - images[:, 1]).max(axis=(1, 2)).min() > 1e-3  # each unit matters
    x = np.asarray(model(X[:1]))[0]
    (global_mean, local_mean) = (
        np.asarray(group.z_mean)[0] for group in model.terms(X[:1], noise=np.zeros((1, 3), "float32")).latents
    )
    for unit, value in enumerate([*global_mean, *local_mean]):
        np.testing.assert_allclose(traversals(model, X[:1], [value], units=[unit])[0, 0], x, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": None}, "`model` must be"),
        ({"x": X}, "`x` must hold one example. Received: x=3 examples"),
        ({"x": X[0]}, "`x` must hold examples of shape"),
        ({"x": X[:1] * np.nan}, "`x` must hold only finite numbers"),
        ({"values": []}, "`values` must not be empty"),
        ({"values": 1.0}, r"`values` must have the shape \(steps,\)"),
        ({"values": [0.0, np.inf]}, "`values` must hold only finite numbers"),
        ({"units": [2]}, r"`units` must hold numbers of latent units, from 0 to 1. Received: units=\[2\]"),
        ({"units": []}, "`units` must hold numbers of latent units"),
        ({"units": 1}, "`units` must hold numbers of latent units"),
        ({"units": "01"}, "`units` must hold numbers of latent units"),
        ({"units": [0, -1]}, r"`units\[1\]` must be an integer >= 0"),
        ({"units": [True]}, r"`units\[0\]` must be an integer >= 0"),
    ],
)
def test_traversals_that_make_no_sense(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        traversals(**({"model": MODEL, "x": X[:1], "values": [0.0]} | change))
