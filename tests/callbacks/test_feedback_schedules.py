"""Schedules that read the training: their β inside the compiled step equals a replay in NumPy of what was recorded."""

from typing import ClassVar

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import compiled, examples, fit, plain_vae, reused, same, small_dataset

from vaelib import (
    BetaSchedule,
    CapacityBetaScheduler,
    ConstantBetaScheduler,
    ControlBetaScheduler,
    FeedbackBetaScheduler,
    GecoBetaScheduler,
    HierarchicalBetaScheduler,
    KLAnnealing,
    LinearBetaScheduler,
    Objective,
    ReconstructionBetaScheduler,
    StepLog,
    build_vae,
    train_vae,
)

STEPS = 7  # of 8 examples, the last of 2
X = examples(50)
FEW = X[:20]  # three steps an epoch, for models that run eagerly
CONTROL = ControlBetaScheduler(target_kl=0.5, kp=0.3, ki=0.05, min_beta=0.05, max_beta=1.5)
GECO = GecoBetaScheduler(tolerance=1.0, unit="squared_error", rate=0.1, smoothing=0.8, max_beta=5.0)
LEVELS = ((1.0, 0.1), (0.9, 0.2), (0.7, 0.4), (0.4, 0.7))


def recorded(model, schedule, epochs, x=X, start=0, **options):
    """Every step as the compiled step recorded it, and the history."""
    log = StepLog()
    callback = BetaSchedule(schedule, **options) if not isinstance(schedule, keras.callbacks.Callback) else schedule
    history = fit(model, x, 8, epochs, start, [log, callback]).history
    return log.frame(), history


def replay(scheduler, figures):
    """β of each step: what followed from the figures of the steps before it."""
    state, betas = scheduler.init(), []
    for figure in figures:
        betas.append(state["beta"])
        state, beta = scheduler.step(state, {scheduler.reads: np.float64(figure)})
        assert beta == state["beta"]
    return np.array(betas)


def lively(model):
    """KL of some nats at the start, so that a controller has work to do."""
    model.encoder.z_mean.bias.assign([1.5, -1.0])
    return model


def stepping():
    """A lively model that runs step by step outside a graph."""
    return compiled(lively(plain_vae(Objective("mse"))), run_eagerly=True)


def flying():
    """A lively model that runs an epoch in one call."""
    return compiled(lively(plain_vae(Objective("mse"))), steps_per_execution=STEPS)


def counting(model):
    """The model and a list that grows by one at each trace of its step."""
    traces, step = [], model.train_step
    model.train_step = lambda x: (traces.append(1), step(x))[1]
    return model, traces


# --- every step ---


@pytest.mark.parametrize("steps_per_execution", [1, 4])
def test_control_equals_a_replay(steps_per_execution):
    model = compiled(lively(plain_vae(Objective("mse"))), steps_per_execution=steps_per_execution)
    rows, history = recorded(model, CONTROL, 4)
    expected = replay(CONTROL, rows.kl_loss)
    np.testing.assert_allclose(rows.beta, expected, rtol=1e-5)
    assert rows.beta[0] == np.float32(0.05)  # no step stands before it
    assert np.ptp(expected) > 0.3
    assert len(np.unique(rows.beta)) > 20  # it moves at every step
    np.testing.assert_allclose(rows.total_loss, rows.reconstruction_loss + rows.beta * rows.kl_loss, rtol=1e-5)
    np.testing.assert_allclose(history["beta"], expected[STEPS - 1 :: STEPS], rtol=1e-5)
    assert model.get_kl_weight() == pytest.approx(expected[-1], rel=1e-5)


def test_control_meets_its_bounds_and_leaves_them():
    """A KL far above the target at first, far below at last: β saturates at both ends and is released."""
    control = ControlBetaScheduler(target_kl=0.3, kp=0.2, ki=0.5, min_beta=0.1, max_beta=2.0)
    model = compiled(lively(plain_vae(Objective("mse"))), keras.optimizers.Adam(0.05), steps_per_execution=STEPS)
    rows, _ = recorded(model, control, 12)
    expected = replay(control, rows.kl_loss)
    np.testing.assert_allclose(rows.beta, expected, rtol=1e-4)
    assert expected.max() == 2.0
    top = int(np.argmax(expected == 2.0))
    assert (expected[top:] < 1.0).any()
    assert (rows.beta >= np.float32(0.1)).all()
    assert (rows.beta <= 2).all()


def test_control_reads_nats_whatever_the_scale():
    model = compiled(lively(plain_vae(Objective("mse", kl_scale="mean"))), run_eagerly=True)
    rows, _ = recorded(model, CONTROL, 3, FEW)
    np.testing.assert_allclose(rows.beta, replay(CONTROL, rows.kl_loss * 2), rtol=1e-5)  # 2 units


@pytest.mark.parametrize(
    ("objective", "scheduler"),
    [
        (Objective("mse"), GECO),
        (Objective(), GecoBetaScheduler(tolerance=-5.0, rate=0.02, smoothing=0.0, initial_beta=0.5)),
        (Objective("bernoulli"), GecoBetaScheduler(tolerance=6.0, rate=0.02)),
    ],
    ids=["squared error", "nats of the optimal variance", "Bernoulli"],
)
def test_geco_equals_a_replay(objective, scheduler):
    model = compiled(plain_vae(objective), steps_per_execution=STEPS)
    x = np.round(X) if objective.likelihood == "bernoulli" else X
    rows, _ = recorded(model, scheduler, 3, x)
    expected = replay(scheduler, rows.reconstruction_loss)
    np.testing.assert_allclose(rows.beta, expected, rtol=2e-5)
    assert rows.beta[0] == scheduler.initial_beta
    assert abs(np.log(expected[-1] / expected[0])) > 0.05
    if scheduler.unit == "squared_error":
        np.testing.assert_allclose(rows.reconstruction_loss, 12 * rows.mean_squared_error, rtol=1e-5)


def test_per_epoch_does_not_slow_a_schedule_that_moves_at_every_step():
    model = reused(stepping)
    rows, _ = recorded(model, CONTROL, 2, FEW, per="epoch")
    np.testing.assert_allclose(rows.beta, replay(CONTROL, rows.kl_loss), rtol=1e-5)
    assert len(np.unique(rows.beta)) == 6


# --- every epoch ---


def epoch_means(rows, name):
    return [np.average(part[name], weights=part.examples) for _, part in rows.groupby("epoch")]


@pytest.mark.parametrize(
    ("scheduler", "objective"),
    [
        (ReconstructionBetaScheduler(LEVELS), Objective("mse", reconstruction_scale="mean")),
        (ReconstructionBetaScheduler(LEVELS, interpolation="linear", smoothing=0.5), Objective(sigma2=0.1)),
        (ReconstructionBetaScheduler(LEVELS, rate=0.5), Objective("continuous_bernoulli")),
        (ReconstructionBetaScheduler([(0.3, 0.1), (0.11, 0.5), (0.1, 0.9)], unit="mse"), Objective("mse")),
        (
            ReconstructionBetaScheduler([(9.0, 0.1), (6.0, 0.5), (2.0, 0.9)], "nats", "linear"),
            Objective(sigma2=0.1, reconstruction_scale="mean"),
        ),
        (ReconstructionBetaScheduler([(5.0, 0.1), (-9.0, 0.9)], "nats", "linear", allow_decrease=True), Objective()),
    ],
    ids=["relative", "relative, smooth", "relative, Bernoulli", "mse", "nats, mean", "nats below 0"],
)
def test_levels_equal_a_replay(scheduler, objective):
    options = {"steps_per_execution": 3} if scheduler.smoothing else {"run_eagerly": True}
    model = compiled(plain_vae(objective), keras.optimizers.Adam(0.04), **options)
    rows, history = recorded(model, scheduler, 8, FEW)
    figures = epoch_means(rows, "mean_squared_error")
    if scheduler.unit == "nats":
        scale = 12 if objective.reconstruction_scale == "mean" else 1
        figures = scale * np.array(epoch_means(rows, "reconstruction_loss"))
    expected = replay(scheduler, figures)
    np.testing.assert_allclose(rows.beta, np.repeat(expected, 3), rtol=1e-5)
    np.testing.assert_allclose(history["beta"], expected, rtol=1e-5)
    assert expected[0] == scheduler.init()["beta"]
    assert expected[-1] > expected[0]


def test_the_relative_error_is_that_to_the_first_epochs_mean():
    """By hand: β at epoch n + 1 is the level of error_n / error_0."""
    model = compiled(plain_vae(Objective("mse")), keras.optimizers.Adam(0.01), run_eagerly=True)
    rows, history = recorded(model, ReconstructionBetaScheduler(LEVELS), 7, FEW)
    errors = np.array(epoch_means(rows, "mean_squared_error"))
    ratio, expected = errors / errors[0], [0.1]
    for value in ratio[:-1]:
        level = 0.7 if value <= 0.4 else 0.4 if value <= 0.7 else 0.2 if value <= 0.9 else 0.1
        expected.append(max(level, expected[-1]))
    np.testing.assert_allclose(history["beta"], expected, rtol=1e-6)
    assert len(set(expected)) >= 3


def test_levels_by_epoch_are_open_loop():
    scheduler = ReconstructionBetaScheduler([(0, 0.1), (1.5, 0.4), (3, 0.8)], unit="epoch")
    rows, _ = recorded(compiled(plain_vae(), run_eagerly=True), scheduler, 4, FEW)
    time = np.arange(4 * 3) / 3
    np.testing.assert_allclose(rows.beta, np.where(time < 1.5, 0.1, np.where(time < 3, 0.4, 0.8)), rtol=1e-6)


# --- a reader's own ---


class HalvesAbove(FeedbackBetaScheduler):
    """Halves β after each epoch whose KL is above a limit, in nats."""

    type_name: ClassVar[str] = "halves_above"
    per: ClassVar[str] = "epoch"
    reads: ClassVar[str] = "kl_loss"
    unit: ClassVar[str] = "nats"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __init__(self, limit):
        self.limit = limit

    def init(self):
        return {"beta": 1.0}

    def step(self, state, logs, xp=np):
        beta = xp.where(logs["kl_loss"] > self.limit, state["beta"] / 2, state["beta"])
        return {"beta": beta}, beta


class FollowsError(HalvesAbove):
    """β is the last step's mean squared error."""

    type_name: ClassVar[str] = "follows_error"
    per: ClassVar[str] = "step"
    reads: ClassVar[str] = "reconstruction_loss"
    unit: ClassVar[str] = "mse"

    def step(self, state, logs, xp=np):
        return {"beta": 1.0 * logs["reconstruction_loss"]}, 1.0 * logs["reconstruction_loss"]


def test_a_schedule_of_ones_own_reads_an_epochs_kl_in_nats():
    model = compiled(
        lively(plain_vae(Objective("mse", kl_scale="mean"))), keras.optimizers.Adam(0.02), run_eagerly=True
    )
    rows, history = recorded(model, HalvesAbove(1.3), 6, FEW)
    kl = 2 * np.array(epoch_means(rows, "kl_loss"))
    expected = np.cumprod([1.0, *np.where(kl > 1.3, 0.5, 1.0)])[:6]
    np.testing.assert_allclose(history["beta"], expected)
    assert 0 < (kl > 1.3).sum() < 6


def test_a_schedule_of_ones_own_reads_a_steps_error():
    model = compiled(plain_vae(Objective("bernoulli")), run_eagerly=True)
    rows, _ = recorded(model, FollowsError(0.0), 2, np.round(FEW))
    np.testing.assert_allclose(rows.beta, [1.0, *rows.mean_squared_error[:-1]], rtol=1e-6)


# --- one training after another ---


def test_a_second_training_starts_afresh_and_retraces_nothing():
    model, traces = counting(compiled(lively(plain_vae(Objective("mse"))), steps_per_execution=STEPS))
    first, _ = recorded(model, CONTROL, 2)
    before = len(traces)
    assert before > 0
    again = ControlBetaScheduler(**{k: v for k, v in CONTROL.get_config().items() if k != "type"})
    assert again is not CONTROL
    second, _ = recorded(model, again, 3)
    assert len(traces) == before
    np.testing.assert_allclose(second.beta, replay(CONTROL, second.kl_loss), rtol=1e-5)
    assert second.beta.iloc[0] == np.float32(0.05) != first.beta.iloc[-1]
    callback = BetaSchedule(again)
    for _ in range(2):
        rows, _ = recorded(model, callback, 1)
        np.testing.assert_allclose(rows.beta, replay(CONTROL, rows.kl_loss), rtol=1e-5)
    assert len(traces) == before


def test_one_callback_serves_two_trainings():
    """The second one's relative errors are relative to its own first."""
    callback = BetaSchedule(ReconstructionBetaScheduler(LEVELS))
    model = compiled(plain_vae(Objective("mse")), keras.optimizers.Adam(0.005), steps_per_execution=STEPS)
    for _ in range(2):
        rows, history = recorded(model, callback, 4)
        expected = replay(callback.scheduler, epoch_means(rows, "mean_squared_error"))
        np.testing.assert_allclose(history["beta"], expected, rtol=1e-6)
        assert history["beta"][0] == pytest.approx(0.1)


def test_another_schedule_does_not_use_the_old_one():
    model = reused(flying)
    recorded(model, CONTROL, 2)
    rows, _ = recorded(model, GECO, 2)
    np.testing.assert_allclose(rows.beta, replay(GECO, rows.reconstruction_loss), rtol=1e-5)
    rows, _ = recorded(model, LinearBetaScheduler(3.0, 1), 2)
    np.testing.assert_allclose(rows.beta, 3 * np.minimum(np.arange(14) / 7, 1), rtol=1e-6)
    rows, history = recorded(model, ReconstructionBetaScheduler(LEVELS), 2)
    np.testing.assert_allclose(rows.beta, np.repeat(history["beta"], STEPS))


def test_without_a_schedule_beta_is_the_users_again():
    model, traces = counting(compiled(lively(plain_vae(Objective("mse"))), steps_per_execution=STEPS))
    recorded(model, CONTROL, 2)
    before = len(traces)
    model.beta.assign(0.125)
    rows, history = recorded(model, keras.callbacks.Callback(), 2)
    assert (rows.beta == 0.125).all()
    assert "beta" not in history
    assert model.get_kl_weight() == 0.125
    assert len(traces) == before


class Interrupt(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 3:
            raise KeyboardInterrupt


def test_an_interrupted_training_leaves_no_schedule_behind():
    model = reused(stepping)
    with pytest.raises(KeyboardInterrupt):
        fit(model, X, 8, 2, callbacks=[BetaSchedule(CONTROL), Interrupt()])
    model.beta.assign(0.75)
    rows, _ = recorded(model, keras.callbacks.Callback(), 1)
    assert (rows.beta == 0.75).all()
    rows, _ = recorded(model, CONTROL, 1)
    np.testing.assert_allclose(rows.beta, replay(CONTROL, rows.kl_loss), rtol=1e-5)


def test_evaluation_moves_no_schedule():
    """A fit with validation in every epoch takes the same steps as one without."""

    def betas(**options):
        model, log = reused(stepping), StepLog()
        options |= {"batch_size": 8, "shuffle": False, "epochs": 2, "verbose": 0}
        model.fit(FEW, callbacks=[log, BetaSchedule(CONTROL)], **options)
        return log.frame().beta

    assert (betas(validation_data=examples(20, 5)) == betas()).all()


class TakeUp(keras.callbacks.Callback):
    def __init__(self, callback, state):
        super().__init__()
        self.callback, self.saved = callback, state

    def on_train_begin(self, logs=None):
        self.callback.set_state(self.saved)


def test_the_state_can_be_taken_up():
    """`get_state` after two epochs, into a fresh callback: the third epoch is that of an unbroken training."""

    def taught():
        return compiled(lively(plain_vae(Objective("mse"))), keras.optimizers.Adam(0.02), run_eagerly=True)

    for scheduler in (CONTROL, ReconstructionBetaScheduler(LEVELS)):
        callback = BetaSchedule(scheduler)
        whole, _ = recorded(taught(), callback, 3, X[:10])
        part, model = BetaSchedule(scheduler), taught()
        recorded(model, part, 2, X[:10])
        state = part.get_state()
        assert all(isinstance(value, float) for value in state.values())

        resumed, log = BetaSchedule(scheduler), StepLog()
        fit(model, X[:10], 8, 3, 2, [log, resumed, TakeUp(resumed, state)])
        np.testing.assert_allclose(log.frame().beta, whole.beta[4:], rtol=1e-5)


# --- what they are for ---


def linear_run(scheduler, objective, steps=2500):
    """A linear VAE of one unit on data with covariance eigenvalues 4, 1 and ½, whose optimum at each β is known."""
    rng = np.random.default_rng(0)
    white, _ = np.linalg.qr((raw := rng.normal(size=(200, 3))) - raw.mean(0))
    x = (np.sqrt(200) * white * np.sqrt([4.0, 1.0, 0.5])).astype("float32")
    model = build_vae((3,), 1, "linear", objective)
    compiled(model, keras.optimizers.Adam(0.02), steps_per_execution=500)
    log, pipeline = StepLog(), tf.data.Dataset.from_tensors(x).repeat(steps)
    model.fit(pipeline, callbacks=[log, BetaSchedule(scheduler)], verbose=0, shuffle=False)
    return log.frame().iloc[-1]


@pytest.mark.parametrize("target", [0.4, 1.2])
def test_control_finds_the_beta_that_holds_the_kl(target):
    """KL = ½ ln(λ / βσ²), so the β for a KL is λ / (σ² e^(2 KL))."""
    control = ControlBetaScheduler(target_kl=target, kp=0.1, ki=0.02, max_beta=10.0)
    last = linear_run(control, Objective(sigma2=0.5))
    assert last.kl_loss == pytest.approx(target, rel=0.01)
    assert last.beta == pytest.approx(4 / (0.5 * np.exp(2 * target)), rel=0.02)


@pytest.mark.parametrize("tolerance", [1.8, 3.0])
def test_geco_finds_the_beta_that_meets_the_tolerance(tolerance):
    """The squared error is 1.5 for the two directions without a unit and β / 2 for the other."""
    geco = GecoBetaScheduler(tolerance, "squared_error", rate=0.01, smoothing=0.5)
    last = linear_run(geco, Objective("mse"))
    assert last.reconstruction_loss == pytest.approx(tolerance, rel=0.01)
    assert last.beta == pytest.approx(2 * (tolerance - 1.5), rel=0.02)


# --- refusals ---


MISMATCHES = {
    "control and a capacity": (Objective(capacity=1.0), CONTROL, "be open-loop with a capacity"),
    "levels and a capacity": (Objective(capacity=1.0), ReconstructionBetaScheduler(), "be open-loop with a capacity"),
    "nats of a squared error": (Objective("mse"), GecoBetaScheduler(1.0), "read an error of this model's unit"),
    "levels in nats of one": (
        Objective("mse"),
        ReconstructionBetaScheduler([(1.0, 0.1)], "nats"),
        "read an error of this model's unit",
    ),
    "squared error of a Gaussian": (Objective(), GECO, "read an error of this model's unit"),
    "squared error of a Bernoulli": (Objective("continuous_bernoulli"), GECO, "read an error of this model's unit"),
    "geco and a mean": (Objective("mse", reconstruction_scale="mean"), GECO, "weighs both terms alike"),
    "geco and a mean of the KL": (Objective(kl_scale="mean"), GecoBetaScheduler(1.0), "weighs both terms alike"),
    "capacity without one": (Objective(), CapacityBetaScheduler(), "give beta for this BetaVAE"),
    "two weights": (Objective(), HierarchicalBetaScheduler(CONTROL, CONTROL), "give beta for this BetaVAE"),
}


@pytest.mark.parametrize(("objective", "scheduler", "says"), MISMATCHES.values(), ids=MISMATCHES.keys())
def test_schedules_that_do_not_fit_are_refused_before_training(objective, scheduler, says, tmp_path):
    message = rf"^Argument `scheduler` must [^\n]*{says}[^\n]*Received: scheduler="
    model = plain_vae(objective)
    before = model.get_weights()
    with pytest.raises(ValueError, match=message) as caught:
        train_vae(model, small_dataset(), 1, scheduler=scheduler, batch_size=25, output=tmp_path / "out")
    assert str(caught.value).count("Argument") == 1
    assert list(tmp_path.iterdir()) == []
    compiled(model, run_eagerly=True)
    with pytest.raises(ValueError, match=message):
        recorded(model, scheduler, 1)
    assert same(model.get_weights(), before)
    assert int(model.optimizer.iterations) == 0
    rows, _ = recorded(model, keras.callbacks.Callback(), 1, X[:10])  # a refused schedule leaves nothing behind
    assert (rows.beta == 1).all()


def test_a_capacity_takes_open_loop_schedules():
    model = compiled(plain_vae(Objective("mse", capacity=1.0)), run_eagerly=True)
    for schedule in (KLAnnealing(0.5, 0.5), BetaSchedule(ConstantBetaScheduler(0.5))):
        rows, history = recorded(model, schedule, 1, X[:10])
        assert (rows.beta == 0.5).all()
        assert (rows.capacity == 1).all()
        assert history["capacity"] == [1.0]


def test_each_group_of_a_hierarchy_is_checked():
    model = build_vae((4, 3), 2, local_dim=2, objective=Objective("mse"))
    for pair in ((GecoBetaScheduler(1.0), CONTROL), (CONTROL, GecoBetaScheduler(1.0))):
        with pytest.raises(ValueError, match="^Argument `scheduler` must read an error of this model's unit"):
            train_vae(model, small_dataset(), 1, scheduler=HierarchicalBetaScheduler(*pair), batch_size=25)
