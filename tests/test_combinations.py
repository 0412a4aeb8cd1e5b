"""The book's table of what combines with what, tried pair by pair."""

from __future__ import annotations

import csv
import itertools
from typing import Any

import keras
import numpy as np
import pytest
from conftest import ROOT

from vaelib import (
    BetaSchedule,
    CapacityBetaScheduler,
    ControlBetaScheduler,
    CosineBetaScheduler,
    CyclicalBetaScheduler,
    GecoBetaScheduler,
    HierarchicalBetaScheduler,
    LinearBetaScheduler,
    Objective,
    ReconstructionBetaScheduler,
    WarmRestartBetaScheduler,
    build_vae,
)

with (ROOT / "book" / "combinations.csv").open(encoding="utf-8", newline="") as file:
    TABLE = {row["Option"]: row for row in csv.DictReader(file)}

# option -> (arguments of build_vae, arguments of Objective)
MODELS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "dense": ({"architecture": "dense"}, {}),
    "convolutional": ({"architecture": "convolutional"}, {}),
    "linear": ({"architecture": "linear"}, {}),
    "condition": ({"condition_dim": 3}, {}),
    "local units": ({"local_dim": 2}, {}),
    "free bits": ({}, {"free_bits": 0.1}),
    "capacity": ({}, {"capacity": 5.0}),
    "clip in the loss only": ({}, {"kl_clip": (-20.0, 2.0)}),
    "log-variance bounds": ({"log_var_bounds": (-20.0, 2.0), "log_var_form": "soft"}, {}),
    "BN-VAE": ({"bn_gamma": 0.5}, {}),
    "L2 on the heads": ({"head_l2": 1e-4}, {}),
    "dropout": ({"dropout": 0.2}, {}),
    "batch normalisation": ({"batch_norm": True}, {}),
    "learned σ²": ({}, {"sigma2": "learned"}),
    "plain squared error": ({}, {"likelihood": "mse"}),
    "Bernoulli likelihoods": ({}, {"likelihood": "bernoulli"}),
}
LINEAR = LinearBetaScheduler(1.0, 3)
SCHEDULES = {
    "schedules of one weight": [LINEAR, CosineBetaScheduler(), CyclicalBetaScheduler(4), WarmRestartBetaScheduler()],
    "hierarchical schedule": [HierarchicalBetaScheduler(LINEAR, LINEAR)],
    "capacity schedule": [CapacityBetaScheduler(5.0, 3)],
    "reconstruction levels": [ReconstructionBetaScheduler(), ReconstructionBetaScheduler(unit="mse")],
    "ControlVAE": [ControlBetaScheduler(target_kl=3.0)],
    'GECO, unit "nats"': [GecoBetaScheduler(tolerance=-5.0, unit="nats")],
    'GECO, unit "squared_error"': [GecoBetaScheduler(tolerance=1.0, unit="squared_error")],
}
ARCHITECTURES = ("dense", "convolutional", "linear")
PAIRS = [pair for pair in itertools.combinations(MODELS, 2) if not set(pair) <= set(ARCHITECTURES)]


def listed(option: str) -> set[str]:
    return {name.strip() for name in TABLE[option]["Not with"].split(";") if name.strip()}


def excluded(one: str, other: str) -> bool:
    return other in listed(one) or one in listed(other)


def arguments(*options: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The arguments of a model with these options, or None where two of them are values of one argument."""
    merged: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    for option in options:
        for target, given in zip(merged, MODELS[option], strict=True):
            if target.keys() & given.keys():
                return None
            target |= given
    return merged


def build(*options: str) -> Any:
    given = arguments(*options)
    assert given is not None
    model, loss = given
    small = {} if model.get("architecture") == "linear" else {"hidden": (6, 5)}
    return build_vae((4, 4, 1), 2, objective=Objective(**loss), **small | model)


X = np.random.default_rng(0).integers(0, 2, (6, 4, 4, 1)).astype("float32")
LABELS = np.array([0, 1, 2, 0, 1, 2])


def train(model: Any, scheduler: Any = None) -> None:
    """One step, or two under a schedule: every loss is finite, and no trainable variable is as it was.

    But for the bias of BN-VAE's means, which the normalisation takes off again.
    """
    model.compile(keras.optimizers.SGD(1e-4), jit_compile=False, run_eagerly=True)
    before = [variable.numpy() for variable in model.trainable_variables]
    if scheduler is None:
        data = model.check("x", (X, LABELS) if model.condition_dim else X)
        losses = {name: [float(value)] for name, value in model.train_step(data).items()}
    else:
        data = (X, LABELS) if model.condition_dim else (X,)
        options = {"batch_size": 3, "shuffle": False, "verbose": 0}
        losses = model.fit(*data, callbacks=[BetaSchedule(scheduler)], **options).history
    assert all(np.isfinite(values).all() for values in losses.values())
    assert set(model.loss_names) <= set(losses)
    for variable, value in zip(model.trainable_variables, before, strict=True):
        assert np.isfinite(variable.numpy()).all(), variable.path
        stays = model.encoder.heads.mean_norm is not None and variable.path.endswith("heads/z_mean/bias")
        assert stays or not np.array_equal(variable.numpy(), value), variable.path


def test_the_table_and_this_test_have_the_same_options() -> None:
    assert list(TABLE) == [*MODELS, *SCHEDULES]
    for option in TABLE:
        assert listed(option) <= set(TABLE)


@pytest.mark.parametrize("option", MODELS)
def test_every_option_works_alone(option: str) -> None:
    model = build(option)
    train(model)
    assert np.isfinite(np.array(model((X, LABELS) if option == "condition" else X))).all()


@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
def test_pairs_of_options(pair: tuple[str, str]) -> None:
    if not excluded(*pair):
        train(build(*pair))
    elif arguments(*pair) is not None:
        with pytest.raises(ValueError, match=r"^Argument `\w+` must [^\n]*\. Received: \w+="):
            build(*pair)


@pytest.mark.filterwarnings("ignore:.* (comes to|ends at) :UserWarning")  # two steps are no whole schedule
@pytest.mark.parametrize("option", MODELS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_and_options(schedule: str, option: str) -> None:
    needs = TABLE[schedule]["Needs"]
    options = {option}
    for name in ("local units", "capacity", "plain squared error"):
        if needs.startswith(name):
            options.add(name)
    in_order = [name for name in MODELS if name in options]
    if any(excluded(*pair) for pair in itertools.combinations(in_order, 2)):
        return  # no such model
    model = build(*in_order)
    refused = any(excluded(schedule, name) for name in options)
    for scheduler in SCHEDULES[schedule]:
        if refused:
            with pytest.raises(ValueError, match=r"^Argument `scheduler` must .*Received: scheduler="):
                BetaSchedule(scheduler).check(model, 4, 5)
        else:
            BetaSchedule(scheduler).check(model, 4, 5)
    if not refused:  # one training a pair, the schedules of a row taking turns
        train(model, SCHEDULES[schedule][list(MODELS).index(option) % len(SCHEDULES[schedule])])


@pytest.mark.parametrize(
    ("scheduler", "objective"),
    [
        (GecoBetaScheduler(tolerance=1.0, unit="squared_error"), Objective()),
        (GecoBetaScheduler(tolerance=1.0, unit="nats"), Objective("mse")),
        (GecoBetaScheduler(tolerance=1.0, unit="nats"), Objective(reconstruction_scale="mean")),
        (GecoBetaScheduler(tolerance=1.0, unit="squared_error"), Objective("mse", kl_scale="mean")),
        (ReconstructionBetaScheduler(levels=[(5.0, 0.1), (1.0, 1.0)], unit="nats"), Objective("mse")),
        (HierarchicalBetaScheduler(LINEAR, LINEAR), Objective()),
        (CapacityBetaScheduler(5.0, 3), Objective()),
        (ControlBetaScheduler(target_kl=1.0), Objective(capacity=3.0)),
    ],
)
def test_schedules_that_lack_what_they_need(scheduler: Any, objective: Objective) -> None:
    model = build_vae((4, 3), 2, objective=objective)
    with pytest.raises(ValueError, match=r"^Argument `scheduler` must [^\n]*\. Received: scheduler="):
        BetaSchedule(scheduler).check(model)


def test_geco_takes_scale_factors_that_weigh_both_terms_alike() -> None:
    model = build_vae((4, 3), 2, objective=Objective(reconstruction_scale=2.0, kl_scale=2.0))
    BetaSchedule(GecoBetaScheduler(tolerance=1.0, unit="nats")).check(model)
