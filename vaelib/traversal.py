"""What a model decodes while one latent unit moves and the others stay: the images of `plot_traversal`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from vaelib._arrays import finite_array
from vaelib._checks import Described, argument_error, positive_int
from vaelib.models.vae import VAE, require_vae


def traversals(model: VAE, x: Any, values: npt.ArrayLike, units: Sequence[int] | None = None) -> np.ndarray:
    """Returns what the decoder makes of an example's mean code when one unit after another takes each of `values`.

    Args:
        model: a VAE of vaelib. In a hierarchical model the global units come first; the local ones stay where they
            are while a global one moves, though their prior moves with it.
        x: one example, shape (1, …), such as `dataset.x_test[:1]`; with a condition the pair of both.
        values: the values of z that a unit takes, shape (steps,).
        units: the units that move; by default all of them, in their order.

    Returns:
        float32, shape (units, steps, …): means of x given z.

    Raises:
        ValueError: if `model` is no VAE of vaelib, `x` no example of it, `values` no finite vector, or a unit is not
            one of the model's.
    """
    data = require_vae("model", model).check("x", x)
    n = len(keras.tree.flatten(data)[0])
    if n != 1:
        raise argument_error("x", "hold one example", Described(f"{n} examples"), "Use one of them, such as x[:1].")
    steps = finite_array("values", values, ndim=1, axes="(steps,)").astype("float32")
    moved = _units(units, model.latent_dim)
    terms = model.terms(data, noise=np.zeros((1, model.latent_dim), "float32"))
    mean = np.concatenate([np.asarray(group.z_mean, "float32") for group in terms.latents], axis=-1)
    codes = np.tile(mean, (len(moved), len(steps), 1))  # (units, steps, latent_dim)
    for row, unit in enumerate(moved):
        codes[row, :, unit] = steps
    count = len(moved) * len(steps)
    condition = np.repeat(data[1], count, axis=0) if model.condition_dim else None
    decoded = model.objective.mean(model.decode(codes.reshape(count, -1), condition))
    return np.asarray(decoded, "float32").reshape(len(moved), len(steps), *model.example_shape)


def _units(units: Any, latent_dim: int) -> list[int]:
    must = f"hold numbers of latent units, from 0 to {latent_dim - 1}"
    if units is None:
        return list(range(latent_dim))
    try:
        chosen = [] if isinstance(units, str | bytes) else list(units)
    except TypeError:
        raise argument_error("units", must, units) from None
    numbers = [positive_int(f"units[{i}]", unit, minimum=0) for i, unit in enumerate(chosen)]
    if not numbers or max(numbers) >= latent_dim:
        raise argument_error("units", must, units)
    return numbers
