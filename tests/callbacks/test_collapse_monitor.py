import keras
import numpy as np
import pytest
from small_models import compiled, examples, fit, plain_vae, reused

from vaelib import CollapseMonitor, Objective, diagnose

TRAIN, VAL = examples(40), examples(30, 9)


def collapsed():
    """A model whose units are the prior for every example, and that training leaves so."""
    model = plain_vae()
    for head in (model.encoder.z_mean, model.encoder.z_log_var):
        head.kernel.assign(np.zeros(head.kernel.shape))
    return compiled(model, keras.optimizers.SGD(0.0), run_eagerly=True)


def exploded():
    model = plain_vae(Objective("mse"))
    model.encoder.z_mean.bias.assign([50.0, 50.0])
    return compiled(model, keras.optimizers.SGD(0.0), run_eagerly=True)


def test_a_finding_is_said_once_after_it_has_held(capsys):
    model, monitor = reused(collapsed), CollapseMonitor(VAL, min_steps=0)
    fit(model, TRAIN, 40, 6, callbacks=[monitor])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("epoch 3: collapsed: 0 of 2 units are active")
    assert list(monitor.found) == ["collapsed"]
    assert lines[0] == f"epoch 3: {diagnose(model, VAL).findings[0]}"


@pytest.mark.parametrize(("patience", "epochs", "said"), [(1, 1, True), (2, 1, False), (2, 2, True), (5, 4, False)])
def test_patience(patience, epochs, said, capsys):
    monitor = CollapseMonitor(VAL, patience=patience, min_steps=0)
    fit(reused(collapsed), TRAIN, 40, epochs, callbacks=[monitor])
    assert bool(monitor.found) == bool(capsys.readouterr().out) == said


def test_a_finding_must_hold_in_a_row(capsys):
    model = reused(collapsed)
    kernel = model.encoder.z_mean.kernel
    active = 10 * np.random.default_rng(0).normal(size=kernel.shape)

    class Alternates(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            kernel.assign(active * (epoch % 2))

    fit(model, TRAIN, 40, 7, callbacks=[Alternates(), CollapseMonitor(VAL, patience=2, min_steps=0)])
    assert "collapsed: 0 of 2 units" not in capsys.readouterr().out


@pytest.mark.parametrize(("min_steps", "first"), [(0, "epoch 3"), (5, "epoch 7"), (50, None)])
def test_a_model_that_has_yet_to_be_trained_is_left_alone(min_steps, first, capsys):
    fit(reused(collapsed), TRAIN, 40, 8, callbacks=[CollapseMonitor(VAL, min_steps=min_steps)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ([] if first is None else [first])


@pytest.mark.parametrize(("from_epoch", "first"), [(0, "epoch 2"), (3, "epoch 5")])
def test_what_a_low_beta_shows_is_looked_for_after_warm_up(from_epoch, first, capsys):
    fit(
        reused(exploded), TRAIN, 40, 6, callbacks=[CollapseMonitor(VAL, from_epoch=from_epoch, patience=2, min_steps=0)]
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[1].strip() for line in lines].count("exploding KL") == 1
    assert all(line.startswith(first) for line in lines if "exploding KL" in line)


def test_a_training_that_broke_is_left_to_the_guard(capsys):
    model = reused(collapsed)
    model.encoder.z_mean.bias.assign([np.nan, np.nan])
    fit(model, TRAIN, 40, 2, callbacks=[CollapseMonitor(VAL, patience=1, min_steps=0)])
    assert capsys.readouterr().out == ""


def test_another_training_begins_anew(capsys):
    monitor = CollapseMonitor(VAL, patience=1, min_steps=0)
    for _ in range(2):
        fit(reused(collapsed), TRAIN, 40, 1, callbacks=[monitor])
    assert capsys.readouterr().out.count("collapsed") == 2


@pytest.mark.parametrize(("arguments", "name"), [
    ({"from_epoch": -1}, "from_epoch"),
    ({"from_epoch": 1.5}, "from_epoch"),
    ({"min_steps": -1}, "min_steps"),
    ({"patience": 0}, "patience"),
    ({"patience": True}, "patience"),
])  # fmt: skip
def test_refused_numbers(arguments, name):
    with pytest.raises(ValueError, match=f"^Argument `{name}` must"):
        CollapseMonitor(VAL, **arguments)


@pytest.mark.parametrize(("data", "message"), [
    (VAL[:, :2], "`validation_data` must"),
    (np.full_like(VAL, np.nan), "`validation_data` must"),
    (np.ones_like(VAL), "must hold examples that differ"),
    (VAL[:1], "with n >= 2"),
])  # fmt: skip
def test_refused_data(data, message):
    with pytest.raises(ValueError, match=message):
        fit(reused(collapsed), TRAIN, 40, 1, callbacks=[CollapseMonitor(data)])
