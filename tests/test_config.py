"""Training configurations: those of the documents, both spellings, and one precise error for everything else."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from vaelib import (
    CosineBetaScheduler,
    CyclicalBetaScheduler,
    Dataset,
    HierarchicalBetaScheduler,
    LinearBetaScheduler,
    Objective,
    TrainingConfig,
    WarmRestartBetaScheduler,
    build_vae,
    get_beta_scheduler,
    register_beta_scheduler,
    train_vae,
)
from vaelib.config import MODEL_OPTIONS, OBJECTIVE_OPTIONS, OTHER_KEYS, TRAINING_KEYS

CONFIGS = ROOT / "configs"
LINEAR = {"max_beta": 0.5, "warmup_epochs": 4}
GLOBAL = {"type": "cosine", "max_beta": 0.01, "warmup_epochs": 10}
LOCAL = {"type": "cyclical", "cycle_length": 25, "min_beta": 0.0, "max_beta": 0.02, "wave_type": "cosine"}
BOTH = {"global_scheduler": GLOBAL, "local_scheduler": LOCAL}
HIERARCHICAL = HierarchicalBetaScheduler(CosineBetaScheduler(0.01, 10), CyclicalBetaScheduler(25, 0.0, 0.02, "cosine"))


# ---------------------------------------------------------------- the documents' configurations


def test_the_cyclical_file() -> None:
    config = TrainingConfig.from_file(CONFIGS / "cyclical_beta_config.json")
    assert config.num_epochs == 100
    assert config.beta_scheduler_type == "cyclical"
    assert config.beta_scheduler_params == {
        "cycle_length": 20,
        "min_beta": 0.0,
        "max_beta": 1.0,
        "wave_type": "cosine",
    }
    assert config.use_hierarchical_model is False
    assert config.scheduler() == CyclicalBetaScheduler(cycle_length=20, min_beta=0.0, max_beta=1.0, wave_type="cosine")
    assert [config.scheduler()(epoch) for epoch in (0, 10, 20, 90)] == pytest.approx([0, 1, 0, 1], abs=1e-12)


def test_the_warm_restart_file() -> None:
    config = TrainingConfig.from_file(CONFIGS / "warm_restart_config.json")
    assert config.num_epochs == 150
    assert config.beta_scheduler_type == "warm_restart"
    assert config.beta_scheduler_params == {
        "base_scheduler_type": "cosine",
        "base_scheduler_kwargs": {"max_beta": 1.0, "warmup_epochs": 20},
        "restart_interval": 40,
        "restart_multiplier": 1.2,
    }
    scheduler = config.scheduler()
    assert isinstance(scheduler, WarmRestartBetaScheduler)
    assert [scheduler.get_restart_info(epoch)["next_restart_epoch"] for epoch in (0, 40, 88)] == [40, 88, 146]


def test_the_hierarchical_file() -> None:
    config = TrainingConfig.from_file(CONFIGS / "hierarchical_config.json")
    assert config.num_epochs == 50  # the file has none: train_vae's own
    assert config.use_hierarchical_model is True
    assert config.beta_scheduler_type == "hierarchical"
    assert config.beta_scheduler_params is None
    assert config.hierarchical_beta_config == BOTH
    assert config.scheduler() == HIERARCHICAL
    assert config.scheduler()(12.5) == pytest.approx({"global_kl_weight": 0.01, "local_kl_weight": 0.02})


@pytest.mark.parametrize(
    ("name", "max_beta", "warmup", "epochs", "objective"),
    [
        ("training_improvements_config", 0.001, 5, 10, {}),
        ("kl_loss_fix_config", 0.0001, 10, 50, {"kl_clip": [-20, 2]}),
    ],
)
def test_the_files_of_the_two_kl_documents(
    name: str, max_beta: float, warmup: int, epochs: int, objective: dict[str, Any]
) -> None:
    config = TrainingConfig.from_file(CONFIGS / f"{name}.json")
    assert config.scheduler() == LinearBetaScheduler(max_beta, warmup, 0.0)
    assert config.num_epochs == epochs
    means = {"likelihood": "mse", "reconstruction_scale": "mean", "kl_scale": "mean"}
    assert config.objective == means | objective
    assert config.model["architecture"] == "convolutional"
    assert config.model["batch_norm"] is True
    assert config.model.get("head_l2") == (1e-4 if name == "kl_loss_fix_config" else None)
    model = build_vae((8, 8, 1), objective=Objective(**config.objective), **config.model_options(labelled([0, 1])))
    assert model.encoder.heads.l2 == config.model.get("head_l2", 0)


def test_the_folder_holds_nothing_else() -> None:
    known = {"cyclical_beta", "warm_restart", "hierarchical", "training_improvements", "kl_loss_fix"}
    assert {path.name for path in CONFIGS.glob("*.json")} == {f"{name}_config.json" for name in known}


FLAT = {  # as the schedulers document prints them, lines 19-29, 46-60, 77-96, 104-111, 161-171, 186-199, 207-228
    "cyclical": {
        "beta_scheduler_type": "cyclical",
        "beta_scheduler_params": {"cycle_length": 20, "min_beta": 0.0, "max_beta": 1.0, "wave_type": "cosine"},
    },
    "warm restart": {
        "beta_scheduler_type": "warm_restart",
        "beta_scheduler_params": {
            "base_scheduler_type": "cosine",
            "base_scheduler_kwargs": {"max_beta": 1.0, "warmup_epochs": 15},
            "restart_interval": 50,
            "restart_multiplier": 1.3,
        },
    },
    "hierarchical": {"beta_scheduler_type": "hierarchical", "beta_scheduler_params": BOTH},
    "training": {
        "beta_scheduler_type": "cyclical",
        "beta_scheduler_params": {"cycle_length": 25},
        "use_hierarchical_model": False,
    },
    "multi-level": {
        "use_hierarchical_model": True,
        "beta_scheduler_type": "hierarchical",
        "beta_scheduler_params": {
            "global_scheduler": {"type": "linear", "max_beta": 0.005, "warmup_epochs": 10},
            "local_scheduler": {
                "type": "cyclical",
                "cycle_length": 20,
                "min_beta": 0.0,
                "max_beta": 0.015,
                "wave_type": "triangle",
            },
        },
    },
    "mixed": {
        "beta_scheduler_type": "hierarchical",
        "hierarchical_beta_config": {
            "global_scheduler": {
                "type": "warm_restart",
                "base_scheduler_type": "cosine",
                "base_scheduler_kwargs": {"max_beta": 0.01, "warmup_epochs": 10},
                "restart_interval": 30,
                "restart_multiplier": 1.0,
            },
            "local_scheduler": {"type": "cyclical", "cycle_length": 15, "min_beta": 0.0, "max_beta": 0.02},
        },
    },
}


@pytest.mark.parametrize("name", FLAT)
def test_flat_and_nested_are_the_same(name: str) -> None:
    flat = TrainingConfig.from_dict(FLAT[name])
    assert flat == TrainingConfig.from_dict({"training": FLAT[name]}) == TrainingConfig(**FLAT[name])
    assert flat.use_hierarchical_model is (FLAT[name]["beta_scheduler_type"] == "hierarchical")
    params = flat.beta_scheduler_params or flat.hierarchical_beta_config
    assert flat.scheduler().type_name == FLAT[name]["beta_scheduler_type"]
    assert params == FLAT[name].get("beta_scheduler_params", FLAT[name].get("hierarchical_beta_config"))


def test_both_spellings_of_the_hierarchical_block_build_the_same_schedule() -> None:
    one = TrainingConfig(beta_scheduler_type="hierarchical", beta_scheduler_params=BOTH)
    other = TrainingConfig(beta_scheduler_type="hierarchical", hierarchical_beta_config=BOTH)
    assert one.scheduler() == other.scheduler() == HIERARCHICAL


def test_a_cosine_configuration_by_hand() -> None:
    config = TrainingConfig(beta_scheduler_type="cosine", beta_scheduler_params={"max_beta": 2, "warmup_epochs": 8})
    expected = [0.0, 2 * 0.5 * (1 - math.cos(math.pi / 4)), 1.0, 2.0, 2.0]
    assert [config.scheduler()(epoch) for epoch in (0, 2, 4, 8, 99)] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("epochs", "warmup"), [(1, 0.5), (2, 1), (10, 5), (19, 9.5), (20, 10), (21, 10), (500, 10)])
def test_the_default_schedule_rises_over_ten_epochs_or_half_a_shorter_training(epochs: int, warmup: float) -> None:
    assert TrainingConfig(num_epochs=epochs).scheduler() == LinearBetaScheduler(1.0, warmup, 0.0)


def test_registered_types_work_alone_and_inside_others() -> None:
    register_beta_scheduler("config_halves", _halves)
    alone = TrainingConfig.from_dict({"beta_scheduler_type": "config_halves", "beta_scheduler_params": {"start": 0.8}})
    assert [alone.scheduler()(epoch) for epoch in (0, 2)] == [0.8, 0.2]
    child = {"type": "config_halves", "start": 0.4}
    both = {"beta_scheduler_type": "hierarchical", "beta_scheduler_params": BOTH | {"local_scheduler": child}}
    assert TrainingConfig.from_dict(both).scheduler()(1)["local_kl_weight"] == 0.2
    assert TrainingConfig.from_dict(both).use_hierarchical_model is True


def _halves(start: float = 1.0) -> Any:
    return lambda epoch: start * 0.5**epoch


# ---------------------------------------------------------------- in step with the functions that read it


def defaults(function: Any) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}


def test_defaults_are_those_of_train_vae() -> None:
    theirs, config = defaults(train_vae), TrainingConfig()
    shared = ("batch_size", "learning_rate", "early_stopping", "reduce_learning_rate")
    assert [getattr(config, name) for name in shared] == [theirs[name] for name in shared]
    assert config.num_epochs == theirs["epochs"]
    assert set(config.training_options()) <= set(theirs)


def test_model_and_objective_keys_are_the_functions_arguments() -> None:
    elsewhere = {
        "input_shape",
        "objective",
        "beta",
        "seed",
    }  # from the data, a block of its own, the schedule, the training
    assert set(MODEL_OPTIONS) == set(defaults(build_vae)) - elsewhere
    assert set(OBJECTIVE_OPTIONS) == set(defaults(Objective))


def test_every_field_is_a_key() -> None:
    names = [field.name for field in dataclasses.fields(TrainingConfig)]
    assert names == [*TRAINING_KEYS, *OTHER_KEYS]


def test_the_book_lists_every_key_with_its_default() -> None:
    page = (ROOT / "book" / "api" / "command.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", page, re.MULTILINE))
    config = TrainingConfig()
    assert list(rows) == [*TRAINING_KEYS, *OTHER_KEYS]
    for name, text in rows.items():
        shown = re.findall("`([^`]*)`", text)
        if shown:
            assert json.loads(shown[0]) == getattr(config, name), name
        else:
            default = next(field.default for field in dataclasses.fields(config) if field.name == name)
            assert default is None, name


# ---------------------------------------------------------------- round trip


FULL = {
    "training": {
        "num_epochs": 7,
        "beta_scheduler_type": "linear",
        "beta_scheduler_params": LINEAR,
        "use_hierarchical_model": False,
        "batch_size": 32,
        "learning_rate": 0.01,
        "early_stopping": 3,
        "reduce_learning_rate": 2,
        "seed": 5,
    },
    "dataset": "wine",
    "split_seed": 2,
    "model": {"latent_dim": 4, "hidden": [8, 6]},
    "objective": {"free_bits": 0.1},
}


def test_to_dict_of_a_full_configuration_is_what_was_read() -> None:
    assert TrainingConfig.from_dict(FULL).to_dict() == FULL


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.json")), ids=lambda path: path.stem)
def test_round_trip_through_json(path: Path) -> None:
    config = TrainingConfig.from_file(path)
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict(), allow_nan=False))) == config


def test_numpy_numbers_schedulers_and_tuples_become_json() -> None:
    params = {
        "global_scheduler": CosineBetaScheduler(0.01, 10),
        "local_scheduler": LOCAL | {"cycle_length": np.int64(25)},
    }
    model = {"log_var_bounds": (-3.0, np.float32(2.0))}
    config = TrainingConfig(beta_scheduler_type="hierarchical", beta_scheduler_params=params, model=model)
    assert config.scheduler() == HIERARCHICAL
    assert config.model == {"log_var_bounds": [-3.0, 2.0]}
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))).scheduler() == HIERARCHICAL


def test_later_changes_of_what_was_given_or_returned_do_not_reach_it() -> None:
    given = json.loads(json.dumps(FULL))
    config = TrainingConfig.from_dict(given)
    given["training"]["beta_scheduler_params"]["max_beta"] = 9
    given["model"]["hidden"].append(99)
    config.to_dict()["training"]["beta_scheduler_params"]["max_beta"] = 9
    config.to_dict()["model"]["hidden"].append(99)
    assert config.to_dict() == FULL
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.num_epochs = 3  # type: ignore[misc]


def test_a_path_object_is_a_dataset() -> None:
    assert TrainingConfig(dataset=Path("my") / "data.npz").dataset == str(Path("my") / "data.npz")  # type: ignore[arg-type]


# ---------------------------------------------------------------- what it leaves open


def labelled(labels: Any) -> Dataset:
    x = np.random.default_rng(0).random((len(labels), 3))
    return Dataset("labelled", x, x, x, *[np.asarray(labels)] * 3)


def test_model_options_of_one_group() -> None:
    assert TrainingConfig(seed=3).model_options(labelled([0, 1])) == {"latent_dim": 16, "seed": 3}
    given = TrainingConfig(model={"latent_dim": 2, "condition_dim": 5}).model_options(labelled([0, 1]))
    assert given == {"latent_dim": 2, "condition_dim": 5, "seed": 0}


@pytest.mark.parametrize(
    ("labels", "condition_dim"),
    [([0, 1, 2, 1], 3), ([True, False], 2), ([1, 2, 3], 0), ([0, 2], 0), ([-1, 0, 1], 0), ([0.0, 1.0], 0)],
)
def test_labels_are_the_condition_of_a_hierarchical_model_where_they_are_classes(
    labels: list[Any], condition_dim: int
) -> None:
    config = TrainingConfig(**FLAT["hierarchical"])
    expected = {"latent_dim": 8, "local_dim": 8, "condition_dim": condition_dim, "seed": 0}
    assert config.model_options(labelled(labels)) == expected


def test_without_labels_there_is_no_condition_and_local_units_are_as_many_as_global_ones() -> None:
    x = np.random.default_rng(0).random((4, 3))
    data = Dataset("plain", x, x, x)
    config = TrainingConfig(**FLAT["hierarchical"], model={"latent_dim": 5})
    assert config.model_options(data) == {"latent_dim": 5, "local_dim": 5, "condition_dim": 0, "seed": 0}
    given = TrainingConfig(**FLAT["hierarchical"], model={"local_dim": 3, "condition_dim": 0})
    assert given.model_options(labelled([0, 1])) == {"latent_dim": 8, "local_dim": 3, "condition_dim": 0, "seed": 0}


def test_resolved_writes_out_schedule_and_model_and_trains_the_same() -> None:
    config = TrainingConfig(num_epochs=6)
    data = labelled([0, 1])
    resolved = config.resolved(data)
    assert resolved.beta_scheduler_type == "linear"
    assert resolved.beta_scheduler_params == {"max_beta": 1.0, "warmup_epochs": 3, "min_beta": 0.0}
    assert resolved.model == {"latent_dim": 16}
    assert resolved.training_options() == config.training_options()
    assert resolved.model_options(data) == config.model_options(data)
    assert resolved.resolved(data) == resolved
    hierarchical = TrainingConfig(**FLAT["mixed"]).resolved(data)
    assert hierarchical.model == {"latent_dim": 8, "local_dim": 8, "condition_dim": 2}
    assert hierarchical.hierarchical_beta_config == TrainingConfig(**FLAT["mixed"]).hierarchical_beta_config


def test_training_options_by_hand() -> None:
    assert TrainingConfig.from_dict(FULL).training_options() == {
        "epochs": 7,
        "scheduler": LinearBetaScheduler(0.5, 4),
        "batch_size": 32,
        "learning_rate": 0.01,
        "early_stopping": 3,
        "reduce_learning_rate": 2,
    }


def test_load_divides_by_the_split_seed_and_names_the_key() -> None:
    data = TrainingConfig(dataset="wine", split_seed=4).load()
    assert (data.name, data.split_seed) == ("wine", 4)
    with pytest.raises(ValueError, match=r"^Argument `dataset` must be one of .* Received: dataset='digit'\. Did you"):
        TrainingConfig(dataset="digit").load()
    with pytest.raises(ValueError, match=r"^Argument `split_seed` must "):
        TrainingConfig(split_seed=2**32).load()


# ---------------------------------------------------------------- refusals


def nested(**training: Any) -> dict[str, Any]:
    return {"training": training}


def linear(**params: Any) -> dict[str, Any]:
    return nested(beta_scheduler_type="linear", beta_scheduler_params=params)


def children(**changes: Any) -> dict[str, Any]:
    return nested(beta_scheduler_type="hierarchical", beta_scheduler_params=BOTH | changes)


def restarts(**params: Any) -> dict[str, Any]:
    return nested(beta_scheduler_type="warm_restart", beta_scheduler_params=params)


PARAMS = "training.beta_scheduler_params"
REFUSED: dict[str, tuple[Any, str, str]] = {  # configuration, the key that the error names, a piece of what it says
    # unknown keys
    "unknown parameter": (
        nested(beta_scheduler_type="cyclical", beta_scheduler_params={"cycle_lenght": 20}),
        f"{PARAMS}.cycle_lenght",
        "Did you mean 'cycle_length'?",
    ),
    "unknown parameter, flat": (
        {"beta_scheduler_type": "cyclical", "beta_scheduler_params": {"cycle_lenght": 20}},
        "beta_scheduler_params.cycle_lenght",
        "Did you mean 'cycle_length'?",
    ),
    "unknown training key": (nested(num_epoch=3), "training.num_epoch", "Did you mean 'num_epochs'?"),
    "unknown key, flat": ({"num_epoch": 3}, "num_epoch", "Did you mean 'num_epochs'?"),
    "unknown key beside training": (nested() | {"datasets": "digits"}, "datasets", "Did you mean 'dataset'?"),
    "children beside the others, flat": (
        {"beta_scheduler_type": "hierarchical", "global_scheduler": {"type": "linear"}},
        "global_scheduler",
        "stand inside 'hierarchical_beta_config'",
    ),
    "children without a type": (
        {"local_scheduler": {"type": "linear"}},
        "local_scheduler",
        "stand inside 'hierarchical_beta_config'",
    ),
    "children beside training": (
        nested() | {"global_scheduler": {"type": "linear"}},
        "global_scheduler",
        "stand inside 'training.hierarchical_beta_config'",
    ),
    "children inside training": (
        nested(global_scheduler={"type": "linear"}),
        "training.global_scheduler",
        "stand inside 'training.hierarchical_beta_config'",
    ),
    "a parameter outside its block": (
        {"beta_scheduler_type": "cyclical", "cycle_length": 3},
        "cycle_length",
        "stand inside 'beta_scheduler_params'",
    ),
    "a model option outside its block": (nested(latent_dim=3), "training.latent_dim", "stand inside 'model'"),
    "an objective's option outside its block": ({"sigma2": 0.1}, "sigma2", "stand inside 'objective'"),
    "child that has children": (
        children(global_scheduler={"type": "hierarchical"}),
        f"{PARAMS}.global_scheduler",
        "be a schedule of one number",
    ),
    "base that has children": (
        restarts(base_scheduler_type="hierarchical"),
        f"{PARAMS}.base_scheduler_type",
        "be an open-loop schedule of one number",
    ),
    "misspelt training": ({"trainning": {}}, "trainning", "Did you mean 'training'?"),
    "unknown model option": (nested() | {"model": {"latent_dims": 3}}, "model.latent_dims", "'latent_dim'?"),
    "unknown objective": (nested() | {"objective": {"free_bit": 3}}, "objective.free_bit", "'free_bits'?"),
    "seed in the model": (nested() | {"model": {"seed": 3}}, "model.seed", "be one of the keys 'architecture'"),
    "unknown child parameter": (
        children(local_scheduler=LOCAL | {"wave": "cosine"}),
        f"{PARAMS}.local_scheduler.wave",
        "Did you mean 'wave_type'?",
    ),
    "unknown child": (children(locl_scheduler=LOCAL), f"{PARAMS}.locl_scheduler", "Did you mean 'local_scheduler'?"),
    "unknown parameter of a base": (
        restarts(base_scheduler_kwargs={"warmup": 3}),
        f"{PARAMS}.base_scheduler_kwargs.warmup",
        "Did you mean 'warmup_epochs'?",
    ),
    "unknown parameter of a child's base": (
        nested(
            beta_scheduler_type="hierarchical",
            hierarchical_beta_config=BOTH
            | {"global_scheduler": {"type": "warm_restart", "base_scheduler_kwargs": {"min_bet": 0}}},
        ),
        "training.hierarchical_beta_config.global_scheduler.base_scheduler_kwargs.min_bet",
        "Did you mean 'min_beta'?",
    ),
    "a key of two lines": ({"num\nepochs": 3}, repr("num\nepochs"), "be one of the keys"),
    "a number for a key": ({3: 3}, "3", "be one of the keys"),
    # wrong nesting
    "training twice": ({"training": {"training": {"num_epochs": 3}}}, "training.training", "stand there once"),
    "training key beside training": (nested() | {"num_epochs": 3}, "num_epochs", "stand inside 'training'"),
    "model inside training": (nested(model={}), "training.model", "stand beside 'training', not inside it"),
    "dataset inside training": (nested(dataset="digits"), "training.dataset", "stand beside 'training'"),
    "parameters beside their block": (nested(cycle_length=3), "training.cycle_length", "be one of the keys"),
    "training is no object": ({"training": [1]}, "training", "be a mapping"),
    "training is null": ({"training": None}, "training", "be a mapping"),
    "no mapping": ([1], "config", "be a mapping"),
    "text": ("num_epochs", "config", "be a mapping"),
    # types and ranges
    "no type": (nested(beta_scheduler_params={}), "training.beta_scheduler_type", "be given with beta_scheduler_param"),
    "unknown type": (nested(beta_scheduler_type="cyclic"), "training.beta_scheduler_type", "Did you mean 'cyclical'?"),
    "type is a number": (nested(beta_scheduler_type=3), "training.beta_scheduler_type", "be one of 'constant'"),
    "type is a list": (nested(beta_scheduler_type=[]), "training.beta_scheduler_type", "be one of 'constant'"),
    "parameters are a list": (nested(beta_scheduler_type="linear", beta_scheduler_params=[]), PARAMS, "be a mapping"),
    "parameters are text": (nested(beta_scheduler_type="linear", beta_scheduler_params="x"), PARAMS, "be a mapping"),
    "parameter is text": (linear(max_beta="1"), f"{PARAMS}.max_beta", "be a finite number"),
    "parameter is true": (linear(max_beta=True), f"{PARAMS}.max_beta", "be a finite number"),
    "parameter is null": (linear(max_beta=None), f"{PARAMS}.max_beta", "be a finite number"),
    "parameter is NaN": (linear(warmup_epochs=math.nan), f"{PARAMS}.warmup_epochs", "be a finite number"),
    "parameter out of range": (linear(warmup_epochs=0), f"{PARAMS}.warmup_epochs", "> 0"),
    "minimum above maximum": (linear(min_beta=2), f"{PARAMS}.min_beta", "be <= max_beta = 1"),
    "wrong wave": (
        nested(beta_scheduler_type="cyclical", beta_scheduler_params={"wave_type": "sine"}),
        f"{PARAMS}.wave_type",
        "'triangle'",
    ),
    "base out of range": (
        restarts(base_scheduler_kwargs={"warmup_epochs": -1}),
        f"{PARAMS}.base_scheduler_kwargs.warmup_epochs",
        "> 0",
    ),
    "base is no mapping": (restarts(base_scheduler_kwargs=5), f"{PARAMS}.base_scheduler_kwargs", "be a mapping"),
    "base is an empty list": (restarts(base_scheduler_kwargs=[]), f"{PARAMS}.base_scheduler_kwargs", "be a mapping"),
    "unknown base": (restarts(base_scheduler_type="cosin"), f"{PARAMS}.base_scheduler_type", "mean 'cosine'?"),
    "base restarts": (restarts(base_scheduler_type="warm_restart"), f"{PARAMS}.base_scheduler_type", "not restart"),
    "interval": (restarts(restart_interval=0.5), f"{PARAMS}.restart_interval", "be an integer >= 1"),
    "child out of range": (
        children(global_scheduler=GLOBAL | {"max_beta": -1}),
        f"{PARAMS}.global_scheduler.max_beta",
        ">= 0",
    ),
    "child of two numbers": (
        children(global_scheduler={"type": "capacity"}),
        f"{PARAMS}.global_scheduler",
        "be a schedule of one number",
    ),
    **{
        f"{name} = {value!r}": (nested(**{name: value}), f"training.{name}", must)
        for name, must, values in [
            ("num_epochs", "be an integer >= 1", (0, -1, 2.0, "10", True, None, math.nan, [10])),
            ("batch_size", "be an integer >= 1", (0, 0.5, "64", False)),
            ("learning_rate", "be a finite number > 0", (0, -1, math.inf, math.nan, "fast", True, None)),
            ("early_stopping", "be an integer >= 1", (0, 1.5, "3", True)),
            ("reduce_learning_rate", "be an integer >= 1", (0, -2, {})),
            ("seed", "be an integer >= 0", (-1, 0.0, "0", True, None)),
            ("use_hierarchical_model", "be True or False", (0, 1, "true", [])),
            ("beta_scheduler_type", "be one of 'constant'", (True, {}, "")),
        ]
        for value in values
    },
    **{
        f"{name} = {value!r}": (nested() | {name: value}, name, must)
        for name, must, values in [
            ("dataset", "be the name of a data set or a path", (3, "", None, ["digits"], True, b"digits")),
            ("split_seed", "be an integer >= 0", (-1, 1.0, "0", None, True)),
            ("model", "be a mapping", (None, 16, "dense", [["latent_dim", 16]])),
            ("objective", "be a mapping", (None, "mse", [])),
        ]
        for value in values
    },
    "what JSON cannot hold": ({"model": {"hidden": {1, 2}}}, "model", "hold only what JSON can"),
    "an array": ({"model": {"hidden": np.ones(3)}}, "model", "hold only what JSON can"),
    # the hierarchical block
    "missing local": (
        nested(beta_scheduler_type="hierarchical", beta_scheduler_params={"global_scheduler": GLOBAL}),
        PARAMS,
        "hold 'local_scheduler'",
    ),
    "missing both": (nested(beta_scheduler_type="hierarchical"), PARAMS, "hold 'global_scheduler'"),
    "missing type": (
        children(local_scheduler={"max_beta": 0.1}),
        f"{PARAMS}.local_scheduler",
        "be a mapping with a 'type'",
    ),
    "child is no mapping": (children(local_scheduler=0.1), f"{PARAMS}.local_scheduler", "be a mapping with a 'type'"),
    "unknown child type": (
        children(local_scheduler={"type": "cosinus"}),
        f"{PARAMS}.local_scheduler.type",
        "Did you mean 'cosine'?",
    ),
    "both spellings": (
        nested(beta_scheduler_type="hierarchical", beta_scheduler_params=BOTH, hierarchical_beta_config=BOTH),
        "training.hierarchical_beta_config",
        "be left out with beta_scheduler_params",
    ),
    "its own spelling with another type": (
        nested(beta_scheduler_type="linear", hierarchical_beta_config=BOTH),
        "training.beta_scheduler_type",
        "be 'hierarchical' with hierarchical_beta_config",
    ),
    "its own spelling without a type": (
        nested(hierarchical_beta_config=BOTH),
        "training.beta_scheduler_type",
        "be given with hierarchical_beta_config",
    ),
    "hierarchical model, plain schedule": (
        nested(use_hierarchical_model=True, beta_scheduler_type="linear"),
        "training.use_hierarchical_model",
        "be False with this schedule",
    ),
    "hierarchical model, no schedule": (
        {"use_hierarchical_model": True},
        "use_hierarchical_model",
        "be False with this schedule",
    ),
    "hierarchical schedule, plain model": (
        nested(use_hierarchical_model=False, beta_scheduler_type="hierarchical", beta_scheduler_params=BOTH),
        "training.use_hierarchical_model",
        "be True with this schedule",
    ),
    "local units of a plain model": (nested() | {"model": {"local_dim": 4}}, "model.local_dim", "be left out without"),
    **{
        f"latent_dim = {value!r}": (
            children() | {"model": {"latent_dim": value}},
            "model.latent_dim",
            "be an integer >= 1",
        )
        for value in (0, "8", None, 2.0, True)
    },
    "no local units": (children() | {"model": {"local_dim": 0}}, "model.local_dim", "be an integer >= 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    config, name, says = REFUSED[case]
    with pytest.raises(ValueError, match=r"^Argument `[^`]+` must [^\n]+$") as caught:
        TrainingConfig.from_dict(config)
    text = str(caught.value)
    assert text.startswith(f"Argument `{name}` must ")
    assert f" Received: {name}=" in text
    assert says in text
    assert text.count("Argument `") == 1


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["linear", "cosine"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("type"), inner, max_size=3)
    ),
    max_leaves=5,
)
TYPES = {  # type: a sound set of its parameters
    **dict.fromkeys(("linear", "cosine", "exponential", "sigmoid"), LINEAR),
    "constant": {"beta": 0.5},
    "cyclical": FLAT["cyclical"]["beta_scheduler_params"],
    "warm_restart": FLAT["warm restart"]["beta_scheduler_params"],
    "hierarchical": BOTH,
    "reconstruction": {"levels": [[1.0, 0.1], [0.5, 1.0]], "unit": "mse"},
    "control": {"target_kl": 5.0},
    "geco": {"tolerance": 5.0, "unit": "nats"},
    "capacity": {"max_capacity": 5.0},
}


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_of_schedule_is_read_and_written(kind: str) -> None:
    config = TrainingConfig(beta_scheduler_type=kind, beta_scheduler_params=TYPES[kind])
    assert config.scheduler() == get_beta_scheduler(kind, **TYPES[kind])
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(sorted(TYPES)), data=st.data())
def test_any_value_anywhere_is_read_or_refused_in_one_sentence(kind: str, data: st.DataObject) -> None:
    config: dict[str, Any] = {"training": {"beta_scheduler_type": kind, "beta_scheduler_params": dict(TYPES[kind])}}
    blocks = [config, config["training"], config["training"]["beta_scheduler_params"]]
    if kind == "warm_restart":
        blocks[2]["base_scheduler_kwargs"] = dict(blocks[2]["base_scheduler_kwargs"])
        blocks.append(blocks[2]["base_scheduler_kwargs"])
    if kind == "hierarchical":
        blocks[2]["local_scheduler"] = dict(LOCAL)
        blocks.append(blocks[2]["local_scheduler"])
    for block in data.draw(st.lists(st.sampled_from(blocks), min_size=1, max_size=3)):
        keys = st.sampled_from([*sorted(block), "training", *TRAINING_KEYS, *OTHER_KEYS]) | st.text(max_size=5)
        block[data.draw(keys)] = data.draw(JSON)
    refusal = None
    try:
        read = TrainingConfig.from_dict(config)
    except ValueError as error:
        refusal = str(error)
    if refusal is None:
        assert TrainingConfig.from_dict(read.to_dict()) == read
    else:
        assert re.fullmatch(r"Argument `[^\n]+` must [^\n]+ Received: [^\n]+", refusal)


def test_a_factorys_own_errors_name_the_path() -> None:
    register_beta_scheduler("config_picky", _picky)
    config = nested(beta_scheduler_type="config_picky", beta_scheduler_params={"start": 2})
    with pytest.raises(ValueError, match=rf"^Argument `{PARAMS}.max_beta` must be a finite number >= 0\. Received"):
        TrainingConfig.from_dict(config)
    config["training"]["beta_scheduler_params"] = {"stop": 2}
    with pytest.raises(ValueError, match=rf"^Argument `{PARAMS}` must fit the factory of 'config_picky'"):
        TrainingConfig.from_dict(config)


def _picky(start: float) -> Any:
    return LinearBetaScheduler(-start)


# ---------------------------------------------------------------- files


FILES = {
    "empty": (b"", "which is empty"),
    "blank": (b" \n\t", "which is empty"),
    "no JSON": (b'{\n  "num_epochs": 3,\n}', "which is not JSON at line 3, column 1: "),
    "cut off": (b'{"training": {"num_epochs": 3', "which is not JSON at line 1, column 30: "),
    "two objects": (b"{}\n{}", "which is not JSON at line 2, column 1: Extra data"),
    "a list": (b"[]", "which holds a list"),
    "a string": (b'"linear"', "which holds a string"),
    "a number": (b"3", "which holds a number"),
    "true": (b"true", "which holds a truth value"),
    "null": (b"null", "which holds null"),
    "a key twice": (b'{"num_epochs": 3, "num_epochs": 4}', "which holds the key 'num_epochs' twice"),
    "training twice": (b'{"training": {}, "training": {}}', "which holds the key 'training' twice"),
    "a deep key twice": (
        b'{"training": {"beta_scheduler_type": "linear", "beta_scheduler_params": {"max_beta": 1, "max_beta": 2}}}',
        "which holds the key 'training.beta_scheduler_params.max_beta' twice",
    ),
    "twice in a list": (
        b'{"model": {"hidden": [1, {"a": 1, "a": 1}]}}',
        "which holds the key 'model.hidden[1].a' twice",
    ),
    "Latin 1": ('{"dataset": "größe"}'.encode("latin-1"), "which is not text in UTF-8"),
    "binary": (bytes(range(256)), "which is not text in UTF-8"),
    "too deep": (b"[" * 100_000, "which is nested too deeply"),
}


@pytest.mark.parametrize("case", FILES)
def test_refused_files(case: str, tmp_path: Path) -> None:
    content, says = FILES[case]
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^Argument `path` must be a file that holds one JSON object\.") as caught:
        TrainingConfig.from_file(path)
    assert f"Received: path='{path}', {says}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_such_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^Argument `path` must be a file .*, which cannot be read: No such file"):
        TrainingConfig.from_file(tmp_path / "none.json")
    with pytest.raises(ValueError, match=r"^Argument `path` must be a file .*, which cannot be read: Is a directory"):
        TrainingConfig.from_file(tmp_path)
    with pytest.raises(ValueError, match=r"^Argument `path` must be a file .*, which cannot be read: embedded null"):
        TrainingConfig.from_file("a\0b")


@pytest.mark.parametrize("path", [None, 3, "", b"config.json", True, math.nan, ["config.json"]])
def test_no_path(path: Any) -> None:
    with pytest.raises(ValueError, match=r"^Argument `path` must be the path of a JSON file\. Received: path="):
        TrainingConfig.from_file(path)


def test_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b'\xef\xbb\xbf{"num_epochs": 3}')
    assert TrainingConfig.from_file(path).num_epochs == 3


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "-1", "1" + "0" * 30])
def test_numbers_of_a_file_that_json_reads_and_no_training_has(number: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(f'{{"training": {{"num_epochs": {number}}}}}')
    with pytest.raises(ValueError, match=r"^Argument `training.num_epochs` must be an integer"):
        TrainingConfig.from_file(path)
