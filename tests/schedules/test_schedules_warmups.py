import json
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from vaelib.schedules import (
    ConstantBetaScheduler,
    CosineBetaScheduler,
    ExponentialBetaScheduler,
    LinearBetaScheduler,
    SigmoidBetaScheduler,
)

WARM_UPS = [LinearBetaScheduler, CosineBetaScheduler, ExponentialBetaScheduler, SigmoidBetaScheduler]


def test_constant_by_hand() -> None:
    scheduler = ConstantBetaScheduler(beta=4)
    assert [scheduler(epoch) for epoch in (0, 0.5, 1000)] == [4.0, 4.0, 4.0]
    assert scheduler.warmup_end == 0.0
    assert ConstantBetaScheduler()(0) == 1.0


def test_linear_by_hand() -> None:
    scheduler = LinearBetaScheduler(max_beta=0.9, warmup_epochs=10, min_beta=0.1)
    assert scheduler(0) == 0.1
    assert scheduler(5) == pytest.approx(0.5)
    assert scheduler(9) == pytest.approx(0.82)
    assert scheduler(10) == 0.9
    assert scheduler(10.5) == scheduler(10_000) == 0.9
    assert scheduler.warmup_end == 10.0


def test_cosine_by_hand() -> None:
    scheduler = CosineBetaScheduler(max_beta=2.0, warmup_epochs=20, min_beta=1.0)
    # 1 + (1 - cos(pi t)) / 2
    quarter = 1.5 - 0.5 * math.sqrt(0.5)
    expected = [1.0, quarter, 1.5, 3.0 - quarter, 2.0, 2.0]
    assert [scheduler(epoch) for epoch in (0, 5, 10, 15, 20, 1e6)] == pytest.approx(expected)
    assert (scheduler(0), scheduler(20)) == (1.0, 2.0)


def test_exponential_by_hand() -> None:
    scheduler = ExponentialBetaScheduler(max_beta=1.0, warmup_epochs=10)
    e5 = math.exp(5) - 1
    expected = [0.0, (math.exp(2.5) - 1) / e5, (math.exp(4.5) - 1) / e5, 1.0, 1.0]
    assert [scheduler(epoch) for epoch in (0, 5, 9, 10, 1e6)] == pytest.approx(expected)
    assert scheduler.rate == 5.0
    steeper = ExponentialBetaScheduler(2.0, 10, 1.0, rate=math.log(9.0))
    # 9^t at half-way is 3: a quarter of the rise
    assert steeper(5) == pytest.approx(1.25)


def test_sigmoid_by_hand() -> None:
    scheduler = SigmoidBetaScheduler(max_beta=1.0, warmup_epochs=10)

    def logistic(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    quarter = (logistic(-2.5) - logistic(-5)) / (logistic(5) - logistic(-5))
    expected = [0.0, quarter, 0.5, 1 - quarter, 1.0, 1.0]
    assert [scheduler(epoch) for epoch in (0, 2.5, 5, 7.5, 10, 1e6)] == pytest.approx(expected)
    assert scheduler.rate == 10.0
    assert (scheduler(0), scheduler(10)) == (0.0, 1.0)


@pytest.mark.parametrize("kind", [ExponentialBetaScheduler, SigmoidBetaScheduler])
def test_rates(kind: Any) -> None:
    # almost 0 is a straight line; the largest waits until the end, or jumps half-way, without an overflow
    nearly_straight = kind(rate=0.001)
    assert [nearly_straight(epoch) for epoch in (2, 5, 8)] == pytest.approx([0.2, 0.5, 0.8], abs=2e-4)
    late = kind(rate=1000.0)
    assert late(4.9) < 1e-4
    assert late(10) == 1.0


def test_rounding_stays_inside_the_range() -> None:
    assert 0.87 + (1.97 - 0.87) > 1.97
    assert CosineBetaScheduler(1.97, 10, 0.87)(np.nextafter(10, 0)) == 1.97

    class Below(LinearBetaScheduler):
        def _curve(self, t: float) -> float:
            return -1e-17

    assert Below()(5) == 0.0


@pytest.mark.parametrize("kind", WARM_UPS)
def test_warm_ups_hit_both_ends_and_rise_between(kind: Any) -> None:
    rng = np.random.default_rng(0)
    for low, rise, epochs in rng.random((50, 3)):
        scheduler = kind(low + rise, epochs + 1, low)
        values = [scheduler(t) for t in np.linspace(0, epochs + 1, 200)]
        assert (values[0], values[-1]) == (low, low + rise)
        assert scheduler(np.nextafter(epochs + 1, 0)) <= low + rise
        assert np.all(np.diff(values) >= 0)
        assert len(set(values)) > 150
        assert scheduler.warmup_end == epochs + 1
        assert scheduler.bounds == (low, low + rise)
    assert kind(0.5, 10, 0.5).warmup_end == 0.0


def test_linear_takes_fractions() -> None:
    scheduler = LinearBetaScheduler(warmup_epochs=2.5)
    assert scheduler(1.25) == 0.5
    assert scheduler(np.float32(2.5)) == 1.0
    assert scheduler.warmup_end == 2.5


def test_equal_ends_are_at_their_highest_from_the_start() -> None:
    assert LinearBetaScheduler(max_beta=0.5, min_beta=0.5).warmup_end == 0.0


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"max_beta": -1}, "max_beta"),
        ({"max_beta": np.inf}, "max_beta"),
        ({"warmup_epochs": 0}, "warmup_epochs"),
        ({"warmup_epochs": -2.5}, "warmup_epochs"),
        ({"warmup_epochs": np.nan}, "warmup_epochs"),
        ({"min_beta": -0.1}, "min_beta"),
        ({"min_beta": 2.0}, "min_beta"),
    ],
)
def test_linear_refuses(arguments: Any, name: Any) -> None:
    with pytest.raises(ValueError, match=f"Argument `{name}` must be .* Received: {name}="):
        LinearBetaScheduler(**arguments)


@pytest.mark.parametrize("beta", [-1, np.nan, np.inf, None, "1"])
def test_constant_refuses(beta: Any) -> None:
    with pytest.raises(ValueError, match="Argument `beta` must be a finite number >= 0"):
        ConstantBetaScheduler(beta)


@pytest.mark.parametrize(
    "scheduler",
    [
        ConstantBetaScheduler(np.float32(0.5)),
        LinearBetaScheduler(np.float64(2), np.int64(3), 1),
        LinearBetaScheduler(1, 2.5),
        CosineBetaScheduler(2, 3.0),
        ExponentialBetaScheduler(rate=np.float32(3)),
        SigmoidBetaScheduler(rate=7),
    ],
)
def test_config_survives_json(scheduler: Any) -> None:
    config = json.loads(json.dumps(scheduler.get_config()))
    rebuilt = type(scheduler).from_config(config)
    assert rebuilt == scheduler
    assert hash(rebuilt) == hash(scheduler)
    assert rebuilt.get_config() == config
    del config["type"]
    assert type(scheduler).from_config(config) == scheduler


def test_config_and_repr() -> None:
    assert LinearBetaScheduler().get_config() == {
        "type": "linear",
        "max_beta": 1.0,
        "warmup_epochs": 10,
        "min_beta": 0.0,
    }
    assert repr(LinearBetaScheduler()) == "LinearBetaScheduler(max_beta=1.0, warmup_epochs=10, min_beta=0.0)"
    assert repr(SigmoidBetaScheduler()) == (
        "SigmoidBetaScheduler(max_beta=1.0, warmup_epochs=10, min_beta=0.0, rate=10.0)"
    )
    assert repr(ConstantBetaScheduler(2)) == "ConstantBetaScheduler(beta=2.0)"


def test_equality_and_hash_go_by_value() -> None:
    assert LinearBetaScheduler(1, 10.0) == LinearBetaScheduler(1.0, 10)
    assert len({LinearBetaScheduler(1, 10.0), LinearBetaScheduler(1.0, 10), ConstantBetaScheduler()}) == 2
    assert LinearBetaScheduler() != LinearBetaScheduler(warmup_epochs=11)
    assert ConstantBetaScheduler() != LinearBetaScheduler()
    assert ConstantBetaScheduler() != 1.0


def test_schedulers_do_not_change() -> None:
    with pytest.raises(AttributeError):
        LinearBetaScheduler().max_beta = 2.0


def test_import_loads_no_framework() -> None:
    code = """
import sys, vaelib
vaelib.LinearBetaScheduler(), vaelib.effective_beta, vaelib.active_units
print([name for name in ("tensorflow", "keras", "matplotlib", "sklearn", "pandas") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
