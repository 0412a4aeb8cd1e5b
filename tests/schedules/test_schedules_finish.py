import numpy as np
import pytest

from vaelib.schedules import (
    BetaScheduler,
    CapacityBetaScheduler,
    ConstantBetaScheduler,
    ControlBetaScheduler,
    CosineBetaScheduler,
    CyclicalBetaScheduler,
    HierarchicalBetaScheduler,
    LinearBetaScheduler,
    ReconstructionBetaScheduler,
    WarmRestartBetaScheduler,
    finish_warning,
)

STEPS = 20


@pytest.mark.parametrize(
    ("scheduler", "epochs"),
    [
        (ConstantBetaScheduler(0.0), 1),
        (LinearBetaScheduler(warmup_epochs=10), 10),  # 0.995 at the last step
        (LinearBetaScheduler(warmup_epochs=10), 50),
        (LinearBetaScheduler(0.5, 100, 0.5), 1),
        (CyclicalBetaScheduler(20), 10),
        (CyclicalBetaScheduler(20), 30),
        (CyclicalBetaScheduler(20, wave_type="ramp"), 20),
        (WarmRestartBetaScheduler("cosine", {"warmup_epochs": 20}, 40, 1.2), 150 + 20),
        (ReconstructionBetaScheduler(unit="epoch"), 301),
        (HierarchicalBetaScheduler(LinearBetaScheduler(), CosineBetaScheduler()), 11),
        (CapacityBetaScheduler(rise_epochs=10), 20),
    ],
)
def test_nothing_to_say_where_the_run_ends_at_the_top(scheduler, epochs) -> None:
    assert finish_warning(scheduler, epochs, STEPS) is None


@pytest.mark.parametrize(
    "scheduler",
    [ControlBetaScheduler(3.0), ReconstructionBetaScheduler(), lambda epoch: 1 / (1 + epoch), np.cos],
    ids=["control", "levels", "function", "cos"],
)
def test_nothing_is_known_of_feedback_and_functions(scheduler) -> None:
    assert finish_warning(scheduler, 5, STEPS) is None


def test_a_reader_s_schedule_without_bounds_is_left_alone() -> None:
    class Falling(BetaScheduler):
        type_name = "falling"
        warmup_end = 0.0

        def _beta(self, epoch: float) -> float:
            return 1 / (1 + epoch)

    assert finish_warning(Falling(), 5, STEPS) is None


def test_a_run_shorter_than_the_rise() -> None:
    # 100 steps: the last is at epoch 4.95
    assert finish_warning(LinearBetaScheduler(2.0, 10), 5, STEPS) == (
        "beta comes to 0.99 at most in 5 epochs, not to its highest value 2: train for 10 epochs or let it rise faster."
    )


def test_a_long_rise_is_recommended_whole() -> None:
    # 298 epochs would do
    assert "train for 300 epochs" in finish_warning(LinearBetaScheduler(warmup_epochs=300), 10, STEPS)


def test_a_schedule_that_falls_is_to_end_at_its_last_value() -> None:
    falling = ReconstructionBetaScheduler([(0, 1.0), (10, 0.2)], unit="epoch", interpolation="linear")
    assert finish_warning(falling, 10, 100) is None  # 0.2008 at the last step
    assert finish_warning(falling, 5, STEPS) == (
        "beta ends at 0.604 after 5 epochs, away from its final value 0.2: train for 10 epochs or let it come there"
        " earlier."
    )
    kwargs = {name: value for name, value in falling.get_config().items() if name != "type"}
    again = WarmRestartBetaScheduler("reconstruction", kwargs, 20)
    assert finish_warning(again, 20, STEPS) is None
    hill = ReconstructionBetaScheduler([(0, 0.1), (3, 1.0), (6, 0.5)], unit="epoch")
    assert finish_warning(hill, 7, STEPS) is None
    assert "ends at 1 after 5 epochs, away from its final value 0.5: train for 7 epochs" in finish_warning(
        hill, 5, STEPS
    )


def test_one_step_an_epoch_needs_one_epoch_more() -> None:
    scheduler = LinearBetaScheduler(warmup_epochs=10)
    assert "comes to 0.9 at most in 10 epochs" in finish_warning(scheduler, 10, 1)
    assert "train for 11 epochs" in finish_warning(scheduler, 10, 1)
    assert finish_warning(scheduler, 11, 1) is None


def test_one_percent_of_the_range_is_allowed() -> None:
    scheduler = LinearBetaScheduler(max_beta=3.0, min_beta=1.0, warmup_epochs=100)
    assert finish_warning(scheduler, 100, 1) is None  # 0.99 of the rise
    assert "comes to 2.97 at most" in finish_warning(scheduler, 99, 2)  # 0.985 of the rise


def test_a_cycle_that_stops_at_its_low_point() -> None:
    text = finish_warning(CyclicalBetaScheduler(20), 40, STEPS)
    assert text.startswith("beta ends at 6.17e-05 after 40 epochs, away from its highest value 1: train for ")
    assert text.endswith(" epochs or choose a schedule that ends at the top.")


@pytest.mark.parametrize(
    ("scheduler", "epochs"),
    [
        (CyclicalBetaScheduler(20), 40),
        (CyclicalBetaScheduler(16, wave_type="triangle"), 32),
        (CyclicalBetaScheduler(20, wave_type="ramp"), 41),
        (WarmRestartBetaScheduler("cosine", {"warmup_epochs": 20}, 40, 1.2), 150),
        (LinearBetaScheduler(warmup_epochs=300), 10),
    ],
)
def test_the_named_length_ends_at_the_top(scheduler, epochs) -> None:
    text = finish_warning(scheduler, epochs, STEPS)
    length = int(text.split("train for ")[1].split()[0])
    assert length != epochs
    assert scheduler(length - 1 / STEPS) >= 0.99 * scheduler.bounds[1]
    assert finish_warning(scheduler, length, STEPS) is None


def test_where_no_whole_number_of_epochs_ends_at_the_top_none_is_named() -> None:
    # the tops are at 7.5, 22.5, ...
    text = finish_warning(CyclicalBetaScheduler(15, wave_type="triangle"), 30, STEPS)
    assert text.endswith("away from its highest value 1: choose a schedule that ends at the top.")


def test_a_run_that_ends_on_the_slope_after_a_restart() -> None:
    scheduler = WarmRestartBetaScheduler("linear", {"warmup_epochs": 20}, 40)
    # the last step is 4.95 epochs after the restart at 40; the top was there until then
    assert finish_warning(scheduler, 45, STEPS) == (
        "beta ends at 0.248 after 45 epochs, away from its highest value 1: train for 40 epochs or choose a schedule"
        " that ends at the top."
    )


def test_restarts_that_come_too_early_for_the_top() -> None:
    text = finish_warning(WarmRestartBetaScheduler("linear", {"warmup_epochs": 40}, 20), 100, STEPS)
    assert text == "beta comes to 0.499 at most in 100 epochs, not to its highest value 1: let it rise faster."


def test_parts_are_named() -> None:
    short, cycle = LinearBetaScheduler(0.01, 40), CyclicalBetaScheduler(10, max_beta=0.02)
    text = finish_warning(HierarchicalBetaScheduler(short, cycle), 10, STEPS)
    first, second = text.split(". ")
    assert first.startswith(
        "global_kl_weight comes to 0.00249 at most in 10 epochs, not to its highest value 0.01: tra"
    )
    assert second.startswith("local_kl_weight ends at 4.93e-06 after 10 epochs")
    mixed = HierarchicalBetaScheduler(ControlBetaScheduler(3.0), LinearBetaScheduler())
    assert finish_warning(mixed, 20, STEPS) is None
    assert finish_warning(CapacityBetaScheduler(25.0, 20), 10, STEPS).startswith("capacity comes to 12.4 at most")


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((None, 1, 1), "scheduler"),
        ((0.5, 1, 1), "scheduler"),
        ((lambda: 1.0, 1, 1), "scheduler"),
        ((LinearBetaScheduler(), 0, 1), "epochs"),
        ((LinearBetaScheduler(), 1.5, 1), "epochs"),
        ((LinearBetaScheduler(), 1, True), "steps_per_epoch"),
        ((LinearBetaScheduler(), 1, float("nan")), "steps_per_epoch"),
    ],
)
def test_arguments_that_are_refused(arguments, name) -> None:
    with pytest.raises(ValueError, match=f"^Argument `{name}` must .*Received: {name}="):
        finish_warning(*arguments)
