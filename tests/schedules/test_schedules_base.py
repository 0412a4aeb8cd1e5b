import json
from typing import Any

import numpy as np
import pytest

from vaelib.schedules import BetaScheduler, ConstantBetaScheduler, LinearBetaScheduler, beta_table, first_peak


class Listed(BetaScheduler):
    """A reader's own schedule, with parameters that hold lists and mappings."""

    type_name = "listed"

    def __init__(self, values: Any, options: Any = None) -> None:
        self.values = values
        self.options = options or {}

    def _beta(self, epoch: Any) -> float:
        return self.values[int(epoch)]

    @property
    def warmup_end(self) -> float:
        return 1.0


def test_table_by_step_by_hand() -> None:
    table = LinearBetaScheduler(max_beta=1.0, warmup_epochs=2).table(epochs=3, steps_per_epoch=2)
    assert table.dtype == np.float32
    assert table.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]


def test_table_by_epoch_by_hand() -> None:
    table = LinearBetaScheduler(max_beta=1.0, warmup_epochs=2).table(3, 2, per="epoch")
    assert table.tolist() == [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]


def test_table_is_computed_in_double_precision() -> None:
    scheduler = LinearBetaScheduler(max_beta=0.1, warmup_epochs=7)
    expected = np.array([scheduler(s / 900) for s in range(9000)]).astype(np.float32)
    np.testing.assert_array_equal(scheduler.table(10, 900), expected)


def test_table_can_start_later() -> None:
    scheduler = LinearBetaScheduler(warmup_epochs=8)
    np.testing.assert_array_equal(beta_table(scheduler, 3, 5, first_epoch=2), scheduler.table(5, 5)[10:])
    np.testing.assert_array_equal(
        beta_table(scheduler, 3, 5, per="epoch", first_epoch=2), scheduler.table(5, 5, per="epoch")[10:]
    )


def test_table_takes_any_callable_and_gives_it_integers_by_epoch() -> None:
    assert beta_table([0.0, 0.5].__getitem__, 2, 2, per="epoch").tolist() == [0.0, 0.0, 0.5, 0.5]
    assert beta_table(lambda epoch: np.float32(epoch), 1, 4).tolist() == [0.0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(np.nan, "nan"), (np.inf, "inf"), (-0.1, "-0.1"), (None, "None"), ("1", "'1'"), ({"a": 1}, "{'a': 1}")],
)
def test_table_names_the_epoch_of_a_bad_value(value: Any, shown: Any) -> None:
    with pytest.raises(ValueError, match="`scheduler` must give a finite number >= 0 at every epoch") as caught:
        beta_table(lambda epoch: value if epoch == 1.5 else 1.0, epochs=2, steps_per_epoch=2)
    assert f"which gives {shown} at epoch 1.5." in str(caught.value)


def test_table_refuses_arguments() -> None:
    scheduler = ConstantBetaScheduler()
    with pytest.raises(ValueError, match="`epochs`"):
        scheduler.table(0, 1)
    with pytest.raises(ValueError, match="`steps_per_epoch`"):
        scheduler.table(1, 0)
    with pytest.raises(ValueError, match="`per` must be one of 'step', 'epoch'"):
        scheduler.table(1, 1, per="batch")
    with pytest.raises(ValueError, match="`first_epoch`"):
        beta_table(scheduler, 1, 1, first_epoch=-1)
    with pytest.raises(ValueError, match="`scheduler` must be a callable"):
        beta_table(0.5, 1, 1)
    for wrong in (lambda: 1.0, lambda epoch, step: 1.0):
        with pytest.raises(ValueError, match="`scheduler` must take one argument, the epoch. Received: scheduler=<fun"):
            beta_table(wrong, 1, 1)
    assert beta_table(float, 1, 1).tolist() == [0.0]


def test_first_peak() -> None:
    assert first_peak(LinearBetaScheduler(warmup_epochs=2.5), epochs=10) == 2.5
    assert first_peak(LinearBetaScheduler(warmup_epochs=20), epochs=10) == 20
    assert first_peak(lambda epoch: min(epoch / 2.5, 1), epochs=10) == 2.5
    assert first_peak(lambda epoch: 0.5 - 0.5 * np.cos(np.pi * epoch / 5), epochs=20) == 5.0
    assert first_peak(lambda epoch: 0.0, epochs=3) == 0.0


def test_first_peak_asks_only_for_epochs_of_the_run() -> None:
    betas = [0.1, 0.3, 0.2]
    assert first_peak(lambda epoch: betas[int(epoch)], epochs=3) == 1.0
    with pytest.raises(ValueError, match="`epochs`"):
        first_peak(lambda epoch: 1.0, epochs=0)


@pytest.mark.parametrize("epoch", [-1, -1e-9, np.nan, np.inf, None, "1"])
def test_schedulers_refuse_epochs(epoch: Any) -> None:
    for scheduler in (ConstantBetaScheduler(), LinearBetaScheduler()):
        with pytest.raises(ValueError, match="Argument `epoch` must be a finite number >= 0"):
            scheduler(epoch)


def test_readers_own_schedule_gets_config_repr_equality_and_hash() -> None:
    first, second = Listed([0.0, 1.0], {"a": [1]}), Listed([0.0, 1.0], {"a": [1]})
    assert first.get_config() == {"type": "listed", "values": [0.0, 1.0], "options": {"a": [1]}}
    assert repr(first) == "Listed(values=[0.0, 1.0], options={'a': [1]})"
    assert first == second
    assert hash(first) == hash(second)
    assert first != Listed([0.0, 2.0])
    assert Listed.from_config(json.loads(json.dumps(first.get_config()))) == first
    assert first.table(2, 1).tolist() == [0.0, 1.0]
    assert first_peak(first, 2) == 1.0
    assert first.parts == {"beta": first}
    assert first.bounds == (0.0, np.inf)
    assert ConstantBetaScheduler(2).bounds == (2.0, 2.0)


def test_from_config_refuses_other_types_and_unknown_parameters() -> None:
    with pytest.raises(ValueError, match="`config` must have the type 'constant'. Received: config={'type': 'linear'}"):
        ConstantBetaScheduler.from_config({"type": "linear"})
    for config in (None, "a", "", []):
        with pytest.raises(ValueError, match="`config` must be a mapping. Received: config=.*get_config returns one"):
            ConstantBetaScheduler.from_config(config)
    with pytest.raises(ValueError, match="must hold only the keys 'type', 'beta'.*Did you mean 'beta'"):
        ConstantBetaScheduler.from_config({"type": "constant", "bta": 1.0})
    with pytest.raises(ValueError, match="`config` must hold 'values'. Received: config={'options': {}}"):
        Listed.from_config({"type": "listed", "options": {}})
