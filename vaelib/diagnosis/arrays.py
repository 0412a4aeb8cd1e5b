"""The diagnosis of anybody's model, from arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vaelib._arrays import finite_array
from vaelib._checks import Described, argument_error
from vaelib.diagnosis._case import Case, checked_data, measured
from vaelib.diagnosis._rules import examine
from vaelib.diagnosis._training_facts import training_facts, training_history
from vaelib.diagnosis.findings import Diagnosis


def diagnose_arrays(
    x: npt.ArrayLike,
    x_reconstructed: npt.ArrayLike,
    z_mean: npt.ArrayLike,
    z_log_var: npt.ArrayLike,
    history: Any = None,
    training: Any = None,
) -> Diagnosis:
    r"""Says what is wrong with a trained VAE of any library, on which evidence, and what to change.

    The yardstick is the linear β-VAE (`linear_vae_optimum`) at β = 1 whose decoder variance is the squared error
    :math:`\hat\sigma^2` that the model leaves (at most the variance of the data): it spends

    .. math:: K = \sum_{i \le L,\ \lambda_i > \hat\sigma^2} \tfrac12 \ln(\lambda_i / \hat\sigma^2)

    nats. Looked for are, causes before symptoms:

    - "mis-scaled loss": the scales of the loss make of the KL weight a β more than 3 times as high or low, and that β
      lies outside [½, 2], judged against :math:`\hat\sigma^2`. Needs `training`.
    - "unfinished schedule": β did not end where its schedule leads to, or was still moving. Needs `history`.
    - "dead log-variance gradient": at least a quarter of the informative units' log-variances have less than a tenth of
      their gradient left behind bounds or a clip; where these are not given, a quarter lies at one extreme value.
    - "exploding KL": the KL exceeds K by 5 nats a unit, by 2 where E[z²] under q is above 4 (the prior's is 1), or by
      1.5 where β is known to be below 0.1; at the end of the history if not in the arrays.
    - "collapsed": the KL, or what the means tell over the noise of the codes, Σ ½ ln(1 + Var E[z|x] / E Var[z|x]), is
      below 0.03 K. "Partly collapsed": the KL is that of a linear model with the same error at a β above 4, or above
      2.5 where the loss is known to have such a β. Under a Bernoulli likelihood, where the yardstick is loose, only the
      second counts. With a K below 0.1 nats there is nothing to collapse.
    - "overfitting": after its best epoch the validation figure rose by more than K / 2 (½ nat at least), and neither
      an exploding KL nor a collapse explains it. Needs `history`.

    The yardstick takes one decoder variance for all numbers in x, and the prior N(0, I). For a model with a condition,
    pass x and reconstructions less what the condition alone explains of x. A model that has not been trained enough
    cannot be judged.

    How often each is right is measured on trainings that were broken on purpose: see the chapter on diagnosis.

    Args:
        x: (n, …) examples, n >= 2, best some hundred that the model was not trained on.
        x_reconstructed: their reconstructions, of x's shape: means (of a Bernoulli: probabilities), best from one draw
            of z for each example.
        z_mean: (n, latent_dim), the means of q(z|x).
        z_log_var: (n, latent_dim), the logarithms of its variances.
        history: a table or mapping with one value an epoch: `beta`, `kl_loss` or `val_kl_loss`, `val_negative_elbo` (at
            β = 1) or, where β is constant, `val_total_loss`; or an object whose `history` is that.
        training: what is known of the loss, a mapping: `kl_weight`, `likelihood` ("gaussian", the default, "mse" for a
            squared error without ½, "bernoulli", "continuous_bernoulli"), `sigma2` (the Gaussian's variance; fitted by
            default), `reconstruction_scale` and `kl_scale` ("sum", the default, "mean" or a number),
            `log_var_bounds` (lower, upper), `log_var_form` ("hard" or "soft"), `kl_clip` (lower, upper), `schedule`,
            `restored_epoch` (from 0), where the model has the weights of that epoch and not the last ones.

    Returns:
        A `Diagnosis`. What could not be assessed for lack of `history` or `training` is named in it.

    Raises:
        ValueError: if arrays are not finite or do not fit together, `x` is constant, or an entry is unknown or out of
            range.

    Codes that are the prior for every example:

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(200, 3)) * [3.0, 1.0, 0.1]
    >>> nothing = np.zeros((200, 2))
    >>> diagnosis = diagnose_arrays(x, np.zeros_like(x), nothing, nothing)
    >>> diagnosis.verdict
    'collapsed'
    >>> diagnosis.findings[0].evidence[:61]
    '0 of 2 units are active and the KL is 0 nats; with the same e'
    """
    data = checked_data(x)
    reconstructed = finite_array("x_reconstructed", x_reconstructed)
    if reconstructed.shape != np.shape(x):
        received = Described(f"an array of shape {reconstructed.shape}")
        raise argument_error("x_reconstructed", f"have the shape of x, {np.shape(x)}", received)
    means, log_vars = _codes("z_mean", z_mean, len(data)), _codes("z_log_var", z_log_var, len(data))
    if log_vars.shape != means.shape:
        received = Described(f"an array of shape {log_vars.shape}")
        raise argument_error("z_log_var", f"have the shape of z_mean, {means.shape}", received)
    facts, figures = training_facts(training), training_history(history)
    return examine(
        Case(**measured(data, reconstructed), z_mean=means, z_log_var=log_vars, facts=facts, history=figures)
    )


def _codes(name: str, value: Any, n: int) -> npt.NDArray[np.float64]:
    codes = finite_array(name, value, ndim=2, axes="(n, latent_dim)")
    if len(codes) != n:
        received = Described(f"an array of shape {codes.shape}")
        raise argument_error(name, f"have one row for each of the {n} examples in x", received)
    return codes.astype(np.float64)
