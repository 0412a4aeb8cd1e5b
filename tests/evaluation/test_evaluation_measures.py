"""Every measure in one call: which apply, and that each is the one its name says."""

import numpy as np
import pytest
from small_models import SHAPE, examples, plain_vae, reused, small_dataset

from vaelib import (
    Dataset,
    Objective,
    build_vae,
    encode,
    example_terms,
    fit_sigma2,
    importance_weighted_bound,
    measures,
    negative_elbo,
    sample_quality,
    train_test_gap,
)
from vaelib.metrics import (
    active_units,
    chance_accuracy,
    dci_scores,
    linear_probe_accuracy,
    mutual_information,
    mutual_information_gap,
    rate,
    sample_quality_arrays,
    sap_score,
)

BARE = {"hidden": (6, 5), "batch_norm": False, "dropout": 0.0}
ALWAYS = {"active_units", "kl_per_unit", "rate", "distortion", "negative_elbo", "train_test_gap"}
BOUND = {"importance_weighted_bound"}
INFORMATION = {"mutual_information", "mutual_information_ceiling"}
PROBE = {"linear_probe_accuracy", "chance_accuracy"}
FRECHET = {"frechet_distance", "frechet_floor"}


def labelled(kind=int):
    parts = [examples(60, 0), examples(20, 1), examples(25, 2)]
    return Dataset("labelled", *parts, *[np.digitize(x.mean(axis=(1, 2)), [0.2, 0.3]).astype(kind) for x in parts])


def test_each_measure_is_the_one_it_is_called():
    model, data = reused(plain_vae), labelled()
    found = measures(model, data, samples=5, seed=3)
    assert set(found) == ALWAYS | {"sigma2"} | BOUND | INFORMATION | PROBE | FRECHET
    sigma2 = fit_sigma2(model, data.x_train)
    z_mean, z_log_var = encode(model, data.x_test)
    elbo = negative_elbo(model, data.x_test, sigma2)
    information = mutual_information(z_mean, z_log_var, seed=3)
    samples = np.array(model.generate(60, seed=3))
    quality = sample_quality_arrays(samples, data.x_train, data.y_train, data.x_test, seed=3)
    assert sample_quality(model, data, seed=3) == quality
    codes = encode(model, data.x_train)[0]
    np.testing.assert_allclose(found.pop("kl_per_unit"), example_terms(model, data.x_test).kl.mean(axis=0), rtol=1e-5)
    assert found == {
        "active_units": active_units(z_mean),
        "rate": elbo.kl,
        "distortion": elbo.reconstruction,
        "negative_elbo": elbo.negative_elbo,
        "train_test_gap": elbo.negative_elbo - negative_elbo(model, data.x_train, sigma2).negative_elbo,
        "sigma2": sigma2,
        "importance_weighted_bound": importance_weighted_bound(model, data.x_test, sigma2, 5, seed=3),
        "mutual_information": information.value,
        "mutual_information_ceiling": information.ceiling,
        "linear_probe_accuracy": linear_probe_accuracy(codes, data.y_train, z_mean, data.y_test),
        "chance_accuracy": chance_accuracy(data.y_train, data.y_test),
        "frechet_distance": quality.distance,
        "frechet_floor": quality.floor,
    }
    assert found["rate"] == pytest.approx(rate(z_mean, z_log_var), rel=1e-5)
    assert found["rate"] + found["distortion"] == pytest.approx(found["negative_elbo"])
    assert found["train_test_gap"] == train_test_gap(model, data)
    assert found["mutual_information_ceiling"] == np.log(25)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"samples": 0}, ALWAYS | {"sigma2"} | INFORMATION | PROBE | FRECHET),
        ({"samples": 1, "probe": False}, ALWAYS | {"sigma2"} | BOUND | INFORMATION | FRECHET),
        ({"samples": 0, "frechet": False}, ALWAYS | {"sigma2"} | INFORMATION | PROBE),
    ],
)
def test_what_is_not_asked_for_is_absent(options, expected):
    assert set(measures(reused(plain_vae), labelled(), **options)) == expected


@pytest.mark.parametrize("data", [small_dataset(), labelled(float)], ids=["no labels", "a continuous target"])
def test_without_classes_there_are_neither_probe_nor_distance(data):
    model = reused(plain_vae)
    assert set(measures(model, data, samples=0)) == ALWAYS | {"sigma2"} | INFORMATION
    with pytest.raises(ValueError, match="^Argument `dataset` must have integer labels of two classes or more"):
        sample_quality(model, data)


def test_binary_data_have_no_sigma2():
    found = measures(plain_vae(Objective("bernoulli")), labelled().binarized(0.3), samples=1, frechet=False)
    assert set(found) == ALWAYS | BOUND | INFORMATION | PROBE
    assert found["distortion"] > 0


@pytest.mark.parametrize("options", [{"condition_dim": 3}, {"local_dim": 3}, {"local_dim": 3, "condition_dim": 3}])
def test_conditional_and_hierarchical_models_have_measures(options):
    data, model = labelled(), build_vae(SHAPE, 2, **BARE, **options)
    found = measures(model, data, samples=2)
    information = set() if "local_dim" in options else INFORMATION
    assert set(found) == ALWAYS | {"sigma2"} | BOUND | information | PROBE | FRECHET
    assert found["kl_per_unit"].shape == (model.latent_dim,)
    assert found["kl_per_unit"].sum() == pytest.approx(found["rate"], rel=1e-5)


def test_a_gap_that_is_known():
    """Test data that are the training data leave no gap; an offset that training has not seen leaves one."""
    model, x = reused(plain_vae), examples(50)
    terms = example_terms(model, x)
    assert train_test_gap(model, Dataset("same", x, x, x)) == 0.0
    shifted = Dataset("shifted", x, x, x + 1.0)
    sigma2 = float(terms.distortion.mean(dtype="float64")) / 12
    expected = negative_elbo(model, x + 1.0, sigma2).negative_elbo - negative_elbo(model, x, sigma2).negative_elbo
    assert train_test_gap(model, shifted) == pytest.approx(expected)
    assert expected > 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": None}, "`model` must be a model of vaelib"),
        ({"dataset": examples(20)}, "`dataset` must be a vaelib.Dataset"),
        ({"dataset": Dataset("d", *[np.ones((9, 4, 4))] * 3)}, r"`dataset.x_train` must hold examples of shape \(4, 3"),
        ({"dataset": Dataset("d", examples(9), examples(9), examples(1))}, "`dataset` must hold two test examples"),
        ({"samples": -1}, "`samples` must be an integer >= 0"),
        ({"samples": True}, "`samples` must be an integer >= 0"),
        ({"seed": 1.5}, "`seed` must be an integer >= 0"),
        ({"probe": "yes"}, "`probe` must be True or False"),
        ({"frechet": 1}, "`frechet` must be True or False"),
    ],
)
def test_refuses(changed, message):
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        measures(**{"model": reused(plain_vae), "dataset": labelled(), **changed})


def test_a_class_that_training_lacks_is_refused():
    y = np.arange(20) % 2
    data = Dataset("d", examples(20), examples(20, 1), examples(20, 2), y, y, np.full(20, 7))
    message = r"^Argument `dataset.y_test` must hold only classes of y_train. Received: .*\[7\]"
    with pytest.raises(ValueError, match=message):
        measures(reused(plain_vae), data, samples=0)


def test_disentanglement_of_data_with_factors():
    rng = np.random.default_rng(0)
    factors = rng.integers(3, size=(105, 2))
    data = Dataset("factors", examples(60, 0), examples(20, 1), examples(25, 2), factors=factors)
    model = reused(plain_vae)
    assert set(measures(model, data, samples=0)) == ALWAYS | {"sigma2"} | INFORMATION
    found = measures(model, data, samples=0, disentanglement=True)
    codes, test_codes = encode(model, data.x_train)[0], encode(model, data.x_test)[0]
    both = codes, data.factors_train, test_codes, data.factors_test
    assert found["mutual_information_gap"] == mutual_information_gap(codes, data.factors_train)
    assert found["sap_score"] == sap_score(*both)
    for name in ("disentanglement", "completeness", "informativeness_train", "informativeness_test"):
        assert found[f"dci_{name}"] == getattr(dci_scores(*both), name)
    assert "dci_importance" not in found
    bare = measures(model, small_dataset(), samples=0, disentanglement=True)
    assert "sap_score" not in bare


def test_what_labels_and_factors_must_be_is_said_of_the_data_set():
    data = labelled()
    constant = Dataset("constant", 0 * data.x_train, data.x_val, data.x_test, data.y_train, data.y_val, data.y_test)
    with pytest.raises(ValueError, match=r"^Argument `dataset.x_train` must hold examples that differ"):
        measures(reused(plain_vae), constant, samples=0, probe=False)
    one_value = Dataset("one", data.x_train, data.x_val, data.x_test, factors=np.ones((105, 2), int))
    with pytest.raises(ValueError, match=r"^Argument `dataset.factors_train` must"):
        measures(reused(plain_vae), one_value, samples=0, disentanglement=True)
