"""What `diagnose_arrays` refuses, and what it accepts in more than one form."""

import re

import keras
import numpy as np
import pandas as pd
import pytest
from linear_arrays import gaussian_data, optimum

from vaelib import Diagnosis, Finding, diagnose_arrays

ARRAYS = optimum(gaussian_data(), 0.05)


def with_nan(name):
    values = ARRAYS[name].copy()
    values[3, 1] = np.nan
    return {name: values}


@pytest.mark.parametrize(("changed", "message"), [
    (with_nan("x"), "`x` must hold only finite numbers. Received: x=an array of shape (400, 10) with 1 value"),
    (with_nan("x_reconstructed"), "`x_reconstructed` must hold only finite numbers."),
    (with_nan("z_mean"), "`z_mean` must hold only finite numbers."),
    (with_nan("z_log_var"), "`z_log_var` must hold only finite numbers."),
    ({"x": np.ones((400, 10))}, "`x` must hold examples that differ: constant data has nothing to encode."),
    ({"x": ARRAYS["x"][:1]}, "`x` must have the shape (n, ...) with n >= 2. Received: x=an array of shape (1, 10)."),
    ({"x": [1.0, 2.0]}, "`x` must have the shape (n, ...) with n >= 2."),
    ({"x": "digits"}, "`x` must hold real numbers."),
    ({"x_reconstructed": ARRAYS["x"][:, :9]}, "`x_reconstructed` must have the shape of x, (400, 10)."),
    ({"z_mean": ARRAYS["z_mean"][:399]}, "`z_mean` must have one row for each of the 400 examples in x."),
    ({"z_log_var": ARRAYS["z_log_var"][:399]}, "`z_log_var` must have one row for each of the 400 examples in x."),
    ({"z_log_var": ARRAYS["z_log_var"][:, :2]}, "`z_log_var` must have the shape of z_mean, (400, 6)."),
    ({"z_mean": ARRAYS["z_mean"][:, 0]}, "`z_mean` must have the shape (n, latent_dim)."),
    ({"training": 3}, "`training` must be a mapping. Received: training=3."),
    ({"training": {"weight": 1.0}}, "`training` must hold only the keys 'kl_weight', 'likelihood'"),
    ({"training": {"kl_wieght": 1.0}}, "Did you mean 'kl_weight'?"),
    ({"training": {"kl_weight": -1.0}}, "`training['kl_weight']` must be"),
    ({"training": {"kl_weight": True}}, "`training['kl_weight']` must be"),
    ({"training": {"kl_weight": np.nan}}, "`training['kl_weight']` must be"),
    ({"training": {"likelihood": "poisson"}}, "`training['likelihood']` must be one of 'gaussian', 'mse'"),
    ({"training": {"sigma2": 0.0}}, "`training['sigma2']` must be a finite number > 0"),
    ({"training": {"sigma2": "small"}}, "`training['sigma2']` must be 'optimal', 'learned' or a number > 0."),
    ({"training": {"sigma2": 1.0, "likelihood": "mse"}}, "must be left out with the likelihood 'mse'."),
    ({"training": {"kl_scale": "batch"}}, "`training['kl_scale']` must be one of 'sum', 'mean'"),
    ({"training": {"kl_scale": 0}}, "`training['kl_scale']` must be a finite number > 0"),
    ({"training": {"reconstruction_scale": [1]}}, "`training['reconstruction_scale']` must be"),
    ({"training": {"kl_clip": (2.0, -2.0)}}, "`training['kl_clip']` must be a pair (lower, upper) of finite"),
    ({"training": {"log_var_bounds": 3.0}}, "`training['log_var_bounds']` must be a pair (lower, upper), such as"),
    ({"training": {"log_var_bounds": (0.0, np.inf)}}, "`training['log_var_bounds']` must be a pair (lower, upper) of"),
    ({"training": {"log_var_form": "firm"}}, "`training['log_var_form']` must be one of 'hard', 'soft'"),
    ({"training": {"restored_epoch": -1}}, "`training['restored_epoch']` must be an integer >= 0"),
    ({"training": {"schedule": 1.0}}, "`training['schedule']` must be a callable from an epoch to beta."),
    ({"z_mean": np.ma.masked_equal(ARRAYS["z_mean"], ARRAYS["z_mean"][0, 0])}, "`z_mean` must hold no masked values."),
    ({"x": 1e31 * ARRAYS["x"]}, "`x` must hold numbers of at most 1e+30 in size."),
    ({"history": 3}, "`history` must be a table with one row an epoch and some of the columns beta, kl_loss"),
    ({"history": {"loss": [1.0]}}, "`history` must be a table with one row an epoch"),
    ({"history": {"beta": []}}, "`history['beta']` must not be empty."),
    ({"history": {"beta": ["a"]}}, "`history['beta']` must hold real numbers."),
    ({"history": {"beta": [1.0], "kl_loss": [1.0, 2.0]}}, "`history` must have columns of one length."),
    ({"history": {"beta": [[1.0]]}}, "`history['beta']` must have the shape (epochs,)"),
])  # fmt: skip
def test_refused(changed, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        diagnose_arrays(**{**ARRAYS, **changed})
    assert str(caught.value).startswith("Argument `")
    assert "\n" not in str(caught.value)


def test_images_and_their_flat_rows_are_one_case():
    images = {name: value.reshape(400, 5, 2, 1) if name.startswith("x") else value for name, value in ARRAYS.items()}
    assert diagnose_arrays(**images) == diagnose_arrays(**ARRAYS)


def test_float32_and_lists_are_accepted():
    lists = {name: value.astype("float32").tolist() for name, value in ARRAYS.items()}
    assert diagnose_arrays(**lists).numbers == pytest.approx(diagnose_arrays(**ARRAYS).numbers, rel=1e-5)


HISTORY = {"beta": [0.0, 0.5, 1.0], "val_negative_elbo": [9.0, 5.0, 4.0], "unknown": ["a", "b", "c"]}


def keras_history():
    history = keras.callbacks.History()
    history.history = HISTORY
    return history


@pytest.mark.parametrize("make", [lambda: HISTORY, lambda: pd.DataFrame(HISTORY), keras_history])
def test_histories_in_three_forms(make):
    diagnosis = diagnose_arrays(**ARRAYS, history=make())
    assert diagnosis.names == ("unfinished schedule",)
    assert set(diagnosis.not_assessed) == {"mis-scaled loss"}


class Tensor:
    """Refuses NumPy as a tensor does that requires a gradient."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


def test_a_tensor_that_requires_a_gradient_is_told_how_to_pass():
    with pytest.raises(ValueError, match=r"^Argument `z_mean` must be readable by NumPy\..*detach\(\)"):
        diagnose_arrays(**{**ARRAYS, "z_mean": Tensor()})


def test_perfect_reconstructions_need_no_loss():
    diagnosis = diagnose_arrays(**{**ARRAYS, "x_reconstructed": ARRAYS["x"]}, training={"kl_weight": 1.0})
    assert "an error above 0" in diagnosis.not_assessed["mis-scaled loss"]


FOUND = Finding("collapsed", "0 of 2 units <are> active.", "Lower the weight to 0.1.", "03-kl-collapse")


def test_text():
    text = str(Diagnosis((FOUND,), {"overfitting": "needs a history"}, {"active_units": 0, "rate": 0.12345}))
    assert text.splitlines() == [
        "verdict: collapsed",
        "1. collapsed",
        "   0 of 2 units <are> active.",
        "   Remedy: Lower the weight to 0.1.",
        "   Shown in: 03-kl-collapse",
        "not assessed: overfitting: needs a history",
        "measured: active units 0, rate 0.123",
    ]
    assert str(Diagnosis(())) == "verdict: healthy\nmeasured: "


def test_notebook_display_says_the_same_and_escapes_it():
    html = Diagnosis((FOUND,), {"overfitting": "needs a history"}, {"rate": 0.12345})._repr_html_()
    for part in ("Verdict: collapsed", "&lt;are&gt;", "Lower the weight to 0.1.", "03-kl-collapse", "needs a history"):
        assert part in html
    assert "<ol>" in html
    assert "<ol>" not in Diagnosis(())._repr_html_()
