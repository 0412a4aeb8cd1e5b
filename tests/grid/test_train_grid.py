"""What a grid does with members that break, with too little memory, with the keyboard, and with rubbish."""

from __future__ import annotations

import logging
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from vaelib import (
    BetaVAE,
    Dataset,
    GridResult,
    LinearBetaScheduler,
    build_vae,
    dense_decoder,
    dense_encoder,
    train_grid,
)
from vaelib.grid.stack import Stack

X = np.random.default_rng(0).normal(size=(60, 6)).astype("float32")
DATA = Dataset("noise", X[:40], X[40:50], X[50:])
MODULE = "vaelib.grid.chunks"


def build(seed: int) -> BetaVAE:
    return build_vae((6,), 2, hidden=(8,), batch_norm=False, dropout=0.0, seed=seed)


def grid(schedulers: Any = None, **options: Any) -> GridResult:
    return train_grid(
        build, DATA, schedulers or {"low": 0.1, "high": 1.0}, **{"seeds": 2, "epochs": 3, "batch_size": 16} | options
    )


@pytest.fixture(scope="module")
def whole() -> GridResult:
    return grid()


def test_tables_have_a_row_for_each_member_and_epoch(whole: GridResult) -> None:
    assert repr(whole) == "GridResult(2 schedules × 2 seeds)"
    assert list(zip(whole.final["schedule"], whole.final["seed"], strict=True)) == [
        ("low", 0), ("low", 1), ("high", 0), ("high", 1)
    ]  # fmt: skip
    assert len(whole.history) == 12
    assert whole.history["epoch"].tolist() == [0, 1, 2] * 4
    assert whole.history.groupby("schedule")["beta"].unique().map(list).to_dict() == {
        "low": [np.float32(0.1)],
        "high": [1.0],
    }
    assert whole.final["failure"].isna().all()
    assert np.isfinite(whole.history.drop(columns="schedule").to_numpy()).all()


def test_schedules_share_all_but_beta(whole: GridResult) -> None:
    same = grid({"one": 1.0, "other": 1.0})
    one, other = (same.history.query("schedule == @name").reset_index(drop=True) for name in ("one", "other"))
    assert one.drop(columns="schedule").equals(other.drop(columns="schedule"))
    high = whole.history.query("schedule == 'high'").reset_index(drop=True)
    np.testing.assert_allclose(one["val_negative_elbo"], high["val_negative_elbo"], rtol=1e-5)


def test_a_member_that_breaks_is_named_and_disturbs_no_other(whole: GridResult) -> None:
    with pytest.warns(RuntimeWarning, match="^2 of 6 members broke: the column `failure` of `final` says how.$"):
        broken = grid({"low": 0.1, "broken": 1e38, "high": 1.0})
    table = broken.final.set_index(["schedule", "seed"])
    assert table.loc["broken", "failure"].str.contains(r"no longer finite at step \d, in the").all()
    assert repr(broken) == "GridResult(3 schedules × 2 seeds, 2 of them broke)"
    assert np.isfinite(table.loc["broken", "negative_elbo"]).all()  # with its last finite weights, the initial ones
    assert (broken.history["schedule"] == "broken").sum() == 2  # both broke in their first epoch, as alone
    for name in ("low", "high"):
        expected = whole.final.query("schedule == @name")["negative_elbo"].to_numpy()
        np.testing.assert_allclose(table.loc[name, "negative_elbo"], expected, rtol=1e-5)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_grid_that_does_not_fit_is_cut_into_stacks(
    most: int, whole: GridResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{MODULE}.MOST", most)
    cut = grid()
    assert cut.final["schedule"].equals(whole.final["schedule"])
    assert cut.final["seed"].equals(whole.final["seed"])
    np.testing.assert_allclose(cut.final["negative_elbo"], whole.final["negative_elbo"], rtol=1e-5)
    np.testing.assert_allclose(cut.history["val_total_loss"], whole.history["val_total_loss"], rtol=1e-5)
    np.testing.assert_allclose(cut.model("high", 1)(X), whole.model("high", 1)(X), rtol=1e-3, atol=1e-5)


def test_a_member_keeps_its_own_weights_alone(whole: GridResult) -> None:
    """A view would keep a copy of all members' weights alive, for each member."""
    assert all(weight.base is None for weights in whole._weights.values() for weight in weights)


def test_the_keyboard_ends_it_with_what_was_trained(whole: GridResult, monkeypatch: pytest.MonkeyPatch) -> None:
    train_epoch = Stack.train_epoch

    def interrupted(self: Stack, epoch: int) -> Any:
        if epoch == 2:
            raise KeyboardInterrupt
        return train_epoch(self, epoch)

    monkeypatch.setattr(Stack, "train_epoch", interrupted)
    result = grid()
    assert result.interrupted
    assert repr(result).endswith("2 seeds, interrupted)")
    expected = whole.history.query("epoch < 2").reset_index(drop=True)
    np.testing.assert_allclose(result.history["val_total_loss"], expected["val_total_loss"], rtol=1e-6)
    assert set(result.final["best_epoch"]) <= {0, 1}


@pytest.mark.parametrize("place", ["restart", "weights"])
def test_the_keyboard_between_two_stacks_keeps_the_first(
    place: str, whole: GridResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, calls = getattr(Stack, place), []

    def interrupted(self: Stack, *args: Any) -> Any:
        calls.append(None)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return method(self, *args)

    monkeypatch.setattr(f"{MODULE}.MOST", 2)
    monkeypatch.setattr(Stack, place, interrupted)
    result = grid()
    assert result.interrupted
    assert result.final["seed"].tolist() == [0, 0]
    expected = whole.final.query("seed == 0")["negative_elbo"].to_numpy()
    np.testing.assert_allclose(result.final["negative_elbo"], expected, rtol=1e-5)


def test_splits_are_made_when_their_stack_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that memory holds the splits of one stack, which their size bounds too."""
    whole, events = grid(resplit=True), []
    resplit, restart = Dataset.resplit, Stack.restart
    monkeypatch.setattr(Dataset, "resplit", lambda self, seed: events.append(seed) or resplit(self, seed))
    monkeypatch.setattr(Stack, "restart", lambda self, *args: events.append("trained") or restart(self, *args))
    monkeypatch.setattr(f"{MODULE}.MEMORY", 10_000_000)
    monkeypatch.setattr(f"{MODULE}._COPIES_OF_DATA", 10_000)
    cut = grid(resplit=True)
    assert events == [0, "trained", 1, "trained"]
    np.testing.assert_allclose(cut.final["negative_elbo"], whole.final["negative_elbo"], rtol=1e-5)


def test_the_keyboard_before_any_epoch_is_the_keyboard(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Stack, epoch: int) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Stack, "train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        grid()


def test_the_last_weights_are_kept_on_request() -> None:
    last = grid({"one": 0.01}, seeds=1, epochs=30, restore_best=False, learning_rate=0.05)
    history = last.history.set_index("epoch")["val_negative_elbo"]
    assert last.final["best_epoch"].item() == history.idxmin() < 29
    best = grid({"one": 0.01}, seeds=1, epochs=30, learning_rate=0.05)
    assert best.final["negative_elbo"].item() != last.final["negative_elbo"].item()


def test_a_line_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    grid(verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:7] for line in lines] == ["epoch 1", "epoch 2", "epoch 3"]
    assert "median validation negative ELBO low " in lines[0]


def test_convolutions_train_in_turn_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    images = np.random.default_rng(0).random((40, 8, 8, 1)).astype("float32")
    data = Dataset("noise", images[:20], images[20:30], images[30:])
    with caplog.at_level(logging.INFO, "vaelib"):
        train_grid(
            lambda seed: build_vae((8, 8, 1), 2, "convolutional", filters=(2,), hidden=(4,), seed=seed),
            data,
            {"one": 1.0},
            seeds=2,
            epochs=1,
            batch_size=10,
        )
    assert caplog.messages == ["2 members train in turn: encoder_conv_0 gains nothing from being stacked"]


def test_an_endless_schedule_is_announced_by_name() -> None:
    with pytest.warns(UserWarning, match="^Schedule 'slow': "):
        grid({"slow": LinearBetaScheduler(warmup_epochs=30)}, seeds=1, epochs=1)


class OwnNoise(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        return x + tf.random.normal(tf.shape(x))


def with_own_noise(seed: int) -> BetaVAE:
    body = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4), OwnNoise(name="own_noise")])
    plain = dense_encoder((6,), 2, hidden=(4,), seed=seed)
    encoder = type(plain)(body, 2, seed=seed)
    return BetaVAE(encoder, dense_decoder((6,), 2, hidden=(4,), seed=seed), seed=seed)


def with_layers(*layers: keras.layers.Layer) -> BetaVAE:
    decoder = keras.Sequential([keras.Input((2,)), *layers, keras.layers.Dense(6)])
    return BetaVAE(dense_encoder((6,), 2, hidden=(4,), seed=0), decoder, seed=0)


def recurrent(seed: int) -> BetaVAE:
    return with_layers(keras.layers.Reshape((2, 1)), keras.layers.GRU(4, name="recurrent"))


def normalised(seed: int) -> BetaVAE:
    return with_layers(keras.layers.SpectralNormalization(keras.layers.Dense(8), name="normalised"))


@pytest.mark.parametrize(("changed", "message"), [
    ({"build_model": 3}, "`build_model` must be a function from a seed to a model. Received: build_model=3."),
    ({"build_model": lambda seed: 3}, "`build_model(seed)` must be a model of vaelib"),
    ({"build_model": lambda seed: build(0)}, "`build_model` must pass its seed on to the model. Received: build_model="
     "a model with seed=0 for the seed 1."),
    ({"build_model": lambda seed: build_vae((6,), 2 + seed, hidden=(8,), seed=seed)},
     "`build_model` must build models that differ by their seed alone. Received: build_model=another model for seed 1"),
    ({"build_model": with_own_noise}, "`build_model` must build a model of layers that can be stacked. Received: "
     "build_model=the layer 'own_noise', which uses RandomStandardNormal. Draw through a keras.random.SeedGenerator"),
    ({"build_model": build(0)}, "`build_model` must be a function from a seed to a model. Received: build_model=<Beta"),
    ({"build_model": recurrent, "seeds": 1}, "Received: build_model=the layer 'recurrent', which loops or branches by"),
    ({"build_model": normalised, "seeds": 1}, "/kernel', which its layer sets by itself. Use a constraint; or use"),
    ({"dataset": X}, "`dataset` must be a vaelib.Dataset"),
    ({"schedulers": {}}, "`schedulers` must map names to schedules. Received: schedulers={}."),
    ({"schedulers": [1.0]}, "`schedulers` must map names to schedules."),
    ({"schedulers": {"low": "linear"}}, "`schedulers['low']` must be a number, a schedule or a BetaSchedule. Received: "
     "schedulers['low']='linear'. `get_beta_scheduler` builds one from its name and parameters."),
    ({"schedulers": {"low": -1.0}}, "`schedulers['low']` must be a finite number >= 0. Received: schedulers['low']=-1"),
    ({"schedulers": {"bad": lambda epoch: -1.0}}, "`schedulers['bad']` must give a finite number >= 0 at every epoch"),
    ({"seeds": 0}, "`seeds` must be an integer >= 1, or a list of integers >= 0, none of them twice. Received: seeds="),
    ({"seeds": {1, 2}}, "`seeds` must be an integer >= 1, or a list of integers >= 0, none of them twice."),
    ({"seeds": [1, 1]}, "none of them twice. Received: seeds=[1, 1]."),
    ({"seeds": [0, -1]}, "`seeds[1]` must be an integer >= 0. Received: seeds[1]=-1."),
    ({"epochs": 0}, "`epochs` must be an integer >= 1."),
    ({"batch_size": 41}, "`batch_size` must be <= 40, the number of training examples. Received: batch_size=41."),
    ({"learning_rate": 0.0}, "`learning_rate` must be a finite number > 0."),
    ({"resplit": 1}, "`resplit` must be True or False."),
    ({"restore_best": "yes"}, "`restore_best` must be True or False."),
    ({"verbose": 3}, "`verbose` must be 'auto', 0, 1 or 2. Received: verbose=3."),
    ({"verbose": np.array([1, 2])}, "`verbose` must be 'auto', 0, 1 or 2. Received: verbose=an array of shape (2,)."),
])  # fmt: skip
def test_refused_before_any_training(changed: dict[str, Any], message: str) -> None:
    arguments = {
        "build_model": build,
        "dataset": DATA,
        "schedulers": {"one": 1.0},
        "seeds": 2,
        "epochs": 1,
        "batch_size": 16,
    }
    with pytest.raises(ValueError, match="^Argument ") as error:
        train_grid(**arguments | changed)
    assert message in str(error.value)


def test_a_model_that_the_grid_does_not_have(whole: GridResult) -> None:
    with pytest.raises(ValueError, match="Argument `schedule` must be one of 'low', 'high'. Received: schedule='mid'."):
        whole.model("mid", 0)
    with pytest.raises(ValueError, match="Argument `seed` must be one of 0, 1. Received: seed=7."):
        whole.model("low", 7)
