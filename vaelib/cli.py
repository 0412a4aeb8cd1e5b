"""The command `vaelib`, also `python -m vaelib`: trains a VAE, runs a batch, or reports on one."""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import shlex
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from vaelib._checks import argument_error, nearest, positive_int, renamed
from vaelib._files import atomic_path, refuse_earlier, refuse_folders
from vaelib.comparison.command import add_arguments, compare
from vaelib.comparison.report_command import add_report_arguments, report
from vaelib.config import MODEL_OPTIONS, OBJECTIVE_OPTIONS, TrainingConfig

POSITIONAL = ("command", "specification", "runs")
CONFIG, CURVES = "config.json", "tensorboard"  # what the command writes beside the files of train_vae


def main(argv: Sequence[str] | None = None, program: str = "vaelib") -> int:
    """Runs the command and returns its exit code.

    0 when all was done, 1 after a training whose loss broke or a batch with failures, 2 after something that was
    refused, 130 after Ctrl-C.

    Args:
        argv: the arguments; those of the process by default.
        program: how the user calls the command.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace", line_buffering=True)  # β on any terminal, a line when it is ready
    with warnings.catch_warnings():
        for category in (UserWarning, RuntimeWarning):
            warnings.simplefilter("always", category)
        warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
        try:
            options = _options(_parser(program), argv)
            if options.command == "report":
                return report(options)
            return compare(options, program) if options.command == "compare" else _train(options, program)
        except ValueError as error:
            if not str(error).startswith("Argument `"):
                raise
            print(f"error: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("interrupted before anything began: nothing was written", file=sys.stderr)
            return 130


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message[:1].upper()}{message[1:]}. See {self.prog} --help.\n")


def _parser(program: str) -> argparse.ArgumentParser:
    parser = _Parser(program, description="Trains variational autoencoders whose KL term behaves.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    text = "Trains a VAE, follows it on validation data and reports it on test data."
    train = commands.add_parser("train-vae", help="trains a VAE", description=text, allow_abbrev=False)
    train.add_argument("--config", metavar="FILE", help="a JSON configuration; the options below count before it")
    train.add_argument("--import", metavar="MODULE", help="a module of yours that registers a schedule")
    train.add_argument("--epochs", metavar="N", help="number of epochs (default: 50)")
    train.add_argument("--dataset", metavar="NAME_OR_PATH", help="a data set (default: digits)")
    train.add_argument("--seed", metavar="N", help="seed of weights, order, noise and dropout (default: 0)")
    train.add_argument(
        "--latent-dim", metavar="N", help="number of latent units (default: 16, or 8 global and 8 local)"
    )
    train.add_argument("--batch-size", metavar="N", help="examples a step (default: 64)")
    train.add_argument("--output", metavar="FOLDER", help="folder for the results (default: nothing is written)")
    again = train.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on with the training in the output folder")
    again.add_argument("--overwrite", action="store_true", help="start anew in a folder that holds earlier results")
    text = "Runs a notebook with every combination of parameters that a specification names, and keeps what is done."
    add_arguments(commands.add_parser("compare", help="runs a batch", description=text, allow_abbrev=False))
    text = "Writes what a batch says of the schedules: a page that opens with the answer, and a table."
    add_report_arguments(commands.add_parser("report", help="reports on a batch", description=text, allow_abbrev=False))
    return parser


def _options(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Parses the arguments; an unknown option is refused with the nearest one."""
    options, rest = parser.parse_known_args(argv)
    if rest:
        known = [f"--{name.replace('_', '-')}" for name in vars(options) if name not in POSITIONAL]
        option = rest[0].partition("=")[0]
        raise argument_error("option", f"be one of {', '.join(known)}", option, nearest(option, known))
    for name, minimum in {"epochs": 1, "seed": 0, "latent_dim": 1, "batch_size": 1, "workers": 1}.items():
        text = getattr(options, name, None)
        if text is not None:
            number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text
            setattr(options, name, positive_int(f"--{name.replace('_', '-')}", number, minimum))
    for name in ("config", "dataset", "output"):
        if getattr(options, name, None) == "":
            raise argument_error(f"--{name}", "not be empty", "")
    if options.command != "train-vae":
        return options
    if (module := getattr(options, "import")) is not None:
        _import(module)
    if options.resume and options.output is None:
        raise argument_error("--output", "be the folder of the training to resume", None)
    return options


def _import(module: str) -> None:
    """Imports a reader's module, from the current folder too."""
    sys.path.insert(0, str(Path.cwd()))
    try:
        importlib.import_module(module)
    except (ImportError, ValueError, TypeError) as error:
        must = "be the name of a Python module, found in this folder or installed"
        raise argument_error("--import", must, module, f"{str(error).capitalize()}.") from None


def _config(options: argparse.Namespace) -> TrainingConfig:
    """The configuration of the file, or of the training to resume, with the options in place of its values."""
    path = options.config
    if path is None and options.resume and (Path(options.output) / CONFIG).exists():
        path = Path(options.output) / CONFIG
    try:
        config = TrainingConfig() if path is None else TrainingConfig.from_file(path)
    except ValueError as error:
        raise renamed(error, lambda name: "--config" if name == "path" else name) from None
    given = {"num_epochs": options.epochs, "dataset": options.dataset}
    given |= {"seed": options.seed, "batch_size": options.batch_size}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if options.latent_dim is not None:
        changes["model"] = {**config.model, "latent_dim": options.latent_dim}
    return replace(config, **changes)


def _train(options: argparse.Namespace, program: str) -> int:
    config = _config(options)
    folder = None if options.output is None else Path(options.output)
    dataset = config.load()
    with _no_notices():
        import keras  # from here on the command takes seconds

        from vaelib.callbacks import TensorBoardLog
        from vaelib.training import train_vae
        from vaelib.training.result import FILES

    if folder is not None:
        refuse_folders("--output", folder, (*FILES, CONFIG))
        if not (options.resume or options.overwrite):
            remedy = "choose another folder, or add --resume or --overwrite"
            refuse_earlier("--output", folder, (*FILES, CONFIG, CURVES), remedy)
    model = _model(config, dataset)
    objective = {name: value for name, value in model.objective.get_config().items() if value is not None}
    config = replace(config.resolved(dataset), objective=objective)
    callbacks: list[keras.callbacks.Callback] = []
    began = False

    def begin(logs: Any) -> None:
        nonlocal began
        began = True
        print(_description(config, dataset, model, _where(folder, options.resume, model, dataset, config)))
        if folder is not None:
            with atomic_path(folder / CONFIG) as temporary:
                temporary.write_text(json.dumps(config.to_dict(), indent=4) + "\n", encoding="utf-8")

    if folder is not None:
        callbacks.append(TensorBoardLog(folder / CURVES, overwrite=options.overwrite or options.resume))
    callbacks.append(keras.callbacks.LambdaCallback(on_train_begin=begin))
    files = {"output": folder, "overwrite": options.overwrite, "resume": options.resume}
    try:
        result = train_vae(model, dataset, **config.training_options(), **files, callbacks=callbacks, verbose=2)
    except KeyboardInterrupt:
        if not began:
            raise
        print(_interrupted(folder, program, getattr(options, "import")), file=sys.stderr)
        return 130
    print(result)
    for path in [*result.files.values(), *([] if folder is None else [folder / CONFIG, folder / CURVES])]:
        print(path)
    return 0 if result.failure is None else 1


@contextmanager
def _no_notices() -> Iterator[None]:
    """Keeps what TensorFlow says while it is imported, past Python's own streams, away from the terminal."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    terminal, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nowhere)


def _model(config: TrainingConfig, dataset: Any) -> Any:
    """Builds the model; errors name the keys of the configuration."""
    from vaelib.models import build_vae
    from vaelib.objective import Objective

    try:
        objective = Objective(**config.objective)
    except ValueError as error:
        raise renamed(error, lambda name: f"objective.{name}") from None
    try:
        return build_vae(dataset.input_shape, objective=objective, **config.model_options(dataset))
    except ValueError as error:
        blocks = {**dict.fromkeys(OBJECTIVE_OPTIONS, "objective."), **dict.fromkeys(MODEL_OPTIONS, "model.")}
        raise renamed(error, lambda name: blocks.get(name, "") + name) from None


def _where(folder: Path | None, resume: bool, model: Any, dataset: Any, config: TrainingConfig) -> str:
    if folder is None or not resume:
        return "none: nothing is written" if folder is None else str(folder)
    epoch = int(model.optimizer.iterations) // math.ceil(len(dataset.x_train) / config.batch_size)
    return f"{folder}, resumed after epoch {epoch}" if epoch else f"{folder}, which holds no training to resume"


def _description(config: TrainingConfig, dataset: Any, model: Any, output: str) -> str:
    """Says what is trained, one line each."""
    scheduler, steps = config.scheduler(), math.ceil(len(dataset.x_train) / config.batch_size)
    weights = {name: part for name, part in scheduler.parts.items() if name != "capacity"}
    betas = {
        name: model.objective.effective_beta(part.bounds[1], model.n_pixels, dim) if part.bounds[1] < math.inf else None
        for (name, part), dim in zip(weights.items(), model.group_dims, strict=True)
    }
    tops = [
        f"{name.removesuffix('_kl_weight')} {'without bound' if beta is None else f'{beta:.4g}'}"
        for name, beta in betas.items()
    ]
    units = " + ".join(map(str, model.group_dims))
    condition = f", condition of {model.condition_dim}" if model.condition_dim else ""
    architecture = config.model.get("architecture", "dense")
    lines = {
        "data": repr(dataset),
        "model": f"{type(model).__name__}, {architecture}, {units} latent units{condition}, "
        f"{model.count_params():,} parameters",
        "objective": repr(model.objective),
        "schedule": repr(scheduler),
        "effective β": f"at the schedule's highest: {', '.join(tops).removeprefix('beta ')}",
        "training": f"{config.num_epochs} epochs of {steps} steps, batch size {config.batch_size}, "
        f"learning rate {config.learning_rate:g}, seed {config.seed}",
        "output": output,
    }
    return "\n".join(f"{name:<12} {text}" for name, text in lines.items())


def _interrupted(folder: Path | None, program: str, module: str | None) -> str:
    if folder is None:
        return "interrupted: nothing was written; with --output FOLDER a training can be resumed"
    own = "" if module is None else f" --import {shlex.quote(module)}"
    command = f"{program} train-vae{own} --output {shlex.quote(str(folder))} --resume"
    return f"interrupted: `{command}` goes on after the last whole epoch"
