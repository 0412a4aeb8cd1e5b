"""What all callbacks that read or steer a VAE share: the check that the model is one."""

from __future__ import annotations

from typing import Any

import keras

from vaelib.models.beta_vae import require_vae


class VAECallback(keras.callbacks.Callback):
    """A Keras callback for a `BetaVAE` and for no other model."""

    def set_model(self, model: Any) -> None:
        """Takes the model that `fit` trains.

        Raises:
            ValueError: if it is no `BetaVAE`.
        """
        super().set_model(require_vae("model", model))
