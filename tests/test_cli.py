"""The command: what it trains, says and writes, how it goes on, and one line for each mistake."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from small_models import examples, reused
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from vaelib import TrainingConfig, ValidationMonitor, build_vae, load_vae
from vaelib.cli import _parser, main

CONFIGS = ROOT / "configs"
WRITTEN = {
    *("vae.weights.h5", "vae.keras", "history.csv", "vae_loss_plot.png", "training_state.npz"),
    *("config.json", "tensorboard"),
}
SMALL = {"hidden": [6, 5], "latent_dim": 2}  # a model that trains in no time
BLOCK = ("data", "model", "objective", "schedule", "effective β", "training", "output")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command runs in a folder of its own, beside which two small data sets lie."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    x = examples(70)
    np.save(tmp_path / "small.npy", x)
    np.savez(tmp_path / "labelled.npz", x=x, y=np.arange(70) % 3)


@pytest.fixture(autouse=True)
def models_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands in this process share the models of the same options, set back to their first weights."""

    def build(shape: Any, **options: Any) -> Any:
        return reused(lambda: build_vae(shape, **options), key=repr((shape, sorted(options.items()))))

    monkeypatch.setattr("vaelib.models.build_vae", build)


def run(*argv: Any, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, list[str]]:
    """Runs train-vae; returns the exit code, what it printed, and the lines of stderr."""
    try:
        code: Any = main(["train-vae", *map(str, argv)])
    except SystemExit as exit:
        code = exit.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err.splitlines()


def written(folder: str = ".") -> set[str]:
    return {path.name for path in Path(folder).iterdir()}


def config_file(name: str = "../run.json", **config: Any) -> str:
    """Writes a configuration of a small training beside the folder."""
    settings = {"training": {"num_epochs": 3, "batch_size": 25}, "dataset": "../small.npy", "model": SMALL}
    Path(name).write_text(json.dumps({**settings, **config}))
    return name


def block(out: str) -> dict[str, str]:
    """The lines before the first epoch, by their first words."""
    lines = out.split("\nepoch ")[0].splitlines()
    return {line[:12].strip(): line[12:].strip() for line in lines}


# ---------------------------------------------------------------- whole runs, in processes of their own


def test_the_documents_command_in_an_empty_folder() -> None:
    command = [sys.executable, "-m", "vaelib", "train-vae", "--epochs", "2"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}  # β and σ² on a terminal that has neither
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"^(error|warning|Traceback)", done.stderr, re.MULTILINE)
    assert "BetaVAE, dense, 16 latent units" in done.stdout
    assert [line[:19] for line in done.stdout.splitlines() if line.startswith("epoch")] == [
        "epoch 1: validation",
        "epoch 2: validation",
    ]
    assert "2 epochs, best epoch 1, test negative ELBO" in done.stdout
    assert written() == set()


def test_help_and_refusals_load_nothing_heavy() -> None:
    code = """
import sys
from vaelib.cli import main
for argv in (["--help"], ["train-vae", "--help"], ["train-vae", "--epochs", "x"], ["train-vae", "--config", "none"]):
    try:
        print("code", main(argv))
    except SystemExit as exit:
        print("code", exit.code)
print(sorted({"tensorflow", "keras", "matplotlib", "pandas"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.findall(r"^code (\d)", done.stdout, re.MULTILINE) == ["0", "0", "2", "2"]
    assert done.stdout.splitlines()[-1] == "[]"
    assert "--resume" in done.stdout


def test_the_console_script_is_the_same_command() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, name = project["scripts"]["vaelib"].split(":")
    assert getattr(import_module(module), name) is main


# ---------------------------------------------------------------- what is trained


def test_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run("--epochs", 3, "--output", "run", capsys=capsys)
    assert (code, err) == (0, [])
    said = block(out)
    assert tuple(said) == BLOCK
    assert said["data"].startswith("Dataset('digits', examples of shape (8, 8, 1), 1297 train, 250 validation")
    assert said["model"].startswith("BetaVAE, dense, 16 latent units, ")
    assert "likelihood='gaussian', sigma2='optimal'" in said["objective"]
    assert said["schedule"] == "LinearBetaScheduler(max_beta=1.0, warmup_epochs=1.5, min_beta=0.0)"
    assert said["effective β"] == "at the schedule's highest: 1"
    assert said["training"] == "3 epochs of 21 steps, batch size 64, learning rate 0.001, seed 0"
    assert said["output"] == "run"
    assert len(re.findall(r"^epoch \d: validation reconstruction loss", out, re.MULTILINE)) == 3
    assert re.search(r"3 epochs, best epoch 2, test negative ELBO at β = 1: \d+\.\d+ nats per example", out)
    assert [line for line in out.splitlines() if line.startswith("run/")] == [f"run/{name}" for name in _in_order()]
    assert written("run") == WRITTEN
    assert written() == {"run"}
    beta = pd.read_csv("run/history.csv")["beta"]
    # β at the last step of an epoch: (epoch + 20/21) / 1.5, at most 1
    assert beta.tolist() == pytest.approx([20 / 21 / 1.5, 1, 1], rel=1e-6)


def _in_order() -> list[str]:
    files = ["vae.weights.h5", "vae.keras", "history.csv", "vae_loss_plot.png", "training_state.npz"]
    return [*files, "config.json", "tensorboard"]


def test_the_options_count_before_the_configuration_and_it_before_the_defaults(
    capsys: pytest.CaptureFixture[str],
) -> None:
    training = {"num_epochs": 7, "batch_size": 25, "seed": 4, "learning_rate": 0.01, "beta_scheduler_type": "constant"}
    path = config_file(training=training, dataset="nowhere", model=SMALL, objective={"free_bits": 0.01})
    options = ["--epochs", 2, "--dataset", "../small.npy", "--latent-dim", 3, "--seed", 5, "--batch-size", 10]
    code, out, err = run("--config", path, *options, "--output", "run", capsys=capsys)
    assert (code, err) == (0, [])
    assert block(out)["training"] == "2 epochs of 5 steps, batch size 10, learning rate 0.01, seed 5"
    assert block(out)["schedule"] == "ConstantBetaScheduler(beta=1.0)"
    assert "3 latent units" in block(out)["model"]
    assert "free_bits=0.01" in block(out)["objective"]
    config = TrainingConfig.from_file("run/config.json")
    assert (config.num_epochs, config.seed, config.batch_size, config.learning_rate) == (2, 5, 10, 0.01)
    assert (config.dataset, config.model["latent_dim"]) == ("../small.npy", 3)
    assert config.objective["free_bits"] == 0.01
    model = load_vae("run/vae.keras")
    assert (model.seed, model.latent_dim, model.encoder.body.layers[-1].units) == (5, 3, 5)


def test_the_written_configuration_repeats_the_training(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--config", config_file(), "--seed", 3, "--output", "one", capsys=capsys)[0] == 0
    assert run("--config", "one/config.json", "--output", "two", capsys=capsys)[0] == 0
    assert Path("one/history.csv").read_bytes() == Path("two/history.csv").read_bytes()
    assert Path("one/config.json").read_bytes() == Path("two/config.json").read_bytes()
    config = json.loads(Path("one/config.json").read_text())
    assert config["training"]["beta_scheduler_params"] == {"max_beta": 1.0, "warmup_epochs": 1.5, "min_beta": 0.0}
    assert config["objective"]["sigma2"] == "optimal"


@pytest.mark.parametrize(
    ("options", "units"),
    [
        (["--dataset", "../labelled.npz"], "8 + 8 latent units, condition of 3"),
        (["--latent-dim", 3], "3 + 3 latent units"),  # the data have no labels
    ],
)
def test_a_hierarchical_configuration(options: list[Any], units: str, capsys: pytest.CaptureFixture[str]) -> None:
    training = json.loads((CONFIGS / "hierarchical_config.json").read_text())["training"]
    path = config_file(training=training | {"num_epochs": 13, "batch_size": 50}, model={"hidden": [6, 5]})
    code, out, err = run("--config", path, *options, "--output", "run", capsys=capsys)
    assert (code, err) == (0, [])
    assert block(out)["model"].startswith(f"HierarchicalVAE, dense, {units}, ")
    assert block(out)["effective β"] == "at the schedule's highest: global 0.01, local 0.02"
    assert {path.name for path in Path("run/tensorboard").iterdir() if path.is_dir()} == {"global", "local"}
    history = pd.read_csv("run/history.csv")
    assert history["global_kl_weight"].iloc[-1] == pytest.approx(0.01)
    assert history["local_kl_weight"].iloc[-1] == pytest.approx(0.02 * 0.5 * (1 - np.cos(2 * np.pi * 12 / 25)))


def test_the_kl_documents_weight_amounts_to_another_beta(capsys: pytest.CaptureFixture[str]) -> None:
    settings = json.loads((CONFIGS / "kl_loss_fix_config.json").read_text())
    path = config_file(training=settings["training"] | {"num_epochs": 11}, objective=settings["objective"])
    code, out, err = run("--config", path, "--batch-size", 50, capsys=capsys)
    assert (code, err) == (0, [])
    # 0.0001 · 12 pixels / 2 latent units
    assert block(out)["effective β"] == "at the schedule's highest: 0.0006"
    assert "kl_clip=(-20.0, 2.0)" in block(out)["objective"]


def test_a_schedule_without_highest_beta(capsys: pytest.CaptureFixture[str]) -> None:
    training = {"num_epochs": 1, "batch_size": 50, "beta_scheduler_type": "capacity"}
    path = config_file(training=training, objective={"capacity": 0.0})
    code, out, err = run("--config", path, capsys=capsys)
    assert code == 0
    assert block(out)["effective β"] == "at the schedule's highest: 1000"
    assert [line[:27] for line in err] == ["warning: capacity comes to "]


# ---------------------------------------------------------------- the folder: resume, overwrite, refuse


def steps_on_disk(folder: str) -> list[int]:
    return [event.step for event in curve(folder)]


def curve(folder: str) -> list[Any]:
    accumulator = EventAccumulator(folder, size_guidance={"scalars": 0})
    accumulator.Reload()
    return accumulator.Scalars("Batch/Beta")


def interrupt(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Presses Ctrl-C during the epoch after so many."""
    original = ValidationMonitor.on_epoch_begin

    def on_epoch_begin(self: ValidationMonitor, epoch: int, logs: Any = None) -> None:
        if epoch == after:
            monkeypatch.setattr(ValidationMonitor, "on_epoch_begin", original)
            raise KeyboardInterrupt
        original(self, epoch, logs)

    monkeypatch.setattr(ValidationMonitor, "on_epoch_begin", on_epoch_begin)


def test_interrupted_resumed_equals_uninterrupted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--config", config_file(), "--epochs", 5, "--seed", 2]
    assert run(*options, "--output", "whole", capsys=capsys)[0] == 0
    interrupt(monkeypatch, after=2)
    code, out, err = run(*options, "--output", "my run", capsys=capsys)
    assert code == 130
    assert err == ["interrupted: `vaelib train-vae --output 'my run' --resume` goes on after the last whole epoch"]
    assert out.count("\nepoch ") == 2
    Path("../run.json").unlink()  # what it goes on with is in the folder
    command = shlex.split(err[0].split("`")[1])
    code, out, err = run(*command[2:], capsys=capsys)
    assert (code, err) == (0, [])
    assert re.findall(r"^epoch (\d)", out, re.MULTILINE) == ["3", "4", "5"]
    assert Path("my run/history.csv").read_bytes() == Path("whole/history.csv").read_bytes()
    assert Path("my run/config.json").read_bytes() == Path("whole/config.json").read_bytes()
    whole = {event.step: event.value for event in curve("whole/tensorboard")}
    assert {event.step: event.value for event in curve("my run/tensorboard")} == whole
    assert sorted(whole) == list(range(10))


def test_resume_goes_on_to_more_epochs_with_the_schedule_it_had(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--config", config_file(), "--epochs", 2, "--output", "run", capsys=capsys)[0] == 0
    code, out, err = run("--output", "run", "--resume", "--epochs", 4, capsys=capsys)
    assert (code, err) == (0, [])
    assert "warmup_epochs=1," in block(out)["schedule"]
    assert block(out)["output"] == "run, resumed after epoch 2"
    assert pd.read_csv("run/history.csv")["epoch"].tolist() == [0, 1, 2, 3]
    assert TrainingConfig.from_file("run/config.json").num_epochs == 4
    assert steps_on_disk("run/tensorboard") == list(range(8))


def test_an_imported_module_registers_its_schedule(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("my_schedules.py").write_text(
        "from vaelib import register_beta_scheduler\nregister_beta_scheduler('my_half', lambda: lambda epoch: 0.5)\n"
    )
    path = config_file(training={"num_epochs": 1, "batch_size": 25, "beta_scheduler_type": "my_half"})
    assert run("--config", path, capsys=capsys)[0] == 2
    code, out, err = run("--config", path, "--import", "my_schedules", capsys=capsys)
    assert (code, err, block(out)["schedule"]) == (0, [], "get_beta_scheduler('my_half')")
    interrupt(monkeypatch, after=0)
    _, _, err = run("--config", path, "--import", "my_schedules", "--output", "run", capsys=capsys)
    assert "train-vae --import my_schedules --output run --resume`" in err[0]


@pytest.mark.parametrize("module", ["no_such_module", "..", ""])
def test_a_module_that_is_none_is_refused(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, (line,) = run("--import", module, capsys=capsys)
    assert (code, out) == (2, "")
    assert line.startswith("error: Argument `--import` must be the name of a Python module, found in this folder")


def test_a_capacity_schedule_brings_its_objective(capsys: pytest.CaptureFixture[str]) -> None:
    params = {"max_capacity": 2.0, "rise_epochs": 1, "gamma": 10.0}
    training = {"num_epochs": 2, "beta_scheduler_type": "capacity", "beta_scheduler_params": params, "batch_size": 25}
    code, out, err = run("--config", config_file(training=training), capsys=capsys)
    assert (code, err) == (0, [])
    assert "capacity=0.0" in block(out)["objective"]


def test_resume_without_anything_begins_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run("--config", config_file(), "--output", "run", "--resume", capsys=capsys)
    assert (code, err, out.count("\nepoch ")) == (0, [], 3)
    assert block(out)["output"] == "run, which holds no training to resume"


def test_resume_after_an_interruption_in_the_first_epoch_begins_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt(monkeypatch, after=0)
    assert run("--config", config_file(), "--output", "run", capsys=capsys)[0] == 130
    assert run("--output", "run", "--resume", capsys=capsys)[0] == 0
    assert steps_on_disk("run/tensorboard") == list(range(6))


def test_resume_with_other_settings_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--config", config_file(), "--output", "run", capsys=capsys)[0] == 0
    before = {name: Path("run", name).read_bytes() for name in WRITTEN - {"tensorboard"}}
    code, out, (line,) = run("--output", "run", "--resume", "--batch-size", 10, capsys=capsys)
    assert (code, out) == (2, "")
    assert line.startswith("error: Argument `batch_size` must be as before to resume a training. Received: batch_size=")
    assert {name: Path("run", name).read_bytes() for name in before} == before


def test_earlier_results_are_refused_and_overwritten_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--config", config_file(), "--output", "run"]
    assert run(*options, "--epochs", 4, capsys=capsys)[0] == 0
    code, out, (line,) = run(*options, "--epochs", 2, capsys=capsys)
    assert (code, out) == (2, "")
    assert line.startswith(
        "error: Argument `--output` must not hold earlier results. Received: --output='run'. It holds"
    )
    assert line.endswith("choose another folder, or add --resume or --overwrite.")
    assert len(pd.read_csv("run/history.csv")) == 4
    assert run(*options, "--epochs", 2, "--overwrite", capsys=capsys)[0] == 0
    assert len(pd.read_csv("run/history.csv")) == 2
    assert steps_on_disk("run/tensorboard") == list(range(4))
    assert len(list(Path("run/tensorboard").iterdir())) == 1


@pytest.mark.parametrize("name", ["config.json", "tensorboard", "vae.keras"])
def test_any_one_earlier_result_is_enough(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("run").mkdir()
    Path("run", name).touch()
    code, out, (line,) = run("--config", config_file(), "--output", "run", capsys=capsys)
    assert (code, out) == (2, "")
    assert f"It holds {name}: " in line
    assert written("run") == {name}


@pytest.mark.parametrize("name", ["config.json", "vae.keras"])
@pytest.mark.parametrize("options", [[], ["--overwrite"]], ids=str)
def test_a_folder_in_the_place_of_a_result_is_refused(
    name: str, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("run", name).mkdir(parents=True)
    code, out, (line,) = run("--config", config_file(), "--output", "run", *options, capsys=capsys)
    assert (code, out) == (2, "")
    assert line.startswith(f"error: Argument `--output` must hold no folder named {name}, which is to be a file.")
    assert written("run") == {name}


# ---------------------------------------------------------------- mistakes, warnings, Ctrl-C


def bad_config(**config: Any) -> list[str]:
    return ["--config", config_file(**config)]


MISTAKES: dict[str, tuple[Any, str]] = {  # arguments, how the line begins after "error: "
    "no epochs": (lambda: ["--epochs", 0], "Argument `--epochs` must be an integer >= 1. Received: --epochs=0."),
    "negative": (lambda: ["--epochs=-3"], "Argument `--epochs` must be an integer >= 1. Received: --epochs='-3'."),
    "text": (lambda: ["--epochs", "ten"], "Argument `--epochs` must be an integer >= 1. Received: --epochs='ten'."),
    "a half": (lambda: ["--epochs", "0.5"], "Argument `--epochs` must be an integer >= 1. "),
    "NaN": (lambda: ["--epochs", "nan"], "Argument `--epochs` must be an integer >= 1. "),
    "another script's digits": (lambda: ["--epochs", "٣"], "Argument `--epochs` must be an integer >= 1. "),
    "huge": (lambda: ["--epochs", "9" * 5000], "Argument `--epochs` must be an integer"),
    "past 64 bits": (lambda: ["--seed", "9" * 19], "Argument `--seed` must be an integer"),
    "seed": (lambda: ["--seed", "one"], "Argument `--seed` must be an integer >= 0. Received: --seed='one'."),
    "no units": (lambda: ["--latent-dim", "0"], "Argument `--latent-dim` must be an integer >= 1. "),
    "no batch": (lambda: ["--batch-size", "0"], "Argument `--batch-size` must be an integer >= 1. "),
    "no value": (lambda: ["--epochs"], "Argument --epochs: expected one argument. See vaelib train-vae --help."),
    "unknown option": (lambda: ["--epoch", "3"], "Argument `option` must be one of --config, --import, "),
    "a stray word": (lambda: ["3"], "Argument `option` must be one of --config, --import, "),
    "both ways": (lambda: ["--resume", "--overwrite", "--output", "run"], "Argument --overwrite: not allowed with"),
    "resume what": (lambda: ["--resume"], "Argument `--output` must be the folder of the training to resume."),
    "empty output": (lambda: ["--output", ""], "Argument `--output` must not be empty. "),
    "empty dataset": (lambda: ["--dataset", ""], "Argument `--dataset` must not be empty. "),
    "empty config": (lambda: ["--config", ""], "Argument `--config` must not be empty. "),
    "unknown data": (lambda: ["--dataset", "digit"], "Argument `dataset` must be one of 'digits', "),
    "no configuration": (
        lambda: ["--config", "none.json"],
        "Argument `--config` must be a file that holds one JSON obj",
    ),
    "a folder": (
        lambda: ["--config", "."],
        "Argument `--config` must be a file that holds one JSON object. Received: -",
    ),
    "unknown key": (
        lambda: bad_config(training={"num_epoch": 3}),
        "Argument `training.num_epoch` must be one of the keys 'num_epochs', ",
    ),
    "parameter out of range": (
        lambda: bad_config(training={"beta_scheduler_type": "linear", "beta_scheduler_params": {"max_beta": -1}}),
        "Argument `training.beta_scheduler_params.max_beta` must be a finite number >= 0. ",
    ),
    "model out of range": (
        lambda: bad_config(model={"dropout": 2}),
        "Argument `model.dropout` must be a finite number >= 0 and <= 0.95. Received: model.dropout=2.",
    ),
    "model of another architecture": (
        lambda: bad_config(model={"filters": [3]}),
        "Argument `model.filters` must be left out with the dense architecture. ",
    ),
    "objective out of range": (
        lambda: bad_config(objective={"free_bits": -1}),
        "Argument `objective.free_bits` must be a finite number >= 0. ",
    ),
    "batch beyond the data": (
        lambda: ["--config", config_file(), "--batch-size", 51],
        "Argument `batch_size` must be <= 50, the number of training examples. ",
    ),
    "data outside the likelihood": (
        lambda: bad_config(objective={"likelihood": "bernoulli"}),
        "Argument `dataset.x_train` must hold only 0 and 1 under likelihood='bernoulli'. ",
    ),
    "a schedule that does not fit": (
        lambda: bad_config(
            training={
                "beta_scheduler_type": "geco",
                "batch_size": 25,
                "beta_scheduler_params": {"tolerance": 1.0, "unit": "nats"},
            },
            objective={"kl_scale": "mean"},
        ),
        "Argument `scheduler` must meet a loss in which ",
    ),
    "a file for the folder": (
        lambda: ["--config", config_file(), "--output", "../small.npy"],
        "Argument `output` must be a folder that can be written to. ",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, begins = MISTAKES[case]
    argv = arguments()
    if "--output" not in argv and "--resume" not in argv:
        argv += ["--output", "run"] if case != "no value" else []
    beside = written("..")
    code, out, lines = run(*argv, capsys=capsys)
    assert (code, out, len(lines)) == (2, "", 1)
    assert lines[0].startswith(f"error: {begins}")
    assert len(lines[0]) < 1000
    assert written() == set()
    assert written("..") == beside


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        ([], "error: The following arguments are required: command. See vaelib --help."),
        (
            ["train"],
            "error: Argument command: invalid choice: 'train' (choose from train-vae, compare, report). "
            "See vaelib --help.",
        ),
    ],
)
def test_no_command_and_another_one(argv: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(argv)
    assert capsys.readouterr().err.replace("'", "").replace("choice: train ", "choice: 'train' ") == f"{line}\n"


def test_a_nearest_option_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--epcohs=3", capsys=capsys)[2][0].endswith("Received: option='--epcohs'. Did you mean '--epochs'?")


def test_warnings_are_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    training = {"num_epochs": 2, "batch_size": 50, "beta_scheduler_type": "cyclical"}
    code, _, err = run("--config", config_file(training=training), capsys=capsys)
    assert code == 0
    assert len(err) == 1
    assert err[0].startswith("warning: beta comes to ")


def test_a_loss_that_breaks_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    training = {"num_epochs": 3, "batch_size": 25, "learning_rate": 1e30}
    code, out, err = run("--config", config_file(training=training), "--output", "run", capsys=capsys)
    assert code == 1
    assert err
    assert all(line.startswith("warning: ") for line in err)
    assert "TrainingResult(" in out


def test_ctrl_c_without_a_folder_and_before_training(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt(monkeypatch, after=1)
    code, _, err = run("--config", config_file(), capsys=capsys)
    assert (code, err) == (
        130,
        ["interrupted: nothing was written; with --output FOLDER a training can be resumed"],
    )

    def load(self: TrainingConfig) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainingConfig, "load", load)
    code, out, err = run("--output", "run", capsys=capsys)
    assert (code, out, err) == (130, "", ["interrupted before anything began: nothing was written"])
    assert written() == set()


def test_errors_of_the_library_itself_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(self: TrainingConfig) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(TrainingConfig, "load", load)
    with pytest.raises(ValueError, match="a defect"):
        main(["train-vae"])


# ---------------------------------------------------------------- in step with the book


def test_the_book_lists_every_option() -> None:
    page = (ROOT / "book" / "api" / "command.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(--[a-z-]+)", page, re.MULTILINE)
    options = vars(_parser("vaelib").parse_args(["train-vae"]))
    assert sorted(listed) == sorted(f"--{name.replace('_', '-')}" for name in options if name != "command")


def test_the_books_configuration_and_code_run(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "book" / "api" / "command.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert TrainingConfig.from_dict(json.loads(example)).scheduler()(5) == pytest.approx(0.5)
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    path = config_file()
    names: dict[str, Any] = {}
    exec(code.replace("configs/cyclical_beta_config.json", path), names)
    assert len(names["result"].history) == 3
