import json
from typing import Any

import pytest

import vaelib
from vaelib.schedules import (
    BetaScheduler,
    ControlBetaScheduler,
    CosineBetaScheduler,
    CyclicalBetaScheduler,
    LinearBetaScheduler,
    WarmRestartBetaScheduler,
    beta_table,
    first_peak,
    get_beta_scheduler,
    register_beta_scheduler,
)
from vaelib.schedules import factory as factory_module

TYPES = {
    "constant": {},
    "linear": {},
    "cosine": {},
    "exponential": {},
    "sigmoid": {},
    "cyclical": {},
    "warm_restart": {},
    "hierarchical": {"global_scheduler": {"type": "linear"}, "local_scheduler": {"type": "cosine"}},
    "reconstruction": {},
    "control": {"target_kl": 5.0},
    "geco": {"tolerance": 20.0},
    "capacity": {},
}


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch):
    monkeypatch.setattr(factory_module, "_REGISTERED", {})


class Doubling(BetaScheduler):
    type_name = "doubling"

    def __init__(self, start: float = 0.1) -> None:
        self.start = start

    def _beta(self, epoch: float) -> float:
        return self.start * 2**epoch

    warmup_end = 5.0


@pytest.mark.parametrize("name", TYPES)
def test_every_type_by_name_and_back(name) -> None:
    scheduler = get_beta_scheduler(name, **TYPES[name])
    config = json.loads(json.dumps(scheduler.get_config()))
    assert config["type"] == name
    assert get_beta_scheduler(**config) == scheduler
    assert type(scheduler).from_config(config) == scheduler
    assert list(scheduler.parts)


def test_the_types_are_all_there() -> None:
    assert list(factory_module._BUILT_IN) == list(TYPES)


def test_parameters_reach_the_scheduler() -> None:
    assert get_beta_scheduler("cosine", max_beta=0.5, warmup_epochs=3) == CosineBetaScheduler(0.5, 3)
    assert vaelib.get_beta_scheduler is get_beta_scheduler


@pytest.mark.parametrize("name", ["cosin", "", "Cosine", None, 3, ["cosine"], True])
def test_unknown_types_list_the_choices(name) -> None:
    register_beta_scheduler("mine", Doubling)
    with pytest.raises(ValueError, match="^Argument `type` must be one of ") as caught:
        get_beta_scheduler(name)
    for choice in (*TYPES, "mine"):
        assert repr(choice) in str(caught.value)
    assert ("Did you mean 'cosine'?" in str(caught.value)) == (name in ("cosin", "Cosine"))


def test_unknown_and_missing_parameters() -> None:
    with pytest.raises(
        ValueError, match="`params` must hold only the keys .*cycle_lenght.*Did you mean 'cycle_length'"
    ):
        get_beta_scheduler("cyclical", cycle_lenght=20)
    with pytest.raises(ValueError, match="Argument `params` must hold 'target_kl'. Received: params={'kp': 0.1}."):
        get_beta_scheduler("control", kp=0.1)


def test_the_documents_fallback_works_as_printed(capsys) -> None:
    params: dict[str, Any] = {"cycle_length": -20}
    try:
        scheduler = get_beta_scheduler("cyclical", **params)
    except ValueError as e:
        print(f"Invalid configuration: {e}")
        # Fall back to default scheduler
        scheduler = get_beta_scheduler("cosine", max_beta=1.0, warmup_epochs=10)
    assert scheduler == CosineBetaScheduler(1.0, 10)
    assert capsys.readouterr().out == (
        "Invalid configuration: Argument `cycle_length` must be a finite number > 0. Received: cycle_length=-20.\n"
    )


def test_the_documents_debug_commands_work_as_printed(capsys) -> None:
    scheduler = get_beta_scheduler("warm_restart", restart_interval=5)
    print(f"Scheduler type: {type(scheduler).__name__}")
    print(f"Scheduler config: {scheduler}")
    for epoch in range(10):
        beta = scheduler(epoch)
        print(f"Epoch {epoch}: Beta = {beta:.6f}")
    if hasattr(scheduler, "get_restart_info"):
        info = scheduler.get_restart_info(epoch)
        print(f"Restart info: {info}")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Scheduler type: WarmRestartBetaScheduler"
    assert lines[1].startswith("Scheduler config: WarmRestartBetaScheduler(base_scheduler_type='cosine', base_sch")
    assert lines[2:4] == ["Epoch 0: Beta = 0.000000", "Epoch 1: Beta = 0.024472"]
    assert lines[6:8] == ["Epoch 4: Beta = 0.345492", "Epoch 5: Beta = 0.000000"]
    assert lines[12].startswith("Restart info: {'last_restart_epoch': 5, 'epochs_since_restart': 4, ")


# --- a reader's own ---


def test_a_registered_function() -> None:
    register_beta_scheduler("stairs", lambda height=0.5: lambda epoch: height * (epoch // 10))
    scheduler = get_beta_scheduler("stairs", height=0.2)
    assert isinstance(scheduler, BetaScheduler)
    assert [scheduler(epoch) for epoch in (0, 9.9, 10, 25)] == [0.0, 0.0, 0.2, 0.4]
    assert scheduler.get_config() == {"type": "stairs", "height": 0.2}
    assert repr(scheduler) == "get_beta_scheduler('stairs', height=0.2)"
    again = get_beta_scheduler(**json.loads(json.dumps(scheduler.get_config())))
    assert again == scheduler
    assert hash(again) == hash(scheduler)
    assert again != get_beta_scheduler("stairs")
    assert type(scheduler).from_config(scheduler.get_config()) == scheduler
    assert beta_table(scheduler, 2, 1).tolist() == [0.0, 0.0]
    # nothing is known of a function but its values: the peak is looked for
    assert first_peak(scheduler, 25) == 20.0
    assert scheduler.bounds == (0.0, float("inf"))


def test_a_registered_class() -> None:
    register_beta_scheduler("doubling", Doubling)
    scheduler = get_beta_scheduler("doubling", start=0.2)
    assert type(scheduler) is Doubling
    assert get_beta_scheduler(**scheduler.get_config()) == scheduler
    assert scheduler(3) == pytest.approx(1.6)


def test_a_registered_class_under_another_name_keeps_that_name() -> None:
    register_beta_scheduler("other", Doubling)
    scheduler = get_beta_scheduler("other", start=0.2)
    assert scheduler.get_config() == {"type": "other", "start": 0.2}
    assert scheduler(3) == pytest.approx(1.6)
    assert scheduler.warmup_end == 5.0
    assert get_beta_scheduler(**scheduler.get_config()) == scheduler


def test_a_preset_of_a_built_in_type_describes_itself() -> None:
    register_beta_scheduler("slow", lambda: LinearBetaScheduler(0.5, 100))
    assert get_beta_scheduler("slow") == LinearBetaScheduler(0.5, 100)
    assert get_beta_scheduler("slow").get_config()["type"] == "linear"
    register_beta_scheduler("held", lambda target_kl: ControlBetaScheduler(target_kl))
    assert get_beta_scheduler("held", target_kl=3) == ControlBetaScheduler(3)


def test_a_subclass_of_a_built_in_type_keeps_its_behaviour() -> None:
    class Halved(LinearBetaScheduler):
        def _beta(self, epoch: float) -> float:
            return super()._beta(epoch) / 2

    register_beta_scheduler("halved", Halved)
    scheduler = get_beta_scheduler("halved", max_beta=1.0)
    assert scheduler.get_config()["type"] == "halved"
    assert get_beta_scheduler(**scheduler.get_config())(10) == scheduler(10) == 0.5


def test_a_feedback_class_needs_its_name() -> None:
    class Mine(ControlBetaScheduler):
        type_name = "mine"

    register_beta_scheduler("mine", Mine)
    register_beta_scheduler("yours", Mine)
    assert type(get_beta_scheduler("mine", target_kl=3.0)) is Mine
    with pytest.raises(ValueError, match="`factory` must return a scheduler whose type_name is 'yours'"):
        get_beta_scheduler("yours", target_kl=3.0)


@pytest.mark.parametrize("name", ["linear", "hierarchical", "capacity"])
def test_built_in_names_are_refused(name) -> None:
    with pytest.raises(ValueError, match=f"`type` must be a name that no other schedule has. Received: type='{name}'"):
        register_beta_scheduler(name, Doubling)
    assert get_beta_scheduler("linear") == LinearBetaScheduler()


def test_a_taken_name_is_refused_unless_it_is_the_same() -> None:
    register_beta_scheduler("doubling", Doubling)
    register_beta_scheduler("doubling", Doubling)
    with pytest.raises(ValueError, match="`type` must be a name that no other schedule has. Received: type='doubling'"):
        register_beta_scheduler("doubling", lambda: LinearBetaScheduler())
    assert isinstance(get_beta_scheduler("doubling"), Doubling)


@pytest.mark.parametrize("name", ["", "two words", "1st", "a-b", None, 3, True, ["a"]])
def test_names_are_identifiers(name) -> None:
    with pytest.raises(ValueError, match="^Argument `type` must be an identifier. Received: type="):
        register_beta_scheduler(name, Doubling)


@pytest.mark.parametrize("factory", [None, 3, "linear", LinearBetaScheduler, {}])
def test_factories_are_callable(factory) -> None:
    if factory is LinearBetaScheduler:
        return register_beta_scheduler("fine", factory)
    with pytest.raises(ValueError, match="^Argument `factory` must be a callable that returns a schedule"):
        register_beta_scheduler("mine", factory)
    return None


def test_bad_factories_are_found_when_used() -> None:
    register_beta_scheduler("number", lambda: 0.5)
    with pytest.raises(ValueError, match="Argument `factory's result` must be a callable from an epoch to beta"):
        get_beta_scheduler("number")
    register_beta_scheduler("two", lambda: lambda epoch, step: 0.5)
    with pytest.raises(ValueError, match="Argument `factory's result` must take one argument, the epoch"):
        get_beta_scheduler("two")
    register_beta_scheduler("negative", lambda: lambda epoch: -1.0)
    with pytest.raises(ValueError, match="must give a finite number >= 0 at every epoch.*which gives -1.0 at epoch 3"):
        get_beta_scheduler("negative")(3)


def test_parameters_that_do_not_fit_a_factory() -> None:
    register_beta_scheduler("doubling", Doubling)
    with pytest.raises(ValueError, match="`params` must fit the factory of 'doubling'. Received: params={'stat': 1}."):
        get_beta_scheduler("doubling", stat=1)
    register_beta_scheduler("needs", lambda start: lambda epoch: start)
    with pytest.raises(ValueError, match="`params` must fit the factory of 'needs'.*Missing a required argument: 'sta"):
        get_beta_scheduler("needs")


def test_registered_types_in_other_schedules() -> None:
    register_beta_scheduler("stairs", lambda height=0.5: lambda epoch: height * (epoch // 10))
    restart = get_beta_scheduler("warm_restart", base_scheduler_type="stairs", restart_interval=20)
    assert isinstance(restart, WarmRestartBetaScheduler)
    assert [restart(epoch) for epoch in (15, 20, 35)] == [0.5, 0.0, 0.5]
    both = get_beta_scheduler("hierarchical", global_scheduler=restart, local_scheduler={"type": "stairs"})
    config = json.loads(json.dumps(both.get_config()))
    assert config["local_scheduler"] == {"type": "stairs"}
    assert config["global_scheduler"]["base_scheduler_type"] == "stairs"
    assert get_beta_scheduler(**config) == both
    assert both != get_beta_scheduler("hierarchical", global_scheduler=restart, local_scheduler=CyclicalBetaScheduler())
