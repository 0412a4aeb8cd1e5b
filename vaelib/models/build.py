"""Models by one call: built from a shape, or loaded from a file."""

from __future__ import annotations

import math
import os
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from vaelib._checks import argument_error, boolean, finite_float, one_of, positive_int
from vaelib.models.beta_vae import BetaVAE
from vaelib.models.conditional_vae import ConditionalVAE
from vaelib.models.hierarchical_vae import HierarchicalVAE
from vaelib.models.linear_vae import LinearVAE
from vaelib.models.vae import VAE
from vaelib.networks import Encoder, conv_decoder, conv_encoder, dense_decoder, dense_encoder
from vaelib.networks._sizes import check_weights, example_shape, layer_sizes
from vaelib.objective import Objective
from vaelib.randomness import initializer


def load_vae(path: str | os.PathLike[str]) -> VAE:
    """Loads a model that was saved as `.keras`, in Keras' safe mode: nothing in the file is executed.

    Raises:
        ValueError: if `path` is no path, or the file does not exist, is damaged, or holds no vaelib model.
    """
    if not isinstance(path, str | os.PathLike):
        raise argument_error("path", "be the path of a .keras file that vaelib saved", path)

    def refused(remedy: str) -> ValueError:
        return argument_error("path", "be a .keras file that vaelib saved", str(path), remedy)

    if not Path(path).is_file():
        raise refused("It is a folder." if Path(path).is_dir() else "There is no such file.")
    if not zipfile.is_zipfile(path):
        raise refused("It is damaged or of another kind.")
    try:
        with warnings.catch_warnings():
            # Keras warns where the optimizer of a model that was never trained has no state to load
            warnings.simplefilter("ignore", UserWarning)
            model = keras.saving.load_model(path)
    except Exception as error:  # Keras raises many types, for damaged, foreign and unsafe files
        reason = str(error).partition("\n")[0][:200]
        raise refused(f"Keras says: {reason}") from None
    if not isinstance(model, VAE):
        raise refused(f"It holds a {type(model).__name__}.")
    return model


ARCHITECTURES = ("dense", "convolutional", "linear")


def build_vae(
    input_shape: Sequence[int],
    latent_dim: int,
    architecture: str = "dense",
    objective: Objective | None = None,
    *,
    beta: float = 1.0,
    condition_dim: int = 0,
    local_dim: int = 0,
    hidden: Sequence[int] | None = None,
    filters: Sequence[int] | None = None,
    batch_norm: bool | None = None,
    dropout: float | None = None,
    decoder_dropout: float | None = None,
    kernel_initializer: str | None = None,
    head_initializer: str = "GlorotUniform",
    head_l2: float = 0.0,
    log_var_bounds: tuple[float, float] | None = None,
    log_var_form: str = "hard",
    bn_gamma: float | None = None,
    seed: int = 0,
) -> VAE:
    """Builds a VAE; the decoder mirrors the encoder.

    It is a `BetaVAE`; with `condition_dim` a `ConditionalVAE`, with `local_dim` a `HierarchicalVAE` (with or without a
    condition), with the linear architecture a `LinearVAE`. The book's page "Objective and models" has a table of what
    does not combine; that is refused.

    Args:
        input_shape: shape of one example, e.g. `dataset.input_shape`.
        latent_dim: number of latent units, >= 1; of the global ones in a hierarchical model.
        architecture: "dense" (default), "convolutional" for images, or "linear", which has no batch normalisation and
            no dropout.
        objective: likelihood and scale factors; by default the Gaussian with batch-optimal σ², both terms
            summed.
        beta: initial KL weight, >= 0; of both groups in a hierarchical model.
        condition_dim: width of the condition, or number of labels; 0, the default, for none.
        local_dim: number of local units; 0, the default, for none.
        hidden: widths of the encoder's dense hidden layers; the decoder has them in reverse. By default (64, 32), and
            (64,) after convolutions.
        filters: filters of the encoder's convolutions, each of stride 2; (16, 32) by default.
        batch_norm: whether dense hidden layers but the last (or a single one), or all convolutions, are
            batch-normalised; by default they are.
        dropout: rate in [0, 0.95], after those dense layers, or before the dense layers behind convolutions; 0.1 by
            default.
        decoder_dropout: the decoder's rate; by default the same.
        kernel_initializer: Keras initialiser of the ReLU layers; by default "GlorotUniform" for dense layers and
            "HeNormal" for the convolutional architecture.
        head_initializer: Keras initialiser of the heads of z_mean and z_log_var.
        head_l2: factor of an L2 penalty on their kernels.
        log_var_bounds: (lower, upper) of z_log_var, in sampler and loss alike; none by default.
        log_var_form: "hard" or "soft" (`bounded_log_var`).
        bn_gamma: γ of batch-normalised means (BN-VAE); none by default.
        seed: integer >= 0; initial weights, noise and dropout are functions of it.

    Raises:
        ValueError: if an argument is out of range or does not combine with another, or if encoder or decoder would have
            more than 500 million weights.

    >>> build_vae((8, 8, 1), latent_dim=2).count_params()
    13125
    >>> type(build_vae((8, 8, 1), latent_dim=2, local_dim=4, condition_dim=10)).__name__
    'HierarchicalVAE'
    """
    one_of("architecture", architecture, ARCHITECTURES)
    condition_dim = positive_int("condition_dim", condition_dim, minimum=0)
    local_dim = positive_int("local_dim", local_dim, minimum=0)
    heads: dict[str, Any] = {
        "l2": head_l2,
        "log_var_bounds": log_var_bounds,
        "log_var_form": log_var_form,
        "bn_gamma": bn_gamma,
    }
    heads |= {"initializer": head_initializer}
    if architecture == "linear":
        given = {"hidden": hidden, "filters": filters, "kernel_initializer": kernel_initializer, "bn_gamma": bn_gamma}
        given |= {"batch_norm": batch_norm, "dropout": dropout, "decoder_dropout": decoder_dropout}
        given |= {"condition_dim": condition_dim or None, "local_dim": local_dim or None}
        _refuse(given, "be left out with the linear architecture")
        encoder, decoder = _linear_pair(input_shape, latent_dim, heads, seed)
        return LinearVAE(encoder, decoder, objective, beta, seed)
    width = positive_int("latent_dim", latent_dim) + condition_dim + local_dim
    normalise = True if batch_norm is None else boolean("batch_norm", batch_norm)
    options: dict[str, Any] = {"batch_norm": normalise, "seed": seed}
    rates = [0.1 if dropout is None else finite_float("dropout", dropout, minimum=0, maximum=0.95)] * 2
    if decoder_dropout is not None:
        rates[1] = finite_float("decoder_dropout", decoder_dropout, minimum=0, maximum=0.95)
    units = {"latent_dim": latent_dim, "condition_dim": condition_dim, "local_dim": local_dim}
    if architecture == "dense":
        _refuse({"filters": filters}, "be left out with the dense architecture")
        hidden = layer_sizes("hidden", (64, 32) if hidden is None else hidden)
        _check_units(units, hidden)
        options |= {"kernel_initializer": "GlorotUniform" if kernel_initializer is None else kernel_initializer}
        encoder = dense_encoder(
            input_shape, latent_dim, hidden, dropout=rates[0], condition_dim=condition_dim, **options, **heads
        )
        decoder = dense_decoder(input_shape, width, hidden[::-1], dropout=rates[1], **options)
    else:
        hidden = layer_sizes("hidden", (64,) if hidden is None else hidden)
        _check_units(units, hidden)
        filters = layer_sizes("filters", (16, 32) if filters is None else filters)
        options |= {"kernel_initializer": "HeNormal" if kernel_initializer is None else kernel_initializer}
        encoder = conv_encoder(
            input_shape,
            latent_dim,
            filters,
            hidden=hidden,
            dropout=rates[0],
            condition_dim=condition_dim,
            **options,
            **heads,
        )
        decoder = conv_decoder(input_shape, width, filters[::-1], hidden=hidden[::-1], dropout=rates[1], **options)
    if local_dim:
        return HierarchicalVAE(encoder, decoder, local_dim, hidden[-1:], objective, beta, beta, seed)
    return (ConditionalVAE if condition_dim else BetaVAE)(encoder, decoder, objective, beta, seed)


def _refuse(given: dict[str, Any], must: str) -> None:
    for name, value in given.items():
        if value is not None:
            raise argument_error(name, must, value)


def _check_units(units: dict[str, int], hidden: Sequence[int]) -> None:
    """Names the decoder's input by the arguments that it is the sum of."""
    check_weights(units, *([unit, ("hidden", hidden[-1])] for unit in units.items()))


def _linear_pair(
    input_shape: Sequence[int], latent_dim: int, heads: dict[str, Any], seed: int
) -> tuple[Encoder, keras.Model]:
    shape = example_shape("input_shape", input_shape)
    positive_int("seed", seed, minimum=0)
    units = positive_int("latent_dim", latent_dim)
    sizes = {"input_shape": input_shape, "latent_dim": latent_dim}
    check_weights(sizes, [("input_shape", math.prod(shape)), ("latent_dim", units)])
    inputs = keras.Input(shape)
    body = keras.Model(inputs, keras.layers.Flatten()(inputs), name="encoder_body")
    encoder = Encoder(body, latent_dim, seed, heads={**heads, "constant_log_var": True}, name="encoder")
    z = keras.Input((latent_dim,))
    kernel = initializer("GlorotUniform", seed, "decoder_output")
    x = keras.layers.Dense(math.prod(shape), kernel_initializer=kernel, name="decoder_output")(z)
    return encoder, keras.Model(z, keras.layers.Reshape(shape)(x), name="decoder")
