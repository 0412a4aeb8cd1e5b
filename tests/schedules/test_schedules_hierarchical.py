import copy
import json
import pickle

import pytest

from vaelib.schedules import (
    BetaScheduler,
    ConstantBetaScheduler,
    ControlBetaScheduler,
    CyclicalBetaScheduler,
    HierarchicalBetaScheduler,
    LinearBetaScheduler,
    WarmRestartBetaScheduler,
    get_beta_scheduler,
    register_beta_scheduler,
)
from vaelib.schedules import factory as factory_module

MIXED = {
    "global_scheduler": {
        "type": "warm_restart",
        "base_scheduler_type": "cosine",
        "base_scheduler_kwargs": {"max_beta": 0.01, "warmup_epochs": 10},
        "restart_interval": 30,
        "restart_multiplier": 1.0,
    },
    "local_scheduler": {
        "type": "cyclical",
        "cycle_length": 15,
        "min_beta": 0.0,
        "max_beta": 0.02,
        "wave_type": "triangle",
    },
}


def test_two_weights_by_hand() -> None:
    scheduler = HierarchicalBetaScheduler(
        {"type": "linear", "max_beta": 0.005, "warmup_epochs": 10},
        {"type": "cyclical", "cycle_length": 20, "max_beta": 0.015, "wave_type": "triangle"},
    )
    assert scheduler(0) == {"global_kl_weight": 0.0, "local_kl_weight": 0.0}
    assert scheduler(5) == {"global_kl_weight": 0.0025, "local_kl_weight": 0.0075}
    assert scheduler(10) == {"global_kl_weight": 0.005, "local_kl_weight": 0.015}
    assert scheduler(20) == {"global_kl_weight": 0.005, "local_kl_weight": 0.0}
    assert {type(weight) for weight in scheduler(2.5).values()} == {float}


def test_the_documents_mixed_strategies() -> None:
    scheduler = HierarchicalBetaScheduler(**MIXED)
    assert scheduler(10) == {"global_kl_weight": 0.01, "local_kl_weight": pytest.approx(2 / 3 * 0.02)}
    assert scheduler(30) == {"global_kl_weight": 0.0, "local_kl_weight": 0.0}
    assert scheduler.get_restart_info(31) == {
        "global_scheduler": {
            "last_restart_epoch": 30,
            "epochs_since_restart": 1,
            "next_restart_epoch": 60,
            "is_restart_epoch": False,
        }
    }


def test_parts_are_schedules_of_one_number() -> None:
    first, second = LinearBetaScheduler(), ConstantBetaScheduler(0.5)
    assert first.parts == {"beta": first}
    assert HierarchicalBetaScheduler(first, second).parts == {"global_kl_weight": first, "local_kl_weight": second}


def test_restart_info_exists_where_a_child_restarts() -> None:
    restart, plain = WarmRestartBetaScheduler(), LinearBetaScheduler()
    assert not hasattr(HierarchicalBetaScheduler(plain, plain), "get_restart_info")
    assert list(HierarchicalBetaScheduler(plain, restart).get_restart_info(0)) == ["local_scheduler"]
    assert list(HierarchicalBetaScheduler(restart, restart).get_restart_info(0)) == [
        "global_scheduler",
        "local_scheduler",
    ]


def test_config_repr_equality() -> None:
    scheduler = HierarchicalBetaScheduler(**MIXED)
    config = json.loads(json.dumps(scheduler.get_config()))
    assert config["type"] == "hierarchical"
    assert config["global_scheduler"]["base_scheduler_kwargs"] == {
        "max_beta": 0.01,
        "warmup_epochs": 10,
        "min_beta": 0.0,
    }
    for again in (
        get_beta_scheduler(**config),
        HierarchicalBetaScheduler.from_config(config),
        pickle.loads(pickle.dumps(scheduler)),
        copy.deepcopy(scheduler),
        HierarchicalBetaScheduler(scheduler.global_scheduler, scheduler.local_scheduler),
    ):
        assert again == scheduler
        assert hash(again) == hash(scheduler)
        assert again.get_config() == config
    plain = HierarchicalBetaScheduler(ConstantBetaScheduler(1), CyclicalBetaScheduler())
    assert plain != scheduler
    assert repr(plain) == (
        "HierarchicalBetaScheduler(global_scheduler=ConstantBetaScheduler(beta=1.0), local_scheduler=Cyclical"
        "BetaScheduler(cycle_length=20, min_beta=0.0, max_beta=1.0, wave_type='cosine', ramp_fraction=None))"
    )


def test_feedback_children() -> None:
    child = ControlBetaScheduler(target_kl=5.0, ki=0.01)
    scheduler = HierarchicalBetaScheduler(child, {"type": "reconstruction"})
    assert scheduler(0) == {"global_kl_weight": 0.0, "local_kl_weight": 0.1}
    child.update({"kl_loss": 25.0})
    assert scheduler(0)["global_kl_weight"] == pytest.approx(0.21)
    assert get_beta_scheduler(**scheduler.get_config()) == scheduler


def test_registered_children(monkeypatch) -> None:
    monkeypatch.setattr(factory_module, "_REGISTERED", {})
    register_beta_scheduler("mine", lambda slope: lambda epoch: slope * epoch)
    scheduler = HierarchicalBetaScheduler({"type": "mine", "slope": 0.5}, {"type": "constant"})
    assert scheduler(4) == {"global_kl_weight": 2.0, "local_kl_weight": 1.0}
    assert scheduler.get_config()["global_scheduler"] == {"type": "mine", "slope": 0.5}
    assert isinstance(scheduler.parts["global_kl_weight"], BetaScheduler)
    assert get_beta_scheduler(**scheduler.get_config()) == scheduler


@pytest.mark.parametrize("name", ["global_scheduler", "local_scheduler"])
@pytest.mark.parametrize(
    ("child", "must"),
    [
        (None, "` must be a schedule of one number, or its configuration. Received: {}=None"),
        (0.5, "` must be a schedule of one number, or its configuration. Received: {}=0.5"),
        ("cosine", "` must be a schedule of one number, or its configuration. Received: {}='cosine'"),
        (lambda epoch: 1.0, "` must be a schedule of one number"),
        (
            {"type": "capacity"},
            "` must be a schedule of one number, or its configuration. Received: {}={{'type': 'capac",
        ),
        (
            {"type": "hierarchical"},
            "` must be a schedule of one number, or its configuration. Received: {}={{'type': '",
        ),
        ({"type": "hierarchical", **MIXED}, "` must be a schedule of one number"),
        ({}, "` must be a mapping with a 'type'"),
        ({"max_beta": 1.0}, "` must be a mapping with a 'type'"),
        ({"type": "cosin"}, r"\['type'\]` must be one of .*Did you mean 'cosine'"),
        ({"type": "cosine", "max_bet": 1.0}, "` must hold only .*Did you mean 'max_beta'"),
        ({"type": "cosine", 3: 1.0}, "` must hold only "),
    ],
)
def test_children_that_are_refused(name, child, must) -> None:
    arguments = {"global_scheduler": LinearBetaScheduler(), "local_scheduler": LinearBetaScheduler(), name: child}
    with pytest.raises(ValueError, match="Argument `" + name + must.format(name)):
        HierarchicalBetaScheduler(**arguments)
