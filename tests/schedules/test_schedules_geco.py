import math

import pytest

from vaelib.schedules import GecoBetaScheduler


def test_steps_by_hand() -> None:
    scheduler = GecoBetaScheduler(tolerance=20.0, rate=0.01, smoothing=0.9)
    assert scheduler.init()["beta"] == scheduler(0) == 1.0
    # the average starts at the first constraint: C = 10
    assert scheduler.update({"reconstruction_loss": 30.0}) == pytest.approx(math.exp(-0.1))
    # C = 0: average 9; log lambda 0.1 + 0.09
    assert scheduler.update({"reconstruction_loss": 20.0}) == pytest.approx(math.exp(-0.19))
    # C = -20: average 0.9 * 9 - 2 = 6.1
    assert scheduler.update({"reconstruction_loss": 0.0}) == pytest.approx(math.exp(-0.251))
    assert scheduler(7) == pytest.approx(math.exp(-0.251))


def test_lambda_grows_while_the_error_is_too_large() -> None:
    worse, better = (GecoBetaScheduler(tolerance=10.0, unit="squared_error") for _ in range(2))
    assert worse.update({"reconstruction_loss": 12.0}) < 1.0
    assert better.update({"reconstruction_loss": 8.0}) > 1.0


def test_lambda_is_updated_by_factors() -> None:
    scheduler = GecoBetaScheduler(tolerance=0.0, rate=0.5, smoothing=0.0, initial_beta=4.0)
    factor = scheduler.update({"reconstruction_loss": 1.0}) / 4.0
    assert factor == pytest.approx(math.exp(-0.5))
    assert scheduler.update({"reconstruction_loss": 1.0}) == pytest.approx(4.0 * factor**2)


def test_clamped_and_released_at_once() -> None:
    scheduler = GecoBetaScheduler(tolerance=10.0, rate=0.1, smoothing=0.0, min_beta=0.5, max_beta=2.0)
    for _ in range(1000):
        low = scheduler.update({"reconstruction_loss": 1000.0})
    assert low == 0.5
    # lambda was clamped at 2, so one step with C = -1 shows
    assert scheduler.update({"reconstruction_loss": 9.0}) == pytest.approx(0.5 * math.exp(0.1))
    for _ in range(1000):
        high = scheduler.update({"reconstruction_loss": 0.0})
    assert high == 2.0
    assert scheduler.update({"reconstruction_loss": 11.0}) == pytest.approx(2.0 * math.exp(-0.1))


@pytest.mark.parametrize("loss", [1e300, -1e300, 1e30])
def test_nothing_overflows(loss) -> None:
    scheduler = GecoBetaScheduler(tolerance=0.0, min_beta=1e-300, max_beta=1e300, initial_beta=1.0, rate=1e300)
    for figure in (loss, loss, -loss):
        assert 1e-300 <= scheduler.update({"reconstruction_loss": figure}) <= 1e300


def test_declarations() -> None:
    scheduler = GecoBetaScheduler(tolerance=-50.0)
    assert (scheduler.per, scheduler.reads, scheduler.unit) == ("step", "reconstruction_loss", "nats")
    assert scheduler.bounds == (1e-4, 100.0)
    assert GecoBetaScheduler(1.0, unit="squared_error").unit == "squared_error"


def test_errors_name_the_limits() -> None:
    with pytest.raises(ValueError, match="`initial_beta` must be a finite number >= 0.5 and <= 2. Received: initial_b"):
        GecoBetaScheduler(1.0, initial_beta=3.0, min_beta=0.5, max_beta=2.0)
    with pytest.raises(ValueError, match=r"`min_beta` must be a finite number > 0. Received: min_beta=0\."):
        GecoBetaScheduler(1.0, min_beta=0.0)
    with pytest.raises(ValueError, match="`tolerance` must be a finite number >= 0. Received: tolerance=-1.0"):
        GecoBetaScheduler(-1.0, unit="squared_error")
    for smoothing in (1.0, 1.5, -0.1):
        message = rf"^Argument `smoothing` must be a finite number >= 0 and < 1\. Received: smoothing={smoothing}\.$"
        with pytest.raises(ValueError, match=message):
            GecoBetaScheduler(1.0, smoothing=smoothing)
