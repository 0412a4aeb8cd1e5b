"""A zoo of trainings, each broken on purpose in one way or left alone, and what the diagnosis says of it.

What is drawn of a training (data, split, sizes, learning rate, strength of the intervention) is a function of the
stream, the label and the number. Thresholds of the diagnosis and strengths of the interventions were set on the first
four streams; the stream "test", which makes `evidence/zoo.csv`, was looked at once, after that.

Usage: python book/tools/zoo.py [--stream thresholds --numbers 12 --output FILE]
"""

from __future__ import annotations

import argparse
import io
import math
import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pandas as pd

from evidence import store
from vaelib import (
    BetaVAE,
    CollapseMonitor,
    CosineBetaScheduler,
    CyclicalBetaScheduler,
    Dataset,
    LinearBetaScheduler,
    Objective,
    SigmoidBetaScheduler,
    TrainingResult,
    build_vae,
    covariance_spectrum,
    diagnose,
    diagnose_arrays,
    encode,
    linear_vae_optimum,
    load_dataset,
    load_sprites,
    predict_collapse,
    train_vae,
)
from vaelib.schedules.base import first_peak

LABELS = (
    *("healthy", "collapsed", "partly collapsed", "exploding KL", "mis-scaled loss"),
    *("unfinished schedule", "dead log-variance gradient", "overfitting"),
)
STREAMS = {"thresholds": 1, "rehearsal": 2, "first-test": 3, "second-test": 4, "test": 5}
NUMBERS = 72  # trainings of each label
WORKERS = 2
DATA = ("sklearn.datasets.load_digits", "sklearn.datasets.load_breast_cancer")
SIZES = {"digits": (600, 1000, 1797), "sprites": (800, 1500), "breast_cancer": (569,)}
HIDDEN = ((64, 32), (128, 64), (64,), (128,))


class Draws:
    """Random choices of one training."""

    def __init__(self, stream: str, label: str, number: int) -> None:
        self._random = np.random.default_rng(
            [STREAMS[stream], LABELS.index(label) if label in LABELS else len(LABELS), number]
        )

    def one_of(self, *values: Any, p: tuple[float, ...] | None = None) -> Any:
        """Returns one of the values."""
        return values[self._random.choice(len(values), p=p)]

    def uniform(self, low: float, high: float) -> float:
        """Returns a number between the two, to four digits."""
        return float(f"{self._random.uniform(low, high):.4g}")

    def logarithmic(self, low: float, high: float) -> float:
        """Returns a number between the two whose logarithm is uniform, to four digits."""
        return float(f"{math.exp(self._random.uniform(math.log(low), math.log(high))):.4g}")

    def integer(self, low: int, high: int) -> int:
        """Returns an integer from `low` to `high`, both included."""
        return int(self._random.integers(low, high + 1))


def drawn(stream: str, label: str, number: int) -> tuple[dict[str, Any], Draws]:
    """Returns what any training draws, and the draws to go on with."""
    draws = Draws(stream, label, number)
    data = draws.one_of("digits", "sprites", "breast_cancer", p=(0.45, 0.25, 0.3))
    dense_only = data == "breast_cancer" or label == "overfitting"
    setting = {
        "label": label,
        "number": number,
        "data": data,
        "examples": draws.one_of(*SIZES[data]),
        "split_seed": draws.integer(0, 999),
        "seed": draws.integer(0, 999),
        "architecture": draws.one_of("dense", "convolutional", p=(0.8, 0.2)) if not dense_only else "dense",
        "hidden": draws.one_of(*HIDDEN),
        "latent_dim": draws.one_of(4, 8, 16, 24),
        "learning_rate": draws.logarithmic(7e-4, 3e-3),
        "batch_size": draws.one_of(32, 64, 128),
        "steps": draws.integer(700, 1500),
        "kl_weight": draws.logarithmic(0.7, 1.4),
        "warm_up": draws.one_of("none", "linear", "cosine"),
        "warm_up_share": draws.uniform(0.1, 0.5),
        "dropout": draws.one_of(0.0, 0.1),
        "batch_norm": draws.one_of(True, False, p=(0.7, 0.3)),
        "bounds": draws.one_of("none", "hard", "soft", "kl_clip", p=(0.7, 0.1, 0.1, 0.1)),  # far out: harmless
        "restore_best": True,
    }
    setting["pixels"] = draws.one_of(16, 32, p=(0.7, 0.3)) if data == "sprites" else 0
    if setting["architecture"] == "convolutional":
        setting["pixels"] = min(setting["pixels"], 16)
    other = {"digits": ("continuous_bernoulli", "bernoulli"), "sprites": ("bernoulli",)}.get(data, ("gaussian",))
    setting["likelihood"] = draws.one_of("gaussian", draws.one_of(*other), p=(0.7, 0.3))
    return setting, draws


def load(setting: dict[str, Any]) -> Dataset:
    """Returns the data of a training."""
    if setting["data"] == "sprites":
        return load_sprites(setting["examples"], size=setting["pixels"], split_seed=setting["split_seed"])
    everything = setting["examples"] == max(SIZES[setting["data"]])
    dataset = load_dataset(setting["data"], setting["split_seed"], n=None if everything else setting["examples"])
    if setting["data"] == "digits" and setting["likelihood"] == "bernoulli":
        parts = (dataset.x_train, dataset.x_val, dataset.x_test)
        return Dataset("binary digits", *((part > 0.5).astype("float32") for part in parts))
    return dataset


def prepared(stream: str, label: str, number: int) -> tuple[dict[str, Any], Dataset, Objective, dict[str, Any]]:
    """Returns setting, data, objective and model options of a training, its intervention made."""
    setting, draws = drawn(stream, label, number)
    dataset = load(setting)
    x, units = dataset.x_train, setting["latent_dim"]
    n_pixels = math.prod(dataset.input_shape)
    loss: dict[str, Any] = {"likelihood": setting["likelihood"]}
    if "bernoulli" in setting["likelihood"]:  # without a ramp such a model may collapse at β = 1, by itself
        setting["warm_up"], setting["warm_up_share"] = draws.one_of("linear", "cosine"), draws.uniform(0.3, 0.5)
    bounds, form = (-12.0, 8.0), setting["bounds"]
    if label == "healthy":
        setting["kl_weight"] *= as_sound_otherwise(draws, loss, x, units)
    elif label == "collapsed":
        threshold = predict_collapse(x, Objective(**loss), 1.0, units).collapse_weight
        setting["kl_weight"] = draws.logarithmic(2.5, 10.0) * threshold
    elif label == "partly collapsed":
        beta, variance = partial_collapse(draws, x, units)
        loss = {"likelihood": "gaussian", "sigma2": variance}
        setting["kl_weight"] = beta
        # a weight that is there from the start may collapse all of a model that a ramp leaves in part
        setting["warm_up"], setting["warm_up_share"] = draws.one_of("linear", "cosine"), draws.uniform(0.5, 0.8)
    elif label == "exploding KL":
        kind = draws.one_of("tiny weight", "no weight", "tiny weight of means", p=(0.5, 0.2, 0.3))
        setting["kl_weight"] = 0.0 if kind == "no weight" else draws.logarithmic(1e-5, 1e-3)
        if kind == "tiny weight of means":
            loss = {"likelihood": "mse", "reconstruction_scale": "mean", "kl_scale": "mean"}
            fitted = linear_vae_optimum(x, units, 1.0, "learned").sigma2
            setting["kl_weight"] *= 2 * fitted * units / n_pixels  # the weight at which β is 1
    elif label == "mis-scaled loss":
        loss, setting["kl_weight"] = mis_scaled_loss(draws, x, units), 1.0
    elif label == "dead log-variance gradient":
        form = draws.one_of("kl_clip", "hard", "soft")
        bounds = (draws.uniform(-1.0, -0.2), 2.0)
    elif label == "overfitting":
        few = draws.integer(20, 50)
        dataset = Dataset(dataset.name, x[:few], dataset.x_val, dataset.x_test)
        setting |= {"hidden": (256, 128), "dropout": 0.0, "batch_norm": False, "restore_best": False}
        setting |= {"batch_size": 32, "steps": draws.integer(2000, 3000)}
    if form == "kl_clip":
        loss["kl_clip"] = bounds
    setting["batch_size"] = min(setting["batch_size"], len(dataset.x_train))
    setting["epochs"] = max(5, round(setting["steps"] / math.ceil(len(dataset.x_train) / setting["batch_size"])))
    setting["schedule"] = schedule(label, setting, draws)
    setting |= {"likelihood": loss["likelihood"], "loss": repr(Objective(**loss)), "bounds": form}
    setting["train_examples"] = len(dataset.x_train)
    options = {"log_var_bounds": bounds, "log_var_form": form} if form in ("hard", "soft") else {}
    return setting, dataset, Objective(**loss), options


def as_sound_otherwise(draws: Draws, loss: dict[str, Any], x: np.ndarray, units: int) -> float:
    """Gives a loss one of the forms that are as sound as the default; returns the factor of its KL weight."""
    kind = draws.one_of("default", "matched means", "matched variance", "free bits", p=(0.4, 0.2, 0.2, 0.2))
    fitted = reachable_variance(x, units)
    if kind == "free bits":
        loss["free_bits"] = draws.uniform(0.02, 0.2)
    elif loss["likelihood"] == "gaussian" and kind == "matched variance":
        loss["sigma2"] = fitted
    elif loss["likelihood"] == "gaussian" and kind == "matched means":
        loss |= {"likelihood": "mse", "reconstruction_scale": "mean", "kl_scale": "mean"}
        return float(2 * fitted * units / math.prod(x.shape[1:]))  # the weight at which β is 1
    return 1.0


def reachable_variance(x: np.ndarray, units: int) -> float:
    """Returns the decoder variance that a linear model fits at β = 1 with the units that a small network will use."""
    # on few numbers a small network does not reach the error of a linear model with all units
    return linear_vae_optimum(x, min(units, math.prod(x.shape[1:]) // 5), 1.0, "learned").sigma2


def partial_collapse(draws: Draws, x: np.ndarray, units: int) -> tuple[float, float]:
    """Returns a KL weight and the decoder variance, to be held, that a linear model leaves as its error under it.

    Held, because a fitted variance would rise with each lost unit and take the next one along.
    """
    spectrum = covariance_spectrum(x)
    levels = np.geomspace(1e-6, 1.0, 2001) * spectrum[0]  # βσ²: the error of each unit kept
    errors = (np.minimum(spectrum[:units], levels[:, None]).sum(axis=1) + spectrum[units:].sum()) / spectrum.size
    beta = draws.logarithmic(4.0, min(8.0, 0.6 * spectrum[0] / spectrum.mean()))
    error = errors[np.argmax(levels / errors >= beta)]
    return beta, float(f"{error:.4g}")


def mis_scaled_loss(draws: Draws, x: np.ndarray, units: int) -> dict[str, Any]:
    """Returns the arguments of an objective whose scales make a KL weight of 1 something else."""
    n_pixels, reachable = math.prod(x.shape[1:]), reachable_variance(x, units)
    kinds = ["mean error", "wide", "narrow", "mean likelihood"]
    if n_pixels / units / (2 * reachable) > 8:  # both means are a β of n_pixels / units at a variance of ½
        kinds.append("both means")
    kind = draws.one_of(*kinds)
    if kind == "both means":
        return {"likelihood": "mse", "reconstruction_scale": "mean", "kl_scale": "mean"}
    if kind == "mean error":
        return {"likelihood": "mse", "reconstruction_scale": "mean"}
    if kind == "mean likelihood":
        return {"likelihood": "gaussian", "reconstruction_scale": "mean"}
    if kind == "wide":
        variance = float(x.reshape(len(x), -1).var(axis=0).mean())
        return {"likelihood": "gaussian", "sigma2": draws.logarithmic(4.0, 20.0) * variance}
    return {"likelihood": "gaussian", "sigma2": reachable / draws.logarithmic(10.0, 1000.0)}


def schedule(label: str, setting: dict[str, Any], draws: Draws) -> Any:
    """Returns the schedule of a training, or its constant KL weight."""
    weight, epochs = setting["kl_weight"], setting["epochs"]
    if label == "unfinished schedule":
        kind = draws.one_of("linear", "cosine", "sigmoid", "cycles", p=(0.3, 0.2, 0.1, 0.4))
        if kind == "cycles":
            return CyclicalBetaScheduler(cycle_length=epochs / draws.integer(1, 4), max_beta=weight)
        rises = {"linear": LinearBetaScheduler, "cosine": CosineBetaScheduler, "sigmoid": SigmoidBetaScheduler}
        return rises[kind](max_beta=weight, warmup_epochs=epochs * draws.uniform(1.5, 4.5))
    warm_up = max(1.0, setting["warm_up_share"] * epochs)
    if weight == 0 or setting["warm_up"] == "none":
        return weight
    rises = {"linear": LinearBetaScheduler, "cosine": CosineBetaScheduler}
    return rises[setting["warm_up"]](max_beta=weight, warmup_epochs=warm_up)


def fitted(
    setting: dict[str, Any],
    dataset: Dataset,
    objective: Objective,
    options: dict[str, Any],
    callbacks: Sequence[Any] = (),
) -> TrainingResult:
    """Builds and trains the model of a setting; what callbacks print is left out."""
    dense = setting["architecture"] == "dense"
    model: BetaVAE = build_vae(
        dataset.input_shape,
        setting["latent_dim"],
        architecture=setting["architecture"],
        objective=objective,
        hidden=setting["hidden"] if dense else (32,),
        dropout=setting["dropout"],
        batch_norm=setting["batch_norm"],
        seed=setting["seed"],
        **({} if dense else {"filters": (8, 16)}),
        **options,
    )
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # of schedules that do not end, and of losses that break
        return train_vae(
            model,
            dataset,
            setting["epochs"],
            scheduler=setting["schedule"],
            batch_size=setting["batch_size"],
            learning_rate=setting["learning_rate"],
            restore_best=setting["restore_best"],
            callbacks=callbacks,
            verbose=0,
        )


def unseen(dataset: Dataset) -> np.ndarray:
    """Returns the examples that a model was not trained on."""
    return np.concatenate([dataset.x_val, dataset.x_test])


def row(member: tuple[str, str, int]) -> dict[str, Any]:
    """Returns a training (of a stream, with a label and a number) and what is said of it as one row of the table."""
    setting, dataset, objective, options = prepared(*member)
    scheduled = callable(setting["schedule"])
    x = unseen(dataset)
    first = first_peak(setting["schedule"], setting["epochs"]) if scheduled else 0.0
    watched = setting["label"] in ("healthy", "collapsed")
    monitor = CollapseMonitor(dataset.x_val, from_epoch=math.ceil(first))
    result = fitted(setting, dataset, objective, options, [monitor] if watched else [])
    known = setting["schedule"] if scheduled else None
    diagnosis = diagnose(result.model, x, history=result, scheduler=known)
    z_mean, z_log_var = encode(result.model, x)
    reconstructed = np.asarray(result.model(x, noise=result.model.evaluation_noise(len(x), np.int64(0))))
    alone = diagnose_arrays(x, reconstructed, z_mean, z_log_var)
    numbers = {f"measured_{name}": float(f"{value:.4g}") for name, value in diagnosis.numbers.items()}
    said = {
        "verdict": diagnosis.verdict,
        "findings": "; ".join(diagnosis.names),
        "findings_from_arrays_alone": "; ".join(alone.names),
        "monitor": "; ".join(monitor.found) if watched else "not watched",
    }
    return {"stream": member[0], **shown(setting), **said, **numbers}


def shown(setting: dict[str, Any]) -> dict[str, Any]:
    """Returns a setting as a row of a table can hold it."""
    return {key: value if isinstance(value, int | float | str) else str(value) for key, value in setting.items()}


def _one_thread() -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def in_processes(task: Callable[[Any], dict[str, Any]], arguments: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Yields the row of each training in turn, made in `WORKERS` processes of one thread each."""
    with multiprocessing.get_context("spawn").Pool(WORKERS, _one_thread, maxtasksperchild=40) as pool:
        yield from pool.imap(task, arguments)


def main() -> int:
    """Trains the zoo and stores its table."""
    parser = argparse.ArgumentParser(description="Trains the zoo and stores what the diagnosis says of it.")
    parser.add_argument("--stream", choices=STREAMS, default="test")
    parser.add_argument("--numbers", type=int, default=NUMBERS, help="trainings of each label")
    parser.add_argument("--labels", nargs="+", choices=LABELS, default=LABELS)
    parser.add_argument("--output", type=Path, help="a CSV file in place of evidence/zoo.csv")
    options = parser.parse_args()
    partial = options.stream != "test" or options.numbers != NUMBERS or tuple(options.labels) != LABELS
    if partial and not options.output:
        parser.error("evidence/zoo.csv holds all of the stream test: name an --output")
    table = []
    wanted = [(options.stream, label, number) for number in range(options.numbers) for label in options.labels]
    for entry in in_processes(row, wanted):
        table.append(entry)
        print(f"{len(table):4d}  {entry['label']} {entry['number']}: {entry['findings'] or 'healthy'}", flush=True)
        if options.output:
            pd.DataFrame(table).to_csv(options.output, index=False)
    if not options.output:
        parameters = {"stream": options.stream, "numbers": options.numbers}
        store("zoo", pd.DataFrame(table), Path(__file__), parameters, DATA)
    return 0


if __name__ == "__main__":
    sys.exit(main())
