import numpy as np
import pytest

from vaelib.schedules import CyclicalBetaScheduler


def betas(scheduler, epochs):
    return [scheduler(epoch) for epoch in epochs]


def test_cosine_by_hand() -> None:
    scheduler = CyclicalBetaScheduler(cycle_length=20, min_beta=0.0, max_beta=1.0, wave_type="cosine")
    # start, a quarter, the top, three quarters, the next start, far past it
    assert betas(scheduler, (0, 5, 10, 15, 20, 30, 1_000_010)) == pytest.approx([0, 0.5, 1, 0.5, 0, 1, 1], abs=1e-12)
    assert scheduler(10) == 1.0
    assert scheduler(20) == 0.0
    # (1 - cos(pi / 4)) / 2 at an eighth of the cycle
    assert scheduler(2.5) == pytest.approx(0.14644660940672624)


def test_triangle_by_hand() -> None:
    scheduler = CyclicalBetaScheduler(cycle_length=15, min_beta=0.5, max_beta=1.5, wave_type="triangle")
    expected = [0.5, 0.7, 1.5, 0.7, 0.5, 1.5]
    assert betas(scheduler, (0, 1.5, 7.5, 13.5, 15, 22.5)) == pytest.approx(expected)


def test_the_cosine_turns_smoothly_and_the_triangle_has_corners() -> None:
    def slopes(wave_type, epoch, h=1e-5):
        scheduler = CyclicalBetaScheduler(cycle_length=20, wave_type=wave_type)
        before, at, after = betas(scheduler, (epoch - h, epoch, epoch + h))
        return (at - before) / h, (after - at) / h

    for epoch in (10, 20, 30):  # top, bottom, top
        assert slopes("cosine", epoch) == pytest.approx((0, 0), abs=1e-6)
    # steepest half-way: pi / 20 on both sides, in one direction and the other
    assert slopes("cosine", 5) == pytest.approx((np.pi / 20, np.pi / 20), rel=1e-5)
    assert slopes("cosine", 15) == pytest.approx((-np.pi / 20, -np.pi / 20), rel=1e-5)
    for epoch, expected in {3: (0.1, 0.1), 10: (0.1, -0.1), 17: (-0.1, -0.1), 20: (-0.1, 0.1)}.items():
        assert slopes("triangle", epoch) == pytest.approx(expected, rel=1e-5)


def test_ramp_and_hold_by_hand() -> None:
    scheduler = CyclicalBetaScheduler(cycle_length=8, wave_type="ramp", ramp_fraction=0.25)
    assert betas(scheduler, (0, 1, 2, 5, 7.99, 8, 9, 10)) == [0.0, 0.5, 1.0, 1.0, 1.0, 0.0, 0.5, 1.0]
    assert CyclicalBetaScheduler(cycle_length=8, wave_type="ramp") == CyclicalBetaScheduler(8, 0, 1, "ramp", 0.5)


def test_the_ramp_is_the_closed_form_of_fu_et_al() -> None:
    # tau = mod(t - 1, T / M) / (T / M) for step t = 1, 2, ...; T = 10, M = 2, R = 0.5
    steps = [0.0, 0.4, 0.8, 1.0, 1.0] * 2
    table = CyclicalBetaScheduler(cycle_length=5, wave_type="ramp", ramp_fraction=0.5).table(10, 1)
    np.testing.assert_allclose(table, steps, rtol=1e-6)


@pytest.mark.parametrize("length", [10 / 3, 20 / 3, 100 / 7, 1.1, 2.1])
def test_a_cycle_of_any_length_begins_at_its_lowest_value(length) -> None:
    scheduler = CyclicalBetaScheduler(length, wave_type="ramp")
    assert max(scheduler(cycle * length) for cycle in range(1000)) < 1e-9
    assert scheduler(10 * length - 1e-6) == 1.0


@pytest.mark.parametrize(("length", "epoch"), [(10 / 3, 10), (20 / 3, 20), (100 / 7, 100), (2.1, 6.3)])
def test_so_it_does_where_the_epoch_is_rounded(length, epoch) -> None:
    assert CyclicalBetaScheduler(length, wave_type="ramp")(epoch) == 0.0


def test_a_ramp_over_the_whole_cycle_is_a_sawtooth() -> None:
    scheduler = CyclicalBetaScheduler(cycle_length=4, wave_type="ramp", ramp_fraction=1.0)
    assert betas(scheduler, (0, 2, 3, 4)) == [0.0, 0.5, 0.75, 0.0]


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        ({}, 10.0),
        ({"cycle_length": 15, "wave_type": "triangle"}, 7.5),
        ({"cycle_length": 8, "wave_type": "ramp", "ramp_fraction": 0.25}, 2.0),
        ({"min_beta": 1.0}, 0.0),
    ],
)
def test_the_first_rise_ends_where_the_top_is(arguments, end) -> None:
    scheduler = CyclicalBetaScheduler(**arguments)
    assert scheduler.warmup_end == end
    assert scheduler(end) == scheduler.bounds[1] == 1.0


def test_rounding_stays_inside_the_range() -> None:
    assert 0.87 + (1.97 - 0.87) > 1.97
    assert CyclicalBetaScheduler(20, 0.87, 1.97)(10) == 1.97


def test_cycles_shorter_than_an_epoch() -> None:
    scheduler = CyclicalBetaScheduler(cycle_length=0.5, wave_type="triangle")
    assert betas(scheduler, (0, 0.125, 0.25, 3.25)) == [0.0, 0.5, 1.0, 1.0]


@pytest.mark.parametrize("wave_type", ["cosine", "triangle"])
def test_a_ramp_fraction_belongs_to_the_ramp(wave_type) -> None:
    with pytest.raises(
        ValueError, match="`ramp_fraction` must be left out for the wave '.*Received: ramp_fraction=0.5"
    ):
        CyclicalBetaScheduler(wave_type=wave_type, ramp_fraction=0.5)


def test_errors_list_the_waves() -> None:
    with pytest.raises(ValueError, match="must be one of 'cosine', 'triangle', 'ramp'. Received: wave_type='square'"):
        CyclicalBetaScheduler(wave_type="square")
    with pytest.raises(ValueError, match=r"`cycle_length` must be a finite number > 0. Received: cycle_length=0\."):
        CyclicalBetaScheduler(cycle_length=0)
