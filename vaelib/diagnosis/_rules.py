"""What makes a finding: one rule each, causes before symptoms. The thresholds were set on trainings kept for that."""

from __future__ import annotations

import math
from collections.abc import Callable, Container
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vaelib.diagnosis._case import Case
from vaelib.diagnosis.findings import Diagnosis, Finding
from vaelib.schedules import finish_warning

SCALING, EFFECT = 3.0, 2.0  # factor of the loss's scales, and of β away from 1, from which on a loss is mis-scaled
DEAD_GRADIENT, DEAD_SHARE = 0.1, 0.25  # of the gradient left, and of the values of informative units without it
TIES = 10  # values at one extreme, from which on they are no chance
INFORMATIVE = 0.1  # of the KL of the unit with the highest: what makes a unit informative
EXCESS_KL = 5.0  # nats for each unit above what the data supports
SECOND_MOMENT, EXCESS_OUTSIDE = 4.0, 2.0  # the same where E[z²] under q exceeds this; the prior's own is 1
LOW_BETA, EXCESS_AT_LOW_BETA = 0.1, 1.5  # and where the loss is known to weigh the KL too little
SUPPORTED = 0.1  # nats: with less to encode there is nothing to collapse
COLLAPSED = 0.03  # share of the KL that the data supports
HIGH_BETA, HIGH_ALONE = 2.5, 4.0  # apparent β from which on units are missing: with a β known to be high, and without
WORSENED = 0.5  # of the KL that the data supports (of a nat, if that is more): lost again on validation data
MOVED, LAST = 0.02, 0.1  # of the highest β, and of the epochs


class NotAssessed(Exception):
    """Raised by a rule that lacks something; its text says what."""


Rule = Callable[[Case], "tuple[str, str] | None"]


@dataclass(frozen=True)
class Named:
    """A rule, the name of its finding and the notebook that shows it."""

    name: str
    chapter: str
    rule: Rule

    def __call__(self, case: Case) -> Finding | None:
        """Returns the finding, or None where it does not hold."""
        said = self.rule(case)
        return None if said is None else Finding(self.name, *said, self.chapter)


def mis_scaled(case: Case) -> tuple[str, str] | None:
    """The scales of the loss, not the stated KL weight, take β away from 1."""
    facts, scaling, beta = case.facts, case.scaling, case.effective_beta
    if facts.kl_weight is None or scaling is None or beta is None:
        raise NotAssessed("needs the KL weight and the scales of the loss, and an error above 0")
    up, down = scaling > SCALING and beta > EFFECT, scaling < 1 / SCALING and beta < 1 / EFFECT
    if not (up or down) or facts.kl_weight == 0:
        return None
    stated = "" if facts.sigma2 is None else f" and a decoder variance of {facts.sigma2:.3g}"
    evidence = (
        f"With reconstruction scale {facts.reconstruction_scale!r}, KL scale {facts.kl_scale!r}{stated}, the KL weight "
        f"{facts.kl_weight:.3g} is a β of {beta:.3g} against the squared error {case.squared_error:.3g} that is left."
    )
    return evidence, (
        f"Sum both terms and let the decoder's variance follow the error, or set the KL weight to "
        f"{case.weight_at_one:.2g}, which is β = 1 at the error that a linear model reaches."
    )


def unfinished_schedule(case: Case) -> tuple[str, str] | None:
    """β did not end where its schedule leads to."""
    betas, schedule = case.history.get("beta"), case.facts.schedule
    if betas is None:
        raise NotAssessed("needs a history with the column beta")
    epochs = len(betas)
    if schedule is not None:
        said = finish_warning(schedule, epochs, steps_per_epoch=100)
        if said is None:
            return None
        return said[0].upper() + said[1:], f"See that the schedule ends at the value you want within {epochs} epochs."
    betas = betas[np.isfinite(betas)]
    last = betas[-max(2, math.ceil(LAST * len(betas))) :]
    moved = float(np.ptp(last))
    if len(betas) < 2 or moved <= MOVED * float(betas.max()):
        return None
    return (
        f"β was still moving: by {moved:.3g} over the last {len(last)} epochs, to {betas[-1]:.3g} after {epochs}.",
        "Train until the schedule has come to its final value, or let it come there sooner.",
    )


def dead_gradient(case: Case) -> tuple[str, str] | None:
    """The log-variances of informative units lie where their bounds leave no gradient."""
    gradient, facts = case.log_var_gradient, case.facts
    informative = case.kl_per_unit > INFORMATIVE * case.kl_per_unit.max()
    if not informative.any():
        return None
    values = case.z_log_var[:, informative]
    remedy_to = f"({_log_var_floor(case):g}, 10)"
    if gradient is None:
        bound, share = _tied(values)
        if share < DEAD_SHARE:
            return None
        return (
            f"{share:.0%} of the informative units' log-variances are exactly {bound:.4g}: a bound cuts them off.",
            f"Widen the bounds to {remedy_to}, or bound softly.",
        )
    share = float((gradient[:, informative] < DEAD_GRADIENT).mean())
    if share < DEAD_SHARE:
        return None
    lower, upper = case.bounds
    is_clip = case.bounds == facts.kl_clip
    where = "kl_clip" if is_clip else "the bounds"
    evidence = (
        f"{share:.0%} of the informative units' log-variances have less than {DEAD_GRADIENT:.0%} of their gradient "
        f"behind {where} ({lower:g}, {upper:g}); they reach from {values.min():.3g} to {values.max():.3g}."
    )
    if is_clip:
        return evidence, f"Leave the clip out and bound the encoder's log-variance instead: log_var_bounds={remedy_to}."
    return evidence, f"Widen the bounds: log_var_bounds={remedy_to}."


def exploding(case: Case) -> tuple[str, str] | None:
    """Codes cost far more nats than the data supports."""
    if not _explodes(case):
        return None
    last, beta = case.last_kl, case.effective_beta
    end = f", {last:.4g} at the end of training" if last > 1.05 * case.rate else ""
    evidence = (
        f"The KL is {case.rate:.4g} nats{end}, where a linear model at β = 1 with the same error needs "
        f"{case.supported_rate:.3g}; E[z²] of the codes is {case.second_moment:.3g}, the prior's is 1."
    )
    weight, target = case.facts.kl_weight, case.weight_at_one
    bounds = f"bound the encoder's log-variance: log_var_bounds=({_log_var_floor(case):g}, 10)."
    if weight is None or target is None or beta is None:
        return evidence, f"Raise the KL weight until β is about 1, and {bounds}"
    if beta < 1 / EFFECT and weight < target:
        return evidence, f"Raise the KL weight from {weight:.3g} to {target:.2g}, which is β = 1 for this loss."
    return evidence, f"The weight is not too low: train on more examples or at a lower learning rate, and {bounds}"


def collapsed(case: Case) -> tuple[str, str] | None:
    """Next to nothing of what the data supports is encoded: in nats paid, or told by the means over their noise."""
    return _too_little(case) if _is_collapsed(case) else None


def partly_collapsed(case: Case) -> tuple[str, str] | None:
    """As little is encoded as a linear model with the same error encodes at a β far above 1."""
    likelihood, beta = case.facts.likelihood, case.effective_beta
    is_known = beta is not None and beta > HIGH_BETA
    limit = HIGH_BETA if is_known else HIGH_ALONE
    if case.supported_rate < SUPPORTED or _is_collapsed(case) or case.apparent_beta <= limit:
        return None
    if likelihood is None and case.in_unit_interval:
        raise NotAssessed("needs training['likelihood'] for data in [0, 1]")
    if likelihood in ("bernoulli", "continuous_bernoulli") and not is_known:
        raise NotAssessed(f"under a Bernoulli likelihood only a β known to exceed {HIGH_BETA:g} shows it")
    return _too_little(case)


def overfitting(case: Case) -> tuple[str, str] | None:
    """The validation figure got much worse again after its best epoch, and no explosion or collapse explains it."""
    name = "val_negative_elbo" if "val_negative_elbo" in case.history else "val_total_loss"
    values = case.history.get(name)
    if values is None or np.isfinite(values).sum() < 3:
        raise NotAssessed("needs a history with the column val_negative_elbo, or val_total_loss at a constant β")
    betas, unit = case.history.get("beta"), 1.0
    if name == "val_total_loss":
        if case.facts.schedule is not None or (betas is not None and np.nanmax(betas) > np.nanmin(betas)):
            raise NotAssessed("needs a history with the column val_negative_elbo, since β changed")
        unit = case.facts.scales(case.n_pixels, case.latent_dim)[0]  # what a nat of the reconstruction counts
    restored = case.facts.restored_epoch
    values = values if restored is None else values[: restored + 1]  # what came after is not in the model
    finite = values[np.isfinite(values)]
    if not len(finite):
        raise NotAssessed("needs a validation figure of the restored epoch or one before it")
    best = int(np.nanargmin(values))
    end = float(np.median(finite[-math.ceil(LAST * len(finite)) :]))  # no single epoch decides
    lost = end - float(values[best])
    if lost <= WORSENED * max(case.supported_rate, 1.0) * unit or _explodes(case) or _is_collapsed(case):
        return None
    evidence = (
        f"{name} rose by {lost:.4g} to {end:.4g} after its lowest, {values[best]:.4g} after epoch {best + 1}: by "
        f"{lost / unit:.3g} nats, where the KL that the data supports is {case.supported_rate:.3g}."
    )
    return evidence, (
        f"Keep the weights of that epoch or stop there, {best + 1} epochs in; for a better model take more examples, "
        "dropout or a smaller network."
    )


RULES = (
    Named("mis-scaled loss", "03-kl-collapse", mis_scaled),
    Named("unfinished schedule", "diagnosis", unfinished_schedule),
    Named("dead log-variance gradient", "diagnosis", dead_gradient),
    Named("exploding KL", "diagnosis", exploding),
    Named("collapsed", "03-kl-collapse", collapsed),
    Named("partly collapsed", "diagnosis", partly_collapsed),
    Named("overfitting", "diagnosis", overfitting),
)


def examine(case: Case, only: Container[str] | None = None) -> Diagnosis:
    """Applies the rules to a case: all of them, or those whose findings' names are in `only`."""
    findings: list[Finding] = []
    missing: dict[str, str] = {}
    for rule in RULES:
        if only is not None and rule.name not in only:
            continue
        try:
            finding = rule(case)
        except NotAssessed as reason:
            missing[rule.name] = str(reason)
        else:
            findings += [] if finding is None else [finding]
    return Diagnosis(tuple(findings), missing, case.numbers())


def _tied(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The extreme value that most values have, and their share; 0 where it may be a constant and no bound."""
    extremes = {float(bound): values == bound for bound in (values.min(), values.max())}
    bound, tied = max(extremes.items(), key=lambda item: int(item[1].sum()))
    units = tied.any(axis=0)
    is_constant = tied.all() or (units.sum() == 1 and tied[:, units].all())
    return bound, 0.0 if is_constant or tied.sum() < TIES else float(tied.mean())


def _explodes(case: Case) -> bool:
    """Whether the KL, or that at the end of the history, exceeds what the data supports by too many nats a unit."""
    excess = EXCESS_OUTSIDE if case.second_moment > SECOND_MOMENT else EXCESS_KL
    if case.effective_beta is not None and case.effective_beta < LOW_BETA:
        excess = EXCESS_AT_LOW_BETA
    return max(case.rate, case.last_kl) > case.supported_rate + excess * case.latent_dim


def _is_collapsed(case: Case) -> bool:
    """Whether next to nothing of what the data supports is encoded."""
    if case.supported_rate < SUPPORTED:
        return False
    if case.squared_error == 0:
        raise NotAssessed("needs reconstructions with an error above 0")
    return min(case.rate, case.information) < COLLAPSED * case.supported_rate


def _too_little(case: Case) -> tuple[str, str]:
    evidence = (
        f"{case.active_units} of {case.latent_dim} units are active and the KL is {case.rate:.3g} nats; with the same "
        f"error a linear model at β = 1 uses {case.supported_units} of them and {case.supported_rate:.3g} nats, and as "
        f"little as this at β = {case.apparent_beta:.2g}."
    )
    weight, target, beta = case.facts.kl_weight, case.weight_at_one, case.effective_beta
    if weight is None or target is None or beta is None:
        return evidence, "Lower the KL weight until β is about 1; effective_beta says what β your loss has."
    if beta > EFFECT:
        return evidence, f"Lower the KL weight from {weight:.3g} to {target:.2g}, which is β = 1 for this loss."
    return evidence, (
        "β is not to blame: let it rise from 0 over the first third of training, or give each unit "
        f"free_bits={_free_bits(case):.2g}."
    )


def _free_bits(case: Case) -> float:
    """A tenth of the KL that the data supports, for each unit."""
    return 0.1 * case.supported_rate / case.latent_dim


def _log_var_floor(case: Case) -> float:
    """A whole number two nats below the lowest log-variance that a linear model needs, −10 at most."""
    needed = -2 * float(case.supported_kl_per_unit.max(initial=0.0))  # ln of the smallest posterior variance
    return min(-10.0, math.floor(needed) - 2.0)
