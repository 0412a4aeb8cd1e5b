"""Every type, valid configuration and epoch: β is finite and within its bounds, and the config rebuilds it."""

import copy
import json
import math
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaelib.schedules import (
    BetaScheduler,
    FeedbackBetaScheduler,
    LinearBetaScheduler,
    Scheduler,
    WarmRestartBetaScheduler,
    finish_warning,
    get_beta_scheduler,
    register_beta_scheduler,
)
from vaelib.schedules import factory as factory_module

QUICK = settings(max_examples=60, derandomize=True, deadline=None, database=None)

EPOCHS = st.one_of(st.floats(0, 1e6), st.integers(0, 10**6), st.floats(0, 100))
WEIGHTS = st.one_of(st.floats(0, 10), st.floats(0, 1e300), st.integers(0, 5))
LENGTHS = st.one_of(st.floats(1e-3, 1e3), st.floats(0, 1e6, exclude_min=True), st.integers(1, 500))
RATES = st.floats(0.001, 1000)


def decays(share: float) -> Callable[[float], float]:
    """A reader's factory that gives a function of the epoch, one that can be pickled."""
    return partial(math.pow, share)


def rises(top: float, epochs: float) -> BetaScheduler:
    """A reader's factory that gives a schedule with bounds."""
    return LinearBetaScheduler(top, epochs)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory_module, "_REGISTERED", {})
    register_beta_scheduler("decays", decays)
    register_beta_scheduler("rises", rises)


def limits(positive: bool = False) -> st.SearchStrategy[dict[str, Any]]:
    weights = st.floats(1e-6, 1e6) if positive else WEIGHTS
    return st.tuples(weights, weights).map(lambda pair: {"min_beta": min(pair), "max_beta": max(pair)})


def merged(*parts: st.SearchStrategy[dict[str, Any]], **more: Any) -> st.SearchStrategy[dict[str, Any]]:
    named = st.fixed_dictionaries(dict(more))
    return st.tuples(named, *parts).map(lambda dicts: {key: value for one in dicts for key, value in one.items()})


def levels(at: st.SearchStrategy[Any], falling: bool) -> st.SearchStrategy[list[list[float]]]:
    def pairs(places: list[float]) -> st.SearchStrategy[list[list[float]]]:
        betas = st.lists(st.floats(0, 1e6), min_size=len(places), max_size=len(places))
        return betas.map(lambda values: [[p, b] for p, b in zip(sorted(places, reverse=falling), values, strict=True)])

    return st.lists(at, min_size=1, max_size=8, unique=True).flatmap(pairs)


OPEN_LOOP = {
    "constant": st.fixed_dictionaries({"beta": WEIGHTS}),
    "linear": merged(limits(), warmup_epochs=LENGTHS),
    "cosine": merged(limits(), warmup_epochs=LENGTHS),
    "exponential": merged(limits(), warmup_epochs=LENGTHS, rate=RATES),
    "sigmoid": merged(limits(), warmup_epochs=LENGTHS, rate=RATES),
    "cyclical": st.one_of(
        merged(limits(), cycle_length=LENGTHS, wave_type=st.sampled_from(["cosine", "triangle"])),
        merged(limits(), cycle_length=LENGTHS, wave_type=st.just("ramp"), ramp_fraction=st.floats(1e-9, 1)),
    ),
    "decays": st.fixed_dictionaries({"share": st.floats(0, 1)}),
    "rises": st.fixed_dictionaries({"top": WEIGHTS, "epochs": LENGTHS}),
    "reconstruction": merged(
        levels=levels(st.floats(0, 1e6), falling=False),
        unit=st.just("epoch"),
        interpolation=st.sampled_from(["step", "linear"]),
    ),
}
ERRORS = {  # by unit: nats of a density may be negative
    **dict.fromkeys(("relative", "mse", "squared_error"), st.floats(0, 1e6)),
    "nats": st.one_of(st.floats(-1e6, 1e6), st.floats(-1e300, 1e300)),
}


def by_unit(*units: str, **named: Callable[[st.SearchStrategy[float]], Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A unit, and arguments that are made of an error in it."""
    return st.one_of(
        [merged(unit=st.just(unit), **{name: make(ERRORS[unit]) for name, make in named.items()}) for unit in units]
    )


FEEDBACK = {
    "reconstruction": merged(
        by_unit("relative", "mse", "nats", levels=lambda error: levels(error, falling=True)),
        interpolation=st.sampled_from(["step", "linear"]),
        smoothing=st.floats(0, 0.999),
        rate=st.one_of(st.none(), st.floats(1e-6, 1e6)),
        allow_decrease=st.booleans(),
    ),
    "control": merged(limits(), target_kl=st.floats(0, 1e6), kp=st.floats(0, 1e3), ki=st.floats(0, 1e3)),
    "geco": limits(positive=True).flatmap(
        lambda ends: merged(
            st.just(ends),
            by_unit("nats", "squared_error", tolerance=lambda error: error),
            rate=st.floats(1e-9, 1e3),
            smoothing=st.floats(0, 0.999),
            initial_beta=st.floats(ends["min_beta"], ends["max_beta"]),
        )
    ),
}


def typed(strategies: dict[str, st.SearchStrategy[dict[str, Any]]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of([merged(params, type=st.just(name)) for name, params in strategies.items()])


# a multiplier next to 1 takes a restart an interval up to the epoch asked for: longer ones there, for speed
NEAR_ONE = st.floats(1, 1.01, exclude_min=True, exclude_max=True)
INTERVALS = st.one_of(
    st.tuples(st.integers(1, 500), st.one_of(st.just(1.0), st.floats(1.01, 3), st.floats(1.01, 1e308))),
    st.tuples(st.integers(100, 500), st.one_of(NEAR_ONE, st.floats(1e-15, 1e-3).map(lambda more: 1 + more))),
)


def restarted(base: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return merged(
        INTERVALS.map(lambda pair: {"restart_interval": pair[0], "restart_multiplier": pair[1]}),
        base_scheduler_type=st.just(base["type"]),
        base_scheduler_kwargs=st.just({key: value for key, value in base.items() if key != "type"}),
    )


RESTART = typed(OPEN_LOOP).flatmap(restarted)
CHILDREN = st.one_of(typed(OPEN_LOOP), typed(FEEDBACK), typed({"warm_restart": RESTART}))
ALL: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    **{name: params for name, params in OPEN_LOOP.items() if name != "reconstruction"},
    "reconstruction": st.one_of(OPEN_LOOP["reconstruction"], FEEDBACK["reconstruction"]),
    "control": FEEDBACK["control"],
    "geco": FEEDBACK["geco"],
    "warm_restart": RESTART,
    "hierarchical": merged(global_scheduler=CHILDREN, local_scheduler=CHILDREN),
    "capacity": merged(max_capacity=WEIGHTS, rise_epochs=LENGTHS, gamma=WEIGHTS),
}
each_type = pytest.mark.parametrize("name", ALL)


def inside(beta: Any, part: BetaScheduler) -> bool:
    low, high = part.bounds
    return type(beta) is float and math.isfinite(beta) and low <= beta <= high


@each_type
def test_beta_is_finite_and_within_its_bounds(name: str) -> None:
    @QUICK
    @given(ALL[name], st.lists(EPOCHS, min_size=1, max_size=10))
    def check(params: dict[str, Any], epochs: list[float]) -> None:
        scheduler: Scheduler = get_beta_scheduler(name, **params)
        for epoch in epochs:
            for part_name, part in scheduler.parts.items():
                beta = part(epoch)
                assert inside(beta, part)
                whole = scheduler(epoch)
                assert beta == (whole[part_name] if isinstance(whole, dict) else whole)

    check()


@each_type
def test_the_config_rebuilds_it(name: str) -> None:
    @QUICK
    @given(ALL[name])
    def check(params: dict[str, Any]) -> None:
        scheduler = get_beta_scheduler(name, **params)
        config = json.loads(json.dumps(scheduler.get_config(), allow_nan=False))
        for again in (get_beta_scheduler(**config), copy.deepcopy(scheduler), pickle.loads(pickle.dumps(scheduler))):
            assert again == scheduler
            assert hash(again) == hash(scheduler)
            assert repr(again) == repr(scheduler)
            assert again.get_config() == config

    check()


@pytest.mark.parametrize("name", FEEDBACK)
def test_feedback_stays_within_its_bounds_whatever_it_reads(name: str) -> None:
    figures = st.lists(st.one_of(st.floats(-1e3, 1e3), st.floats(-1e300, 1e300)), min_size=1, max_size=20)

    @QUICK
    @given(FEEDBACK[name], figures)
    def check(params: dict[str, Any], read: list[float]) -> None:
        scheduler: FeedbackBetaScheduler = get_beta_scheduler(name, **params)
        signed = (scheduler.reads, scheduler.unit) == ("reconstruction_loss", "nats")
        for figure in read if signed else map(abs, read):
            assert inside(scheduler.update({scheduler.reads: figure}), scheduler)

    check()


@pytest.mark.parametrize("name", ["linear", "cosine", "exponential", "sigmoid"])
def test_warm_ups_start_and_end_exactly(name: str) -> None:
    @QUICK
    @given(OPEN_LOOP[name])
    def check(params: dict[str, Any]) -> None:
        scheduler = get_beta_scheduler(name, **params)
        assert scheduler(0) == scheduler.min_beta
        assert scheduler(scheduler.warmup_epochs) == scheduler(1e7) == scheduler.max_beta
        assert scheduler(scheduler.warmup_end) == scheduler.max_beta

    check()


def test_restarts_are_rising_whole_epochs_that_surround_the_epoch() -> None:
    @QUICK
    @given(RESTART, EPOCHS)
    def check(params: dict[str, Any], epoch: float) -> None:
        scheduler = get_beta_scheduler("warm_restart", **params)
        info = scheduler.get_restart_info(epoch)
        last, following = info["last_restart_epoch"], info["next_restart_epoch"]
        assert last <= epoch < following
        assert info["epochs_since_restart"] == epoch - last
        assert scheduler(last) == scheduler(0)
        if last > 0:
            assert scheduler.get_restart_info(last) == {
                "last_restart_epoch": last,
                "epochs_since_restart": 0,
                "next_restart_epoch": following,
                "is_restart_epoch": True,
            }
            assert scheduler.get_restart_info(last - 1)["next_restart_epoch"] == last

    check()


@pytest.mark.parametrize("multiplier", [math.nextafter(1, 2), 1 + 1e-9, 1.0001, 1.009])
def test_beta_at_every_epoch_to_a_million_under_multipliers_next_to_one(multiplier: float) -> None:
    """β after a restart and before the next one, at restarts that are sums of the intervals, rounded."""
    base = {"max_beta": 0.7, "warmup_epochs": 3, "min_beta": 0.1}
    scheduler = WarmRestartBetaScheduler("linear", base, 4, multiplier)
    at, interval, last, checked = 0.0, 4.0, 0, 0
    while last < 10**6:
        at, interval = at + interval, interval * multiplier
        following = math.floor(at + 0.5)
        if following - last > 3 and checked < 2000:
            found = [scheduler(epoch) for epoch in (last, last + 1, last + 2, last + 3, following - 1)]
            assert found == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.7])
            checked += 1
        last = following
    assert checked > 200
    info = scheduler.get_restart_info(10**6)
    assert info["last_restart_epoch"] <= 10**6 < info["next_restart_epoch"]
    assert inside(scheduler(10**6), scheduler)


def test_a_named_length_of_the_run_silences_the_warning() -> None:
    @settings(QUICK, max_examples=40)
    @given(typed(OPEN_LOOP), st.integers(1, 40), st.integers(1, 10))
    def check(config: dict[str, Any], epochs: int, steps: int) -> None:
        scheduler: Callable[[float], float] = get_beta_scheduler(**config)
        text = finish_warning(scheduler, epochs, steps)
        if text and "train for " in text:
            length = int(text.split("train for ")[1].split()[0])
            assert finish_warning(scheduler, length, steps) is None

    check()
