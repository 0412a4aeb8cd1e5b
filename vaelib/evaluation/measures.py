"""Every measure of a trained model in one call, the train–test gap, and the distance of its samples from the data."""

from __future__ import annotations

from typing import Any

import numpy as np

from vaelib._checks import Described, argument_error, boolean, positive_int, renamed
from vaelib.data import Dataset
from vaelib.evaluation.importance import importance_weighted_bound
from vaelib.evaluation.terms import ExampleTerms, elbo_from, example_terms, sigma2_from
from vaelib.metrics import (
    Elbo,
    SampleQuality,
    active_units,
    chance_accuracy,
    dci_scores,
    linear_probe_accuracy,
    mutual_information,
    mutual_information_gap,
    sample_quality_arrays,
    sap_score,
)
from vaelib.models.vae import VAE, require_vae

MAX_SAMPLES = 10_000
_OF_DATASET = {  # what the measures of arrays call the parts of a data set
    "x_train": "dataset.x_train",
    "y_train": "dataset.y_train",
    "y_test": "dataset.y_test",
    "factors": "dataset.factors_train",
    "factors_test": "dataset.factors_test",
}


def measures(
    model: VAE,
    dataset: Dataset,
    *,
    samples: int = 50,
    probe: bool = True,
    frechet: bool = True,
    disentanglement: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Returns all measures of a model that apply, by name; of the test data unless said otherwise.

    ============================  ====================================================================================
    `active_units`                units whose posterior mean varies by more than 0.01
    `kl_per_unit`                 nats, (latent_dim,)
    `rate`                        their sum, nats per example
    `distortion`                  −log p(x|z), nats per example; rate and distortion make the negative ELBO
    `negative_elbo`               at β = 1, nats per example
    `sigma2`                      σ² of these, fitted on the training data; Gaussian likelihoods
    `importance_weighted_bound`   nats per example, unless `samples` is 0
    `train_test_gap`              negative ELBO of the test data less that of the training data
    `mutual_information`          nats, the estimator "sampled"; not of a hierarchical model, whose local units
                                  depend on the drawn global ones
    `mutual_information_ceiling`  log n
    `linear_probe_accuracy`       of the posterior means, fitted on the training data; with integer labels
    `chance_accuracy`             what always naming the commonest class reaches
    `frechet_distance`            of samples, in the features of a small classifier; with integer labels
    `frechet_floor`               that of as many training examples
    `mutual_information_gap`      of the training codes, with `disentanglement` and the data's factors
    `sap_score`                   fitted on the training codes, judged on the test codes; likewise
    `dci_…`                       `disentanglement`, `completeness`, `informativeness_train` and `…_test`; likewise
    ============================  ====================================================================================

    What does not apply is not in the result. In a hierarchical model the global units come first, and the means of the
    local ones are those under one draw of the global ones.

    Args:
        model: a VAE of vaelib, of any kind.
        dataset: the data that it was trained on.
        samples: draws of z for the importance-weighted bound, >= 0; 0 leaves it out.
        probe: whether to fit the linear probe.
        frechet: whether to train the classifier of the Fréchet distance.
        disentanglement: whether to compute MIG, SAP and DCI of data with factors, which takes up to a minute.
        seed: integer >= 0 of all draws.

    Raises:
        ValueError: if `model` is no VAE of vaelib, `dataset` no data of it, with one test example only or, where there
            are labels, with constant training data, the test labels hold a class that the training labels lack, a
            factor has one value only, or an argument is out of range.
    """
    train, test = _parts(model, dataset)
    for name, number in (("samples", samples), ("seed", seed)):
        positive_int(name, number, minimum=0)
    for name, choice in (("probe", probe), ("frechet", frechet), ("disentanglement", disentanglement)):
        boolean(name, choice)
    if len(dataset.x_test) < 2:
        raise argument_error("dataset", "hold two test examples or more", dataset)
    terms_train, terms = example_terms(model, train), example_terms(model, test)
    elbo_train, elbo = _elbos(model, terms_train, terms)
    found: dict[str, Any] = {
        "active_units": active_units(terms.z_mean),
        "kl_per_unit": terms.kl.mean(axis=0, dtype="float64"),
        "rate": elbo.kl,
        "distortion": elbo.reconstruction,
        "negative_elbo": elbo.negative_elbo,
        "train_test_gap": elbo.negative_elbo - elbo_train.negative_elbo,
    }
    if elbo.sigma2 is not None:
        found["sigma2"] = elbo.sigma2
    if samples:
        found["importance_weighted_bound"] = importance_weighted_bound(model, test, elbo.sigma2, samples, seed)
    if len(model.group_dims) == 1:
        information = mutual_information(terms.z_mean, terms.z_log_var, seed=seed)
        found["mutual_information"] = information.value
        found["mutual_information_ceiling"] = information.ceiling
    labels, factors, factors_test = _classes(dataset), dataset.factors_train, dataset.factors_test
    codes = terms_train.z_mean
    try:
        if labels is not None and probe:
            found["linear_probe_accuracy"] = linear_probe_accuracy(codes, labels[0], terms.z_mean, labels[1])
            found["chance_accuracy"] = chance_accuracy(*labels)
        if labels is not None and frechet:
            found["frechet_distance"], found["frechet_floor"], _ = sample_quality(model, dataset, seed=seed)
        if disentanglement and factors is not None and factors_test is not None:
            found["mutual_information_gap"] = mutual_information_gap(codes, factors)
            found["sap_score"] = sap_score(codes, factors, terms.z_mean, factors_test)
            scores = dci_scores(codes, factors, terms.z_mean, factors_test)._asdict()
            found |= {f"dci_{name}": score for name, score in scores.items() if name != "importance"}
    except ValueError as error:
        raise renamed(error, lambda name: _OF_DATASET.get(name, name)) from None
    return found


def train_test_gap(model: VAE, dataset: Dataset) -> float:
    """Returns the negative ELBO at β = 1 of the test data less that of the training data, in nats per example.

    σ² of a Gaussian likelihood is fitted on the training data. A large gap is overfitting.

    Args:
        model: a VAE of vaelib.
        dataset: the data that it was trained on.

    Raises:
        ValueError: if `model` is no VAE of vaelib, or `dataset` no data of it.
    """
    elbo_train, elbo = _elbos(model, *(example_terms(model, part) for part in _parts(model, dataset)))
    return elbo.negative_elbo - elbo_train.negative_elbo


def sample_quality(model: VAE, dataset: Dataset, *, seed: int = 0) -> SampleQuality:
    """Returns how far a model's samples are from the test data, and how far as many training examples are: the floor.

    As many samples as there are training examples, 10,000 at most; the decoder's means, not draws from its likelihood.
    With a condition they are drawn under those of training examples. What the distance can and cannot say:
    `sample_quality_arrays`.

    Args:
        model: a VAE of vaelib.
        dataset: the data that it was trained on, with integer labels.
        seed: integer >= 0 of the samples.

    Raises:
        ValueError: if `model` is no VAE of vaelib, or `dataset` no data of it or without classes.
    """
    train, _ = _parts(model, dataset)
    labels = _classes(dataset)
    if labels is None:
        remedy = "The distance is taken in the features of a classifier."
        raise argument_error("dataset", "have integer labels of two classes or more", dataset, remedy)
    n = min(len(dataset.x_train), MAX_SAMPLES)
    samples = model.generate(train[1][:n] if model.condition_dim else n, seed=positive_int("seed", seed, minimum=0))
    return sample_quality_arrays(np.asarray(samples), dataset.x_train, labels[0], dataset.x_test, seed=seed)


def _parts(model: VAE, dataset: Dataset) -> tuple[Any, Any]:
    """Returns training and test data as the model takes them, or raises."""
    require_vae("model", model)
    if not isinstance(dataset, Dataset):
        raise argument_error("dataset", "be a vaelib.Dataset", Described(type(dataset).__name__), "See load_dataset.")
    return model.inputs.of_dataset(dataset, "train"), model.inputs.of_dataset(dataset, "test")


def _elbos(model: VAE, train: ExampleTerms, test: ExampleTerms) -> tuple[Elbo, Elbo]:
    """Returns the negative ELBO of the training data, to which σ² is fitted, and of the test data."""
    sigma2 = sigma2_from(train, model.n_pixels) if model.objective.has_sigma2 else None
    return elbo_from(train, model.n_pixels, sigma2), elbo_from(test, model.n_pixels, sigma2)


def _classes(dataset: Dataset) -> tuple[Any, Any] | None:
    """Returns the labels for training and test if they are classes: integers, two different ones or more."""
    y = dataset.y_train
    if y is None or y.ndim != 1 or y.dtype.kind not in "bui" or len(np.unique(y)) < 2:
        return None
    return y, dataset.y_test
