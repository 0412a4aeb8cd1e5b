"""Layers that a VAE adds to Keras: the reparameterised sample."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from vaelib._checks import positive_int


@keras.saving.register_keras_serializable("vaelib")
class Sampling(keras.layers.Layer):
    """Draws z from N(z_mean, exp(z_log_var)) by the reparameterisation trick.

    z = z_mean + exp(z_log_var / 2) · ε with ε ~ N(0, 1), so that gradients reach z_mean and z_log_var.
    Called without `noise`, the layer draws ε from its own seeded generator; called with it, it draws nothing.

    Args:
        seed: integer >= 0 of the layer's own generator.

    Raises:
        ValueError: if `seed` is no integer >= 0.

    Source: Kingma & Welling (2014), arXiv 1312.6114, section 2.4.

    >>> z = Sampling()((ops.zeros((1, 2)), ops.zeros((1, 2))), noise=ops.array([[1.0, -2.0]]))
    >>> ops.convert_to_numpy(z).tolist()
    [[1.0, -2.0]]
    """

    def __init__(self, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = positive_int("seed", seed, minimum=0)
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def call(self, inputs: tuple[Any, Any], noise: Any = None) -> Any:
        """Returns z, shaped like z_mean, for `inputs` (z_mean, z_log_var) and optional ε of that shape."""
        z_mean, z_log_var = inputs
        if noise is None:
            noise = keras.random.normal(ops.shape(z_mean), seed=self.seed_generator)
        return z_mean + ops.exp(0.5 * z_log_var) * noise

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of z_mean."""
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that rebuild the layer."""
        return {**super().get_config(), "seed": self.seed}
