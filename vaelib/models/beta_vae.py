"""The β-VAE: one group of latent units, one KL weight β."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from vaelib.models.vae import VAE
from vaelib.networks import Encoder
from vaelib.objective import Objective, Terms


@keras.saving.register_keras_serializable("vaelib")
class BetaVAE(VAE):
    """A variational autoencoder whose KL term has the weight β.

    loss = s_r · reconstruction + β · s_k · KL, as the `Objective` says. β is the non-trainable variable `beta`, read
    inside the compiled step: assign to it, or let a schedule do so, without compiling again; so is `capacity`, where
    the objective has one. The model logs `total_loss`, `reconstruction_loss` and `kl_loss`; `VAE` says what it shares
    with the library's other models.

    Args:
        encoder: maps x to `z_mean, z_log_var, z`, such as `dense_encoder` builds it.
        decoder: maps z (batch, latent_dim) to x's shape.
        objective: the likelihood and scale factors; `Objective()` by default.
        beta: initial KL weight, >= 0; 1 by default.
        seed: integer >= 0 of all draws in training.

    Raises:
        ValueError: if encoder and decoder are none or do not fit together, or a number is out of range.

    Source: Higgins et al. (2017); Kingma & Welling (2014), arXiv 1312.6114.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: keras.Model,
        objective: Objective | None = None,
        beta: float = 1.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._check_parts(encoder, objective)
        self._check_decoder(encoder, decoder, encoder.latent_dim)
        self._set_up(encoder, decoder, objective or Objective(), seed)
        self.beta = self._scheduled("beta", beta)
        if self.objective.capacity is not None:
            self.capacity = self._scheduled("capacity", self.objective.capacity)
        self._set_up_steps()

    @property
    def effective_beta(self) -> float:
        """The β of the negative ELBO that the current loss equals, up to a factor (`Objective.effective_beta`)."""
        return self.objective.effective_beta(self.get_kl_weight(), self.n_pixels, self.latent_dim)

    @property
    def implied_sigma2(self) -> float:
        """The decoder variance that the current plain squared-error loss implies (`Objective.implied_sigma2`)."""
        return self.objective.implied_sigma2(self.get_kl_weight(), self.n_pixels, self.latent_dim)

    def get_kl_weight(self) -> float:
        """Returns the current KL weight β."""
        return float(self.beta.numpy())

    def call(self, x: Any, noise: Any = None, training: bool = False) -> Any:
        """Returns the reconstruction of x: from its mean code, or from a sample where `noise` is given."""
        x, condition = self.inputs.split(x)
        zeros = ops.zeros((1, self.latent_dim))
        z_mean, _, z = self.encoder(x, condition, zeros if noise is None else noise, training=training)
        return self.objective.mean(self.decode(z_mean if noise is None else z, condition, training=training))

    def terms(self, x: Any, noise: Any = None, training: bool = False) -> Terms:
        """Returns the terms of a batch; `latents` holds one group."""
        x, condition = self.inputs.split(x)
        z_mean, z_log_var, z = self.encoder(x, condition, noise, training=training)
        return self._terms(x, self.decode(z, condition, training), [(z_mean, z_log_var)])

    def generate(self, n: int, seed: int = 0) -> Any:
        """Returns `n` examples decoded from draws of the prior N(0, 1)."""
        return self.objective.mean(self.decode(self._prior_draws(n, seed)))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that rebuild the model."""
        return {**self._shared_config(), "beta": self.get_kl_weight()}
