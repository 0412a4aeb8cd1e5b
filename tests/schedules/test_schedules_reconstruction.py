import copy
import json
import pickle

import pytest

from vaelib.schedules import (
    DOCUMENT_EPOCHS,
    DOCUMENT_LEVELS,
    FeedbackBetaScheduler,
    ReconstructionBetaScheduler,
    get_beta_scheduler,
)


def run(scheduler, errors):
    return [scheduler.update({"reconstruction_loss": error}) for error in errors]


def test_the_documents_levels_by_error() -> None:
    assert DOCUMENT_LEVELS == ((1.0, 0.1), (0.8, 0.2), (0.6, 0.4), (0.4, 0.6), (0.2, 0.8), (0.1, 1.0))
    scheduler = ReconstructionBetaScheduler(unit="mse")
    assert scheduler(0) == 0.1
    # before the first level, on it, just above the second, on each further one, past the last
    errors = [1.5, 1.0, 0.8001, 0.8, 0.6, 0.4, 0.2, 0.1, 0.001, 0.0]
    assert run(scheduler, errors) == [0.1, 0.1, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0]


def test_the_documents_epochs() -> None:
    # 1 - 50 is [0, 50), 51 - 100 is [50, 100), ...
    assert DOCUMENT_EPOCHS == ((0, 0.1), (50, 0.2), (100, 0.4), (150, 0.6), (200, 0.8), (300, 1.0))
    scheduler = ReconstructionBetaScheduler(unit="epoch")
    epochs = (0, 49.99, 50, 99, 100, 149, 150, 199, 200, 299, 300, 1_000_000)
    assert [scheduler(epoch) for epoch in epochs] == [0.1, 0.1, 0.2, 0.2, 0.4, 0.4, 0.6, 0.6, 0.8, 0.8, 1.0, 1.0]
    assert scheduler.warmup_end == 300


def test_relative_errors_are_shares_of_the_first() -> None:
    scheduler = ReconstructionBetaScheduler()
    assert run(scheduler, [40.0, 33.0, 32.0, 16.0, 4.0]) == [0.1, 0.1, 0.2, 0.6, 1.0]
    scheduler.reset()
    assert run(scheduler, [32.0, 33.0]) == [0.1, 0.1]


def test_nats_may_be_negative() -> None:
    scheduler = ReconstructionBetaScheduler([(10.0, 0.0), (-5.0, 0.5), (-20.0, 1.0)], unit="nats")
    assert run(scheduler, [50.0, -4.9, -5.0, -30.0]) == [0.0, 0.0, 0.5, 1.0]


def test_linear_interpolation_by_error() -> None:
    scheduler = ReconstructionBetaScheduler([(1.0, 0.1), (0.5, 0.3), (0.1, 1.1)], unit="mse", interpolation="linear")
    expected = [0.1, 0.1, 0.2, 0.3, 0.7, 1.1, 1.1]
    assert run(scheduler, [2.0, 1.0, 0.75, 0.5, 0.3, 0.1, 0.0]) == pytest.approx(expected)


def test_linear_interpolation_by_epoch() -> None:
    levels = [(2, 0.1), (4, 0.3), (8, 0.1)]
    scheduler = ReconstructionBetaScheduler(levels, unit="epoch", interpolation="linear")
    expected = [0.1, 0.1, 0.2, 0.3, 0.2, 0.1, 0.1]
    assert [scheduler(epoch) for epoch in (0, 2, 3, 4, 6, 8, 100)] == pytest.approx(expected)
    assert scheduler.warmup_end == 4
    assert scheduler(4) == 0.3


def test_rounding_stays_inside_the_range() -> None:
    share = 2.0 - 1.34
    assert 0.9 * (1.0 - share) + 0.9 * share > 0.9
    by_error = ReconstructionBetaScheduler([(2.0, 0.9), (1.0, 0.9)], unit="mse", interpolation="linear")
    assert run(by_error, [1.34]) == [0.9]
    assert 0.9 * (1.0 - 6.9 / 10) + 0.9 * (6.9 / 10) > 0.9
    by_epoch = ReconstructionBetaScheduler([(0, 0.9), (10, 0.9)], unit="epoch", interpolation="linear")
    assert by_epoch(6.9) == 0.9


def test_smoothing_starts_at_the_first_error() -> None:
    scheduler = ReconstructionBetaScheduler([(1.0, 0.1), (0.6, 0.5)], unit="mse", smoothing=0.5)
    # smoothed: 1, 0.7, 0.55
    assert run(scheduler, [1.0, 0.4, 0.4]) == [0.1, 0.1, 0.5]
    # relative: smoothed 10, 7, 5.5 of 10
    scheduler = ReconstructionBetaScheduler([(1.0, 0.1), (0.6, 0.5)], smoothing=0.5)
    assert run(scheduler, [10.0, 4.0, 4.0]) == [0.1, 0.1, 0.5]


def test_it_never_falls_unless_asked() -> None:
    errors = [1.0, 0.2, 0.9, 0.2, 2.0]
    assert run(ReconstructionBetaScheduler(unit="mse"), errors) == [0.1, 0.8, 0.8, 0.8, 0.8]
    falling = ReconstructionBetaScheduler(unit="mse", allow_decrease=True)
    assert run(falling, errors) == [0.1, 0.8, 0.1, 0.8, 0.1]


def test_the_rate_limits_the_rise_by_the_improvement() -> None:
    scheduler = ReconstructionBetaScheduler([(1.0, 0.1), (0.5, 0.9)], unit="mse", rate=0.5)
    # no improvement is known yet; then 50 %, none, none, 40 %, a rise of the error, 80 %
    expected = [0.1, 0.35, 0.35, 0.35, 0.55, 0.55, 0.9]
    assert run(scheduler, [1.0, 0.5, 0.5, 0.5, 0.3, 0.4, 0.08]) == pytest.approx(expected)


def test_the_rate_counts_smoothed_errors() -> None:
    scheduler = ReconstructionBetaScheduler([(1.0, 0.0), (0.9, 1.0)], unit="mse", rate=1.0, smoothing=0.5)
    # smoothed 1, 0.75, 0.625: improvements 1/4, 1/6
    assert run(scheduler, [1.0, 0.5, 0.5]) == pytest.approx([0.0, 0.25, 0.25 + 1 / 6])


def test_falls_are_not_limited() -> None:
    scheduler = ReconstructionBetaScheduler([(1.0, 0.1), (0.5, 0.9)], unit="mse", rate=1.0, allow_decrease=True)
    assert run(scheduler, [1.0, 0.4, 0.3, 1.5]) == pytest.approx([0.1, 0.7, 0.9, 0.1])


def test_an_error_of_zero_is_a_perfect_reconstruction() -> None:
    scheduler = ReconstructionBetaScheduler(rate=1e9)
    assert run(scheduler, [0.0, 0.0]) == [0.1, 0.1]
    assert run(ReconstructionBetaScheduler(), [0.0, 0.0]) == [1.0, 1.0]


def test_two_kinds_of_one_class() -> None:
    by_error, by_epoch = ReconstructionBetaScheduler(), ReconstructionBetaScheduler(unit="epoch")
    assert isinstance(by_error, FeedbackBetaScheduler)
    assert not isinstance(by_epoch, FeedbackBetaScheduler)
    assert isinstance(by_epoch, ReconstructionBetaScheduler)
    assert (by_error.per, by_error.reads, by_error.unit) == ("epoch", "reconstruction_loss", "relative")
    assert ReconstructionBetaScheduler(None, "epoch") == by_epoch
    with pytest.raises(ValueError, match="`unit` must belong to this kind of levels"):
        type(by_epoch)(unit="mse")
    with pytest.raises(ValueError, match="`unit` must belong to this kind of levels"):
        type(by_error)(unit="epoch")


@pytest.mark.parametrize("arguments", [{}, {"unit": "epoch"}, {"rate": 0.5, "smoothing": 0.5, "allow_decrease": True}])
def test_config(arguments) -> None:
    scheduler = ReconstructionBetaScheduler(**arguments)
    config = json.loads(json.dumps(scheduler.get_config()))
    for again in (
        get_beta_scheduler(**config),
        ReconstructionBetaScheduler.from_config(config),
        type(scheduler).from_config(config),
        pickle.loads(pickle.dumps(scheduler)),
        copy.deepcopy(scheduler),
    ):
        assert again == scheduler
        assert type(again) is type(scheduler)
        assert hash(again) == hash(scheduler)
    assert config["type"] == "reconstruction"
    assert scheduler.bounds == (0.1, 1.0)


@pytest.mark.parametrize(
    ("name", "value"), [("smoothing", 0.5), ("rate", 0.5), ("allow_decrease", True)], ids=["smoothing", "rate", "fall"]
)
def test_by_epoch_refuses_what_belongs_to_errors(name, value) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be left out with unit='epoch'. Received: {name}={value}"):
        ReconstructionBetaScheduler(unit="epoch", **{name: value})


@pytest.mark.parametrize(
    "levels",
    [
        [],
        3,
        "ab",
        [1.0, 0.5],
        [(1.0, 0.1, 3)],
        [(1.0, 0.1), (1.0, 0.2)],
        [(0.5, 0.1), (1.0, 0.2)],
        [(1.0, -0.1)],
        [(-1.0, 0.1)],
        [(float("nan"), 0.1)],
        [(1.0, float("inf"))],
        [(1.0, True)],
        {1.0: 0.1},
    ],
)
def test_levels_that_are_refused(levels) -> None:
    with pytest.raises(ValueError, match="`levels` must be pairs of numbers, their errors >= 0 and strictly falling"):
        ReconstructionBetaScheduler(levels, unit="mse")


def test_epochs_must_rise() -> None:
    with pytest.raises(ValueError, match="pairs of numbers, their first epochs >= 0 and strictly rising, their betas"):
        ReconstructionBetaScheduler(DOCUMENT_LEVELS, unit="epoch")
    with pytest.raises(ValueError, match="`levels` must be pairs of numbers, their errors strictly falling"):
        ReconstructionBetaScheduler(DOCUMENT_EPOCHS, unit="nats")


def test_levels_at_both_ends_of_what_a_float_holds() -> None:
    """Their distance is infinite; β is a share of it all the same."""
    levels = [(1e308, 0.0), (-1e308, 1.0)]
    arguments = {"levels": levels, "unit": "nats", "interpolation": "linear", "allow_decrease": True}
    scheduler = ReconstructionBetaScheduler(**arguments)
    for error, beta in ((1.7e308, 0.0), (1e308, 0.0), (5e307, 0.25), (0.0, 0.5), (-1e308, 1.0), (-1.7e308, 1.0)):
        assert scheduler.update({"reconstruction_loss": error}) == pytest.approx(beta)
    tiny = ReconstructionBetaScheduler([(5e-324, 0.0), (0.0, 1.0)], unit="nats", interpolation="linear")
    assert tiny.update({"reconstruction_loss": 0.0}) == 1.0
