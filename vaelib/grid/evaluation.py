"""Losses and latent moments of all members on data, without training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from vaelib.grid.lent import lent
from vaelib.grid.mapped import layer_outputs, map_members
from vaelib.grid.seed_data import SeedData
from vaelib.models.compiled import losses_of_means, summed_terms
from vaelib.models.vae import VAE

MEMORY = 2**30  # bytes that the members computed at once may take


class StackEvaluation:
    """The compiled evaluation of R × S members.

    Args:
        model: computes for all.
        shape: (R, S).
        names: of the model's scheduled numbers.
        side_by_side: whether members are computed at once.
    """

    def __init__(self, model: VAE, shape: tuple[int, int], names: Sequence[str], side_by_side: bool) -> None:
        self._model, self._shape, self._names, self._side_by_side = model, shape, names, side_by_side
        self._batch = tf.function(self._sums_of_batch, reduce_retracing=True)
        self._means = tf.function(self._losses_of_means)

    def sums(self, values: Sequence[Any], data: SeedData, models: Sequence[VAE]) -> np.ndarray:
        """Returns sums over examples as (R, S, 1 + 4 · latent_dim): `summed_terms`, then z_mean and its square.

        Args:
            values: the members' weights.
            data: examples.
            models: one for each seed, for its noise.
        """
        room = MEMORY // (32 * math.prod(self._shape) * layer_outputs(self._model))  # 8 copies of 4 bytes
        total, size = np.zeros(()), min(data.n, max(16, min(1024, room)))
        weights = [value.value for value in values]
        for start in range(0, data.n, size):
            batch, noise = data.batch(start, size), data.noise(models, start, size)
            total = total + self._batch(weights, batch, noise, data.is_own).numpy()
        return total

    def losses(
        self, values: Sequence[Any], means: np.ndarray, sigma2: np.ndarray, scheduled: Sequence[np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Returns losses and the negative ELBO at β = 1, each (R, S), from means of what `sums` sums.

        Args:
            values: the members' weights.
            means: (R, S, …).
            sigma2: that of the ELBO and of an objective whose own is "optimal", (R, S).
            scheduled: the scheduled numbers, each (R, S).
        """
        log_sigma2 = np.log(sigma2).astype("float32")
        own = [np.asarray(value, "float32") for value in scheduled]
        weights = [value.value for value in values]
        found = self._means(weights, means[..., : 1 + 2 * self._model.latent_dim], log_sigma2, own).numpy()
        return dict(zip((*self._model.loss_names, "negative_elbo"), np.moveaxis(found, -1, 0), strict=True))

    def _sums_of_batch(self, weights: Any, batch: Any, noise: Any, is_own: bool) -> Any:
        def member(of_seed: Any, of_member: Any) -> Any:
            own_noise, *own_batch = of_seed
            with lent(self._model, of_member):
                terms = self._model.terms(own_batch[0] if is_own else batch, own_noise, training=False)
                z_mean = tf.cast(tf.concat([latents.z_mean for latents in terms.latents], axis=1), "float64")
                moments = [tf.reduce_sum(z_mean, axis=0), tf.reduce_sum(z_mean**2, axis=0)]
                return tf.concat([summed_terms(terms), *moments], axis=0)

        of_seeds = (noise, batch) if is_own else (noise,)
        return map_members(member, of_seeds, [tf.convert_to_tensor(weight) for weight in weights], self._side_by_side)

    def _losses_of_means(self, weights: Any, means: Any, log_sigma2: Any, scheduled: Any) -> Any:
        def member(_: Any, of_member: Any) -> Any:
            own_weights, own_means, own_log_sigma2, betas = of_member
            with lent(self._model, own_weights):
                named = dict(zip(self._names, betas, strict=True))
                return tf.stack(losses_of_means(self._model, own_means, own_log_sigma2, named))

        values = [tf.convert_to_tensor(weight) for weight in weights]
        none = tf.zeros(self._shape[0])
        return map_members(member, none, (values, means, log_sigma2, scheduled), self._side_by_side)
