"""Stored results and their keys: what makes them stale and what does not, and that none of the project's own is."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat.v4
import numpy as np
import pandas as pd
import pytest

import evidence

ROOT = Path(__file__).resolve().parent.parent
FILES = {
    "vaelib/__init__.py": '_HOME = {"train": "training", "draw": "plots", "kl": "nats"}\n',
    "vaelib/training/__init__.py": '"""Passes on."""\nfrom vaelib.training.loop import train\n',
    "vaelib/training/loop.py": "from vaelib.nats import kl\nfrom vaelib.plots import draw\n\n\ntrain = kl\n",
    "vaelib/nats.py": 'def kl():\n    """Says."""\n    return 1  # one\n',
    "vaelib/plots/__init__.py": "from vaelib.plots.lines import draw\n",
    "vaelib/plots/lines.py": "def draw():\n    return 0\n",
    "vaelib/widgets/slider.py": "def slide():\n    return 0\n",
    "vaelib/unused.py": "x = 1\n",
    "tools/helper.py": "from vaelib.nats import kl\n",
    "tools/experiment.py": (
        "import math\nfrom helper import kl\nfrom vaelib import train, draw\n"
        "from vaelib.widgets.slider import slide\n\nprint(train())\n"
    ),
}
TABLE = pd.DataFrame({"seed": [0, 1], "loss": [0.5, 0.25]})


def numbers():
    return np.arange(6.0).reshape(2, 3)


def replaced(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture
def project(tmp_path, monkeypatch):
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    monkeypatch.setattr(evidence, "ROOT", tmp_path)
    monkeypatch.setattr(evidence, "EVIDENCE", tmp_path / "evidence")
    monkeypatch.setattr(evidence, "EXPERIMENTS", {"runs": ("runs.py", "few")})
    return tmp_path


@pytest.fixture
def stored(project):
    evidence.store("runs", TABLE, project / "tools/experiment.py", {"seeds": 2}, [f"{__name__}.numbers"])
    return project


def test_names_are_followed_to_the_modules_that_define_them(project):
    found = evidence.code_hashes(project / "tools/experiment.py")
    assert list(found) == ["tools/experiment.py", "tools/helper.py", "vaelib/nats.py", "vaelib/training/loop.py"]


def test_a_stored_table_is_fresh(stored):
    assert evidence.problems("runs") == []
    assert evidence.stored() == ["runs"]
    assert pd.read_csv(stored / "evidence/runs.csv").equals(TABLE)
    key = json.loads((stored / "evidence/runs.json").read_text())
    assert key["experiment"] == "tools/experiment.py"
    assert key["parameters"] == {"seeds": 2}


@pytest.mark.parametrize(("path", "old", "new"), [
    ("vaelib/nats.py", "# one", "# the number one"),
    ("vaelib/nats.py", '"""Says."""', '"""Says\n    more, on two lines.\n    """'),
    ("vaelib/nats.py", "def kl", "\n\n# above\n\ndef kl"),
    ("vaelib/plots/lines.py", "return 0", "return 2"),
    ("vaelib/widgets/slider.py", "return 0", "return 2"),
    ("vaelib/unused.py", "x = 1", "x = 2"),
    ("vaelib/training/__init__.py", "Passes on.", "Hands on."),
])  # fmt: skip
def test_prose_and_what_is_not_used_may_change(stored, path, old, new):
    replaced(stored / path, old, new)
    assert evidence.problems("runs") == []


@pytest.mark.parametrize(("path", "old", "new", "problems"), [
    ("vaelib/nats.py", "return 1", "return 2", ["vaelib/nats.py has changed"]),
    ("vaelib/nats.py", "# one", "+ 0  # one", ["vaelib/nats.py has changed"]),
    ("tools/experiment.py", "train())", "train(), '# no comment')", ["tools/experiment.py has changed"]),
    (
        *("vaelib/nats.py", "def kl", "from vaelib.unused import x\n\n\ndef kl"),
        ["vaelib/nats.py has changed", "vaelib/unused.py came to it"],
    ),
    (
        *("tools/experiment.py", "from helper import kl\n", ""),
        ["tools/experiment.py has changed", "tools/helper.py is no longer part of it"],
    ),
    ("evidence/runs.csv", "0.25", "0.24", ["the table is not the one that was stored"]),
])  # fmt: skip
def test_what_makes_a_table_stale(stored, path, old, new, problems, capsys):
    replaced(stored / path, old, new)
    assert evidence.problems("runs") == problems
    assert evidence.main() == 1
    assert capsys.readouterr().err == f"evidence/runs.csv is stale: {'; '.join(problems)}. Run `make evidence`.\n"


@pytest.fixture
def batch(project):
    """A notebook's table and the specification of its runs, stored."""
    cells = [nbformat.v4.new_code_cell("seeds: int = 2\nepochs: int = 5", metadata={"tags": ["parameters"]})]
    cells += [nbformat.v4.new_code_cell("print(seeds)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), project / "tools/chapter.ipynb")
    specification = project / "tools/few.yml"
    specification.write_text("notebook: chapter.ipynb\nparameters:\n  seeds: 10\n")
    evidence.store("runs", TABLE, project / "tools/chapter.ipynb", {}, [], batch=specification)
    return specification


def test_what_a_batch_sets_may_have_another_value_in_its_notebook(batch):
    assert evidence.problems("runs") == []
    replaced(batch.with_name("chapter.ipynb"), "seeds: int = 2", "seeds: int = 3")
    replaced(batch, "parameters", "# all alike\nparameters")
    assert evidence.problems("runs") == []


@pytest.mark.parametrize(("file", "old", "new"), [
    ("few.yml", "seeds: 10", "seeds: 11"),
    ("few.yml", "parameters:", "parameters:\n  epochs: 6"),
    ("chapter.ipynb", "epochs: int = 5", "epochs: int = 6"),
])  # fmt: skip
def test_other_parameters_of_a_batch_make_a_table_stale(batch, file, old, new):
    replaced(batch.with_name(file), old, new)
    assert evidence.problems("runs") == ["tools/few.yml asks for other runs"]


def test_a_missing_specification_makes_a_table_stale(batch):
    batch.unlink()
    assert evidence.problems("runs") == ["tools/few.yml asks for other runs"]


def test_what_is_stale_or_missing_is_renewed(stored, monkeypatch):
    commands = []
    monkeypatch.setattr(evidence.subprocess, "run", lambda command, check: commands.append(command[1:]))
    assert evidence.main(renew=True) == 0
    assert commands == []
    (stored / "evidence/runs.csv").unlink()
    (stored / "evidence/runs.json").unlink()
    assert evidence.main() == 1
    assert evidence.main(renew=True) == 0
    (command,) = commands
    assert command == [str(Path(evidence.__file__).with_name("runs.py")), "few"]


def test_other_data_makes_a_table_stale(stored, monkeypatch):
    """The same numbers in another shape or type are other data."""
    for other in (numbers() + 1, numbers().T, numbers().astype("float32")):
        monkeypatch.setattr(f"{__name__}.numbers", lambda other=other: other)
        assert evidence.problems("runs") == [f"{__name__}.numbers gives other data"]


@pytest.mark.parametrize("path", ["evidence/runs.csv", "evidence/runs.json", "tools/experiment.py"])
def test_a_missing_file_makes_a_table_stale(stored, path):
    (stored / path).unlink()
    assert len(evidence.problems("runs")) == 1
    assert "missing" in evidence.problems("runs")[0]


def test_of_a_notebook_only_code_counts(project):
    path = project / "tools/chapter.ipynb"
    cells = [nbformat.v4.new_markdown_cell("One."), nbformat.v4.new_code_cell("from vaelib.nats import kl\nkl()")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.write(notebook, path)
    first = evidence.code_hashes(path)
    assert list(first) == ["tools/chapter.ipynb", "vaelib/nats.py"]
    notebook.cells[0].source = "Two."
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="1")]
    nbformat.write(notebook, path)
    assert evidence.code_hashes(path) == first
    notebook.cells.append(nbformat.v4.new_code_cell("read()", metadata={"tags": ["evidence"]}))
    nbformat.write(notebook, path)
    assert evidence.code_hashes(path) == first
    notebook.cells[1].source += " + 1"
    nbformat.write(notebook, path)
    assert evidence.code_hashes(path) != first


def test_an_import_of_the_whole_package_is_refused(project):
    (project / "tools/helper.py").write_text("import vaelib\n")
    with pytest.raises(ValueError, match="import names from vaelib"):
        evidence.code_hashes(project / "tools/experiment.py")


def test_a_bunch_is_hashed_by_its_data():
    assert evidence.data_hash("sklearn.datasets.load_digits") != evidence.data_hash("sklearn.datasets.load_iris")


def test_no_stored_result_of_the_project_is_stale():
    assert {name: evidence.problems(name) for name in evidence.stored()} == {name: [] for name in evidence.stored()}
    assert set(evidence.stored()) == set(evidence.EXPERIMENTS)


def test_the_check_passes_on_the_project(capsys):
    assert evidence.main() == 0
    assert capsys.readouterr().err == ""
