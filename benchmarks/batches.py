"""Eight runs of a notebook by the command: two workers against one, and what it adds to papermill alone."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import nbformat

from benchmarks.table import Row, median_row

RUNS, EPOCHS, ROUNDS = 8, 10, 2
PARAMETERS = "seed: int = 0\nepochs: int = 100"
TRAINING = """from vaelib import LinearBetaScheduler, build_vae, load_dataset, train_vae

dataset = load_dataset("digits")
model = build_vae(dataset.input_shape, 16, hidden=(64, 32), batch_norm=False, dropout=0.0, seed=seed)
result = train_vae(model, dataset, epochs, scheduler=LinearBetaScheduler(1.0, 0.3 * epochs), batch_size=64, verbose=0)
print(result)"""
LOOP = """import sys
from papermill import execute_notebook

for seed in range(int(sys.argv[2])):
    execute_notebook(sys.argv[1], sys.argv[1] + ".executed.ipynb", {"seed": seed}, progress_bar=False)"""
LIGHT = "import json\nimport pathlib\n\nprint(json.dumps(list(range(seed))))"


def rows(folder: Path) -> list[Row]:
    """Returns the table's rows; the command's start and end are part of each figure."""
    training, light = training_notebook(folder / "training.ipynb"), _light_notebook(folder / "light.ipynb")
    ones, ratios = [], []
    for i in range(ROUNDS):
        ones.append(_compare(training, f"one {i}", 1, epochs=EPOCHS))
        ratios.append(_compare(training, f"two {i}", 2, epochs=EPOCHS) / ones[-1])
    looped, ours = _in_one_process(light), _compare(light, "light", 1)
    alone = sum(papermill_seconds(light, seed) for seed in range(RUNS))
    return [
        Row(f"{RUNS} runs of train_vae, {EPOCHS} epochs, one Dask worker", median(ones), "s", ".0f"),
        median_row("  two workers / one", ratios, at_most=0.65),
        Row(
            f"the command adds to the papermill command, a run of {RUNS}",
            (ours - alone) / RUNS,
            "s",
            ".2f",
            at_most=1.0,
        ),
        Row("  to papermill within one process, start shared", (ours - looped) / RUNS, "s", ".2f", at_most=1.0),
    ]


def _compare(notebook: Path, name: str, workers: int, **parameters: int) -> float:
    """Returns the seconds of `vaelib compare` on the notebook with seeds 0, 1, …, into a new folder."""
    given = "".join(f"  {key}: {value}\n" for key, value in parameters.items())
    specification = notebook.with_suffix(".yml")
    fixed = f"parameters:\n{given}" if given else ""
    specification.write_text(f"notebook: {notebook.name}\n{fixed}vary:\n  seed: {list(range(RUNS))}\n")
    begin = time.perf_counter()
    command = [sys.executable, "-m", "vaelib", "compare", str(specification), "--output", str(notebook.with_name(name))]
    subprocess.run([*command, "--workers", str(workers)], check=True, capture_output=True)
    return time.perf_counter() - begin


def training_notebook(path: Path) -> Path:
    """Writes a notebook that trains one model with `train_vae`; its parameters are seed and epochs."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    parameters = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    cells = [parameters, nbformat.v4.new_code_cell(TRAINING)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def papermill_seconds(notebook: Path, seed: int) -> float:
    """Returns the seconds of one papermill run of a notebook, from the command to its end."""
    begin = time.perf_counter()
    executed = notebook.with_name("executed.ipynb")
    command = [sys.executable, "-m", "papermill", str(notebook), str(executed), "-p", "seed", str(seed)]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begin


def _in_one_process(notebook: Path) -> float:
    """Returns the seconds of as many runs in one Python that calls papermill."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", LOOP, str(notebook), str(RUNS)], check=True, capture_output=True)
    return time.perf_counter() - begin


def _light_notebook(path: Path) -> Path:
    notebook = nbformat.read(training_notebook(path), as_version=4)
    notebook.cells[0].source, notebook.cells[1].source = "seed: int = 0", LIGHT
    nbformat.write(notebook, path)
    return path
