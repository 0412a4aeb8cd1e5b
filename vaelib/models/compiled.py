"""A model's evaluation as compiled functions: terms of a batch, and losses of data cut into batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from vaelib.kl import Latents
from vaelib.likelihood import gaussian_nll
from vaelib.objective import Terms


def compile_terms(model: Any) -> Any:
    """Returns the compiled function (x, position of its first example) -> `Terms` without training."""

    def terms(data: Any, position: Any) -> Terms:
        n = tf.shape(tf.nest.flatten(data)[0])[0]
        return model.terms(data, model.evaluation_noise(n, position), training=False)

    signature = [model.inputs.spec, tf.TensorSpec((), "int64")]
    return tf.function(terms, input_signature=signature).get_concrete_function()


def summed_terms(terms: Terms) -> Any:
    """Returns the sums over a batch of the distortion and, for each unit, of its KL and of what the loss takes of it.

    float64, (1 + 2 · latent_dim,).
    """
    columns = [terms.distortion[:, tf.newaxis]]
    columns += [latents.kl for latents in terms.latents] + [latents.kl_in_loss for latents in terms.latents]
    return tf.reduce_sum(tf.cast(tf.concat(columns, axis=1), "float64"), axis=0)


def losses_of_means(model: Any, means: Any, log_sigma2: Any, scheduled: Mapping[str, Any]) -> list[Any]:
    """Returns the losses by `loss_names` and the negative ELBO at β = 1 from the means of what `summed_terms` sums.

    σ² is the ELBO's, and that of an objective whose own is "optimal".
    """
    means = tf.cast(means, "float32")[tf.newaxis]
    distortion, *kl = tf.split(means, [1, *model.group_dims, *model.group_dims], axis=1)
    half = len(model.group_dims)
    latents = tuple(Latents(None, None, *pair) for pair in zip(kl[:half], kl[half:], strict=True))
    own = log_sigma2 if model.log_sigma2 is None else model.log_sigma2
    reconstruction = model.objective.reconstruction(distortion[0], model.n_pixels, own)
    output = tf.zeros((1, *model.example_shape))  # of which the losses read the shape alone
    values = model.named_losses(Terms(output, distortion[0], reconstruction, latents), scheduled)
    has_sigma2 = model.objective.has_sigma2
    nll = gaussian_nll(distortion[0, 0], model.n_pixels, log_sigma2) if has_sigma2 else distortion[0, 0]
    return [*(values[name] for name in model.loss_names), nll + sum(tf.reduce_sum(part) for part in kl[:half])]


def compile_losses(model: Any) -> Any:
    """Returns the compiled function (x, noise, sums, number of examples so far, log σ²) -> sums, losses.

    The sums are those over all examples so far (`summed_terms`), the losses those of their means (`losses_of_means`)
    and the scheduled numbers.
    """

    def losses(data: Any, noise: Any, sums: Any, n: Any, log_sigma2: Any) -> tuple[Any, Any]:
        sums += summed_terms(model.terms(data, noise, training=False))
        values = losses_of_means(model, sums / n, log_sigma2, model.scheduled)
        return sums, tf.stack([*values, *(variable.value for variable in model.scheduled.values())])

    noise = tf.TensorSpec((None, model.latent_dim))
    sums, n = tf.TensorSpec(1 + 2 * model.latent_dim, "float64"), tf.TensorSpec((), "float64")
    signature = [model.inputs.spec, noise, sums, n, tf.TensorSpec(())]
    return tf.function(losses, input_signature=signature).get_concrete_function()
