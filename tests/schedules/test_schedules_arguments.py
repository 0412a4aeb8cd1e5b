"""Every argument of every schedule, wrong in every way: one sentence that names the argument and what it received."""

import copy

import numpy as np
import pytest

from vaelib.schedules import get_beta_scheduler

NAN, INF = float("nan"), float("inf")
NO_NUMBER = (None, "1", "", True, NAN, INF, -INF, [1.0], np.ones(2), {}, 1j, object())
WEIGHT = (*NO_NUMBER, -1, -1e-9)
LENGTH = (*WEIGHT, 0)
TEXT = (None, 3, NAN, True, "", "unknown", ["cosine"], b"cosine")
WARM_UP = {"max_beta": (*WEIGHT, 0.05), "warmup_epochs": LENGTH, "min_beta": (*WEIGHT, 2.0)}
SMOOTHING = (*WEIGHT, 1.0, 1.5)
NO_SCHEDULER = (None, 3, NAN, True, "cosine", [], {}, {"type": "unknown"}, {"type": "cosine", "max_beta": -1.0})
LEVELS = (3, NAN, True, "", "ab", [], {}, [1.0], [(1.0,)], [(1.0, NAN)], [(NAN, 1.0)], [(1.0, -1.0)], [(1.0, True)])

# type -> a valid configuration, and for each argument the values that must be refused
BAD = {
    "constant": ({}, {"beta": WEIGHT}),
    "linear": ({"min_beta": 0.1}, WARM_UP),
    "cosine": ({"min_beta": 0.1}, WARM_UP),
    "exponential": ({"min_beta": 0.1}, WARM_UP | {"rate": (*LENGTH, 1e-4, 1e4)}),
    "sigmoid": ({"min_beta": 0.1}, WARM_UP | {"rate": (*LENGTH, 1e-4, 1e4)}),
    "cyclical": (
        {"min_beta": 0.1, "wave_type": "ramp"},
        {
            "cycle_length": LENGTH,
            "min_beta": WARM_UP["min_beta"],
            "max_beta": WARM_UP["max_beta"],
            "wave_type": TEXT,
            "ramp_fraction": (*LENGTH[1:], 1.5),
        },
    ),
    "warm_restart": (
        {},
        {
            "base_scheduler_type": (*TEXT, "warm_restart", "capacity", "hierarchical"),
            "base_scheduler_kwargs": (3, NAN, True, "a", [], {"unknown": 1}, {1: 2}, {"max_beta": NAN}),
            "restart_interval": (*LENGTH, 1.5, 40.0),
            "restart_multiplier": (*WEIGHT, 0, 0.99),
        },
    ),
    "hierarchical": (
        {"global_scheduler": {"type": "linear"}, "local_scheduler": {"type": "linear"}},
        {"global_scheduler": NO_SCHEDULER, "local_scheduler": NO_SCHEDULER},
    ),
    "reconstruction": (
        {},
        {
            "levels": LEVELS,
            "unit": TEXT,
            "interpolation": TEXT,
            "smoothing": SMOOTHING,
            "rate": LENGTH[1:],
            "allow_decrease": (None, 1, 0, "True", NAN, [True]),
        },
    ),
    "control": (
        {"target_kl": 5.0, "min_beta": 0.1},
        {"target_kl": WEIGHT, "kp": WEIGHT, "ki": WEIGHT} | {name: WARM_UP[name] for name in ("min_beta", "max_beta")},
    ),
    "geco": (
        {"tolerance": 5.0},
        {
            "tolerance": NO_NUMBER,
            "unit": (*TEXT, "mse", "relative"),
            "rate": LENGTH,
            "smoothing": SMOOTHING,
            "initial_beta": (*LENGTH, 1e-9, 1e9),
            "min_beta": (*LENGTH, 1e9),
            "max_beta": (*LENGTH, 1e-9),
        },
    ),
    "capacity": ({}, {"max_capacity": WEIGHT, "rise_epochs": LENGTH, "gamma": WEIGHT}),
}
CASES = [
    pytest.param(name, {**valid, argument: value}, argument, id=f"{name}-{argument}-{value!r:.20}")
    for name, (valid, arguments) in BAD.items()
    for argument, values in arguments.items()
    for value in values
]
# a limit may be broken by moving either end, and an error in a part names the part's own argument
ALSO = {
    "max_beta": ("min_beta", "initial_beta"),
    "min_beta": ("initial_beta",),
    "base_scheduler_type": ("base_scheduler_kwargs",),
    "base_scheduler_kwargs": ("max_beta",),
    "global_scheduler": (r"global_scheduler\['type'\]", "max_beta"),
    "local_scheduler": (r"local_scheduler\['type'\]", "max_beta"),
}


def test_every_argument_is_in_the_table() -> None:
    for name, (valid, arguments) in BAD.items():
        scheduler = get_beta_scheduler(name, **valid)
        assert set(arguments) == set(scheduler.get_config()) - {"type"}


@pytest.mark.parametrize(("name", "arguments", "argument"), CASES)
def test_it_is_refused(name, arguments, argument) -> None:
    before = copy.copy(arguments)
    names = "|".join((argument, *ALSO.get(argument, ())))
    with pytest.raises(ValueError, match=rf"^Argument `({names})` must [^\n]*\. Received: ({names})=[^\n]*$") as caught:
        get_beta_scheduler(name, **arguments)
    assert caught.value.__cause__ is None
    assert list(arguments) == list(before)


@pytest.mark.parametrize("name", BAD)
def test_frozen(name) -> None:
    scheduler = get_beta_scheduler(name, **BAD[name][0])
    for argument in BAD[name][1]:
        with pytest.raises(AttributeError):
            setattr(scheduler, argument, 1.0)


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("epoch", [*NO_NUMBER, -1, -1e-9], ids=range(len(NO_NUMBER) + 2))
def test_epochs_are_refused(name, epoch) -> None:
    with pytest.raises(ValueError, match="^Argument `epoch` must be a finite number >= 0. Received: epoch="):
        get_beta_scheduler(name, **BAD[name][0])(epoch)


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("config", [None, 3, "a", [], {"unknown": 1}, {3: 1}, {"type": "nothing"}], ids=repr)
def test_configs_are_refused(name, config) -> None:
    kind = type(get_beta_scheduler(name, **BAD[name][0]))
    with pytest.raises(ValueError, match="^Argument `config` must .* Received: config="):
        kind.from_config(config)
