"""The conditional VAE: encoder and decoder see a condition beside x and z."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
import numpy as np

from vaelib._checks import Described, argument_error
from vaelib.models.beta_vae import BetaVAE


@keras.saving.register_keras_serializable("vaelib")
class ConditionalVAE(BetaVAE):
    """A β-VAE whose encoder q(z | x, c) and decoder p(x | z, c) see a condition c; the prior of z stays N(0, 1).

    Its data are pairs (x, condition): condition (n, condition_dim), or labels 0, 1, …, condition_dim − 1, which count
    as one-hot vectors. `train_vae` takes a data set's labels as conditions; `fit` takes them as `y`. Other labels are
    refused; those of a pipeline when their step comes, but not in a model compiled with `jit_compile=True`.

    Args:
        encoder: an `Encoder` with a condition.
        decoder: maps (batch, latent_dim + condition_dim), z and the condition side by side, to x's shape.
        options: `objective`, `beta`, `seed` as for `BetaVAE`.

    Raises:
        ValueError: if the encoder has no condition, and as for `BetaVAE`.

    Source: Sohn et al. (2015), "Learning Structured Output Representation using Deep Conditional Generative Models".
    """

    conditions: ClassVar[bool] = True

    def __init__(self, encoder: Any, decoder: Any, *args: Any, **options: Any) -> None:
        super().__init__(encoder, decoder, *args, **options)
        if not self.condition_dim:
            raise argument_error("encoder", "have a condition", Described("condition_dim=0"), "Else use BetaVAE.")

    def generate(self, condition: Any, seed: int = 0) -> Any:
        """Returns one example for each condition, decoded from draws of the prior N(0, 1).

        Args:
            condition: (n, condition_dim) or n labels.
            seed: integer >= 0 of the draws.
        """
        condition = self.inputs.check_condition("condition", condition)
        return self.objective.mean(self.decode(self._prior_draws(len(condition), seed), np.asarray(condition)))
