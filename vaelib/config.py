"""Training configurations: what to train, in a JSON file or a dict, its keys checked before anything is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np

from vaelib._checks import argument_error, boolean, finite_float, positive_int, renamed
from vaelib._json import joined, json_copy, known_entries, read_object
from vaelib.data import Dataset, load_dataset
from vaelib.schedules import KL_ANNEALING_EPOCHS, HierarchicalBetaScheduler, LinearBetaScheduler
from vaelib.schedules._configured import configured
from vaelib.schedules.factory import parameter_names

LATENT_DIM, GROUP_DIM = 16, 8  # default units: of a model with one group, of each group of a hierarchical one
MODEL_OPTIONS = (
    *("architecture", "latent_dim", "local_dim", "condition_dim", "hidden", "filters", "batch_norm", "dropout"),
    *("decoder_dropout", "kernel_initializer", "head_initializer", "head_l2", "log_var_bounds", "log_var_form"),
    "bn_gamma",
)
OBJECTIVE_OPTIONS = (*("likelihood", "sigma2", "reconstruction_scale", "kl_scale", "free_bits", "capacity", "kl_clip"),)


@dataclass(frozen=True)
class TrainingConfig:
    """A training by its settings: data set, model, objective, schedule and length.

    The arguments are the keys of a configuration. In JSON they stand side by side, or the first ten of them, from
    `num_epochs` to `seed`, in an object `"training"`, with the last four beside it.

    Args:
        num_epochs: number of epochs, >= 1.
        beta_scheduler_type: a name that `get_beta_scheduler` knows, registered ones included. None: β rises in a
            straight line from 0 to 1 over `KL_ANNEALING_EPOCHS` epochs, but at most the first half of the training.
        beta_scheduler_params: the parameters of that type; for "hierarchical" `global_scheduler` and `local_scheduler`,
            each an object with "type" and the parameters of that type.
        hierarchical_beta_config: another name of `beta_scheduler_params` for the type "hierarchical".
        use_hierarchical_model: whether the model has global and local units; None: as the schedule does.
        batch_size: examples a step, >= 1.
        learning_rate: Adam's, > 0.
        early_stopping: stop after this many epochs without improvement; None: never.
        reduce_learning_rate: halve the learning rate after this many epochs without improvement; None: never.
        seed: integer >= 0; initial weights, the order of the data, noise and dropout are functions of it.
        dataset: a name that `load_dataset` knows, or a path.
        split_seed: seed of the division into training, validation and test data.
        model: options of `build_vae`, by name.
        objective: arguments of `Objective`, by name; with the schedule "capacity" it has a capacity.

    Raises:
        ValueError: if an argument has the wrong type or is out of range, if two of them contradict each other, or
            if a key is unknown. What `model` and `objective` hold is checked when they are built.

    >>> config = TrainingConfig(
    ...     num_epochs=30, beta_scheduler_type="cyclical", beta_scheduler_params={"cycle_length": 20, "max_beta": 0.5}
    ... )
    >>> config.scheduler()(0), config.scheduler()(10), config.scheduler()(20)
    (0.0, 0.5, 0.0)
    >>> TrainingConfig.from_dict({"training": {"beta_scheduler_type": "linear", "num_epoch": 10}})
    Traceback (most recent call last):
    ValueError: Argument `training.num_epoch` must be one of the keys 'num_epochs', 'beta_scheduler_type',
    'beta_scheduler_params', 'hierarchical_beta_config', 'use_hierarchical_model', 'batch_size', 'learning_rate',
    'early_stopping', 'reduce_learning_rate', 'seed'. Received: training.num_epoch=10. Did you mean 'num_epochs'?
    """

    num_epochs: int = 50
    beta_scheduler_type: str | None = None
    beta_scheduler_params: Mapping[str, Any] | None = None
    hierarchical_beta_config: Mapping[str, Any] | None = None
    use_hierarchical_model: bool | None = None
    batch_size: int = 64
    learning_rate: float = 1e-3
    early_stopping: int | None = None
    reduce_learning_rate: int | None = None
    seed: int = 0
    dataset: str = "digits"
    split_seed: int = 0
    model: Mapping[str, Any] = field(default_factory=dict)
    objective: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._set("num_epochs", positive_int("num_epochs", self.num_epochs))
        self._set("batch_size", positive_int("batch_size", self.batch_size))
        self._set("learning_rate", finite_float("learning_rate", self.learning_rate, minimum=0, exclusive=True))
        for name in ("early_stopping", "reduce_learning_rate"):
            if getattr(self, name) is not None:
                self._set(name, positive_int(name, getattr(self, name)))
        for name in ("seed", "split_seed"):
            self._set(name, positive_int(name, getattr(self, name), minimum=0))
        if self.split_seed >= 2**32:
            raise argument_error("split_seed", "be an integer between 0 and 2**32 - 1", self.split_seed)
        if not isinstance(self.dataset, str | os.PathLike) or not os.fspath(self.dataset):
            raise argument_error("dataset", "be the name of a data set or a path", self.dataset)
        self._set("dataset", os.fspath(self.dataset))
        for name, choices in {"model": MODEL_OPTIONS, "objective": OBJECTIVE_OPTIONS}.items():
            self._set(name, json_copy(name, known_entries(name, getattr(self, name), choices)))
        self._check_schedule_keys()
        if "capacity" in self.scheduler().parts:
            self._set("objective", {"capacity": 0.0, **self.objective})
        hierarchical = isinstance(self.scheduler(), HierarchicalBetaScheduler)
        if self.use_hierarchical_model is None:
            self._set("use_hierarchical_model", hierarchical)
        if boolean("use_hierarchical_model", self.use_hierarchical_model) != hierarchical:
            must = f"be {hierarchical} with this schedule"
            remedy = "The hierarchical model and the schedule 'hierarchical' need each other."
            raise argument_error("use_hierarchical_model", must, self.use_hierarchical_model, remedy)
        for name in ("latent_dim", "local_dim") if hierarchical else ("latent_dim",):
            if name in self.model:
                positive_int(f"model.{name}", self.model[name])
        if not hierarchical and self.model.get("local_dim"):
            must = "be left out without use_hierarchical_model"
            raise argument_error("model.local_dim", must, self.model["local_dim"])

    def _check_schedule_keys(self) -> None:
        given = {name: getattr(self, name) for name in ("beta_scheduler_params", "hierarchical_beta_config")}
        given = {name: params for name, params in given.items() if params is not None}
        for name, params in given.items():
            if self.beta_scheduler_type is None:
                raise argument_error("beta_scheduler_type", f"be given with {name}", None)
            self._set(name, json_copy(name, params))
        if self.hierarchical_beta_config is not None:
            if self.beta_scheduler_type != "hierarchical":
                must = "be 'hierarchical' with hierarchical_beta_config"
                raise argument_error("beta_scheduler_type", must, self.beta_scheduler_type)
            if len(given) == 2:
                must = "be left out with beta_scheduler_params, which says the same"
                raise argument_error("hierarchical_beta_config", must, self.hierarchical_beta_config)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Reads a JSON file.

        Raises:
            ValueError: if `path` is no file with one JSON object in UTF-8 (the error names line and column), repeats a
                key, or holds what `from_dict` refuses.
        """
        return cls.from_dict(read_object(path))

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Self:
        """Reads a configuration, flat or with its training keys under "training".

        Raises:
            ValueError: with the full path of the key, such as `training.beta_scheduler_params.cycle_length`, if it is
                unknown, stands in the wrong place, or has an unusable value. Of `model` and `objective` only the keys
                count.
        """
        if not isinstance(config, Mapping):
            raise argument_error("config", "be a mapping", config)
        _refuse_misplaced(config)
        if "training" not in config:
            return cls(**known_entries("", config, (*TRAINING_KEYS, *OTHER_KEYS, "training")))
        for key in TRAINING_KEYS:
            if key in config:
                raise argument_error(key, "stand inside 'training', as the other training keys do", config[key])
        own = known_entries("", config, ("training", *OTHER_KEYS))
        training = own.pop("training")
        for key in ("training", *OTHER_KEYS):
            if isinstance(training, Mapping) and key in training:
                where = "there once" if key == "training" else "beside 'training', not inside it"
                raise argument_error(f"training.{key}", f"stand {where}", training[key])
        training = known_entries("training", training, TRAINING_KEYS)
        try:
            return cls(**training, **own)
        except ValueError as error:
            raise renamed(
                error, lambda name: f"training.{name}" if name.split(".")[0] in TRAINING_KEYS else name
            ) from None

    def to_dict(self) -> dict[str, Any]:
        """Returns the configuration as JSON can hold it, nested, without the keys that are None."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}
        values = json_copy("config", values)
        training = {key: values.pop(key) for key in TRAINING_KEYS if key in values}
        return {"training": training, **values}

    def scheduler(self) -> Any:
        """Returns the schedule, built by `get_beta_scheduler`.

        >>> TrainingConfig(num_epochs=8).scheduler()
        LinearBetaScheduler(max_beta=1.0, warmup_epochs=4, min_beta=0.0)
        """
        if self.beta_scheduler_type is None:
            return LinearBetaScheduler(1.0, min(KL_ANNEALING_EPOCHS, self.num_epochs / 2))
        where = "beta_scheduler_params" if self.hierarchical_beta_config is None else "hierarchical_beta_config"
        params = getattr(self, where)
        return configured(self.beta_scheduler_type, {} if params is None else params, "beta_scheduler_type", where)

    def load(self) -> Dataset:
        """Loads the data set."""
        try:
            return load_dataset(self.dataset, self.split_seed)
        except ValueError as error:
            raise renamed(error, lambda name: "dataset" if name == "name_or_path" else name) from None

    def model_options(self, dataset: Dataset) -> dict[str, Any]:
        """Returns `model` with what it leaves open, for `build_vae`.

        That is 16 latent units, or 8 global and as many local ones, and for a hierarchical model the labels of the
        data set as its condition, where they are classes 0, 1, ….
        """
        default = GROUP_DIM if self.use_hierarchical_model else LATENT_DIM
        options: dict[str, Any] = {"latent_dim": self.model.get("latent_dim", default)}
        if self.use_hierarchical_model:
            options |= {"local_dim": options["latent_dim"], "condition_dim": _classes(dataset)}
        return {**options, **self.model, "seed": self.seed}

    def training_options(self) -> dict[str, Any]:
        """Returns what `train_vae` takes besides model and data."""
        names = ("batch_size", "learning_rate", "early_stopping", "reduce_learning_rate")
        own = {name: getattr(self, name) for name in names}
        return {"epochs": self.num_epochs, "scheduler": self.scheduler(), **own}

    def resolved(self, dataset: Dataset) -> Self:
        """Returns the configuration with everything written out that it leaves to defaults of schedule and model."""
        model = self.model_options(dataset)
        del model["seed"]
        if self.beta_scheduler_type is not None:
            return replace(self, model=model)
        params = self.scheduler().get_config()
        return replace(self, model=model, beta_scheduler_type=params.pop("type"), beta_scheduler_params=params)


OTHER_KEYS = ("dataset", "split_seed", "model", "objective")
TRAINING_KEYS = tuple(f.name for f in fields(TrainingConfig) if f.name not in OTHER_KEYS)


def _refuse_misplaced(config: Mapping[str, Any]) -> None:
    """Raises if an option of the schedule, the model or the objective stands outside its block."""
    nested = config.get("training")
    training, prefix = (nested, "training.") if isinstance(nested, Mapping) else (config, "")
    blocks = {
        f"{prefix}hierarchical_beta_config": parameter_names("hierarchical"),
        f"{prefix}beta_scheduler_params": parameter_names(training.get("beta_scheduler_type")),
        "model": MODEL_OPTIONS,
        "objective": OBJECTIVE_OPTIONS,
    }
    for path, place in {"": config, "training": training if prefix else {}}.items():
        for block, keys in blocks.items():
            for key in keys or ():
                if key in place:
                    raise argument_error(joined(path, key), f"stand inside {block!r}", place[key])


def _classes(dataset: Dataset) -> int:
    """Returns the number of classes where the labels are 0, 1, …, else 0."""
    if dataset.y_train is None or dataset.y_train.dtype.kind not in "iu":
        return 0
    labels = np.unique(np.concatenate([dataset.y_train, dataset.y_val, dataset.y_test]))
    return len(labels) if np.array_equal(labels, np.arange(len(labels))) else 0
