"""The hierarchical conditional VAE: global and local latent units, each group with a KL weight of its own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

import keras
import numpy as np
from keras import layers, ops

from vaelib._checks import argument_error, positive_int
from vaelib.layers import GaussianHeads
from vaelib.models.vae import VAE
from vaelib.networks import Encoder
from vaelib.networks._sizes import check_weights, layer_sizes
from vaelib.objective import Objective, Terms
from vaelib.randomness import initializer


@keras.saving.register_keras_serializable("vaelib")
class HierarchicalVAE(VAE):
    """A VAE with global and local latent units, with or without a condition c.

    q(z_global | x, c) · q(z_local | x, z_global, c); prior N(0, 1) · p(z_local | z_global, c), a trained Gaussian;
    decoder p(x | z_global, z_local, c).

    loss = s_r · reconstruction + global_kl_weight · s_k · KL_global + local_kl_weight · s_k · KL_local

    Both weights are variables that a `HierarchicalBetaScheduler` sets; with both at 1 and both scale factors "sum" the
    loss is the negative ELBO. It logs `global_kl_loss` and `local_kl_loss` beside their sum, `kl_loss`.

    Args:
        encoder: an `Encoder` of z_global; its body's features serve z_local too.
        decoder: maps (batch, global_dim + local_dim + condition_dim) to x's shape.
        local_dim: number of local units, >= 1.
        hidden: widths of the ReLU layers before the heads of q(z_local | …) and p(z_local | …).
        objective: as for `BetaVAE`, without `capacity`, which is a target for one group of units.
        global_kl_weight: initial weight of the global KL, >= 0; 1 by default.
        local_kl_weight: initial weight of the local KL, >= 0; 1 by default.
        seed: integer >= 0 of all draws in training and of the initial weights.

    Raises:
        ValueError: if parts do not fit together, a number is out of range, or the options are not for two groups:
            `capacity`, and batch-normalised means (BN-VAE), whose bound holds for the prior N(0, 1).

    Source: two stochastic layers: Sønderby et al. (2016), arXiv 1602.02282; conditions: Sohn et al. (2015).
    """

    loss_names: ClassVar[tuple[str, ...]] = (*VAE.loss_names, "global_kl_loss", "local_kl_loss")
    kl_names: ClassVar[tuple[str, ...]] = ("global_kl_loss", "local_kl_loss")
    conditions: ClassVar[bool] = True

    def __init__(
        self,
        encoder: Encoder,
        decoder: keras.Model,
        local_dim: int,
        hidden: Sequence[int] = (32,),
        objective: Objective | None = None,
        global_kl_weight: float = 1.0,
        local_kl_weight: float = 1.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._check_parts(encoder, objective)
        self.global_dim, self.local_dim = encoder.latent_dim, positive_int("local_dim", local_dim)
        self.hidden = layer_sizes("hidden", hidden)
        self._check_decoder(encoder, decoder, self.global_dim + self.local_dim)
        if encoder.heads.bn_gamma is not None:
            raise argument_error(
                "bn_gamma", "be left out with local units: their prior is no N(0, 1)", encoder.heads.bn_gamma
            )
        if objective is not None and objective.capacity is not None:
            raise argument_error("capacity", "be left out with local units: C is for one group", objective.capacity)
        self._set_up(encoder, decoder, objective or Objective(), seed)
        self.global_kl_weight = self._scheduled("global_kl_weight", global_kl_weight)
        self.local_kl_weight = self._scheduled("local_kl_weight", local_kl_weight)
        context = self.global_dim + self.condition_dim
        features = encoder.body.output_shape[-1]
        axes = [("", features + context), *(("hidden", width) for width in self.hidden), ("local_dim", 2 * local_dim)]
        check_weights({"hidden": hidden, "local_dim": local_dim}, *pairwise(axes))
        self.local_posterior = self._gaussian("local", features + context)
        self.local_prior = self._gaussian("prior", context)
        self._set_up_steps()

    def _gaussian(self, part: str, width: int) -> list[keras.layers.Layer]:
        """Dense + ReLU layers and the heads of a Gaussian over the local units; bounds as in the encoder."""
        stack: list[keras.layers.Layer] = []
        for i, units in enumerate(self.hidden):
            kernel = initializer("GlorotUniform", self.seed, f"{part}_{i}")
            stack.append(layers.Dense(units, activation="relu", kernel_initializer=kernel, name=f"{part}_{i}"))
            stack[-1].build((None, width))
            width = units
        heads = GaussianHeads(
            self.local_dim, self.seed, f"{part}_", **self.encoder.heads.options(), name=f"{part}_heads"
        )
        heads.build((None, width))
        return [*stack, heads]

    @property
    def latent_dim(self) -> int:
        """Number of latent units, global and local."""
        return self.global_dim + self.local_dim

    @property
    def group_dims(self) -> tuple[int, ...]:
        """Number of global and of local units."""
        return self.global_dim, self.local_dim

    def prior(self, z_global: Any, condition: Any = None) -> tuple[Any, Any]:
        """Returns mean and log-variance of p(z_local | z_global, c), both (batch, local_dim)."""
        return _run(self.local_prior, self._beside(z_global, condition))

    def latents(
        self, x: Any, condition: Any, noise: Any, training: bool
    ) -> tuple[tuple[Any, ...], tuple[Any, ...], Any]:
        """Returns (z_mean, z_log_var) of z_global, the same and the prior of z_local, and z (batch, latent_dim)."""
        # features of x once, for both groups
        features = self.encoder.body(x, training=training)
        mixed = self.encoder.mixed(features, condition)
        first, second = (None, None) if noise is None else (noise[:, : self.global_dim], noise[:, self.global_dim :])
        z_mean, z_log_var = self.encoder.heads(mixed, training=training)
        z_global = self.encoder.sampling((z_mean, z_log_var), noise=first)
        local = _run(self.local_posterior, ops.concatenate([features, self._beside(z_global, condition)], axis=-1))
        z_local = self.encoder.sampling(local, noise=second)
        group = (*local, *self.prior(z_global, condition))
        return (z_mean, z_log_var), group, ops.concatenate([z_global, z_local], axis=-1)

    def call(self, x: Any, noise: Any = None, training: bool = False) -> Any:
        """Returns the reconstruction of x: from its mean codes, or from samples where `noise` is given."""
        x, condition = self.inputs.split(x)
        noise = ops.zeros((1, self.latent_dim)) if noise is None else noise
        *_, z = self.latents(x, condition, noise, training)
        return self.objective.mean(self.decode(z, condition, training))

    def terms(self, x: Any, noise: Any = None, training: bool = False) -> Terms:
        """Returns the terms of a batch: `latents` holds the global and the local group."""
        x, condition = self.inputs.split(x)
        first, second, z = self.latents(x, condition, noise, training)
        return self._terms(x, self.decode(z, condition, training), [first, second])

    def generate(self, n_or_condition: Any, seed: int = 0) -> Any:
        """Returns examples decoded from draws of both priors: n of them, or one for each condition."""
        condition = None
        if self.condition_dim:
            condition = np.asarray(self.inputs.check_condition("n_or_condition", n_or_condition))
        noise = self._prior_draws(n_or_condition if condition is None else len(condition), seed)
        z_global = noise[:, : self.global_dim]
        mean_and_log_var = self.prior(z_global, condition)
        z_local = self.encoder.sampling(mean_and_log_var, noise=noise[:, self.global_dim :])
        return self.objective.mean(self.decode(ops.concatenate([z_global, z_local], axis=-1), condition))

    def _beside(self, z_global: Any, condition: Any) -> Any:
        if not self.condition_dim:
            return z_global
        return ops.concatenate([z_global, ops.cast(condition, z_global.dtype)], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that rebuild the model."""
        return {**self._shared_config(), **self.get_kl_weights(), "local_dim": self.local_dim, "hidden": self.hidden}


def _run(stack: list[keras.layers.Layer], x: Any) -> Any:
    for layer in stack:
        x = layer(x)
    return x
