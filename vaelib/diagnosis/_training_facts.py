"""What is known of a training beside its arrays: loss, bounds of the log-variance, schedule and history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vaelib._arrays import LARGEST, finite_array
from vaelib._checks import Described, argument_error, finite_float, known_keys, one_of, positive_int
from vaelib._loss_arguments import LIKELIHOODS, checked_bounds, checked_scale, scale_factor
from vaelib.schedules.base import require_schedule

_KEYS = (
    *("kl_weight", "likelihood", "sigma2", "reconstruction_scale", "kl_scale"),
    *("log_var_bounds", "log_var_form", "kl_clip", "schedule", "restored_epoch"),
)
_COLUMNS = ("beta", "kl_loss", "val_kl_loss", "val_negative_elbo", "val_total_loss")


@dataclass(frozen=True)
class TrainingFacts:
    """The entries of `training`, checked; `kl_weight` and `likelihood` are None where they are not known."""

    kl_weight: float | None = None
    likelihood: str | None = None
    sigma2: float | None = None  # None: fitted to the error
    reconstruction_scale: str | float = "sum"
    kl_scale: str | float = "sum"
    log_var_bounds: tuple[float, float] | None = None
    log_var_form: str = "hard"
    kl_clip: tuple[float, float] | None = None
    schedule: Callable[[float], Any] | None = None
    restored_epoch: int | None = None  # None: the model has the weights of the last epoch

    def scales(self, n_pixels: int, latent_dim: int) -> tuple[float, float]:
        """The factors (s_r, s_k) of the two terms, each a sum over pixels or units."""
        return scale_factor(self.reconstruction_scale, n_pixels), scale_factor(self.kl_scale, latent_dim)

    def scaling(self, mse: float, n_pixels: int, latent_dim: int) -> float:
        """β at a KL weight of 1, once the likelihood is the one that fits the error `mse` for each number in x."""
        s_r, s_k = self.scales(n_pixels, latent_dim)
        return s_k / s_r * (1.0 if self.sigma2 is None else self.sigma2 / mse)


def training_facts(training: Any) -> TrainingFacts:
    """Returns the facts of a mapping; raises a ValueError for unknown keys and values that cannot be."""
    if training is None:
        return TrainingFacts()
    given = known_keys("training", training, _KEYS)
    facts: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if "likelihood" in facts:
        facts["likelihood"] = one_of("training['likelihood']", facts["likelihood"], LIKELIHOODS)
    if "kl_weight" in facts:
        facts["kl_weight"] = finite_float("training['kl_weight']", facts["kl_weight"], minimum=0.0)
    facts["sigma2"] = _sigma2(facts.get("sigma2"), facts.get("likelihood", "gaussian"))
    for key in ("reconstruction_scale", "kl_scale"):
        if key in facts:
            facts[key] = checked_scale(f"training[{key!r}]", facts[key])
    for key in ("log_var_bounds", "kl_clip"):
        if key in facts:
            facts[key] = checked_bounds(f"training[{key!r}]", facts[key])
    if "log_var_form" in facts:
        one_of("training['log_var_form']", facts["log_var_form"], ("hard", "soft"))
    if "restored_epoch" in facts:
        positive_int("training['restored_epoch']", facts["restored_epoch"], minimum=0)
    if "schedule" in facts:
        require_schedule("training['schedule']", facts["schedule"])
    return TrainingFacts(**facts)


def training_history(history: Any) -> dict[str, npt.NDArray[np.float64]]:
    """Returns the known columns of a table or mapping of figures, one value an epoch.

    Infinite values and those beyond 1e30 become NaN: figures of a training that broke. Epochs without validation may
    be NaN. A column without any finite value is left out.
    """
    if history is None:
        return {}
    history = getattr(history, "history", history)  # what Keras' fit and train_vae return
    try:
        columns = {name: history[name] for name in _COLUMNS if name in history}
    except (TypeError, KeyError, IndexError):
        columns = {}
    if not columns:
        must = f"be a table with one row an epoch and some of the columns {', '.join(_COLUMNS)}"
        raise argument_error("history", must, Described(f"{type(history).__name__}"))
    read: dict[str, npt.NDArray[np.float64]] = {}
    for name, values in columns.items():
        array = np.asarray(values)
        is_finite = np.abs(array) <= LARGEST if array.dtype.kind == "f" else np.ones(array.shape, bool)
        if is_finite.any() or not array.size:
            known = array if is_finite.all() else np.where(is_finite, array, 0)
            checked = finite_array(f"history[{name!r}]", known, ndim=1, axes="(epochs,)")
            read[name] = np.where(is_finite, checked, np.nan).astype(np.float64)
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise argument_error("history", "have columns of one length", Described(str(lengths)))
    return read


def _sigma2(value: Any, likelihood: str) -> float | None:
    if likelihood == "mse" and value is None:
        return 0.5  # the squared error without ½ is the negative log-likelihood at σ² = ½
    if value is None or (isinstance(value, str) and value in ("optimal", "learned")):
        return None
    if likelihood != "gaussian":
        raise argument_error("training['sigma2']", f"be left out with the likelihood {likelihood!r}", value)
    if isinstance(value, str):
        raise argument_error("training['sigma2']", "be 'optimal', 'learned' or a number > 0", value)
    return finite_float("training['sigma2']", value, minimum=0.0, exclusive=True)
