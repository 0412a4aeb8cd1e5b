"""A part of the data for several seeds: the same examples for all, or each seed's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from vaelib.models.vae import VAE


class SeedData:
    """Examples as models take them: `tensors` is a nest of (n, …) that R seeds share, or of (R, n, …).

    Args:
        parts: the data of each seed; all the same object where they are shared.
    """

    def __init__(self, parts: Sequence[Any]) -> None:
        self.is_own = any(part is not parts[0] for part in parts)
        together = tf.nest.map_structure(lambda *values: np.stack(values), *parts) if self.is_own else parts[0]
        self.tensors = tf.nest.map_structure(tf.constant, together)
        self.n = len(tf.nest.flatten(parts[0])[0])
        self._noise: dict[int, Any] = {}

    def gather(self, tensors: Any, index: Any) -> Any:
        """Returns the examples (R, batch, …) of an index (R, batch) from `tensors`, which are its own."""
        axes = 1 if self.is_own else 0
        return tf.nest.map_structure(lambda values: tf.gather(values, index, axis=axes, batch_dims=axes), tensors)

    def batch(self, start: int, size: int) -> Any:
        """Returns the examples from `start` on, as `tensors` holds them."""
        part = slice(start, start + size)
        return tf.nest.map_structure(lambda values: values[:, part] if self.is_own else values[part], self.tensors)

    def noise(self, models: Sequence[VAE], start: int, size: int) -> Any:
        """Returns the evaluation noise (R, batch, latent_dim) of the examples from `start` on."""
        if start not in self._noise:
            size = min(size, self.n - start)
            self._noise[start] = tf.stack([model.evaluation_noise(size, np.int64(start)) for model in models])
        return self._noise[start]
