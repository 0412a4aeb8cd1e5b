"""What to run: a YAML file that names a notebook, the parameters that stay and those that vary, all checked at once."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from vaelib._checks import Described, argument_error, positive_int
from vaelib._json import joined, known_entries
from vaelib.comparison.code import code_of, library_of
from vaelib.comparison.parameters import Parameter, checked_parameters, declared_parameters, read_notebook
from vaelib.comparison.runs import OUTPUT, Run, local_files

KEYS = ("notebook", "parameters", "vary", "timeout")


def read_specification(path: str | os.PathLike[str]) -> list[Run]:
    """Returns the runs that a specification asks for, in the order of its product, the last parameter changing fastest.

    Its keys:

    - `notebook`: path of a notebook with a cell tagged `parameters`.
    - `parameters`: names and values that are the same for every run (default: none).
    - `vary`: names and lists of values, whose product is run; or a list of mappings, one a run (default: one run).
    - `timeout`: whole seconds that a cell may take, >= 1 (default: as long as it takes).

    Paths count from the folder of the specification. A value that is the path of an existing file stands for its
    contents and travels with the run. What is not given has the notebook's default.

    Raises:
        ValueError: if the file or its notebook cannot be read, a key or a parameter is unknown, a value is not of the
            type that the notebook declares, or two runs would be the same.
    """
    keys = known_entries("", _read(path), KEYS)
    folder = Path(path).parent
    name = keys.get("notebook")
    if not isinstance(name, str) or not name:
        raise argument_error("notebook", "be the path of a notebook", name)
    timeout = keys.get("timeout")
    if timeout is not None:
        timeout = positive_int("timeout", timeout)
    notebook = read_notebook(folder / name)
    declared = declared_parameters(notebook, folder / name)
    writes = OUTPUT in declared
    if writes:
        declared[OUTPUT].checked(f"the notebook's {OUTPUT}", ".")
        del declared[OUTPUT]
    fixed = _checked("parameters", keys.get("parameters", {}), declared, folder)
    defaults = {name: parameter.default for name, parameter in declared.items() if name not in fixed}
    code, library = code_of(notebook), library_of(notebook)
    runs: dict[str, Run] = {}
    for where, varied in _combinations(keys.get("vary", {}), declared, folder):
        if twice := [name for name in varied if name in fixed]:
            raise argument_error(joined(where, twice[0]), "not stand in `parameters` too", varied[twice[0]])
        rest = {name: value for name, value in defaults.items() if name not in varied}
        known = {**fixed, **varied, **local_files("the notebook's defaults", rest, (folder / name).parent)}
        values = {name: known[name] for name in declared}
        run = Run(folder / name, values, code, library, writes, timeout)
        if run.id in runs:
            raise argument_error(where, "hold no set of parameters twice", varied)
        runs[run.id] = run
    return list(runs.values())


def _combinations(vary: Any, declared: Mapping[str, Parameter], folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields each run's varied parameters, and what an error calls them."""
    if isinstance(vary, list) and vary:
        for i, given in enumerate(vary):
            where = f"vary[{i}]"
            yield where, _checked(where, given, declared, folder)
        return
    if not isinstance(vary, Mapping):
        must = "be a mapping of names to lists of values, or a list of mappings of names to values"
        raise argument_error("vary", must, vary)
    lists: list[list[Any]] = []
    for name, values in known_entries("vary", _without_output("vary", vary), declared).items():
        where = f"vary.{name}"
        if not isinstance(values, list) or not values:
            raise argument_error(where, "be a list of values", values)
        checked = [declared[name].checked(f"{where}[{i}]", value) for i, value in enumerate(values)]
        lists.append(local_files("vary", {name: checked}, folder)[name])
    for values in itertools.product(*lists):
        yield "vary", dict(zip(vary, values, strict=True))


def _checked(where: str, given: Any, declared: Mapping[str, Parameter], folder: Path) -> dict[str, Any]:
    return local_files(where, checked_parameters(where, _without_output(where, given), declared), folder)


def _without_output(where: str, given: Any) -> Any:
    if isinstance(given, Mapping) and OUTPUT in given:
        must = "be left out: each run writes to a folder of its own"
        raise argument_error(f"{where}.{OUTPUT}", must, given[OUTPUT])
    return given


# ---------------------------------------------------------------- YAML, read strictly


class _Loader(yaml.SafeLoader):
    """Reads 1e-3 as a number, as YAML 1.2 does, and refuses a key that is given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice[0]!r} twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _read(path: str | os.PathLike[str]) -> dict[Any, Any]:
    """Returns the mapping that a YAML file holds."""

    def refused(what: str) -> ValueError:
        return argument_error(
            "specification", "be a YAML file that holds one mapping", Described(f"{str(path)!r}, {what}")
        )

    try:
        value = yaml.load(Path(path).read_text("utf-8-sig"), _Loader)
    except UnicodeDecodeError:
        raise refused("which is not text in UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise refused(f"which is not YAML{place}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise refused(f"which is not YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise refused("which is nested too deeply") from None
    except (OSError, TypeError, ValueError) as error:  # bytes for a path, and a NUL in it, included
        raise refused(f"which cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not isinstance(value, dict):
        raise refused("which is empty" if value is None else f"which holds a {type(value).__name__}")
    return value
