import json
import pickle
import time

import numpy as np
import pytest

from vaelib.schedules import (
    CosineBetaScheduler,
    CyclicalBetaScheduler,
    WarmRestartBetaScheduler,
    get_beta_scheduler,
    register_beta_scheduler,
)
from vaelib.schedules import factory as factory_module


def restarts(scheduler, epochs):
    return [epoch for epoch in range(epochs) if scheduler.get_restart_info(epoch)["is_restart_epoch"]]


def info(last, since, following, now):
    return {
        "last_restart_epoch": last,
        "epochs_since_restart": since,
        "next_restart_epoch": following,
        "is_restart_epoch": now,
    }


@pytest.fixture
def growing():
    return WarmRestartBetaScheduler("cosine", {"max_beta": 1.0, "warmup_epochs": 20}, 40, 1.2)


def test_restart_epochs_of_the_document(growing) -> None:
    # 40; + 48 = 88; + 57.6 = 145.6; + 69.12 = 214.72; + 82.944 = 297.664
    assert restarts(growing, 300) == [40, 88, 146, 215, 298]


def test_equal_intervals() -> None:
    assert restarts(WarmRestartBetaScheduler(restart_interval=25), 101) == [25, 50, 75, 100]
    assert restarts(WarmRestartBetaScheduler(restart_interval=1), 5) == [1, 2, 3, 4]


def test_halves_are_rounded_up() -> None:
    # 1, + 1.5 = 2.5, + 2.25 = 4.75, + 3.375 = 8.125
    assert restarts(WarmRestartBetaScheduler(restart_interval=1, restart_multiplier=1.5), 10) == [1, 3, 5, 8]


def test_beta_starts_over(growing) -> None:
    assert [growing(epoch) for epoch in (0, 10, 20, 39.9)] == [0.0, pytest.approx(0.5), 1.0, 1.0]
    assert [growing(epoch) for epoch in (40, 50, 60, 87.9)] == [0.0, pytest.approx(0.5), 1.0, 1.0]
    assert [growing(epoch) for epoch in (88, 98, 108, 145, 146)] == [0.0, pytest.approx(0.5), 1.0, 1.0, 0.0]


def test_restart_info(growing) -> None:
    assert growing.get_restart_info(0) == info(0, 0, 40, False)
    assert growing.get_restart_info(39) == info(0, 39, 40, False)
    assert growing.get_restart_info(40) == info(40, 0, 88, True)
    assert growing.get_restart_info(41) == info(40, 1, 88, False)
    assert growing.get_restart_info(88.0) == info(88, 0, 146, True)
    assert growing.get_restart_info(200) == info(146, 54, 215, False)
    # inside an epoch: the epoch that began with a restart is one
    assert growing.get_restart_info(39.75) == info(0, 39.75, 40, False)
    assert growing.get_restart_info(40.75) == info(40, 0.75, 88, True)


@pytest.mark.parametrize("epoch", [0, 40, 40.0, np.int64(41), np.float32(146)])
@pytest.mark.parametrize("multiplier", [1.0, 1.2])
def test_restart_info_holds_plain_numbers(epoch, multiplier) -> None:
    found = WarmRestartBetaScheduler(restart_multiplier=multiplier).get_restart_info(epoch)
    assert [type(value) for value in found.values()] == [int, int, int, bool]


def test_epochs_may_be_asked_for_in_any_order(growing) -> None:
    assert growing.get_restart_info(500)["last_restart_epoch"] == 397
    assert growing.get_restart_info(88)["last_restart_epoch"] == 88
    assert growing(50) == pytest.approx(0.5)


def test_a_base_that_starts_above_0_restarts_there() -> None:
    scheduler = WarmRestartBetaScheduler("linear", {"max_beta": 0.9, "min_beta": 0.1, "warmup_epochs": 10}, 20)
    assert [scheduler(epoch) for epoch in (0, 10, 20, 25)] == [0.1, 0.9, 0.1, pytest.approx(0.5)]
    assert scheduler.bounds == (0.1, 0.9)


@pytest.mark.parametrize(
    ("base", "kwargs", "at_25"),
    [
        ("constant", {"beta": 0.3}, 0.3),
        ("linear", None, 0.5),
        ("cosine", None, 0.5),
        ("exponential", None, 0.0758581800212435),
        ("sigmoid", None, 0.5),
        ("cyclical", {"cycle_length": 10}, 1.0),
        ("reconstruction", {"unit": "epoch", "levels": [[0, 0.1], [5, 0.7]]}, 0.7),
    ],
)
def test_over_every_open_loop_type(base, kwargs, at_25) -> None:
    scheduler = WarmRestartBetaScheduler(base, kwargs, restart_interval=20)
    assert scheduler(25) == pytest.approx(at_25)
    config = json.loads(json.dumps(scheduler.get_config()))
    assert get_beta_scheduler(**config) == scheduler
    assert config["base_scheduler_type"] == base


@pytest.mark.parametrize(
    ("base", "kwargs"),
    [
        ("control", {"target_kl": 5.0}),
        ("geco", {"tolerance": 5.0}),
        ("geco", {}),
        ("reconstruction", {}),
        ("capacity", {}),
        ("warm_restart", {}),
        ("hierarchical", {"global_scheduler": {"type": "linear"}, "local_scheduler": {"type": "linear"}}),
    ],
)
def test_not_over_the_others(base, kwargs) -> None:
    with pytest.raises(ValueError, match=f"`base_scheduler_type` must be an open-loop .*_type='{base}'"):
        WarmRestartBetaScheduler(base, kwargs)


def test_over_a_registered_type(monkeypatch) -> None:
    monkeypatch.setattr(factory_module, "_REGISTERED", {})
    register_beta_scheduler("halving", lambda start: lambda epoch: start / 2**epoch)
    scheduler = WarmRestartBetaScheduler("halving", {"start": 8.0}, restart_interval=3)
    assert [scheduler(epoch) for epoch in range(5)] == [8.0, 4.0, 2.0, 8.0, 4.0]
    assert scheduler.get_config()["base_scheduler_type"] == "halving"
    assert scheduler.get_config()["base_scheduler_kwargs"] == {"start": 8.0}
    assert get_beta_scheduler(**scheduler.get_config()) == scheduler
    assert not hasattr(scheduler, "warmup_end")


def test_errors_of_the_base_name_its_arguments() -> None:
    with pytest.raises(ValueError, match="`base_scheduler_type` must be one of .*Did you mean 'cosine'"):
        WarmRestartBetaScheduler("cosin")
    with pytest.raises(ValueError, match="`base_scheduler_kwargs` must hold only .*Did you mean 'warmup_epochs'"):
        WarmRestartBetaScheduler("cosine", {"warmup_epoch": 3})
    with pytest.raises(ValueError, match="`warmup_epochs` must be a finite number > 0"):
        WarmRestartBetaScheduler("cosine", {"warmup_epochs": 0})


def test_defaults_and_whole_kwargs_are_equal() -> None:
    bare, full = WarmRestartBetaScheduler(), WarmRestartBetaScheduler("cosine", {"max_beta": 1, "warmup_epochs": 10.0})
    assert bare == full
    assert hash(bare) == hash(full)
    assert bare != WarmRestartBetaScheduler("cosine", {"max_beta": 2})


def test_what_is_given_or_returned_is_not_shared() -> None:
    kwargs = {"warmup_epochs": 5}
    scheduler = WarmRestartBetaScheduler("linear", kwargs)
    kwargs["warmup_epochs"] = 7
    scheduler.get_config()["base_scheduler_kwargs"]["warmup_epochs"] = 9
    assert scheduler == WarmRestartBetaScheduler("linear", {"warmup_epochs": 5})
    assert pickle.loads(pickle.dumps(scheduler)) == scheduler


def test_warmup_end() -> None:
    assert WarmRestartBetaScheduler("linear", {"warmup_epochs": 20}, 40).warmup_end == 20
    # cut off at 20 every time: the first rise ends with the first restart
    assert WarmRestartBetaScheduler("linear", {"warmup_epochs": 30}, 20).warmup_end == 20
    # 20, then 40 epochs long: the second rise gets through, at 20 + 30
    longer = WarmRestartBetaScheduler("linear", {"warmup_epochs": 30}, 20, restart_multiplier=2.0)
    assert longer.warmup_end == 50
    assert longer(50) == 1.0
    assert max(longer(epoch / 10) for epoch in range(500)) < 1.0
    # a rise as long as the first interval: the restart comes just before its end
    equal = WarmRestartBetaScheduler("linear", {"warmup_epochs": 20}, 20, restart_multiplier=2.0)
    assert (equal.warmup_end, equal(20), equal(40)) == (40, 0.0, 1.0)


@pytest.mark.parametrize("multiplier", [1.0, 1.0 + 1e-9])
def test_a_million_restarts_are_fast(multiplier) -> None:
    scheduler = WarmRestartBetaScheduler(restart_interval=1, restart_multiplier=multiplier)
    start = time.perf_counter()
    assert scheduler.get_restart_info(10**6)["is_restart_epoch"]
    assert scheduler.warmup_end == 1.0
    assert [scheduler(epoch) for epoch in range(10**6, 10**6 + 100)] == [0.0] * 100
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("multiplier", [1e6, 1e300, np.finfo(float).max])
def test_huge_multipliers(multiplier) -> None:
    scheduler = WarmRestartBetaScheduler(restart_multiplier=multiplier)
    assert restarts(scheduler, 200) == [40]
    assert scheduler(1e6) == 1.0
    assert scheduler.get_restart_info(1e300)["last_restart_epoch"] >= 40


def test_only_restarts_have_restart_info() -> None:
    assert hasattr(WarmRestartBetaScheduler(), "get_restart_info")
    for other in (CosineBetaScheduler(), CyclicalBetaScheduler()):
        assert not hasattr(other, "get_restart_info")


@pytest.mark.parametrize("epoch", [-1, np.nan, np.inf, None, "1", True])
def test_restart_info_refuses_epochs(growing, epoch) -> None:
    with pytest.raises(ValueError, match="Argument `epoch` must be a finite number >= 0"):
        growing.get_restart_info(epoch)
