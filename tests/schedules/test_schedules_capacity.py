import json

import numpy as np
import pytest

from vaelib.schedules import (
    CapacityBetaScheduler,
    ConstantBetaScheduler,
    LinearBetaScheduler,
    get_beta_scheduler,
)


def test_capacity_by_hand() -> None:
    scheduler = CapacityBetaScheduler(max_capacity=20.0, rise_epochs=8, gamma=100.0)
    assert scheduler(0) == {"beta": 100.0, "capacity": 0.0}
    assert scheduler(2.5) == {"beta": 100.0, "capacity": 6.25}
    assert scheduler(8) == scheduler(10_000) == {"beta": 100.0, "capacity": 20.0}


def test_parts_make_one_table_each() -> None:
    parts = CapacityBetaScheduler(max_capacity=4.0, rise_epochs=2, gamma=10.0).parts
    assert parts == {"beta": ConstantBetaScheduler(10.0), "capacity": LinearBetaScheduler(4.0, 2)}
    np.testing.assert_array_equal(parts["capacity"].table(3, 2), [0, 1, 2, 3, 4, 4])
    np.testing.assert_array_equal(parts["beta"].table(1, 2), [10, 10])


def test_config() -> None:
    scheduler = CapacityBetaScheduler(np.float32(5), 10.0, 3)
    config = json.loads(json.dumps(scheduler.get_config()))
    assert config == {"type": "capacity", "max_capacity": 5.0, "rise_epochs": 10, "gamma": 3.0}
    assert get_beta_scheduler(**config) == scheduler
    assert repr(scheduler) == "CapacityBetaScheduler(max_capacity=5.0, rise_epochs=10, gamma=3.0)"
    assert scheduler != CapacityBetaScheduler()
    assert scheduler != ConstantBetaScheduler(3)


def test_it_refuses_epochs() -> None:
    with pytest.raises(ValueError, match="Argument `epoch` must be a finite number >= 0"):
        CapacityBetaScheduler()(-1)
