"""Layers that a VAE adds to Keras: the reparameterised sample, bounds of the log-variance, and the heads of q(z|x)."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from vaelib._arrays import finite_array
from vaelib._checks import Described, argument_error, boolean, finite_float, one_of, positive_int
from vaelib._loss_arguments import checked_bounds
from vaelib.data.checks import check_examples
from vaelib.randomness import initializer

BATCH_NORM_MOMENTUM = 0.9  # Keras' 0.99 needs hundreds of steps before evaluation matches training
BOUNDS = ("hard", "soft")


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


def bounded_log_var(z_log_var: Any, bounds: tuple[float, float], form: str = "hard") -> Any:
    """Returns log-variances inside `bounds` = (lower, upper).

    "hard" cuts them off: min(max(z_log_var, lower), upper), whose gradient outside is 0. "soft" bends them:
    m + h · tanh((z_log_var − m) / h) with m the middle of the bounds and h half their distance, whose gradient
    shrinks towards both ends, in float32 down to 0 far out.

    Raises:
        ValueError: if `z_log_var` holds no finite numbers (of a tensor they are not read), `bounds` are no finite pair
            with lower < upper, or `form` is another word.

    >>> ops.convert_to_numpy(bounded_log_var(ops.array([-9.0, 0.0, 9.0]), (-4.0, 4.0))).tolist()
    [-4.0, 0.0, 4.0]
    """
    z_log_var = numbers("z_log_var", z_log_var)
    lower, upper = checked_bounds("bounds", () if bounds is None else bounds) or bounds
    if one_of("form", form, BOUNDS) == "hard":
        return ops.clip(z_log_var, lower, upper)
    middle, half = (lower + upper) / 2, (upper - lower) / 2
    return middle + half * ops.tanh((z_log_var - middle) / half)


@keras.saving.register_keras_serializable("vaelib")
class GaussianHeads(keras.layers.Layer):
    """Maps features (batch, features) to `z_mean, z_log_var`, each (batch, latent_dim), by two linear heads.

    What is bounded or normalised here is what is sampled from, what enters the KL and what a model returns: loss and
    sampler always see the same q(z|x).

    Args:
        latent_dim: number of latent units, >= 1.
        seed: integer >= 0; initial weights are a function of it and of `part`.
        part: prefix of the heads' names, such as `"local_"`.
        initializer: Keras initialiser of both heads.
        l2: factor of an L2 penalty on both heads' kernels, added to the loss; 0 by default.
        log_var_bounds: (lower, upper) of the log-variance; none by default.
        log_var_form: "hard" or "soft", how the bounds act: see `bounded_log_var`.
        bn_gamma: γ > 0 of BN-VAE: the means are batch-normalised to standard deviation γ, with a trained shift b
            for each unit, so that over a batch the mean KL is at least latent_dim · γ² / 2. None by default.
        constant_log_var: whether the log-variance is a trained vector and no function of x, as in the linear VAE.

    Raises:
        ValueError: if an argument is out of range, `log_var_form` is given without bounds, or `l2` with `bn_gamma`,
            which takes the scale of the kernel away that L2 would bound.

    Source: BN-VAE: Zhu et al. (2020), arXiv 2004.12585.
    """

    def __init__(
        self,
        latent_dim: int,
        seed: int = 0,
        part: str = "",
        *,
        initializer: str = "GlorotUniform",
        l2: float = 0.0,
        log_var_bounds: tuple[float, float] | None = None,
        log_var_form: str = "hard",
        bn_gamma: float | None = None,
        constant_log_var: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.latent_dim = positive_int("latent_dim", latent_dim)
        self.seed = positive_int("seed", seed, minimum=0)
        self.part = part
        self.initializer = initializer
        self.l2 = finite_float("head_l2", l2, minimum=0)
        self.log_var_bounds = checked_bounds("log_var_bounds", log_var_bounds)
        self.log_var_form = one_of("log_var_form", log_var_form, BOUNDS)
        if self.log_var_bounds is None and self.log_var_form != "hard":
            raise argument_error("log_var_form", "be left out without log_var_bounds", log_var_form)
        self.bn_gamma = None if bn_gamma is None else finite_float("bn_gamma", bn_gamma, minimum=0, exclusive=True)
        self.constant_log_var = boolean("constant_log_var", constant_log_var)
        if self.l2 and self.bn_gamma:
            raise argument_error("head_l2", "be 0 with bn_gamma, which fixes the scale of the means", l2)
        self.z_mean = self._head("z_mean")
        self.z_log_var = None if constant_log_var else self._head("z_log_var")
        self.mean_norm = None
        if self.bn_gamma is not None:
            # ε far below any variance: the share ε / variance is what the KL could still gain by shrinking the kernel
            self.mean_norm = keras.layers.BatchNormalization(
                momentum=BATCH_NORM_MOMENTUM, epsilon=1e-12, center=False, scale=False, name=f"{part}z_mean_norm"
            )

    def _head(self, name: str) -> keras.layers.Dense:
        name = f"{self.part}{name}"
        kernel = seeded("head_initializer", self.initializer, self.seed, name)
        penalty = keras.regularizers.L2(self.l2) if self.l2 else None
        return keras.layers.Dense(self.latent_dim, kernel_initializer=kernel, kernel_regularizer=penalty, name=name)

    def build(self, input_shape: Any) -> None:
        """Creates the weights."""
        self.z_mean.build(input_shape)
        if self.z_log_var is None:
            self.log_var = self.add_weight((self.latent_dim,), "zeros", name=f"{self.part}z_log_var")
        else:
            self.z_log_var.build(input_shape)
        if self.mean_norm is not None:
            self.mean_norm.build((None, self.latent_dim))
            self.shift = self.add_weight((self.latent_dim,), "zeros", name=f"{self.part}z_mean_shift")
        self.built = True

    def call(self, features: Any, training: bool = False) -> tuple[Any, Any]:
        """Returns `z_mean, z_log_var` of the features."""
        z_mean = self.z_mean(features)
        if self.mean_norm is not None:
            z_mean = self.bn_gamma * self.mean_norm(z_mean, training=training) + ops.cast(self.shift, z_mean.dtype)
        if self.z_log_var is None:
            z_log_var = ops.zeros_like(z_mean) + ops.cast(self.log_var, z_mean.dtype)
        else:
            z_log_var = self.z_log_var(features)
        if self.log_var_bounds is not None:
            z_log_var = bounded_log_var(z_log_var, self.log_var_bounds, self.log_var_form)
        return z_mean, z_log_var

    def options(self) -> dict[str, Any]:
        """Returns the keyword arguments that further heads of the same kind are built with."""
        return {
            "initializer": self.initializer,
            "l2": self.l2,
            "log_var_bounds": self.log_var_bounds,
            "log_var_form": self.log_var_form,
            "bn_gamma": self.bn_gamma,
            "constant_log_var": self.constant_log_var,
        }

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that rebuild the layer."""
        own = {"latent_dim": self.latent_dim, "seed": self.seed, "part": self.part}
        return {**super().get_config(), **own, **self.options()}


def numbers(name: str, value: Any, shape: tuple[int, ...] | None = None) -> Any:
    """Returns a tensor as it is and anything else as an array of finite numbers, or raises.

    With `shape`, that of one example, the array is float32. A tensor may be symbolic: what is looked at is its dtype
    and the shape that is known of it, which costs nothing in a compiled step.
    """
    if not is_tensor(value):
        return finite_array(name, value) if shape is None else check_examples(name, value, shape)
    if keras.backend.standardize_dtype(value.dtype) == "string":
        raise argument_error(name, "hold real numbers", Described("a tensor of strings"))
    if shape is not None and not tf.TensorShape(value.shape).is_compatible_with((None, *shape)):
        raise argument_error(
            name, f"hold examples of shape {shape}", Described(f"a tensor of shape {tuple(value.shape)}")
        )
    return value


def is_tensor(value: Any) -> bool:
    """Whether `value` is a tensor or a variable, symbolic ones included."""
    return ops.is_tensor(value) or isinstance(value, keras.KerasTensor | keras.Variable)


def seeded(argument: str, name: Any, seed: int, layer: str) -> keras.initializers.Initializer:
    """Returns the Keras initialiser `name` seeded for one layer, or raises if it is none that takes a seed."""
    try:
        return initializer(name, seed, layer)
    except (TypeError, ValueError):
        must = "be the class name of a seeded Keras initialiser, such as 'GlorotUniform' or 'HeNormal'"
        raise argument_error(argument, must, name) from None
