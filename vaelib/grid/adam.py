"""Adam over stacked weights, as one operation a variable: Keras' own makes ten passes over as many numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # as `keras.optimizers.Adam`


class StackedAdam:
    """Adam for variables of many members; elementwise, it is one optimizer for each of them.

    Args:
        variables: the variables that it changes.
        learning_rate: > 0.

    Source: Kingma & Ba (2014), arXiv 1412.6980, in the form before its section 2.1, as Keras has it.
    """

    def __init__(self, variables: Sequence[tf.Variable], learning_rate: float) -> None:
        self._variables = list(variables)
        # as Keras has it: the learning rate in its own precision, the powers below in float32
        self._learning_rate = float(np.asarray(learning_rate, keras.config.floatx()))
        self.iterations = tf.Variable(0, dtype="int64", trainable=False)
        self.moments = [
            tuple(tf.Variable(tf.zeros(variable.shape, variable.dtype), trainable=False) for _ in "mv")
            for variable in self._variables
        ]

    def restart(self) -> None:
        """Forgets all steps."""
        self.iterations.assign(0)
        for moment in (moment for pair in self.moments for moment in pair):
            moment.assign(tf.zeros_like(moment))

    def apply(self, gradients: Sequence[Any]) -> None:
        """Makes a step; to be called inside a `tf.function`."""
        for variable, (mean, square), gradient in zip(self._variables, self.moments, gradients, strict=True):
            dtype = variable.dtype
            step = tf.cast(self.iterations + 1, dtype)
            power_1, power_2 = (tf.cast(tf.constant(beta), dtype) ** step for beta in (BETA_1, BETA_2))
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=mean.handle,
                v=square.handle,
                beta1_power=power_1,
                beta2_power=power_2,
                lr=tf.constant(self._learning_rate, dtype),
                beta1=tf.constant(BETA_1, dtype),
                beta2=tf.constant(BETA_2, dtype),
                epsilon=tf.constant(EPSILON, dtype),
                grad=gradient,
            )
        self.iterations.assign_add(1)
