"""Small data, small models and a NumPy forward pass that the tests of the Keras half share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from vaelib import BetaVAE, Dataset, Objective, build_vae
from vaelib.randomness import stream

SHAPE = (4, 3)
N_PIXELS = 12


def examples(n: int, seed: int = 0) -> np.ndarray:
    """Returns n examples in [0, 1] that two codes generate, nearly."""
    codes = np.random.default_rng(seed).random((n, 2))
    maps = np.random.default_rng(1234).random((2, N_PIXELS))
    noise = np.random.default_rng(seed + 1000).normal(0, 0.02, (n, N_PIXELS))
    return np.clip(codes @ maps / 2 + noise, 0, 1).reshape(n, *SHAPE).astype("float32")


def small_dataset(n_train: int = 50) -> Dataset:
    return Dataset("small", examples(n_train, 0), examples(20, 1), examples(25, 2))


def small_vae(objective: Objective | None = None, hidden: tuple[int, ...] = (6, 5), **options: Any) -> BetaVAE:
    return build_vae(SHAPE, 2, objective=objective, hidden=hidden, **options)


def plain_vae(objective: Objective | None = None, **options: Any) -> BetaVAE:
    """A model without batch normalisation and dropout."""
    return small_vae(objective, batch_norm=False, dropout=0.0, **options)


def compiled(model: BetaVAE, optimizer: Any = None, **options: Any) -> BetaVAE:
    model.compile(optimizer=optimizer or keras.optimizers.Adam(1e-2), jit_compile=False, **options)
    return model


_MADE: dict[tuple[Any, str], tuple[BetaVAE, list[tuple[Any, np.ndarray]]]] = {}


def reused(make: Callable[[], Any], role: str = "", key: Any = None) -> Any:
    """The model that `make` built when it was first asked for in this role, every variable as it was then.

    Nothing is compiled anew, which is most of the time that a short training takes. A model handed out before is the
    same one: keep numbers of it and not the model. `key` stands for a `make` that is another function at each call.
    """
    name = (make if key is None else key, role)
    if name not in _MADE:
        model = make()
        optimizer = getattr(model, "optimizer", None)
        if optimizer is not None:
            optimizer.build(model.trainable_variables)
        variables = [*model.variables, *([] if optimizer is None else optimizer.variables)]
        _MADE[name] = model, [(variable, np.array(variable)) for variable in variables]
    model, first = _MADE[name]
    for variable, value in first:
        variable.assign(value)
    return model


def fit(model: BetaVAE, x: np.ndarray, size: int, epochs: int, start: int = 0, callbacks: Any = ()) -> Any:
    """Plain Keras `fit` on the same batches in the same order in each epoch, the last one ragged."""
    return model.fit(
        x, batch_size=size, shuffle=False, epochs=epochs, initial_epoch=start, callbacks=list(callbacks), verbose=0
    )


def weights(model: keras.Model) -> list[np.ndarray]:
    return [weight.numpy() for weight in model.weights]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    """Whether two lists of arrays are equal bit for bit."""
    return len(one) == len(other) and all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))


def step_noise(model: BetaVAE, n: int, step: int) -> np.ndarray:
    """The noise of a training step, drawn by TensorFlow itself."""
    return tf.random.stateless_normal((n, model.latent_dim), seed=[stream(model.seed, "noise"), step]).numpy()


def evaluation_noise(model: BetaVAE, n: int) -> np.ndarray:
    """The noise of evaluation for examples 0 to n − 1, each row drawn alone from its Philox counts."""
    counts = -(-model.latent_dim // 4)
    rows = [
        tf.raw_ops.StatelessRandomNormalV2(
            shape=(1, 4 * counts),
            key=tf.constant([stream(model.seed, "evaluation")], "uint64"),
            counter=tf.constant([i * counts, 0], "uint64"),
            alg=1,
        )[0, : model.latent_dim]
        for i in range(n)
    ]
    return np.stack(rows)


def numpy_forward(model: BetaVAE, x: np.ndarray, noise: np.ndarray, training: bool = False) -> tuple[np.ndarray, ...]:
    """Returns z_mean, z_log_var and the decoder's output of a dense model without dropout, in float64."""
    h = run_layers(model.encoder.body, np.asarray(x, "float64").reshape(len(x), -1), training)
    z_mean, z_log_var = (
        h @ head.kernel.numpy().astype("float64") + head.bias.numpy()
        for head in (model.encoder.z_mean, model.encoder.z_log_var)
    )
    z = z_mean + np.sqrt(np.exp(z_log_var)) * noise
    return z_mean, z_log_var, run_layers(model.decoder, z, training).reshape(x.shape)


def run_layers(network: keras.Model, h: np.ndarray, training: bool) -> np.ndarray:
    for layer in network.layers:
        if isinstance(layer, keras.layers.Dense):
            h = h @ layer.kernel.numpy().astype("float64") + layer.bias.numpy()
            if layer.name != "decoder_output":
                h = np.maximum(h, 0)
        elif isinstance(layer, keras.layers.BatchNormalization):
            mean = h.mean(0) if training else layer.moving_mean.numpy()
            variance = h.var(0) if training else layer.moving_variance.numpy()
            h = layer.gamma.numpy() * (h - mean) / np.sqrt(variance + 1e-3) + layer.beta.numpy()
    return h
