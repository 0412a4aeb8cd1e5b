"""The event files read back: which tags, every step, and the numbers of history and step log, bit for bit."""

from functools import cache, partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import compiled, examples, fit, plain_vae, reused, small_dataset, small_vae
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from vaelib import (
    BetaSchedule,
    CapacityBetaScheduler,
    ControlBetaScheduler,
    HierarchicalBetaScheduler,
    LinearBetaScheduler,
    NaNGuard,
    Objective,
    StepLog,
    TensorBoardLog,
    WarmRestartBetaScheduler,
    train_vae,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*away from its|.*not to its highest value")  # short trainings
X = examples(50)  # five batches of 11, the last one of 6
STEPS = 5
RESTARTS = {"type": "warm_restart", "restart_interval": 2, "base_scheduler_kwargs": {"warmup_epochs": 1}}
LOSS_TAGS = {"Batch/KL_Loss", "Batch/Total_Loss"}
RESTART_TAGS = {
    "Beta_Schedule/Restart/last_restart_epoch",
    "Beta_Schedule/Restart/epochs_since_restart",
    "Beta_Schedule/Restart/is_restart_epoch",
}
ONE_BETA = LOSS_TAGS | {"Batch/Beta", "Beta_Schedule/beta"}
TWO_WEIGHTS = LOSS_TAGS | {
    "Batch/Global_KL_Weight",
    "Batch/Local_KL_Weight",
    "Beta_Schedule/global_kl_weight",
    "Beta_Schedule/local_kl_weight",
}
COMPARISON = "Beta_Schedule/Hierarchical_Comparison"


def read(folder):
    """Returns every scalar as tag -> [(step, value)], in the order of the files; there must be nothing else."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    assert not any(tags for kind, tags in events.Tags().items() if kind != "scalars")
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def runs(folder):
    """Returns what each folder under `folder` holds, as `read` does, by its relative path."""
    return {str(path.parent.relative_to(folder)): read(path.parent) for path in folder.rglob("events.*")}


def float32(values):
    return [float(np.float32(value)) for value in values]


@cache
def ready(likelihood="gaussian", local_dim=None, **options):
    """What makes a compiled model, the same function for the same options."""
    model_options = {} if local_dim is None else {"local_dim": local_dim}
    return lambda: compiled(plain_vae(Objective(likelihood), **model_options), **options)


def stepwise(**options):
    return reused(ready(**options))


def train(folder, scheduler, epochs=4, model=None, **arguments):
    arguments |= {"scheduler": scheduler, "batch_size": 11, "callbacks": [TensorBoardLog(folder)]}
    return train_vae(model or reused(plain_vae), small_dataset(), epochs, **arguments)


class Interrupt(keras.callbacks.Callback):
    """Ctrl-C after so many steps."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) >= self.steps:
            raise KeyboardInterrupt


HIERARCHICAL = HierarchicalBetaScheduler(RESTARTS, {"type": "linear", "max_beta": 0.5, "warmup_epochs": 3})
CASES = {
    "plain": (LinearBetaScheduler(1.0, 3), {}, {".": ONE_BETA}),
    "feedback": (ControlBetaScheduler(target_kl=1.0, ki=0.01), {}, {".": ONE_BETA}),
    "capacity": (CapacityBetaScheduler(2.0, 3, 10.0), {"objective": Objective(capacity=0.0)}, {".": ONE_BETA}),
    "warm restart": (WarmRestartBetaScheduler("linear", {"warmup_epochs": 1}, 2), {}, {".": ONE_BETA | RESTART_TAGS}),
    "hierarchical": (
        HIERARCHICAL,
        {"local_dim": 2},
        {".": TWO_WEIGHTS, "global": RESTART_TAGS | {COMPARISON}, "local": {COMPARISON}},
    ),
}


@pytest.mark.parametrize(("scheduler", "options", "tags"), CASES.values(), ids=CASES.keys())
def test_exactly_the_documented_tags_with_the_numbers_of_history_and_steps(tmp_path, scheduler, options, tags):
    result = train(tmp_path / "run", scheduler, model=plain_vae(**options) if options else None)
    found = runs(tmp_path / "run")
    assert {run: set(scalars) for run, scalars in found.items()} == tags
    batch_names = {
        "Batch/KL_Loss": "kl_loss",
        "Batch/Total_Loss": "total_loss",
        "Batch/Beta": "beta",
        "Batch/Global_KL_Weight": "global_kl_weight",
        "Batch/Local_KL_Weight": "local_kl_weight",
    }
    for run, scalars in found.items():
        for tag, points in scalars.items():
            name = tag.rpartition("/")[2]
            if tag.startswith("Batch/"):
                expected = result.steps[batch_names[tag]]
                assert [step for step, _ in points] == list(range(4 * STEPS))
                assert len(result.steps) == 4 * STEPS
            else:
                name = "kl_weight" if tag == COMPARISON else name
                expected = result.history[name if run == "." else f"{run}_{name}"]
                assert [step for step, _ in points] == [0, 1, 2, 3]
            assert [value for _, value in points] == float32(expected), tag


def test_values_by_hand(tmp_path):
    """β of five steps an epoch: linear over two epochs, from 0 again at epoch 2."""
    schedule = BetaSchedule(WarmRestartBetaScheduler("linear", {"warmup_epochs": 2}, 2))
    fit(stepwise(), X, 11, 3, callbacks=[schedule, TensorBoardLog(tmp_path)])
    scalars = read(tmp_path)
    rise = [i / 10 for i in range(10)]
    assert [value for _, value in scalars["Batch/Beta"]] == float32([*rise, *rise[:5]])
    assert scalars["Beta_Schedule/beta"] == [(0, np.float32(0.4)), (1, np.float32(0.9)), (2, np.float32(0.4))]
    assert scalars["Beta_Schedule/Restart/is_restart_epoch"] == [(0, 0), (1, 0), (2, 1)]
    assert scalars["Beta_Schedule/Restart/epochs_since_restart"] == [(0, 0), (1, 1), (2, 0)]
    assert scalars["Beta_Schedule/Restart/last_restart_epoch"] == [(0, 0), (1, 0), (2, 2)]


def test_the_comparison_is_one_tag_in_two_runs(tmp_path):
    fit(stepwise(local_dim=2), X, 11, 3, callbacks=[BetaSchedule(HIERARCHICAL), TensorBoardLog(tmp_path)])
    cosine = (1 - np.cos(0.8 * np.pi)) / 2  # at the last of five steps of a warm-up of one epoch
    expected = {"global": [cosine, 1.0, cosine], "local": [0.8 / 6, 1.8 / 6, 2.8 / 6]}
    own = read(tmp_path)
    for run, values in expected.items():
        points = read(tmp_path / run)[COMPARISON]
        assert points == own[f"Beta_Schedule/{run}_kl_weight"]
        assert points == list(enumerate(float32(values)))


@pytest.mark.filterwarnings(
    "ignore:Your input ran out of data:UserWarning"
)  # Keras says so where it does not know the length
@pytest.mark.parametrize("known", [True, False], ids=["known length", "unknown length"])
@pytest.mark.parametrize("per_execution", [1, 3, 5])
def test_every_step_has_its_point_however_many_one_call_runs(tmp_path, per_execution, known):
    model = stepwise(steps_per_execution=per_execution)
    data = tf.data.Dataset.from_tensor_slices(X).batch(11)
    data = data if known else data.filter(lambda x: True)
    steps = StepLog()
    schedule = BetaSchedule(lambda epoch: epoch + 1.0, per="epoch")
    callbacks = [schedule, steps, TensorBoardLog(tmp_path)]
    history = model.fit(data, epochs=3, shuffle=False, verbose=0, callbacks=callbacks).history
    frame, scalars = steps.frame(), read(tmp_path)
    assert len(frame) == 3 * STEPS
    assert frame["examples"].tolist() == [11, 11, 11, 11, 6] * 3
    for tag, name in {"Batch/KL_Loss": "kl_loss", "Batch/Total_Loss": "total_loss", "Batch/Beta": "beta"}.items():
        assert scalars[tag] == list(zip(frame.index, frame[name].astype(float), strict=True)), tag
    assert scalars["Batch/Beta"][STEPS][1] == 2.0
    assert scalars["Beta_Schedule/beta"] == list(enumerate(history["beta"]))


def test_a_training_goes_on_in_the_same_folder_and_another_needs_its_own(tmp_path):
    model, log = stepwise(), TensorBoardLog(tmp_path)
    fit(model, X, 11, 2, callbacks=[BetaSchedule(LinearBetaScheduler(1.0, 4)), log])
    fit(model, X, 11, 4, start=2, callbacks=[BetaSchedule(LinearBetaScheduler(1.0, 4)), log])
    both = read(tmp_path)
    assert both["Batch/Beta"] == [(i, np.float32(i / 20)) for i in range(4 * STEPS)]
    assert [step for step, _ in both["Beta_Schedule/beta"]] == [0, 1, 2, 3]
    files = sorted(tmp_path.iterdir())
    weights, steps = model.get_weights(), int(model.optimizer.iterations)
    for another in (log, TensorBoardLog(tmp_path)):
        message = "^Argument `log_dir` must not hold event files of an earlier run. Received: .*pass overwrite=True.$"
        with pytest.raises(ValueError, match=message):
            fit(model, X, 11, 1, callbacks=[another])
    assert sorted(tmp_path.iterdir()) == files
    assert read(tmp_path) == both
    assert int(model.optimizer.iterations) == steps
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))
    (tmp_path / "notes.txt").write_text("mine")
    fit(model, X, 11, 1, callbacks=[BetaSchedule(LinearBetaScheduler()), TensorBoardLog(tmp_path, overwrite=True)])
    assert [step for step, _ in read(tmp_path)["Batch/Beta"]] == list(range(4 * STEPS, 5 * STEPS))
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_overwriting_clears_the_runs_of_both_weights(tmp_path):
    model = stepwise(local_dim=2)
    for _ in range(2):
        log = TensorBoardLog(tmp_path, overwrite=True)
        fit(model, X, 11, 1, callbacks=[BetaSchedule(HIERARCHICAL), log])
    assert len(list(tmp_path.rglob("events.*"))) == 3
    assert len(read(tmp_path / "local")[COMPARISON]) == 1


def test_one_weight_clears_no_run_of_others(tmp_path):
    fit(stepwise(local_dim=2), X, 11, 1, callbacks=[BetaSchedule(HIERARCHICAL), TensorBoardLog(tmp_path)])
    fit(stepwise(), X, 11, 1, callbacks=[TensorBoardLog(tmp_path, overwrite=True)])
    assert set(runs(tmp_path)) == {".", "global", "local"}


def test_refused_before_anything_is_written(tmp_path):
    train(tmp_path / "run", 1.0, epochs=1)
    model = reused(plain_vae)
    weights = model.get_weights()
    with pytest.raises(ValueError, match="must not hold event files of an earlier run"):
        train(tmp_path / "run", 1.0, model=model, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))


@pytest.mark.parametrize("place", ["run", "run/local"])
def test_a_file_in_its_place_is_refused(tmp_path, place):
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("mine")
    model = stepwise(local_dim=2)
    with pytest.raises(ValueError, match=rf"^Argument `log_dir` must be a folder that can be written to.*{place}"):
        fit(model, X, 11, 1, callbacks=[TensorBoardLog(tmp_path / "run")])
    assert int(model.optimizer.iterations) == 0
    assert (tmp_path / place).read_text() == "mine"


def test_a_folder_is_created_with_its_parents_when_training_starts(tmp_path):
    log = TensorBoardLog(str(tmp_path / "some" / "where"))
    assert list(tmp_path.iterdir()) == []
    fit(stepwise(), X, 11, 1, callbacks=[log])
    assert len(read(tmp_path / "some" / "where")["Batch/Beta"]) == STEPS


RESUMED = {
    "one β": (small_vae, LinearBetaScheduler(1.0, 3)),
    "two weights": (partial(small_vae, local_dim=2), HIERARCHICAL),
}


@pytest.fixture(scope="module", params=RESUMED, ids=RESUMED.keys())
def whole(request, tmp_path_factory):
    """A model's maker, its schedule, and the runs and the number of steps of a training that nothing interrupts."""
    make, scheduler = RESUMED[request.param]
    folder = tmp_path_factory.mktemp("whole")
    result = train(folder, scheduler, model=reused(make), output=folder / "out")
    return make, scheduler, runs(folder), len(result.steps)


@pytest.mark.parametrize("interrupted", [7, 10, 12])
def test_a_resumed_training_has_every_step_once(tmp_path, whole, interrupted):
    """The steps of the interrupted epoch are written twice and read once, in every run."""
    make, scheduler, expected, n_steps = whole
    log = TensorBoardLog(tmp_path / "parts")
    arguments = {"scheduler": scheduler, "batch_size": 11, "output": tmp_path / "out"}
    with pytest.raises(KeyboardInterrupt):
        train_vae(reused(make), small_dataset(), 4, callbacks=[log, Interrupt(interrupted)], **arguments)
    before = read(tmp_path / "parts")["Batch/Total_Loss"]
    assert [step for step, _ in before] == list(range(-(-interrupted // STEPS) * STEPS))
    log = TensorBoardLog(tmp_path / "parts")
    train_vae(reused(make, "resumed"), small_dataset(), 4, callbacks=[log], resume=True, **arguments)
    assert runs(tmp_path / "parts") == expected
    assert len(expected["."]["Batch/Total_Loss"]) == n_steps == 4 * STEPS


def test_later_points_take_the_place_of_earlier_ones(tmp_path):
    """With other values: the interrupted epoch ran at β = 1, the one that repeats it at 2."""
    model = stepwise()
    with pytest.raises(KeyboardInterrupt):
        fit(model, X, 11, 3, callbacks=[BetaSchedule(lambda _: 1.0), TensorBoardLog(tmp_path), Interrupt(STEPS + 3)])
    assert len(read(tmp_path)["Batch/Beta"]) == STEPS + 3
    model.optimizer.iterations.assign(STEPS)
    fit(model, X, 11, 3, start=1, callbacks=[BetaSchedule(lambda _: 2.0), TensorBoardLog(tmp_path)])
    scalars = read(tmp_path)
    assert scalars["Batch/Beta"] == [(i, 1.0 if i < STEPS else 2.0) for i in range(3 * STEPS)]
    assert scalars["Beta_Schedule/beta"] == [(0, 1.0), (1, 2.0), (2, 2.0)]


def test_a_training_resumed_in_its_first_epoch_keeps_the_files(tmp_path):
    model, log = stepwise(), TensorBoardLog(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fit(model, X, 11, 1, callbacks=[log, Interrupt(2)])
    again = TensorBoardLog(tmp_path, overwrite=True)
    again.prepare(model, resumed=True)
    fit(model, X, 11, 1, callbacks=[again])
    assert [step for step, _ in read(tmp_path)["Batch/Beta"]] == list(range(2 + STEPS))
    again = TensorBoardLog(tmp_path)
    with pytest.raises(ValueError, match="event files"):
        again.prepare(model)


def test_an_interrupted_training_leaves_readable_files(tmp_path):
    model, log = stepwise(), TensorBoardLog(tmp_path)
    schedule = BetaSchedule(LinearBetaScheduler(1.0, 2))
    with pytest.raises(KeyboardInterrupt):
        fit(model, X, 11, 3, callbacks=[schedule, log, Interrupt(STEPS + 2)])
    scalars = read(tmp_path)
    assert scalars["Batch/Beta"] == [(i, np.float32(i / 10)) for i in range(STEPS + 2)]
    assert scalars["Beta_Schedule/beta"] == [(0, np.float32(0.4))]
    with pytest.raises(ValueError, match="event files"):  # the same callback starts anew like any other
        fit(model, X, 11, 1, callbacks=[log])
    assert read(tmp_path) == scalars


@pytest.mark.parametrize("per_execution", [1, 5])
@pytest.mark.parametrize("guard_first", [True, False])
def test_a_broken_training_keeps_its_points_up_to_the_break(tmp_path, per_execution, guard_first):
    x = X.copy()
    x[36] = 1e25  # in the fourth batch: its squared error overflows
    model = stepwise(likelihood="mse", steps_per_execution=per_execution)
    steps, pair = StepLog(), [NaNGuard(), TensorBoardLog(tmp_path)]
    callbacks = [steps, *(pair if guard_first else reversed(pair))]
    with pytest.warns(RuntimeWarning, match="no longer finite at step 3, in the reconstruction term"):
        fit(model, x, 11, 3, callbacks=callbacks)
    points, frame = read(tmp_path)["Batch/Total_Loss"], steps.frame()
    assert [step for step, _ in points] == frame.index.tolist() == list(range(4 if per_execution == 1 else 5))
    np.testing.assert_array_equal([value for _, value in points], frame["total_loss"])
    assert np.isfinite([value for _, value in points]).tolist()[:4] == [True, True, True, False]


def test_a_broken_train_vae_keeps_its_points(tmp_path):
    model = reused(plain_vae)
    model.encoder.z_log_var.bias.assign([200.0, 200.0])
    with pytest.warns(RuntimeWarning, match="Training stopped"):
        result = train(tmp_path, 1.0, model=model)
    points = read(tmp_path)["Batch/Total_Loss"]
    assert [step for step, _ in points] == result.steps.index.tolist() == list(range(STEPS))
    np.testing.assert_array_equal([value for _, value in points], result.steps["total_loss"])


@pytest.mark.parametrize("log_dir", [None, 3, True, ["run"]])
def test_refuses_what_is_no_path(log_dir):
    with pytest.raises(ValueError, match="^Argument `log_dir` must be the path of a folder. Received: log_dir="):
        TensorBoardLog(log_dir)


@pytest.mark.parametrize("overwrite", [None, 1, "yes"])
def test_refuses_what_is_no_truth_value(overwrite):
    with pytest.raises(ValueError, match="^Argument `overwrite` must be True or False. Received: overwrite="):
        TensorBoardLog("run", overwrite)
