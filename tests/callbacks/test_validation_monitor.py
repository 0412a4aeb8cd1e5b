import math

import keras
import numpy as np
import pytest
from scipy import special, stats
from small_models import N_PIXELS, compiled, evaluation_noise, examples, fit, numpy_forward, plain_vae, step_noise

from vaelib import BetaSchedule, Objective, ValidationMonitor

TRAIN, VAL = examples(20), examples(30, 9)
MEAN = {"reconstruction_scale": "mean", "kl_scale": "mean"}


def frozen(objective, beta=0.3, **options):
    """A model that training does not change, so that NumPy can say what its figures must be."""
    model = plain_vae(objective, beta=beta)
    return compiled(model, keras.optimizers.SGD(0.0), **(options or {"run_eagerly": True}))


def expected_figures(model, x_train, x_val, first_step, size=8):
    """Validation NLL at σ² (a function of it), KL, and the training error of an epoch, all by NumPy and scipy."""
    errors = []
    for i, start in enumerate(range(0, len(x_train), size)):
        batch = x_train[start : start + size]
        output = numpy_forward(model, batch, step_noise(model, len(batch), first_step + i))[2]
        errors.append(((batch - output) ** 2).reshape(len(batch), -1).mean(1))
    z_mean, z_log_var, output = numpy_forward(model, x_val, evaluation_noise(model, len(x_val)))
    kl = 0.5 * (np.exp(z_log_var) + z_mean**2 - 1 - z_log_var).sum(1).mean()

    def nll(sigma2):
        return -stats.norm.logpdf(x_val, output, math.sqrt(sigma2)).sum(axis=(1, 2)).mean()

    return nll, kl, np.concatenate(errors).mean(), output


@pytest.mark.parametrize("case", ["optimal", "fixed", "learned", "mse"])
@pytest.mark.parametrize("steps", [None, 3])  # eager, and a whole epoch of steps in one call
def test_figures_are_those_of_the_whole_validation_set(case, steps, capsys):
    objective = {
        "optimal": Objective(),
        "fixed": Objective(sigma2=0.5, **MEAN),
        "learned": Objective(sigma2="learned"),
        "mse": Objective("mse", **MEAN),
    }[case]
    model = frozen(objective, **({} if steps is None else {"steps_per_execution": steps}))
    if case == "learned":
        model.log_sigma2.assign(-1.5)
    history = fit(model, TRAIN, 8, 2, callbacks=[ValidationMonitor(VAL)]).history
    printed = capsys.readouterr().out.splitlines()
    for epoch in range(2):
        nll, kl, error, output = expected_figures(model, TRAIN, VAL, first_step=3 * epoch)
        reconstruction = {
            "optimal": nll(error),
            "fixed": nll(0.5) / N_PIXELS,
            "learned": nll(math.exp(-1.5)),
            "mse": np.mean((VAL - output) ** 2),
        }[case]
        scaled = kl / 2 if case in ("fixed", "mse") else kl
        figures = (reconstruction, scaled, 0.3, reconstruction + 0.3 * scaled, nll(error) + kl)
        names = ("val_reconstruction_loss", "val_kl_loss", "beta", "val_total_loss", "val_negative_elbo")
        for name, value in zip(names, figures, strict=True):
            assert history[name][epoch] == pytest.approx(value, rel=2e-4), name
        line = (
            f"epoch {epoch + 1}: validation reconstruction loss {history['val_reconstruction_loss'][epoch]:.6f}, "
            f"KL loss {history['val_kl_loss'][epoch]:.6f}, KL weight 0.300000, "
            f"total loss {history['val_total_loss'][epoch]:.6f}"
        )
        assert printed[epoch] == line
    # the error is the training steps': their noise differs from epoch to epoch, that of validation does not
    assert history["val_kl_loss"][0] == history["val_kl_loss"][1]
    assert history["val_negative_elbo"][0] != history["val_negative_elbo"][1]


def test_sigma2_never_comes_from_validation_data():
    """Against validation data far from the training data, the figure must be the NLL at the training error."""
    model = frozen(Objective())
    far = (VAL + 5).astype("float32")
    history = fit(model, TRAIN, 8, 1, callbacks=[ValidationMonitor(far, verbose=False)]).history
    nll, kl, error, output = expected_figures(model, TRAIN, far, 0)
    assert np.mean((far - output) ** 2) > 20 * error
    assert history["val_negative_elbo"][0] == pytest.approx(nll(error) + kl, rel=1e-3)


def test_binary_data_have_no_sigma2(capsys):
    model = frozen(Objective("bernoulli", reconstruction_scale="mean"))
    x_train, x_val = np.round(TRAIN), np.round(VAL)
    history = fit(model, x_train, 8, 1, callbacks=[ValidationMonitor(x_val, verbose=False)]).history
    z_mean, z_log_var, logits = numpy_forward(model, x_val, evaluation_noise(model, 30))
    nll = -stats.bernoulli.logpmf(x_val, special.expit(logits)).sum(axis=(1, 2)).mean()
    kl = 0.5 * (np.exp(z_log_var) + z_mean**2 - 1 - z_log_var).sum(1).mean()
    assert history["val_reconstruction_loss"][0] == pytest.approx(nll / N_PIXELS, rel=1e-4)
    assert history["val_negative_elbo"][0] == pytest.approx(nll + kl, rel=1e-4)
    assert capsys.readouterr().out == ""


def test_beta_is_the_epochs_own():
    model = frozen(Objective(sigma2=0.1))
    schedule = BetaSchedule(lambda epoch: epoch + 1.0, per="epoch")
    history = fit(model, TRAIN, 8, 3, callbacks=[schedule, ValidationMonitor(VAL, verbose=False)]).history
    assert history["beta"] == [1.0, 2.0, 3.0]
    total = np.add(history["val_reconstruction_loss"], np.multiply(history["beta"], history["val_kl_loss"]))
    np.testing.assert_allclose(history["val_total_loss"], total, rtol=1e-6)


def test_perfect_training_error_is_no_zero_variance():
    model = frozen(Objective())
    model.decoder.get_layer("decoder_output").kernel.assign(np.zeros((6, N_PIXELS)))
    zeros = np.zeros((8, 4, 3), "float32")
    history = fit(model, zeros, 8, 1, callbacks=[ValidationMonitor(zeros, verbose=False)]).history
    expected = N_PIXELS / 2 * (math.log(2 * math.pi) - 12)
    assert history["val_reconstruction_loss"][0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (VAL[:, :3], r"hold examples of shape \(4, 3\)"),
        (VAL[:0], "not be empty"),
        (np.where(VAL > 0.5, np.nan, VAL), "hold only finite numbers"),
        (VAL, "hold only 0 and 1"),
    ],
)
def test_refuses_before_training(data, message):
    model = frozen(Objective("bernoulli"))
    with pytest.raises(ValueError, match=rf"^Argument `validation_data` must {message}.*Received: validation_data="):
        fit(model, np.round(TRAIN), 8, 1, callbacks=[ValidationMonitor(data)])
    assert int(model.optimizer.iterations) == 0


def test_verbose_is_true_or_false():
    with pytest.raises(ValueError, match=r"^Argument `verbose` must be True or False\. Received: verbose='no'\.$"):
        ValidationMonitor(examples(9), verbose="no")
