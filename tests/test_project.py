"""Static promises: one set of versions, import layers, a light `import vaelib`."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()
LOCK_ENTRY = r"(?ms)^([A-Za-z0-9_.-]+)(?:\[[\w,-]+\])?==(\S+)(.*?)(?=^\S|\Z)"
LOCK_ENTRIES = re.findall(LOCK_ENTRY, LOCK)
VERSIONS = {canonicalize_name(name): version for name, version, _ in LOCK_ENTRIES}
PROJECT = PYPROJECT["project"]
REQUIREMENTS = [
    *PROJECT["dependencies"],
    *(text for name, extra in PROJECT["optional-dependencies"].items() if name != "bench" for text in extra),
]

# design: imports point upwards on this list only; names on one line are one layer
LAYERS = [
    ["_checks", "_files", "_arrays", "_json", "_loss_arguments", "_quiet"],
    ["schedules"],
    ["theory"],
    ["linear_optimum"],
    ["collapse_prediction"],
    ["metrics"],
    ["statistics"],
    ["diagnosis"],
    ["data"],
    ["config"],
    ["plots"],
    # below this line Keras may be imported
    ["randomness", "steps"],
    ["layers"],
    ["kl", "likelihood"],
    ["objective"],
    ["networks"],
    ["models"],
    ["evaluation", "traversal"],
    ["callbacks"],
    ["training"],
    ["grid"],
    # edges
    ["comparison"],
    ["widgets"],
    ["cli", "__main__"],
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
KERAS_FROM = RANK["randomness"]
MODULES = sorted((ROOT / "vaelib").rglob("*.py"))


# ---------------------------------------------------------------- versions


def test_lock_entries_were_all_read() -> None:
    assert len(LOCK_ENTRIES) == len(re.findall(r"^[^\s#]+==", LOCK, re.MULTILINE)) > 100


@pytest.mark.parametrize("text", REQUIREMENTS)
def test_every_requirement_is_met_by_the_lock(text: str) -> None:
    requirement = Requirement(text)
    assert requirement.specifier.contains(VERSIONS[canonicalize_name(requirement.name)])


def test_what_benchmarks_compare_with_is_pinned_and_in_no_lock() -> None:
    """`make lock` names the extras that it resolves, all but this one."""
    extras = PROJECT["optional-dependencies"]
    requirements = [Requirement(text) for text in extras["bench"]]
    assert {each.name: str(each.specifier) for each in requirements} == {"pythae": "==0.1.2", "torch": "==2.13.0"}
    assert not {each.name for each in requirements} & set(VERSIONS)
    assert set(re.findall(r"--extra (\w+)", (ROOT / "Makefile").read_text())) == set(extras) - {"bench"}


def test_every_lock_entry_has_hashes() -> None:
    assert [name for name, _, rest in LOCK_ENTRIES if "--hash=sha256:" not in rest] == []


def test_locks_name_no_address() -> None:
    assert not re.search(r"https?://|--index-url|--extra-index-url|--find-links|file:", LOCK)
    packages = json.loads((ROOT / "book" / "site" / "package-lock.json").read_text())["packages"]
    for name, package in packages.items():
        assert "resolved" not in package, name
        assert not name or package["integrity"].startswith("sha512-"), name


def test_npm_packages_are_pinned_as_locked() -> None:
    site = ROOT / "book" / "site"
    wanted = json.loads((site / "package.json").read_text())["dependencies"]
    packages = json.loads((site / "package-lock.json").read_text())["packages"]
    assert wanted == {name: packages[f"node_modules/{name}"]["version"] for name in wanted}
    assert packages[""]["dependencies"] == wanted


def test_conda_installs_exactly_the_lock() -> None:
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip = next(item["pip"] for item in dependencies if isinstance(item, dict))
    assert pip == ["--require-hashes", "-r requirements.lock"]
    python = next(item for item in dependencies if isinstance(item, str) and item.startswith("python="))
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.removeprefix("python="))
    names = {re.split("[>=]", item)[0] for item in dependencies if isinstance(item, str)}
    assert names == {"python", "pip"}


def test_one_version_of_the_project() -> None:
    source = (ROOT / "vaelib" / "__init__.py").read_text()
    assert f'__version__ = "{PROJECT["version"]}"' in source
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == PROJECT["version"]
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()


# ---------------------------------------------------------------- imports


def layer(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, top_level: bool = False) -> Iterator[str]:
    """Dotted names that a file imports; relative ones made absolute."""
    tree = ast.parse(path.read_text())
    package = module_name(path).split(".") if path.stem == "__init__" else module_name(path).split(".")[:-1]
    inside = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.walk(node)
        if child is not node
    }
    for node in ast.walk(tree):
        if top_level and id(node) in inside:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *(node.module.split(".") if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names) if base == "vaelib" else [base]


def test_every_module_has_a_layer() -> None:
    assert {layer(module_name(path)) for path in MODULES} - {""} <= set(RANK)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_point_upwards(path: Path) -> None:
    own = layer(module_name(path))
    if not own:  # vaelib itself: a table of names that load when used
        assert not [name for name in imports(path) if name.startswith("vaelib")]
        return
    for name in imports(path):
        if name.split(".")[0] == "vaelib" and layer(name) != own:
            assert layer(name) in RANK, f"imports {name}: import from the module that defines it"
            assert RANK[layer(name)] <= RANK[own], f"imports {name}, which is further down"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_keras_stays_below_the_line(path: Path) -> None:
    own = layer(module_name(path))
    if not own or RANK[own] < KERAS_FROM or own == "widgets":
        heavy = {"keras", "tensorflow", "tensorboard"}
        assert not [name for name in imports(path, top_level=True) if name.split(".")[0] in heavy]


def test_every_imported_package_is_declared() -> None:
    provided = importlib.metadata.packages_distributions()
    declared = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    used = {name.split(".")[0] for path in MODULES for name in imports(path)}
    foreign = used - sys.stdlib_module_names - {"vaelib", "__future__"}
    for name in sorted(foreign):
        assert declared & {canonicalize_name(package) for package in provided.get(name, [])}, name


@pytest.mark.parametrize(
    "code",
    [
        "import vaelib",
        "import vaelib; vaelib.LinearBetaScheduler(1.0, 10)",
        "import vaelib.schedules, vaelib.theory",
    ],
)
def test_light_imports_load_nothing_heavy(code: str) -> None:
    check = "import sys; print(sorted({'tensorflow', 'keras', 'matplotlib', 'pandas'} & set(sys.modules)))"
    command = [sys.executable, "-c", f"{code}; {check}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_loads_from_its_home() -> None:
    import vaelib

    assert [name for name in vaelib.__all__ if getattr(vaelib, name, None) is None] == []
