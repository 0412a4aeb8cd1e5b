"""Random draws as functions of a seed and a position, never of what was drawn before.

Each use of chance has a named stream of its own (initialisation, data order, sampling noise, dropout,
evaluation). Two trainings with one seed are therefore a pair, whatever their β schedules, and one that is
resumed by `fit(..., initial_epoch=...)` repeats an uninterrupted one.
"""

from __future__ import annotations

import math
import zlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def stream(seed: int, name: str) -> int:
    """Returns the 31-bit seed of the stream `name` of `seed`.

    >>> stream(0, "noise") == stream(0, "noise"), stream(0, "noise") == stream(0, "order")
    (True, False)
    """
    return int(np.random.SeedSequence([seed, zlib.crc32(name.encode())]).generate_state(1)[0] >> 1)


def normal_at(shape: Any, seed: int, position: Any) -> Any:
    """Returns standard normal noise that depends on `seed` and `position` (a step) alone."""
    return tf.random.stateless_normal(shape, seed=tf.stack([tf.cast(seed, "int64"), tf.cast(position, "int64")]))


def normal_rows(n: Any, width: int, seed: int, first: Any) -> Any:
    """Returns standard normal noise (n, width) whose row i depends on `seed` and first + i alone.

    So example i has the same noise however the examples are cut into batches.
    """
    counts = math.ceil(width / 4)  # Philox gives four normals at each count; a row begins with a new one
    counter = tf.stack([tf.cast(first, "uint64") * counts, tf.zeros((), "uint64")])
    key = tf.cast([seed], "uint64")
    shape = tf.stack([n, 4 * counts])
    return tf.raw_ops.StatelessRandomNormalV2(shape=shape, key=key, counter=counter, alg=1)[:, :width]


def order_at(n: int, seed: int, epoch: Any) -> Any:
    """Returns the permutation of `range(n)` in which a training with this seed visits the examples in `epoch`."""
    pair = tf.stack([stream(seed, "order"), tf.cast(epoch, "int64")])
    return tf.random.experimental.stateless_shuffle(tf.range(n), seed=pair)


def initializer(name: str, seed: int, layer: str) -> keras.initializers.Initializer:
    """Returns the Keras initialiser `name`, seeded for one layer."""
    config = {"class_name": name, "config": {"seed": stream(seed, f"initialisation/{layer}")}}
    return keras.initializers.get(config)


def generator_states(generators: list[keras.random.SeedGenerator], seed: int, position: Any) -> list[Any]:
    """Returns states of these generators (dropout's, say) whose next draws depend on `seed` and `position` alone."""
    return [
        tf.cast(tf.stack([stream(seed, f"dropout/{i}"), tf.cast(position, "int64")]), generator.state.dtype)
        for i, generator in enumerate(generators)
    ]
