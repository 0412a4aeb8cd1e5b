"""Models by one call: built from a shape, or loaded from a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import keras

from vaelib._checks import argument_error, one_of
from vaelib.models.beta_vae import BetaVAE
from vaelib.networks import dense_decoder, dense_encoder
from vaelib.objective import Objective


def load_vae(path: str | os.PathLike[str]) -> BetaVAE:
    """Loads a model that was saved as `.keras`, in Keras' safe mode: nothing in the file is executed.

    Raises:
        ValueError: if the file does not exist, is damaged, or holds no vaelib model.
    """
    try:
        model = keras.saving.load_model(path)
    except Exception as error:  # Keras raises many types, for missing, damaged, foreign and unsafe files
        reason = str(error).partition("\n")[0][:200]
        raise argument_error("path", "be a .keras file that vaelib saved", str(path), f"Keras says: {reason}") from None
    if not isinstance(model, BetaVAE):
        raise argument_error(
            "path", "be a .keras file that vaelib saved", str(path), f"It holds a {type(model).__name__}."
        )
    return model


def build_vae(
    input_shape: Sequence[int],
    latent_dim: int,
    architecture: str = "dense",
    objective: Objective | None = None,
    *,
    beta: float = 1.0,
    hidden: Sequence[int] = (64, 32),
    batch_norm: bool = True,
    dropout: float = 0.1,
    kernel_initializer: str = "GlorotUniform",
    seed: int = 0,
) -> BetaVAE:
    """Builds a β-VAE; the decoder mirrors the encoder.

    Args:
        input_shape: shape of one example, e.g. `dataset.input_shape`.
        latent_dim: number of latent units, >= 1.
        architecture: "dense".
        objective: likelihood and scale factors; by default the Gaussian with batch-optimal σ², both terms
            summed.
        beta: initial KL weight, >= 0.
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse.
        batch_norm: whether all hidden layers but the last are batch-normalised.
        dropout: rate after those layers, in [0, 0.95].
        kernel_initializer: Keras initialiser of the ReLU layers.
        seed: integer >= 0; initial weights, noise and dropout are functions of it.

    Raises:
        ValueError: if an argument is out of range.

    >>> build_vae((8, 8, 1), latent_dim=2).count_params()
    13125
    """
    one_of("architecture", architecture, ("dense",))
    options: dict[str, Any] = {
        "batch_norm": batch_norm,
        "dropout": dropout,
        "kernel_initializer": kernel_initializer,
        "seed": seed,
    }
    encoder = dense_encoder(input_shape, latent_dim, hidden, **options)
    decoder = dense_decoder(input_shape, latent_dim, tuple(reversed(hidden)), **options)
    return BetaVAE(encoder, decoder, objective, beta, seed)
