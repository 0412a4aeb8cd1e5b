"""A resumed training ends with the same weights and history, bit for bit, as one that was never interrupted."""

import json
import subprocess
import sys
import warnings
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd
import pytest
from small_models import examples, fit, plain_vae, reused, same, small_dataset, small_vae, weights

from vaelib import (
    BestModel,
    BetaSchedule,
    ControlBetaScheduler,
    CyclicalBetaScheduler,
    HierarchicalBetaScheduler,
    KLAnnealing,
    LinearBetaScheduler,
    Objective,
    ReconstructionBetaScheduler,
    StepLog,
    build_vae,
    load_vae,
    train_vae,
)
from vaelib.callbacks.training_state import fingerprint
from vaelib.schedules.base import Scheduler

EPOCHS = 7


class InterruptAfter(keras.callbacks.Callback):
    """Stops the process's training as Ctrl-C does, inside the epoch after `epochs` whole ones."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) >= 5 * (self.epochs + 1):
            raise KeyboardInterrupt


class Outcome(NamedTuple):
    """What a training has left, copied: the next one has the model."""

    weights: list[np.ndarray]
    optimizer: list[np.ndarray]
    history: pd.DataFrame
    steps: pd.DataFrame
    best_epoch: int | None
    test: tuple[float | None, ...]
    failure: str | None


def run(output, interrupt=None, make=small_vae, dataset=None, epochs=EPOCHS, role=None, **arguments):
    """A training from the first weights; one that resumes has another model than the one that it goes on with."""
    callbacks = [] if interrupt is None else [InterruptAfter(interrupt)]
    if callable(make_scheduler := arguments.get("scheduler")) and not isinstance(make_scheduler, Scheduler):
        arguments["scheduler"] = make_scheduler()  # a new object at each call, as in another process
    arguments = {"batch_size": 11, "learning_rate": 1e-2, "callbacks": callbacks} | arguments
    model = reused(make, role or ("resumed" if arguments.get("resume") else "begun"))
    dataset = dataset or small_dataset()
    if interrupt is None:
        result = train_vae(model, dataset, epochs, output=output, **arguments)
        optimizer = [np.array(variable) for variable in model.optimizer.variables]
        return Outcome(weights(model), optimizer, *(getattr(result, name) for name in Outcome._fields[2:]))
    with pytest.raises(KeyboardInterrupt):
        train_vae(model, dataset, epochs, output=output, **arguments)
    return None


def assert_same(one, other):
    assert same(one.weights, other.weights)
    assert same(one.optimizer, other.optimizer)
    assert one.history.equals(other.history)
    assert one.steps.equals(other.steps)
    assert one.best_epoch == other.best_epoch
    assert one.test == other.test


def labelled():
    dataset = small_dataset()
    parts = {f"y_{part}": np.arange(len(getattr(dataset, f"x_{part}"))) % 3 for part in ("train", "val", "test")}
    return type(dataset)("labelled", dataset.x_train, dataset.x_val, dataset.x_test, **parts)


CASES = {
    "warm-up, patience and learning rate": {
        "scheduler": LinearBetaScheduler(1.0, 2.5),
        "early_stopping": 2,
        "reduce_learning_rate": 1,
    },
    "KL annealing": {"scheduler": lambda: KLAnnealing(0.0, 1.0, 3)},
    "a function": {"scheduler": lambda: lambda epoch: 0.1 * epoch},
    "learned variance": {"make": lambda: small_vae(Objective(sigma2="learned"), dropout=0.3)},
    "β set once an epoch": {"scheduler": BetaSchedule(CyclicalBetaScheduler(3), per="epoch")},
    "feedback every step": {"scheduler": ControlBetaScheduler(target_kl=2.0, kp=0.1, ki=0.01)},
    "feedback every epoch": {"scheduler": ReconstructionBetaScheduler(interpolation="linear", smoothing=0.5)},
    "a learning-rate schedule": {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.01, 7, 0.5)},
    "hierarchical": {
        "make": lambda: small_vae(local_dim=2, condition_dim=3),
        "dataset": labelled(),
        "scheduler": HierarchicalBetaScheduler(
            {"type": "warm_restart", "restart_interval": 2, "base_scheduler_kwargs": {"warmup_epochs": 1}},
            {"type": "control", "target_kl": 1.0, "ki": 0.01},
        ),
    },
}


@pytest.fixture(scope="module", params=CASES, ids=CASES.keys())
def case(request, tmp_path_factory):
    """The name and the arguments of a training, and what it ends with where nothing interrupts it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*(highest value|warm-up ends)")
        whole = run(tmp_path_factory.mktemp("whole"), **CASES[request.param])
    return request.param, CASES[request.param], whole


@pytest.mark.filterwarnings("ignore:.*(highest value|warm-up ends)")
@pytest.mark.parametrize("interrupt", [1, 4])
def test_resumed_equals_uninterrupted(tmp_path, case, interrupt):
    name, arguments, whole = case
    run(tmp_path, interrupt, **arguments)
    if interrupt < len(whole.history):
        assert_same(run(tmp_path, resume=True, role=name, **arguments), whole)  # each case in a model of its own
    assert load_vae(tmp_path / "vae.keras").seed == 0


def test_resumed_in_another_process(tmp_path):
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]; import test_resume as t; "
        "from vaelib import LinearBetaScheduler as L; t.run(sys.argv[1], resume=True, scheduler=L(1.0, 3))"
    )
    whole = run(tmp_path / "whole", scheduler=LinearBetaScheduler(1.0, 3))
    run(tmp_path / "parts", 3, scheduler=LinearBetaScheduler(1.0, 3))
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "parts"), __file__.rpartition("/")[0]], check=True)
    assert same(weights(load_vae(tmp_path / "parts" / "vae.keras")), whole.weights)
    assert (tmp_path / "parts" / "history.csv").read_text() == (tmp_path / "whole" / "history.csv").read_text()


def test_interrupted_twice_and_before_its_first_epoch(tmp_path):
    whole = run(tmp_path / "whole")
    run(tmp_path / "parts", 0)
    assert not (tmp_path / "parts" / "training_state.npz").exists()
    run(tmp_path / "parts", 2, resume=True)
    run(tmp_path / "parts", 5, resume=True)
    assert_same(run(tmp_path / "parts", resume=True), whole)


def test_a_finished_training_goes_on_to_more_epochs_or_stays(tmp_path):
    whole = run(tmp_path / "whole")
    short = run(tmp_path / "parts", epochs=4)
    with pytest.warns(UserWarning, match=r"has 4 epochs: there is nothing to resume\.$"):
        assert_same(run(tmp_path / "parts", epochs=4, resume=True), short)
    assert_same(run(tmp_path / "parts", resume=True), whole)
    with pytest.warns(UserWarning, match="has 7 epochs: there is nothing"):
        assert len(run(tmp_path / "parts", epochs=2, resume=True).history) == EPOCHS


def test_a_training_that_stopped_early_stays_stopped(tmp_path):
    stopped = run(tmp_path / "out", epochs=60, early_stopping=1, learning_rate=0.3)
    assert len(stopped.history) < 60
    with pytest.warns(UserWarning, match=r"epochs, and was stopped: there is nothing to resume"):
        assert_same(run(tmp_path / "out", epochs=60, early_stopping=1, learning_rate=0.3, resume=True), stopped)


def test_a_broken_training_stays_broken(tmp_path):
    def break_it():
        model = plain_vae()
        model.encoder.z_log_var.bias.assign([200.0, 200.0])
        return model

    with pytest.warns(RuntimeWarning, match="Training stopped"):
        broken = run(tmp_path, make=break_it)
    with pytest.warns(UserWarning, match="was stopped: there is nothing to resume"):
        again = run(tmp_path, make=break_it, resume=True)
    assert again.failure == broken.failure is not None


@pytest.mark.parametrize(
    ("change", "received"),
    [
        ({"batch_size": 10}, "batch_size=10, where the interrupted training had 11"),
        ({"learning_rate": 1e-3}, "learning_rate=0.001, where the interrupted training had 0.01"),
        ({"scheduler": 0.5}, "scheduler='ConstantBetaScheduler(.*) per step', where the interrupted training had None"),
        ({"early_stopping": 3}, "early_stopping=3, where the interrupted training had None"),
        ({"make": lambda: small_vae(beta=0.5)}, "beta=0.5, where the interrupted training had 1.0"),
        ({"make": plain_vae}, "model="),
        ({"make": lambda: small_vae(seed=1)}, r"model=1 at \S*seed, where the interrupted training had 0"),
        ({"dataset": small_dataset(49)}, r"dataset='\(.*' at \S+, where the interrupted training had '\("),
    ],
)
def test_other_settings_are_refused(tmp_path, change, received):
    name = received.partition("=")[0]
    run(tmp_path, 2)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(
        ValueError, match=rf"^Argument `{name}` must be as before .* Received: {received}.*\."
    ) as caught:
        run(tmp_path, resume=True, **change)
    assert caught.value.__cause__ is None
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_refused_training_leaves_the_model_as_it_was(tmp_path):
    model = plain_vae(Objective(sigma2="learned"))
    train_vae(model, small_dataset(), 2, batch_size=25, output=tmp_path)
    model.log_sigma2.assign(0.0)
    before = [int(model.optimizer.iterations), weights(model)]
    with pytest.raises(ValueError, match="`scheduler` must be as before"):
        train_vae(model, small_dataset(), 3, batch_size=25, output=tmp_path, resume=True, scheduler=0.5)
    assert before[0] == int(model.optimizer.iterations) == 4
    assert same(before[1], weights(model))


def test_a_state_is_not_overwritten_unasked(tmp_path):
    run(tmp_path, 2)
    with pytest.raises(ValueError, match=r"Argument `output` must not hold earlier results.*overwrite=True"):
        run(tmp_path)
    assert_same(run(tmp_path, overwrite=True), run(tmp_path / "whole"))


def test_resuming_needs_a_folder():
    with pytest.raises(ValueError, match=r"^Argument `output` must be the folder .*Received: output=None\."):
        train_vae(plain_vae(), small_dataset(), 1, batch_size=5, resume=True)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half", b"no archive", None])
def test_a_damaged_state_is_refused(tmp_path, content):
    run(tmp_path, 2)
    if content is None:  # a header without its end is a TokenError inside NumPy
        content = (tmp_path / "training_state.npz").read_bytes().replace(b"}", b" ")
    (tmp_path / "training_state.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"^Argument `output` must hold a readable training state\. Received: output="):
        run(tmp_path, resume=True)
    assert (tmp_path / "training_state.npz").read_bytes() == content


FOREIGN = [{"x": np.zeros(3)}, {"notes": np.array("{}")}, {"notes": np.array(["a", 1], "O")}]
FOREIGN += [{"notes": np.array('{"settings": 3}')}]


@pytest.mark.parametrize("arrays", FOREIGN)
def test_a_foreign_or_pickled_archive_is_refused(tmp_path, arrays):
    tmp_path.joinpath("vae.weights.h5").write_bytes(b"")
    np.savez(tmp_path / "training_state.npz", **arrays)
    with pytest.raises(ValueError, match=r"^Argument `output` must hold a readable training state\. Received: output="):
        run(tmp_path, resume=True)


def test_the_state_is_readable_without_pickle_and_says_how_far_it_is(tmp_path):
    run(tmp_path, 3)
    with np.load(tmp_path / "training_state.npz", allow_pickle=False) as state:
        notes = json.loads(str(state["notes"]))
    assert notes["epochs_done"] == 3
    assert notes["settings"]["batch_size"] == 11


@pytest.mark.filterwarnings("ignore:beta comes to")
def test_keras_fit_goes_on_at_a_later_epoch():
    """The same without `train_vae`: noise, β and order depend on the step and the epoch alone."""
    x, callbacks = examples(30), lambda: [BetaSchedule(LinearBetaScheduler(1.0, 4)), StepLog()]
    one, other = plain_vae(), plain_vae()
    for model in (one, other):
        model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    fit(one, x, 10, 4, callbacks=callbacks())
    fit(other, x, 10, 2, callbacks=callbacks())
    fit(other, x, 10, 4, start=2, callbacks=callbacks())
    assert same(weights(one), weights(other))


def test_fingerprints_tell_values_and_shapes_apart():
    x = np.arange(6.0)
    assert fingerprint(x) == fingerprint(x.copy())
    assert len({fingerprint(x), fingerprint(x.reshape(2, 3)), fingerprint(x + 1)}) == 3


def test_best_weights_before_any_epoch_counts_are_none(tmp_path):
    """Interrupted during warm-up: nothing is best yet, before and after."""
    whole = run(tmp_path / "whole", scheduler=LinearBetaScheduler(1.0, 5))
    run(tmp_path / "parts", 2, scheduler=LinearBetaScheduler(1.0, 5))
    assert_same(run(tmp_path / "parts", resume=True, scheduler=LinearBetaScheduler(1.0, 5)), whole)
    assert type(load_vae(tmp_path / "parts" / "vae.keras")) is type(build_vae((4, 3), 2))
    assert BestModel().get_state() == {}
