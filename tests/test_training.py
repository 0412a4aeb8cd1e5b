import io
import itertools
import math
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from small_models import examples, plain_vae, reused, same, small_dataset, small_vae, weights

from vaelib import (
    BetaSchedule,
    BetaVAE,
    KLAnnealing,
    LinearBetaScheduler,
    Objective,
    ValidationMonitor,
    collapse_weight,
    fit_sigma2,
    load_vae,
    negative_elbo,
    train_vae,
)
from vaelib.training import training_batches

FILES = ["history.csv", "training_state.npz", "vae.keras", "vae.weights.h5", "vae_loss_plot.png"]
COLUMNS = {
    "total_loss",
    "reconstruction_loss",
    "kl_loss",
    "beta",
    "val_total_loss",
    "val_reconstruction_loss",
    "val_kl_loss",
    "val_negative_elbo",
    "learning_rate",
}


class Keep(keras.callbacks.Callback):
    """Keeps the weights of every epoch."""

    def on_train_begin(self, logs=None):
        self.kept = []

    def on_epoch_end(self, epoch, logs=None):
        self.kept.append(weights(self.model))


def plain(batch_size):
    """A plain model with its first weights, of which each batch size has one, so that nothing is compiled anew."""
    return reused(plain_vae, f"batches of {batch_size}")


@pytest.fixture
def scripted(monkeypatch):
    """Replaces the validation figure of each epoch by one of a list."""

    def script(values):
        figures = iter(values)
        monkeypatch.setattr(ValidationMonitor, "figures", lambda self: {"val_negative_elbo": next(figures)})

    return script


# --- one whole training ---


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder, keep = tmp_path_factory.mktemp("training") / "new" / "folder", Keep()
    result = train_vae(
        small_vae(dropout=0.2),
        small_dataset(),
        6,
        scheduler=KLAnnealing(0, 1, total_epochs=4),
        batch_size=16,
        learning_rate=0.02,
        output=folder,
        callbacks=[keep],
    )
    return result, folder, keep.kept


def test_four_files_are_written(whole):
    result, folder, _ = whole
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert result.files == {name: folder / name for name in FILES}
    assert (folder / "vae_loss_plot.png").read_bytes().startswith(b"\x89PNG")


def test_reloaded_models_are_equal(whole):
    result, folder, _ = whole
    loaded, fresh = load_vae(folder / "vae.keras"), small_vae(dropout=0.2, seed=8)
    fresh.load_weights(folder / "vae.weights.h5")
    for twin in (loaded, fresh):
        assert same(weights(twin), weights(result.model))
        np.testing.assert_array_equal(twin(examples(7)), result.model(examples(7)))


def test_history_has_a_row_an_epoch_and_is_the_file(whole):
    result, folder, _ = whole
    assert set(result.history.columns) == COLUMNS
    assert (result.history.index.name, result.history.index.tolist()) == ("epoch", [0, 1, 2, 3, 4, 5])
    assert np.isfinite(result.history.to_numpy()).all()
    read = pd.read_csv(folder / "history.csv", index_col="epoch")
    pd.testing.assert_frame_equal(read, result.history, rtol=1e-12)
    np.testing.assert_allclose(result.history.learning_rate, 0.02)
    np.testing.assert_allclose(result.history.beta, np.minimum((np.arange(6) + 3 / 4) / 4, 1), rtol=1e-6)


def test_steps_hold_every_example_once_an_epoch(whole):
    steps = whole[0].steps
    assert steps.index.tolist() == list(range(24))
    assert steps.examples.tolist() == [16, 16, 16, 2] * 6
    for name in ("total_loss", "reconstruction_loss", "kl_loss"):
        weighted = [np.average(part[name], weights=part.examples) for _, part in steps.groupby("epoch")]
        np.testing.assert_allclose(whole[0].history[name], weighted, rtol=1e-5)


def test_best_epoch_is_chosen_after_warmup_and_its_weights_return(whole):
    result, _, kept = whole
    counted = result.history.val_negative_elbo[4:]  # epoch 3 ends at 4.0: all its steps had less
    assert result.best_epoch == counted.idxmin()
    assert same(weights(result.model), kept[result.best_epoch])
    assert not same(kept[3], kept[4])


def test_test_result_is_at_beta_one_with_sigma2_of_the_training_data(whole):
    result, dataset = whole[0], small_dataset()
    sigma2 = fit_sigma2(result.model, dataset.x_train)
    assert result.test == negative_elbo(result.model, dataset.x_test, sigma2)
    assert result.test.sigma2 == sigma2
    assert result.failure is None
    assert f"6 epochs, best epoch {result.best_epoch}, test negative ELBO at β = 1: {result.test[0]:.2f}" in repr(
        result
    )


# --- the data pipeline ---


def epochs_of(seed, count):
    batches = training_batches(examples(50), 16, seed).take(4 * count).as_numpy_iterator()
    return [[next(batches) for _ in range(4)] for _ in range(count)]


def test_each_epoch_is_a_permutation_with_a_ragged_end():
    first, second = epochs_of(0, 2)
    sorted_rows = np.sort(examples(50).reshape(50, -1), axis=0)
    for epoch in (first, second):
        assert [len(batch) for batch in epoch] == [16, 16, 16, 2]
        np.testing.assert_array_equal(np.sort(np.concatenate(epoch).reshape(50, -1), axis=0), sorted_rows)
    assert not np.array_equal(first[0], second[0])
    assert same(list(itertools.chain(*epochs_of(0, 2))), [*first, *second])
    assert not np.array_equal(epochs_of(1, 1)[0][0], first[0])


# --- what counts after warm-up ---


def test_stopping_and_learning_rate_count_only_after_warmup(scripted):
    scripted([1, 2, 2, 4, 3, 3.5, 3.6, 3.7, 3.8, 3.9])
    keep = Keep()
    result = train_vae(
        plain(50),
        small_dataset(),
        10,
        scheduler=LinearBetaScheduler(1.0, warmup_epochs=3),
        early_stopping=4,
        reduce_learning_rate=2,
        learning_rate=1e-3,
        batch_size=50,
        callbacks=[keep],
    )
    assert len(result.history) == 9  # 3 at epoch 4, then four epochs without improvement
    np.testing.assert_allclose(result.history.learning_rate, [1e-3] * 7 + [5e-4] * 2, rtol=1e-6)
    assert result.best_epoch == 4
    assert same(weights(result.model), keep.kept[4])


def test_unfinished_warmup_warns_and_keeps_the_last_weights():
    keep = Keep()
    said = r"at most in 2 epochs, not to its highest value 1: .*\. The warm-up ends at epoch 5: no epoch counts"
    with pytest.warns(UserWarning, match=said):
        result = train_vae(
            plain(50), small_dataset(), 2, scheduler=LinearBetaScheduler(1, 5), batch_size=50, callbacks=[keep]
        )
    assert result.best_epoch is None
    assert same(weights(result.model), keep.kept[-1])
    assert "no best epoch" in repr(result)


@pytest.mark.parametrize("per", ["step", "epoch"])
def test_warmup_that_ends_with_the_training_leaves_no_epoch_that_counts(scripted, per):
    scripted([1, 2, 3])
    with pytest.warns(UserWarning, match="The warm-up ends at epoch 3: no epoch counts as best"):
        result = train_vae(plain(25), small_dataset(), 3, scheduler=KLAnnealing(0, 1, 3, per), batch_size=25)
    assert result.best_epoch is None
    assert result.steps.beta.max() < 1


def test_the_epoch_before_a_jump_of_beta_does_not_count(scripted):
    scripted([1, 2, 3, 5, 4])
    scheduler = lambda epoch: 1.0 if epoch < 3 else 50.0  # noqa: E731
    result = train_vae(plain(50), small_dataset(), 5, scheduler=scheduler, batch_size=50)
    assert result.best_epoch == 4


def test_last_weights_on_request(scripted):
    scripted([1, 2, 3])
    keep = Keep()
    result = train_vae(plain(50), small_dataset(), 3, batch_size=50, restore_best=False, callbacks=[keep])
    assert result.best_epoch == 0
    assert same(weights(result.model), keep.kept[2])


# --- β ---


def heavy():
    return plain_vae(beta=7.0)


def test_scheduler_may_be_a_number_a_callable_or_a_callback():
    dataset = small_dataset()
    cases = [
        (0.5, [0.5, 0.5]),
        (lambda epoch: 1 + epoch, [2 - 1 / 3, 3 - 1 / 3]),
        (BetaSchedule(lambda epoch: [4.0, 3.0][epoch], per="epoch"), [4.0, 3.0]),
        (None, [7.0, 7.0]),
    ]
    for scheduler, betas in cases:
        history = train_vae(reused(heavy), dataset, 2, scheduler=scheduler, batch_size=20).history
        np.testing.assert_allclose(history.beta, betas, rtol=1e-6)


def test_without_a_scheduler_beta_is_the_users():
    class Own(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.beta.assign(0.5 * epoch)

    result = train_vae(plain(50), small_dataset(), 3, batch_size=50, callbacks=[Own()])
    assert result.steps.beta.tolist() == [0.0, 0.5, 1.0]


def test_a_schedule_among_the_callbacks_is_the_schedule(scripted):
    scripted([1, 3, 2])
    schedule = KLAnnealing(0, 1, total_epochs=2)
    result = train_vae(plain(25), small_dataset(), 3, batch_size=25, callbacks=[schedule])
    assert result.steps.beta.tolist() == [0, 0.25, 0.5, 0.75, 1, 1]
    assert result.best_epoch == 2


def test_learning_rate_schedule():
    halving = keras.optimizers.schedules.ExponentialDecay(0.01, decay_steps=2, decay_rate=0.5)
    history = train_vae(plain_vae(), small_dataset(), 2, batch_size=25, learning_rate=halving).history
    np.testing.assert_allclose(history.learning_rate, [0.005, 0.0025], rtol=1e-5)


# --- likelihoods ---


@pytest.mark.parametrize(
    "objective",
    [
        Objective(),
        Objective(sigma2="learned"),
        Objective(sigma2=0.01),
        Objective("mse", reconstruction_scale="mean", kl_scale="mean"),
        Objective("bernoulli"),
        Objective("continuous_bernoulli"),
    ],
    ids=repr,
)
def test_every_likelihood_trains_and_improves(objective):
    dataset = small_dataset()
    if objective.likelihood == "bernoulli":
        dataset = dataset.binarized(0.3)
    beta = 1e-3 if objective.likelihood == "mse" else 1.0
    result = train_vae(plain_vae(objective, beta=beta), dataset, 25, batch_size=10, learning_rate=0.01, scheduler=beta)
    losses, figures = result.history.total_loss, result.history.val_negative_elbo
    assert losses[20:].mean() < losses[:2].mean() - 0.1 * abs(losses[:2].mean())
    assert figures.min() < figures[0]
    assert math.isfinite(result.test.negative_elbo)


def test_learned_variance_starts_at_the_datas_and_arrives_at_the_error():
    dataset = small_dataset()
    model = plain_vae(Objective(sigma2="learned"), hidden=(24, 16))
    train_vae(model, dataset, 1, learning_rate=1e-12, batch_size=50)
    variance = np.mean((dataset.x_train - dataset.x_train.mean(0)) ** 2)
    assert float(model.log_sigma2.numpy()) == pytest.approx(math.log(variance), rel=1e-3)
    train_vae(model, dataset, 80, batch_size=10, learning_rate=0.02, scheduler=0.05, restore_best=False)
    learned, fitted = math.exp(model.log_sigma2.numpy()), fit_sigma2(model, dataset.x_train)
    assert learned < 0.5 * variance
    assert learned == pytest.approx(fitted, rel=0.5)


@pytest.mark.parametrize(("factor", "collapsed"), [(30, True), (0.002, False)])
def test_collapse_far_above_the_threshold_and_not_far_below(factor, collapsed):
    dataset = small_dataset()
    weight = factor * collapse_weight(dataset.x_train, n_latents=2)
    model = plain_vae(Objective("mse", reconstruction_scale="mean", kl_scale="mean"), hidden=(24, 16))
    train_vae(model, dataset, 80, scheduler=weight, batch_size=10, learning_rate=0.01, restore_best=False)
    kl = negative_elbo(model, dataset.x_train, 0.5).kl
    output, mean = np.array(model(dataset.x_train)), dataset.x_train.mean(axis=0)
    deviation = np.abs(output - mean).max()
    spread = dataset.x_train.std(axis=0).max()
    if collapsed:
        assert kl < 1e-3
        assert deviation < 0.3 * spread
    else:
        assert kl > 0.5
        assert deviation > spread


# --- output to the screen ---


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("verbose", "terminal", "bar", "lines"),
    [("auto", False, False, 0), ("auto", True, True, 0), (0, True, False, 0), (1, True, True, 0), (2, True, False, 2)],
)
def test_verbosity(monkeypatch, capsys, verbose, terminal, bar, lines):
    screen = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    train_vae(plain(50), small_dataset(), 2, batch_size=50, verbose=verbose)
    assert ("2/2" in screen.getvalue()) == bar
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == lines
    assert all(line.startswith(f"epoch {i + 1}: validation") for i, line in enumerate(printed))


# --- breaks ---


class Break(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            self.model.encoder.z_log_var.bias.assign([200.0, 200.0])


def test_broken_training_ends_with_the_last_finite_weights_and_its_files(tmp_path):
    keep = Keep()
    with pytest.warns(RuntimeWarning, match=r"finite at step 6, .*KL term \(inf\).*\(after 6 steps\)") as caught:
        result = train_vae(
            plain(20),
            small_dataset(),
            9,
            batch_size=20,
            output=tmp_path,
            callbacks=[keep, Break(2)],
            restore_best=False,
        )
    assert [str(w.message) for w in caught if w.category is RuntimeWarning] == [result.failure]
    assert result.history.total_loss.isna().tolist() == [False, False, True]
    assert result.history.val_total_loss.isna().tolist() == [False, False, True]
    assert not np.isfinite(result.steps.total_loss[6])
    assert result.best_epoch in (0, 1)
    assert same(weights(result.model), keep.kept[1])
    assert math.isfinite(result.test.negative_elbo)
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES


def test_best_weights_return_after_a_break(scripted):
    scripted([1, 2, math.nan])
    keep = Keep()
    with pytest.warns(RuntimeWarning):
        result = train_vae(plain(50), small_dataset(), 9, batch_size=50, callbacks=[keep, Break(2)])
    assert result.best_epoch == 0
    assert same(weights(result.model), keep.kept[0])


def test_report_of_a_model_whose_outputs_overflow_is_nan():
    model = plain(50)
    model.encoder.z_log_var.bias.assign([200.0, 200.0])
    with pytest.warns(RuntimeWarning, match="no longer finite at step 0"):
        result = train_vae(model, small_dataset(), 2, batch_size=50)
    assert math.isnan(result.test.negative_elbo)
    assert result.best_epoch is None


class Interrupt(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def test_interrupted_training_leaves_the_best_weights_whole(tmp_path, scripted):
    scripted([2, 1, 3])
    keep = Keep()
    with pytest.raises(KeyboardInterrupt):
        train_vae(plain(50), small_dataset(), 9, batch_size=50, output=tmp_path, callbacks=[keep, Interrupt()])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["training_state.npz", "vae.weights.h5"]
    twin = plain_vae(seed=1)
    twin.load_weights(tmp_path / "vae.weights.h5")
    assert same(weights(twin), keep.kept[1])


def test_interrupted_writing_leaves_the_earlier_weights_whole(tmp_path, scripted, monkeypatch):
    scripted([2, 1, 3])
    model, keep = plain(50), Keep()
    save = model.save_weights

    def interrupted(path):
        if int(model.optimizer.iterations) > 1:
            path.write_bytes(b"half a file")
            raise KeyboardInterrupt
        save(path)

    monkeypatch.setattr(model, "save_weights", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_vae(model, small_dataset(), 9, batch_size=50, output=tmp_path, callbacks=[keep])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["training_state.npz", "vae.weights.h5"]
    twin = plain_vae(seed=1)
    twin.load_weights(tmp_path / "vae.weights.h5")
    assert same(weights(twin), keep.kept[0])


def test_a_model_set_back_trains_the_same_again_and_traces_nothing(monkeypatch):
    traced = []
    terms = BetaVAE.terms
    monkeypatch.setattr(BetaVAE, "terms", lambda self, *a, **k: traced.append(1) or terms(self, *a, **k))
    model = small_vae(dropout=0.2)
    start = model.get_weights()
    first = train_vae(model, small_dataset(), 2, scheduler=LinearBetaScheduler(1, 1), batch_size=50)
    ended, times = weights(model), len(traced)
    model.set_weights(start)
    second = train_vae(model, small_dataset(), 2, scheduler=LinearBetaScheduler(1, 1), batch_size=50)
    assert same(weights(model), ended)
    pd.testing.assert_frame_equal(first.history, second.history)
    assert len(traced) == times
    train_vae(model, small_dataset(), 2, scheduler=0.5, batch_size=50, learning_rate=1e-2)
    assert len(traced) == times
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-2)
    train_vae(model, small_dataset(), 1, batch_size=25)
    assert len(traced) > times
