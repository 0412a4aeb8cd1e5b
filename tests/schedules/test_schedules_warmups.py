import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from vaelib.schedules import ConstantBetaScheduler, LinearBetaScheduler


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


def test_linear_takes_fractions() -> None:
    scheduler = LinearBetaScheduler(warmup_epochs=2.5)
    assert scheduler(1.25) == 0.5
    assert scheduler(np.float32(2.5)) == 1.0
    assert scheduler.warmup_end == 2.5


def test_linear_hits_both_ends_and_never_passes_them() -> None:
    rng = np.random.default_rng(0)
    for low, high, epochs in rng.random((200, 3)):
        scheduler = LinearBetaScheduler(low + high, epochs + 1, low)
        values = [scheduler(t) for t in np.linspace(0, epochs + 1, 50)]
        assert values[0] == low
        assert values[-1] == low + high
        assert scheduler(np.nextafter(epochs + 1, 0)) <= low + high
        assert np.all(np.diff(values) >= 0)


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
