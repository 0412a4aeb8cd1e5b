import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import N_PIXELS, SHAPE, compiled, examples, fit, plain_vae, same, weights

from vaelib import NaNGuard, Objective, StepLog, ValidationMonitor


class At(keras.callbacks.Callback):
    """Does something to the model before an optimizer step; keeps all variables after every execution."""

    def __init__(self, step, act):
        super().__init__()
        self.step, self.act, self.kept = step, act, {}

    def state(self):
        return weights(self.model) + [v.numpy() for v in self.model.optimizer.variables]

    def on_train_batch_begin(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == self.step:
            self.act(self.model)

    def on_train_batch_end(self, batch, logs=None):
        self.kept[int(self.model.optimizer.iterations)] = self.state()


def decoder_overflows(model):
    model.decoder.get_layer("decoder_output").bias.assign(np.full(N_PIXELS, 1e30))


def variance_overflows(model):
    """exp(100) is past float32, exp(50) is not; the decoder looks away."""
    model.encoder.z_log_var.bias.assign([100.0, 100.0])
    model.decoder.get_layer("decoder_0").kernel.assign(np.zeros((2, 5)))


def everything_breaks(model):
    model.encoder.z_mean.bias.assign([np.nan, 0.0])


@pytest.mark.parametrize(
    ("act", "terms"),
    [
        (decoder_overflows, r"reconstruction term \(inf\)"),
        (variance_overflows, r"KL term \(inf\)"),
        (everything_breaks, r"reconstruction term \(nan\) and the KL term \(nan\)"),
    ],
)
def test_message_names_step_and_term_and_everything_is_restored(act, terms):
    model = compiled(plain_vae(Objective("mse")), run_eagerly=True)
    guard, at = NaNGuard(), At(5, act)  # 3 steps an epoch: the last of the second
    with pytest.warns(RuntimeWarning, match=rf"no longer finite at step 5, in the {terms}\. The model keeps"):
        history = fit(model, examples(20), 8, 9, callbacks=[at, guard]).history
    assert "(after 5 steps)" in guard.message
    assert len(history["total_loss"]) == 2
    assert not np.isfinite(history["total_loss"][1])
    assert same(at.state(), at.kept[5])
    assert all(np.isfinite(value).all() for value in at.state())
    assert int(model.optimizer.iterations) == 5


def test_finite_terms_of_an_infinite_total():
    model = compiled(plain_vae(Objective("mse")), run_eagerly=True)
    guard = NaNGuard()
    with pytest.warns(RuntimeWarning, match="finite at step 1, in the total loss"):
        fit(model, examples(20), 8, 2, callbacks=[At(1, lambda model: model.beta.assign(3e38)), guard, Kl(model)])
    assert guard.message


class Kl(keras.callbacks.Callback):
    """Makes the KL exceed 2, so that a β of 3e38 overflows."""

    def __init__(self, model):
        super().__init__()
        model.encoder.z_mean.bias.assign([3.0, 3.0])


def test_broken_gradient_of_a_finite_loss():
    model = compiled(plain_vae(), run_eagerly=True)
    guard = NaNGuard()
    at = At(4, lambda model: setattr(model.optimizer, "learning_rate", np.inf))
    with pytest.warns(RuntimeWarning, match="step 4 had a finite loss but left weights that are not"):
        fit(model, examples(20), 8, 9, callbacks=[at, guard])
    assert same(at.state(), at.kept[4])
    assert int(model.optimizer.iterations) == 4


def test_gradient_that_is_not_a_number():
    @tf.custom_gradient
    def broken(z):
        return z, lambda upstream: upstream * np.nan

    model = compiled(plain_vae(), run_eagerly=True)
    decoder = model.decoder
    model.decoder = lambda z, training: broken(decoder(z, training=training))
    before = weights(model)
    with pytest.warns(RuntimeWarning, match=r"step 0 had a finite loss .*\(after 0 steps\)"):
        fit(model, examples(20), 8, 2, callbacks=[NaNGuard()])
    assert same(weights(model), before)


def spoiled(step, likelihood):
    """Two epochs of four batches of which one holds a pixel of 1e25, and a model in which it breaks one term.

    Reconstruction: the encoder is blind to that pixel, which is 0 everywhere else. KL: the decoder's logits
    are always 0, so that a Bernoulli's reconstruction does not see it, while the encoder's mean does.
    """
    x = np.concatenate([examples(32), examples(32)])
    x[:, 0, 0] = 0
    x[8 * step + 3, 0, 0] = 1e25
    model = plain_vae(Objective(likelihood))
    first = model.encoder.body.get_layer("encoder_0").kernel
    if likelihood == "mse":
        first.assign(first.numpy() * (np.arange(N_PIXELS) > 0)[:, None])
        return model, x
    for layer in (model.decoder.get_layer("decoder_output"), model.encoder.z_log_var):
        layer.kernel.assign(np.zeros(layer.kernel.shape))
        layer.trainable = False
    for layer in (model.encoder.body.get_layer("encoder_0"), model.encoder.body.get_layer("encoder_1")):
        layer.kernel.assign(np.abs(layer.kernel.numpy()))  # so that no ReLU hides it
    return model, x


@pytest.mark.parametrize("likelihood", ["mse", "bernoulli"])
@pytest.mark.parametrize(("per_execution", "step", "kept"), [(1, 6, 6), (2, 6, 6), (2, 5, 4), (4, 6, 4), (4, 2, 0)])
def test_executions_of_many_steps(likelihood, per_execution, step, kept):
    """The step is named exactly; the weights are those after the last execution without a break."""
    model, x = spoiled(step, likelihood)
    data = tf.data.Dataset.from_tensor_slices(x).batch(8)
    compiled(model, keras.optimizers.SGD(1e-3), steps_per_execution=per_execution)
    at, guard, log = At(0, lambda model: None), NaNGuard(), StepLog()
    at.set_model(model)
    initial = weights(model)
    term = {"mse": "reconstruction", "bernoulli": "KL"}[likelihood]
    with pytest.warns(RuntimeWarning, match=rf"no longer finite at step {step}, in the {term} term \(inf\)\. The"):
        model.fit(data, epochs=2, steps_per_epoch=4, verbose=0, shuffle=False, callbacks=[log, at, guard])
    assert same(weights(model), at.kept[kept][: len(initial)] if kept else initial)
    assert int(model.optimizer.iterations) == kept
    frame = log.frame()
    assert len(frame) == -(-(step + 1) // per_execution) * per_execution
    assert np.isfinite(frame.total_loss[:step]).all()
    assert not np.isfinite(frame.total_loss[step])


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_step_is_named_where_their_number_is_unknown():
    def generate():
        return (examples(8, seed) for seed in range(5))

    data = tf.data.Dataset.from_generator(generate, output_signature=tf.TensorSpec((None, *SHAPE)))
    model, log = compiled(plain_vae(Objective("mse"))), StepLog()
    monitor = ValidationMonitor(examples(9), verbose=False)
    with pytest.warns(RuntimeWarning, match=r"finite at step 3, in the reconstruction term \(inf\).*\(after 3 steps\)"):
        history = model.fit(
            data, verbose=0, shuffle=False, callbacks=[log, NaNGuard(), At(3, decoder_overflows), monitor]
        ).history
    assert np.isfinite(log.frame().total_loss).tolist() == [True, True, True, False]
    assert np.isfinite(history["val_negative_elbo"]).all()  # of the restored weights, with the error of three steps


def test_validation_of_an_epoch_without_a_finite_step_is_nan(capsys):
    model = compiled(plain_vae(), run_eagerly=True)
    monitor = ValidationMonitor(examples(9))
    with pytest.warns(RuntimeWarning):
        history = fit(model, examples(8), 8, 3, callbacks=[NaNGuard(), At(0, everything_breaks), monitor]).history
    for name in ("val_total_loss", "val_reconstruction_loss", "val_kl_loss", "val_negative_elbo"):
        assert np.isnan(history[name]).tolist() == [True]
    assert history["beta"] == [1.0]
    assert "total loss nan" in capsys.readouterr().out


def test_training_goes_on_afterwards():
    model, guard = compiled(plain_vae(), run_eagerly=True), NaNGuard()
    with pytest.warns(RuntimeWarning):
        fit(model, examples(20), 8, 2, callbacks=[guard, At(1, everything_breaks)])
    history = fit(model, examples(20), 8, 2, callbacks=[guard]).history
    assert guard.message is None
    assert np.isfinite(history["total_loss"]).all()
    assert len(history["total_loss"]) == 2
