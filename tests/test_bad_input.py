"""Every line of "bad input": one error that names the argument and what it received, before anything is done."""

import os
import stat

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import SHAPE, compiled, examples, plain_vae, same, small_dataset, small_vae, weights

from vaelib import (
    BestModel,
    BetaSchedule,
    BetaScheduler,
    Dataset,
    KLAnnealing,
    NaNGuard,
    Objective,
    StepLog,
    ValidationMonitor,
    build_vae,
    encode,
    example_terms,
    fit_sigma2,
    load_dataset,
    negative_elbo,
    train_vae,
)
from vaelib.training.result import FILES


def error(name):
    return rf"^Argument `{name}` must [^\n]*\. Received: {name}="


def with_bad(part, value):
    """A data set that was sound when it was made and holds one bad value since."""
    arrays = [examples(50, 0), examples(20, 1), examples(25, 2)]
    dataset = Dataset("bad", *arrays)
    arrays[("x_train", "x_val", "x_test").index(part)][3, 1, 2] = value
    return dataset


class BreaksLate(BetaScheduler):
    type_name = "breaks_late"
    warmup_end = 0.0

    def _beta(self, epoch):
        return np.nan if epoch >= 1 else 1.0


CASES = {
    "model is none": ({"model": keras.Sequential([keras.Input((2,))])}, "model"),
    "data is none": ({"dataset": examples(50)}, "dataset"),
    "NaN in training data": ({"dataset": with_bad("x_train", np.nan)}, "dataset.x_train"),
    "infinity in validation data": ({"dataset": with_bad("x_val", np.inf)}, "dataset.x_val"),
    "infinity in test data": ({"dataset": with_bad("x_test", -np.inf)}, "dataset.x_test"),
    "wrong size": ({"dataset": Dataset("d", *[np.ones((9, 4, 4))] * 3)}, "dataset.x_train"),
    "wrong rank": ({"dataset": Dataset("d", *[np.ones((9, 12))] * 3)}, "dataset.x_train"),
    "grey under Bernoulli": ({"model": plain_vae(Objective("bernoulli"))}, "dataset.x_train"),
    "outside [0, 1]": (
        {"model": plain_vae(Objective("continuous_bernoulli")), "dataset": with_bad("x_val", 1.5)},
        "dataset.x_val",
    ),
    "fewer examples than a batch": ({"batch_size": 51}, "batch_size"),
    "no batch": ({"batch_size": 0}, "batch_size"),
    "no epoch": ({"epochs": 0}, "epochs"),
    "negative epochs": ({"epochs": -3}, "epochs"),
    "half an epoch": ({"epochs": 0.5}, "epochs"),
    "text for epochs": ({"epochs": "10"}, "epochs"),
    "truth for epochs": ({"epochs": True}, "epochs"),
    "no learning rate": ({"learning_rate": 0}, "learning_rate"),
    "infinite learning rate": ({"learning_rate": np.inf}, "learning_rate"),
    "text for a learning rate": ({"learning_rate": "fast"}, "learning_rate"),
    "no patience": ({"early_stopping": 0}, "early_stopping"),
    "negative patience": ({"reduce_learning_rate": -1}, "reduce_learning_rate"),
    "two learning-rate rules": (
        {
            "learning_rate": keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5),
            "reduce_learning_rate": 2,
        },
        "reduce_learning_rate",
    ),
    "negative β": ({"scheduler": -0.5}, "scheduler"),
    "NaN for β": ({"scheduler": np.nan}, "scheduler"),
    "text for β": ({"scheduler": "linear"}, "scheduler"),
    "schedule below 0": ({"scheduler": lambda epoch: 1 - epoch}, "scheduler"),
    "schedule that breaks late": ({"scheduler": BreaksLate()}, "scheduler"),
    "schedule that breaks late, per epoch": ({"scheduler": BetaSchedule(BreaksLate(), per="epoch")}, "scheduler"),
    "two schedules": ({"scheduler": 1.0, "callbacks": [KLAnnealing()]}, "scheduler"),
    "two schedules as callbacks": ({"callbacks": [KLAnnealing(), KLAnnealing()]}, "callbacks"),
    "a callback without a list": ({"callbacks": keras.callbacks.History()}, "callbacks"),
    "no list of callbacks": ({"callbacks": None}, "callbacks"),
    "text for callbacks": ({"callbacks": "a"}, "callbacks"),
    "a number among the callbacks": ({"callbacks": [3]}, "callbacks"),
    "batches of one with batch norm": ({"model": small_vae(), "batch_size": 1}, "batch_size"),
    "unknown verbosity": ({"verbose": 3}, "verbose"),
}


@pytest.mark.parametrize(("changes", "name"), CASES.values(), ids=CASES.keys())
def test_training_refuses(changes, name, tmp_path):
    model = changes.get("model") or plain_vae(Objective(sigma2="learned"))
    before = weights(model)
    arguments = {"model": model, "dataset": small_dataset(), "epochs": 3, "output": tmp_path / "out"} | changes
    arguments = {"batch_size": 5} | arguments
    with pytest.raises(ValueError, match=error(name)) as caught:
        train_vae(**arguments)
    assert caught.value.__cause__ is None
    assert same(weights(model), before)
    assert list(tmp_path.iterdir()) == []


def test_two_schedules_as_callbacks_are_named():
    two = [StepLog(), KLAnnealing(), BetaSchedule(lambda epoch: 1.0)]
    with pytest.raises(ValueError, match=r"β at most\. Received: callbacks=\[StepLog, KLAnnealing, BetaSchedule\]\.$"):
        train_vae(plain_vae(), small_dataset(), 1, batch_size=5, callbacks=two)


def other_model():
    model = keras.Sequential([keras.Input(SHAPE), keras.layers.Dense(3)])
    model.compile(loss="mse")
    return model


@pytest.mark.parametrize("model", [None, other_model(), examples(9)], ids=["none", "other", "array"])
def test_a_model_that_is_no_vae(model):
    for function in (encode, example_terms, fit_sigma2, negative_elbo):
        with pytest.raises(ValueError, match=error("model")):
            function(model, plain_vae())


@pytest.mark.parametrize("make", [BestModel, KLAnnealing, NaNGuard, StepLog, lambda: ValidationMonitor(examples(9))])
def test_callbacks_of_a_model_that_is_no_vae(make):
    with pytest.raises(ValueError, match=error("model") + "<Sequential"):
        other_model().fit(examples(9), examples(9), callbacks=[make()], verbose=0)


def test_weights_that_are_not_finite():
    model = plain_vae()
    model.encoder.z_mean.bias.assign([0.0, np.nan])
    with pytest.raises(ValueError, match=error("model") + ".*NaN or infinite values in .*z_mean/bias"):
        train_vae(model, small_dataset(), 1, batch_size=5)


# --- the output folder ---


def refuse_output(output, **options):
    model = plain_vae()
    before = weights(model)
    with pytest.raises(ValueError, match=error("output")) as caught:
        train_vae(model, small_dataset(), 1, batch_size=5, output=output, **options)
    assert same(weights(model), before)
    return str(caught.value)


@pytest.mark.parametrize("below", ["", "deeper", "deeper/still"])
def test_a_file_in_the_place_of_the_folder(tmp_path, below):
    (tmp_path / "taken").write_text("mine")
    refuse_output(tmp_path / "taken" / below)
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    refuse_output(tmp_path)
    refuse_output(tmp_path / "new")
    refuse_output(tmp_path, overwrite=True)


def test_a_folder_that_cannot_be_made(tmp_path):
    """Also as root: a name longer than file systems allow, one with a NUL, and no path."""
    for output in (tmp_path / ("x" * 300), tmp_path / "a\0b", 5):
        refuse_output(output)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"resume": True}], ids=str)
@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_the_place_of_a_result(tmp_path, name, options):
    (tmp_path / name).mkdir()
    assert f"must hold no folder named {name}, which is to be a file. " in refuse_output(tmp_path, **options)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("options", [{}, {"resume": True}], ids=str)
def test_what_is_no_path_is_shown_as_it_is(options):
    assert refuse_output(3, **options) == "Argument `output` must be the path of a folder. Received: output=3."


def test_starting_anew_and_going_on_exclude_each_other(tmp_path):
    with pytest.raises(ValueError, match=error("overwrite") + "True"):
        train_vae(plain_vae(), small_dataset(), 1, batch_size=5, output=tmp_path, overwrite=True, resume=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["vae.keras", "vae.weights.h5", "history.csv", "vae_loss_plot.png"])
def test_earlier_results_stay_untouched(tmp_path, name):
    (tmp_path / name).write_text("earlier")
    message = refuse_output(tmp_path)
    assert name in message
    assert "overwrite=True" in message
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: "earlier"}


def test_overwriting_on_request_leaves_other_files(tmp_path):
    for name in ("history.csv", "notes.txt"):
        (tmp_path / name).write_text("earlier")
    train_vae(plain_vae(), small_dataset(), 1, batch_size=50, output=str(tmp_path), overwrite=True)
    assert (tmp_path / "notes.txt").read_text() == "earlier"
    assert (tmp_path / "history.csv").read_text().startswith("epoch,")


def test_bad_arguments_with_overwrite_overwrite_nothing(tmp_path):
    (tmp_path / "history.csv").write_text("earlier")
    with pytest.raises(ValueError, match=error("epochs")):
        train_vae(plain_vae(), small_dataset(), 0, output=tmp_path, overwrite=True)
    assert (tmp_path / "history.csv").read_text() == "earlier"


# --- data, models and plain fit ---


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.full((9, *SHAPE), np.nan), "hold only finite numbers"),
        (np.full((9, *SHAPE), 1e39), "hold only finite numbers"),  # past float32
        (np.zeros(9), r"have the shape \(n, ...\)"),
        (np.zeros((0, *SHAPE)), "not be empty"),
        (np.full((9, *SHAPE), "a"), "hold real numbers"),
        ([[1.0], [1.0, 2.0]], "hold examples of equal shape"),
    ],
)
def test_data_sets_refuse(x, message):
    for i, name in enumerate(("x_train", "x_val", "x_test")):
        parts = [examples(9)] * 3
        parts[i] = x
        with pytest.raises(ValueError, match=rf"^Argument `{name}` must {message}.*Received: {name}="):
            Dataset("bad", *parts)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.where(examples(9) > 0.4, np.nan, 0), "hold only finite numbers"),
        (np.where(examples(9) > 0.4, np.inf, 0), "hold only finite numbers"),
        (examples(9), "hold only 0 and 1 under likelihood='bernoulli'"),
        (np.zeros((9, 4, 4)), r"hold examples of shape \(4, 3\)"),
        (np.zeros((9, 12)), r"hold examples of shape \(4, 3\)"),
        (np.zeros((0, 4, 3)), "not be empty"),
    ],
)
def test_plain_fit_and_evaluation_refuse(x, message):
    model = compiled(plain_vae(Objective("bernoulli")), run_eagerly=True)
    before = weights(model)
    for act in (lambda: model.fit(x, verbose=0), lambda: encode(model, x), lambda: negative_elbo(model, x)):
        with pytest.raises(ValueError, match=rf"^Argument `x` must {message}.*Received: x="):
            act()
    assert same(weights(model), before)


def test_no_latent_unit():
    with pytest.raises(ValueError, match=error("latent_dim")):
        build_vae(SHAPE, 0)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04", b"\x93NUMPY"])
def test_a_file_that_is_no_npz(tmp_path, content):
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=error("name_or_path")):
        load_dataset(path)
    assert path.read_bytes() == content


def test_a_tensor_that_is_no_integer():
    with pytest.raises(ValueError, match=error("epochs")):
        train_vae(plain_vae(), small_dataset(), tf.constant(2.0))


def test_the_steps_of_no_training_are_an_empty_table():
    frame = StepLog().frame()
    assert len(frame) == 0
    assert "beta" in frame.columns
