"""The linear VAE, whose optimum is known in closed form."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from vaelib._checks import argument_error
from vaelib.models.beta_vae import BetaVAE
from vaelib.objective import Terms


@keras.saving.register_keras_serializable("vaelib")
class LinearVAE(BetaVAE):
    """A β-VAE with one linear layer each way and one trained log-variance a unit.

    z_mean = V x + c, z_log_var a vector that does not depend on x, decoder W z + d. Under a Gaussian likelihood the
    expected squared error needs no sample,

    E‖x − W z − d‖² = ‖x − W z_mean − d‖² + Σ_j exp(z_log_var_j) ‖w_j‖²,

    so the loss and its gradient have no sampling noise, and training can be checked against the exact optimum.

    Args:
        encoder: an `Encoder` with a linear body and `constant_log_var` heads.
        decoder: one linear layer named "decoder_output".
        options: `objective` (Gaussian or "mse"), `beta`, `seed` as for `BetaVAE`.

    Raises:
        ValueError: if the likelihood is no Gaussian or the decoder not linear, and as for `BetaVAE`.

    Source: Lucas et al. (2019), arXiv 1911.02469.
    """

    def __init__(self, encoder: Any, decoder: Any, *args: Any, **options: Any) -> None:
        super().__init__(encoder, decoder, *args, **options)
        if not self.objective.has_sigma2:
            must = "have a Gaussian likelihood, or 'mse', for the linear VAE"
            raise argument_error("objective", must, self.objective)
        if not _is_linear(decoder):
            must = "be one linear layer named 'decoder_output': the expected distortion holds for no other"
            raise argument_error("decoder", must, decoder)

    def terms(self, x: Any, noise: Any = None, training: bool = False) -> Terms:
        """Returns the terms with the expected distortion; `noise` is not used."""
        x, _ = self.inputs.split(x)
        z_mean, z_log_var = self.encoder.heads(self.encoder.body(x, training=training), training=training)
        kernel = ops.cast(self.decoder.get_layer("decoder_output").kernel, "float32")  # (latent_dim, pixels)
        squared_norm = ops.sum(kernel**2, axis=1)
        variance = ops.sum(ops.exp(ops.cast(z_log_var, "float32")) * squared_norm, axis=-1)  # (batch,)
        return self._terms(x, self.decode(z_mean, training=training), [(z_mean, z_log_var)], variance)


def _is_linear(decoder: keras.Model) -> bool:
    """Whether the decoder is one dense layer without activation, and layers that only change the shape."""
    shape_only = (keras.layers.InputLayer, keras.layers.Reshape)
    layers = [layer for layer in decoder.layers if not isinstance(layer, shape_only)]
    return (
        len(layers) == 1
        and isinstance(layers[0], keras.layers.Dense)
        and layers[0].name == "decoder_output"
        and layers[0].activation is keras.activations.linear
    )
