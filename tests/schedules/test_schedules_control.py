import math

import pytest

from vaelib.schedules import ControlBetaScheduler


def test_one_step_by_hand() -> None:
    scheduler = ControlBetaScheduler(target_kl=10.0, kp=0.01, ki=1e-4, min_beta=0.05, max_beta=1.0)
    assert scheduler.init() == {"beta": 0.05, "integral": 0.0}
    # KL on target: e = 0, half of kp
    state, beta = scheduler.step(scheduler.init(), {"kl_loss": 10.0})
    assert beta == pytest.approx(0.005 + 0.05)
    # KL two nats too high: e = -2
    state, beta = scheduler.step(state, {"kl_loss": 12.0})
    assert beta == pytest.approx(0.01 / (1 + math.exp(-2)) + 2e-4 + 0.05)
    # KL one nat too low: e = 1; the sum of errors is 0 - 2 + 1
    state, beta = scheduler.step(state, {"kl_loss": 9.0})
    assert beta == pytest.approx(0.01 / (1 + math.e) + 1e-4 + 0.05)
    assert state["integral"] == pytest.approx(1e-4)
    assert state["beta"] == beta


def test_between_the_bounds_it_is_the_papers_formula() -> None:
    scheduler = ControlBetaScheduler(target_kl=5.0, kp=0.02, ki=1e-3)
    kls = [8.0 + 4.0 * math.sin(n / 3) for n in range(200)]
    state, errors = scheduler.init(), 0.0
    for kl in kls:
        state, beta = scheduler.step(state, {"kl_loss": kl})
        errors += 5.0 - kl
        expected = 0.02 / (1 + math.exp(5.0 - kl)) - 1e-3 * errors
        assert 0 < expected < 1
        assert beta == pytest.approx(expected, rel=1e-9)


# error -> kp / (1 + e^error) with kp = 0.2; and with ki = 0.2 / ln 3 an error of ln 3 moves the sum by 0.2
LN3, LN9 = math.log(3), math.log(9)
#   far too high  P = 0.2 · 9/10 = 0.18, sum + 0.4     too high  P = 0.2 · 3/4 = 0.15, sum + 0.2
#   far too low   P = 0.2 · 1/10 = 0.02, sum − 0.4     too low   P = 0.2 · 1/4 = 0.05, sum − 0.2
BY_HAND = [  # KL, the sum, β = P + sum + 0.1 in [0.1, 1]
    (10 + LN9, 0.40, 0.68),  # 0.18 + 0.4 + 0.1
    (10 + LN9, 0.72, 1.00),  # 0.8 would give 1.08: the sum stops at 1 − 0.1 − 0.18
    (10 + LN9, 0.72, 1.00),  # pushed outwards still: held
    (10 + LN3, 0.75, 1.00),  # 0.92 would give 1.17; the smaller P leaves the sum room up to 1 − 0.1 − 0.15
    (10 - LN3, 0.55, 0.70),  # released at once: 0.05 + (0.75 − 0.2) + 0.1; with the sum of all errors, 1.2, it stays 1
    (10 - LN9, 0.15, 0.27),  # 0.02 + (0.55 − 0.4) + 0.1
    (10 - LN9, -0.02, 0.10),  # −0.25 would give −0.13: the sum stops at −P
    (10 - LN9, -0.02, 0.10),  # held
    (10 - LN3, -0.05, 0.10),  # −0.22 would give −0.07; at the larger P the sum stops at −0.05
    (10 + LN3, 0.15, 0.40),  # released at once: 0.15 + (−0.05 + 0.2) + 0.1
    (10.0, 0.15, 0.35),  # on target P = 0.1, and the sum stays
]


def test_saturated_high_released_and_saturated_low_step_by_step() -> None:
    scheduler = ControlBetaScheduler(target_kl=10.0, kp=0.2, ki=0.2 / LN3, min_beta=0.1, max_beta=1.0)
    state = scheduler.init()
    for step, (kl, integral, expected) in enumerate(BY_HAND):
        state, beta = scheduler.step(state, {"kl_loss": kl})
        found = (float(state["integral"]), float(state["beta"]), float(beta))
        assert found == pytest.approx((integral, expected, expected), abs=1e-12), step
        assert scheduler.update({"kl_loss": kl}) == pytest.approx(expected, abs=1e-12)


def test_ten_nats_for_a_hundred_steps_move_beta_by_a_tenth() -> None:
    scheduler = ControlBetaScheduler(target_kl=10.0)
    betas = [scheduler.update({"kl_loss": 20.0}) for _ in range(101)]
    assert betas[100] - betas[0] == pytest.approx(0.1)


def test_saturated_below_and_released_at_once() -> None:
    scheduler = ControlBetaScheduler(target_kl=10.0)
    for _ in range(5000):
        low = scheduler.update({"kl_loss": 1.0})
    assert low == 0.0
    # e = -1: kp / (1 + 1/e) less what little sum was held
    released = scheduler.update({"kl_loss": 11.0})
    assert 0.0 < released < 0.01
    later = [scheduler.update({"kl_loss": 11.0}) for _ in range(100)]
    assert later[-1] - released == pytest.approx(100 * 1e-4)


def test_saturated_above_and_released_at_once() -> None:
    scheduler = ControlBetaScheduler(target_kl=10.0, max_beta=0.5)
    for _ in range(5000):
        high = scheduler.update({"kl_loss": 30.0})
    assert high == 0.5
    # the held sum is 0.5 - kp; e = 1 takes ki off it and leaves kp / (1 + e)
    released = scheduler.update({"kl_loss": 9.0})
    assert released == pytest.approx(0.5 - 0.01 - 1e-4 + 0.01 / (1 + math.e))
    assert released < 0.5


def test_the_sum_is_held_while_pushed_outwards_only() -> None:
    scheduler = ControlBetaScheduler(target_kl=10.0, kp=0.0, ki=0.1)
    state = {"beta": 1.0, "integral": 1.0}
    held, beta = scheduler.step(state, {"kl_loss": 20.0})
    assert (held["integral"], beta) == (1.0, 1.0)
    moved, beta = scheduler.step(held, {"kl_loss": 9.0})
    assert (moved["integral"], beta) == (pytest.approx(0.9), pytest.approx(0.9))


def test_a_step_that_would_overshoot_ends_on_the_bound() -> None:
    scheduler = ControlBetaScheduler(target_kl=10.0, kp=0.0, ki=0.1)
    assert scheduler.update({"kl_loss": 1010.0}) == 1.0
    assert scheduler.update({"kl_loss": 8.0}) == pytest.approx(0.8)


@pytest.mark.parametrize("kl", [0.0, 1e4, 1e30, 1e300])
def test_exp_is_guarded(kl) -> None:
    scheduler = ControlBetaScheduler(target_kl=1e4)
    state = scheduler.init()
    for figure in (kl, kl, 0.0):  # a warning of an overflow would be an error here
        state, beta = scheduler.step(state, {"kl_loss": figure})
        assert 0.0 <= beta <= 1.0


def test_declarations() -> None:
    scheduler = ControlBetaScheduler(3, max_beta=2)
    assert (scheduler.per, scheduler.reads, scheduler.unit) == ("step", "kl_loss", "nats")
    assert scheduler.bounds == (0.0, 2.0)
    assert scheduler.warmup_end == 0.0
    assert repr(scheduler) == "ControlBetaScheduler(target_kl=3.0, kp=0.01, ki=0.0001, min_beta=0.0, max_beta=2.0)"
