import math

import numpy as np
import pytest
from small_models import compiled, examples, fit, plain_vae, same, weights

from vaelib import BestModel, ValidationMonitor


def run(callback, values, model=None):
    """Sends figures through the callback; at epoch e every weight is e. Returns the model's bias in the end."""
    model = model or plain_vae()
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, value in enumerate(values):
        for weight in model.weights:
            weight.assign(np.full(weight.shape, epoch))
        callback.on_epoch_end(epoch, {"val_negative_elbo": value})
    callback.on_train_end()
    (value,) = {float(number) for weight in weights(model) for number in np.ravel(weight)}  # all are equal
    return value


@pytest.mark.parametrize(
    ("warmup_end", "values", "best"),
    [
        (0, [5, 3, 4, 3, 6], 1),  # the first of equals
        (0, [5, 3, 2, 1], 3),
        (0, [1, 2, 3], 0),
        (3, [1, 1, 4, 9, 8.5], 4),  # epoch 2 ends at 3.0: nothing of it lies after the warm-up
        (3.5, [1, 1, 4, 8, 8.5], 3),  # the second half of epoch 3 does
        (0.5, [4, 5], 0),
        (1, [-9, -7, -8], 2),
        (0, [math.nan, 2, math.nan, 3], 1),
        (0, [math.inf, 2], 1),
    ],
)
def test_best_epoch_after_warmup(warmup_end, values, best):
    callback = BestModel(warmup_end)
    assert run(callback, values) == best
    assert (callback.best_epoch, callback.best) == (best, values[best])


@pytest.mark.parametrize("values", [[3, 2, 1], [math.nan, math.nan]])
def test_without_an_epoch_that_counts_the_last_weights_stay(values):
    callback = BestModel(warmup_end=0 if math.isnan(values[0]) else 10)
    assert run(callback, values) == len(values) - 1
    assert callback.best_epoch is None


def test_last_weights_on_request():
    callback = BestModel(restore=False)
    assert run(callback, [3, 1, 2]) == 2
    assert callback.best_epoch == 1


def test_a_second_training_forgets_the_first():
    callback = BestModel()
    run(callback, [5, 1, 2])
    assert run(callback, [9, 8, 8.5]) == 1
    assert callback.best == 8


def test_file_holds_the_best_so_far(tmp_path):
    path = tmp_path / "best.weights.h5"
    written = []

    class Spy(BestModel):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            twin = plain_vae()
            twin.load_weights(path)
            written.append(float(twin.get_kl_weight()))

    run(Spy(path=path), [5, 6, 3, 4])
    assert written == [0.0, 0.0, 2.0, 2.0]
    assert [file.name for file in tmp_path.iterdir()] == ["best.weights.h5"]  # no temporary file is left


def test_restored_weights_are_the_files_after_training(tmp_path):
    model = compiled(plain_vae(), run_eagerly=True)
    best = BestModel(path=tmp_path / "best.weights.h5")
    monitor = ValidationMonitor(examples(20, 5), verbose=False)
    history = fit(model, examples(40), 16, 6, callbacks=[monitor, best]).history
    assert best.best_epoch == int(np.argmin(history["val_negative_elbo"]))
    twin = plain_vae(seed=1)
    twin.load_weights(tmp_path / "best.weights.h5")
    assert same(weights(twin), weights(model))


def test_file_is_checked_when_training_starts(tmp_path):
    model, x = compiled(plain_vae(), run_eagerly=True), examples(8)
    (tmp_path / "best.weights.h5").write_text("earlier")
    for path in (tmp_path / "best.weights.h5", tmp_path / "best.weights.h5" / "deeper.weights.h5"):
        with pytest.raises(ValueError, match=r"^Argument `path` must .*Received: path="):
            fit(model, x, 8, 1, callbacks=[ValidationMonitor(x, verbose=False), BestModel(path=path)])
    assert int(model.optimizer.iterations) == 0
    assert (tmp_path / "best.weights.h5").read_text() == "earlier"
    (tmp_path / "folder.weights.h5").mkdir()
    with pytest.raises(ValueError, match=r"^Argument `path` must hold no folder named folder\.weights\.h5"):
        fit(model, x, 8, 1, callbacks=[BestModel(path=tmp_path / "folder.weights.h5", overwrite=True)])
    for path in (tmp_path / "best.weights.h5", tmp_path / "new" / "best.weights.h5"):
        best = BestModel(path=path, overwrite=True)
        fit(model, x, 8, 1, callbacks=[ValidationMonitor(x, verbose=False), best])
        plain_vae().load_weights(path)


def test_refuses():
    for warmup_end in (-1, np.nan, "3"):
        with pytest.raises(ValueError, match="Argument `warmup_end` must be a finite number >= 0"):
            BestModel(warmup_end)
    for name, value, must in (
        ("path", 3, "a path that ends in .weights.h5"),
        ("monitor", 3, "the name of a figure in the logs"),
        ("restore", "yes", "True or False"),
        ("overwrite", 1, "True or False"),
    ):
        with pytest.raises(ValueError, match=rf"^Argument `{name}` must be {must}\. Received: {name}={value!r}\.$"):
            BestModel(**{name: value})
    with pytest.raises(ValueError, match="Argument `path` must end in .weights.h5. Received: path='best.keras'"):
        BestModel(path="best.keras")
    with pytest.raises(ValueError, match="`monitor` must be among the logs: .*kl_loss.*such as ValidationMonitor"):
        fit(compiled(plain_vae(), run_eagerly=True), examples(8), 8, 1, callbacks=[BestModel()])
