"""Results of long experiments: small tables in `evidence/`, each beside the key of what determined it.

`evidence/NAME.csv` holds the results, `evidence/NAME.json` their key: the experiment, its parameters, its data, the
code of the experiment and of the modules of `vaelib` that it imports, and the table itself. Code is hashed without
comments, docstrings, blank lines and stored outputs, so that prose may change; all else makes the results stale.
Cells of a notebook that are tagged `evidence` read such tables and make none: they do not count either. Of a batch
count all parameters of its runs, so that the notebook's own values of those that the batch sets may change.
This file, which keeps results and makes none, is in no key.

Usage: python book/tools/evidence.py checks all tables; it names what is missing or stale and then exits with 1.
       python book/tools/evidence.py --renew runs the experiments of these anew.
"""

from __future__ import annotations

import ast
import functools
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vaelib.comparison.code import NO_RESULTS, bare_code, hash_of
from vaelib.comparison.parameters import TAG as PARAMETERS
from vaelib.comparison.parameters import source as cell_source
from vaelib.comparison.parameters import tags
from vaelib.comparison.specification import read_specification

ROOT = Path(__file__).resolve().parents[2]
EVIDENCE = ROOT / "evidence"
PACKAGE = "vaelib"
WITHOUT_RESULTS = tuple(f"{PACKAGE}.{part}." for part in NO_RESULTS)
# a table that a chapter's batch makes: the batch, as in configs/, the file that each run writes, scikit-learn's data
BATCHES: dict[str, tuple[str, str, Sequence[str]]] = {
    "betas": ("01-beta-vae", "final.csv", ["digits"]),
    "scales": ("02-what-beta-means", "final.csv", ["digits", "iris", "wine", "breast_cancer", "diabetes"]),
    "kl_collapse": ("03-kl-collapse", "final.csv", ["digits"]),
    "exploding_kl": ("04-exploding-kl", "final.csv", ["digits"]),
    "kl_forms": ("04-exploding-kl", "kl_forms.csv", []),
    "dynamics": ("05-schedules", "final.csv", ["digits"]),
    "escape": ("05-schedules", "escape.csv", ["digits"]),
    "feedback": ("06-feedback", "final.csv", ["digits", "breast_cancer"]),
    "schedules": ("comparison", "final.csv", ["digits", "breast_cancer"]),
    "trainings": ("comparison", "differences.csv", ["digits", "breast_cancer"]),
    "characters": ("comparison", "characters.csv", ["digits", "breast_cancer"]),
    "hierarchical": ("08-hierarchical", "final.csv", ["digits"]),
    "disentanglement": ("09-disentanglement", "final.csv", []),
    "tabular": ("11-your-data", "final.csv", ["breast_cancer", "diabetes"]),
}
EXPERIMENTS = {  # the command that makes each table
    "zoo": ("zoo.py",),
    "collapse": ("collapse_predictions.py",),
    **{name: ("batches.py", name) for name in BATCHES},
}
TAG = "evidence"  # of a cell that reads stored results
BY_NAME = f"{PACKAGE}.schedules.factory"  # imports the modules beside it by their names


def store(
    name: str,
    table: pd.DataFrame,
    experiment: Path,
    parameters: Mapping[str, Any],
    data: Sequence[str],
    batch: Path | None = None,
) -> None:
    """Writes a table and its key.

    Args:
        name: of the two files.
        table: the results, one row each.
        experiment: the script or notebook that made them, inside the project.
        parameters: what it was run with, as JSON can hold it.
        data: functions such as "sklearn.datasets.load_digits" that return the data, as an array or a Bunch.
        batch: the specification inside the project whose runs of the experiment these are.
    """
    EVIDENCE.mkdir(exist_ok=True)
    text = table.to_csv(index=False, lineterminator="\n")
    key = {
        "experiment": experiment.resolve().relative_to(ROOT).as_posix(),
        "parameters": dict(parameters),
        "data": {source: data_hash(source) for source in data},
        "code": code_hashes(experiment),
        "batch": {path.resolve().relative_to(ROOT).as_posix(): runs_hash(path) for path in [batch] if path},
        "results": _hash(text),
    }
    (EVIDENCE / f"{name}.csv").write_text(text)
    (EVIDENCE / f"{name}.json").write_text(json.dumps(key, indent=1) + "\n")


def problems(name: str) -> list[str]:
    """Returns what makes a table stale, one phrase each; none if its key is that of today's code and data."""
    table, key_file = EVIDENCE / f"{name}.csv", EVIDENCE / f"{name}.json"
    if not (table.is_file() and key_file.is_file()):
        return ["the table or its key is missing"]
    key = json.loads(key_file.read_text())
    experiment = ROOT / key["experiment"]
    if not experiment.is_file():
        return [f"{key['experiment']} is missing"]
    now, then = code_hashes(experiment), key["code"]
    found = [f"{path} has changed" for path in now if then.get(path, now[path]) != now[path]]
    found += [f"{path} came to it" for path in now.keys() - then.keys()]
    found += [f"{path} is no longer part of it" for path in then.keys() - now.keys()]
    found += [f"{source} gives other data" for source, value in key["data"].items() if data_hash(source) != value]
    for path, value in key["batch"].items():
        if not (ROOT / path).is_file() or runs_hash(ROOT / path) != value:
            found.append(f"{path} asks for other runs")
    if _hash(table.read_text()) != key["results"]:
        found.append("the table is not the one that was stored")
    return sorted(found)


def stored() -> list[str]:
    """Returns the names of all tables and of all keys."""
    return sorted({path.stem for path in EVIDENCE.iterdir() if path.suffix in (".csv", ".json")})


# ---------------------------------------------------------------- hashes


def data_hash(source: str) -> str:
    """Returns the hash of what a function gives, an array or a Bunch of arrays: values, shapes and types."""
    module, function = source.rsplit(".", 1)
    given = getattr(import_module(module), function)()
    arrays = given.values() if isinstance(given, Mapping) else [given]
    parts = [(a.tobytes(), repr((a.shape, a.dtype.str)).encode()) for a in arrays if isinstance(a, np.ndarray)]
    return _hash(b"".join(b"".join(part) for part in parts))


def runs_hash(specification: Path) -> str:
    """Returns the hash of what a batch runs: all parameters of each run, given or the notebook's own."""
    return _hash(json.dumps([run.parameters for run in read_specification(specification)], sort_keys=True))


def code_hashes(experiment: Path) -> dict[str, str]:
    """Returns the hash of the experiment's code and of each module of the project that it imports, by path."""
    files, open_ends = {experiment.resolve()}, [experiment.resolve()]
    while open_ends:
        new = set(_imported(open_ends.pop())) - files
        files |= new
        open_ends += new
    return {path.relative_to(ROOT).as_posix(): _code_hash(source_of(path)) for path in sorted(files)}


def source_of(path: Path) -> str:
    """Returns the Python code of a script, or of the cells of a notebook that make its results from parameters."""
    if path.suffix != ".ipynb":
        return path.read_text()
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    return "\n".join(cell_source(cell) for cell in cells if not {TAG, PARAMETERS} & {*tags(cell)})


@functools.cache
def _code_hash(source: str) -> str:
    return _hash(bare_code(source))


def _hash(content: str | bytes) -> str:
    return hash_of(content.encode() if isinstance(content, str) else content)[:16]


# ---------------------------------------------------------------- imports


def _imported(path: Path) -> Iterator[Path]:
    """The files of the project that a file imports; names are followed to the module that defines them."""
    for node in _imports(source_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield from _defining(node.module, alias.name, path.parent)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == PACKAGE:
                    raise ValueError(f"{path}: import names from {PACKAGE}, so that what is used can be told.")
                yield from _defining(alias.name, "", path.parent)


@functools.cache
def _imports(source: str) -> list[ast.ImportFrom | ast.Import]:
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom | ast.Import)]


def _defining(module: str, name: str, folder: Path) -> Iterator[Path]:
    if f"{module}.{name}.".startswith(WITHOUT_RESULTS):
        return
    if module.split(".")[0] != PACKAGE:
        sibling = folder / f"{module}.py"
        if sibling.is_file() and sibling.resolve() != Path(__file__).resolve():
            yield sibling
        return
    place = ROOT.joinpath(*module.split("."))
    if module == BY_NAME:
        yield from place.parent.glob("*.py")
    elif not place.is_dir():
        yield place.with_suffix(".py")
    elif (place / f"{name}.py").is_file():
        yield from _defining(f"{module}.{name}", "", folder)
    elif not name or (place / name).is_dir():
        raise ValueError(f"Import names from {module}, so that what is used can be told.")
    else:
        home = _re_exported(place / "__init__.py", module).get(name)
        if home is None:
            yield place / "__init__.py"
        else:
            yield from _defining(*home, folder)


def _re_exported(init: Path, module: str) -> dict[str, tuple[str, str]]:
    """Where the names that a package passes on come from: module and name, by name."""
    homes: dict[str, tuple[str, str]] = {}
    for node in ast.parse(init.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            homes |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_HOME":
            lazy: dict[str, str] = ast.literal_eval(node.value)
            homes |= {name: (f"{module}.{home}", name) for name, home in lazy.items()}
    return homes


def main(renew: bool = False) -> int:
    """Checks all tables, or runs the experiments of those that are missing or stale."""
    stale = {name: found for name in sorted({*stored(), *EXPERIMENTS}) if (found := problems(name))}
    for name, found in stale.items():
        print(f"evidence/{name}.csv is stale: {'; '.join(found)}. Run `make evidence`.", file=sys.stderr)
    if not renew:
        return 1 if stale else 0
    commands: dict[str, list[str]] = {}
    for name in stale:
        script, *arguments = EXPERIMENTS[name]
        commands.setdefault(script, []).extend(arguments)
    for script, arguments in commands.items():
        subprocess.run([sys.executable, str(Path(__file__).with_name(script)), *arguments], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(renew="--renew" in sys.argv[1:]))
