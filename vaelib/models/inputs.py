"""What a model takes as data: examples alone, or examples and their conditions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from vaelib._arrays import problem_of
from vaelib._checks import Described, argument_error
from vaelib.data.checks import check_examples
from vaelib.layers import is_tensor, numbers
from vaelib.objective import Objective

UNKNOWN = "labels out of range"
ALONE = "a VAE has no targets and weighs examples equally"


class Inputs:
    """The data of one model: x alone, or the pair (x, condition) where the model has a condition.

    Args:
        example_shape: shape of one example.
        condition_dim: width of the condition, 0 for none. Integer labels 0, 1, … become one-hot vectors of that width.
        objective: whose likelihood the examples must fit.
    """

    def __init__(self, example_shape: tuple[int, ...], condition_dim: int, objective: Objective) -> None:
        self.example_shape = example_shape
        self.condition_dim = condition_dim
        self.objective = objective

    @property
    def spec(self) -> Any:
        """The TensorFlow specification of a batch."""
        x = tf.TensorSpec((None, *self.example_shape), "float32")
        return (x, tf.TensorSpec((None, self.condition_dim), "float32")) if self.condition_dim else x

    def check(self, name: str, data: Any) -> Any:
        """Returns data as float32 arrays, or raises a ValueError if they cannot be data of this model.

        They cannot if a shape is wrong, if values are not finite, or if they lie outside the likelihood's support.
        """
        if data is None:
            raise argument_error(name, f"hold examples of shape {self.example_shape}", data)
        if not self.condition_dim:
            return self._check_examples(name, data)
        x, condition = _pair(name, data)
        x = self._check_examples(name, x)
        return x, self.check_condition(f"{name}[1]", condition, len(x))

    def of_call(self, name: str, data: Any) -> Any:
        """Returns the data of a call of the model, or raises a ValueError if their shape is wrong.

        Arrays must be finite too; tensors may be symbolic, and their numbers are not read.
        """
        if isinstance(data, tuple) and data and all(part is None for part in data[1:]):
            data = data[0]
        if not self.condition_dim:
            data = data if isinstance(data, list) else self.alone(name, data)
            return numbers(name, data, self.example_shape)
        x, condition = _pair(name, data)
        x = numbers(name, x, self.example_shape)
        return x, self.as_vectors(f"{name}[1]", condition, x.shape[0])

    def as_vectors(self, name: str, condition: Any, n: int | None = None) -> Any:
        """Returns n conditions as vectors (n, condition_dim), labels as one-hot vectors, or raises a ValueError.

        Tensors may be symbolic: of theirs, only labels that are known already are read.
        """
        if not is_tensor(condition):
            return self.check_condition(name, condition, n)
        shape, kind = tf.TensorShape(condition.shape), keras.backend.standardize_dtype(condition.dtype)
        if "int" in kind and shape.rank == 1 and shape.is_compatible_with((n,)):
            if hasattr(condition, "numpy"):
                return self.check_condition(name, condition.numpy(), n)
            return self._one_hot(condition)
        if kind == "string" or not shape.is_compatible_with((n, self.condition_dim)):
            received = Described(f"{kind} values of shape {tuple(shape)}")
            raise argument_error(name, self._conditions("" if n is None else f"{n} "), received)
        return condition

    def _check_examples(self, name: str, x: Any) -> np.ndarray:
        examples = check_examples(name, x, shape=self.example_shape)
        self.objective.check(name, examples)
        return examples

    def check_condition(self, name: str, condition: Any, n: int | None = None) -> np.ndarray:
        """Returns n conditions as float32 (n, condition_dim), labels as one-hot vectors, or raises a ValueError."""
        width, must = self.condition_dim, self._conditions("" if n is None else f"{n} ")
        try:
            array = np.asarray(condition)
        except ValueError:
            raise argument_error(name, must, Described("a ragged sequence")) from None
        n = len(array) if n is None and array.ndim else n
        problem = problem_of(array)
        if problem is not None:
            raise argument_error(name, must, Described(problem[1]) if array.ndim else condition)
        if array.shape == (n,) and array.dtype.kind in "bui":
            if array.min() < 0 or array.max() >= width:
                raise argument_error(name, must, Described(f"labels from {array.min()} to {array.max()}"))
            return np.eye(width, dtype="float32")[array.astype(int)]
        if array.shape != (n, width):
            raise argument_error(name, must, Described(f"{array.dtype} values of shape {array.shape}"))
        return array.astype("float32")

    def _conditions(self, count: str = "") -> str:
        """What conditions must be, in words."""
        width = self.condition_dim
        return f"hold {count}conditions: labels from 0 to {width - 1}, or vectors of {width} numbers"

    def of_dataset(self, dataset: Any, part: str) -> Any:
        """Returns a part of a `Dataset` as data of this model, checked; labels are the conditions."""
        x = getattr(dataset, f"x_{part}")
        if not self.condition_dim:
            return self.check(f"dataset.x_{part}", x)
        y = getattr(dataset, f"y_{part}")
        if y is None:
            raise argument_error("dataset", "have labels, the conditions of this model", dataset)
        return self._check_examples(f"dataset.x_{part}", x), self.check_condition(f"dataset.y_{part}", y, len(x))

    def split(self, data: Any) -> tuple[Any, Any]:
        """Inside a step: returns x and the condition, which is None without one."""
        if isinstance(data, tuple | list) and data and all(part is None for part in data[1:]):
            data = data[0]  # what Keras passes beside it: no targets, no weights
        if not self.condition_dim:
            return tf.cast(self.alone("x", data), "float32"), None
        if not isinstance(data, tuple | list) or any(part is not None for part in data[2:]):
            raise argument_error("x", "be the pair (examples, conditions)", Described(type(data).__name__))
        x, condition = data[0], self.as_vectors("x[1]", data[1])
        return tf.cast(x, "float32"), tf.cast(condition, "float32")

    def alone(self, name: str, x: Any) -> Any:
        """The examples of a batch; Keras passes targets and weights, or None in their place, in a tuple with them."""
        if isinstance(x, tuple) and x and all(part is None for part in x[1:]):
            x = x[0]
        if isinstance(x, tuple | list | dict):
            raise argument_error(name, f"be examples alone: {ALONE}", Described(f"{len(x)} arrays a batch"))
        return x

    def check_fit(self, values: dict[str, Any]) -> None:
        """Checks the arguments of Keras' `fit` or `evaluate` in place, before anything is traced.

        A conditional model takes its conditions as `y`, or as the second of a pair `x`.
        """
        refused = ("sample_weight", "class_weight") if self.condition_dim else ("y", "sample_weight", "class_weight")
        for name in refused:
            if values.get(name) is not None:
                raise argument_error(name, f"be left out: {ALONE}", values[name])
        x, y = values.get("x"), values.get("y")
        if self.condition_dim and y is not None:
            x = (x, y)
            values["y"] = None
        values["x"] = self._check_data("x", x)
        validation = values.get("validation_data")
        if validation is not None:
            validation = validation if self.condition_dim else self.alone("validation_data", validation)
            values["validation_data"] = self._check_data("validation_data", validation)
        if isinstance(values["x"], tuple):  # Keras takes the second of a pair as y
            values["x"], values["y"] = values["x"]

    def _check_data(self, name: str, data: Any) -> Any:
        if isinstance(data, tf.data.Dataset):
            if not self.condition_dim:
                self.alone(name, data.element_spec)
        elif data is None or isinstance(data, list | tuple | dict) or hasattr(data, "__array__"):
            return self.check(name, data)
        return data

    def _one_hot(self, labels: Any) -> Any:
        """Labels of a compiled step as vectors; others than the model's end the step, except under XLA."""
        if not tf.is_tensor(labels):
            return ops.one_hot(labels, self.condition_dim)
        known = tf.reduce_all((labels >= 0) & (tf.cast(labels, "int64") < self.condition_dim))
        # tf.debugging.Assert would branch; this costs nothing that can be measured
        with tf.control_dependencies([tf.raw_ops.Assert(condition=known, data=[UNKNOWN])]):
            return ops.one_hot(tf.identity(labels), self.condition_dim)

    @contextmanager
    def label_errors(self) -> Iterator[None]:
        """Turns TensorFlow's error about the labels of a step into the library's."""
        try:
            yield
        except tf.errors.InvalidArgumentError as error:
            if UNKNOWN not in str(error):
                raise
            raise argument_error("x[1]", self._conditions(), Described(UNKNOWN)) from None


def _pair(name: str, data: Any) -> Any:
    if not isinstance(data, tuple | list) or len(data) != 2:
        received = Described(f"a {type(data).__name__} of {len(data)}" if hasattr(data, "__len__") else repr(data))
        raise argument_error(name, "be the pair (examples, conditions) for a conditional model", received)
    return data
