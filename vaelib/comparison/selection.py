"""Which runs of a batch are meant: those with a parameter's value, or with a text in their name or parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vaelib._checks import argument_error, nearest
from vaelib.comparison.folder import shown


def label(parameters: Mapping[str, Any]) -> str:
    """Returns the parameters of a run in one line."""
    return " ".join(f"{name}={shown(value)}" for name, value in parameters.items())


def selected(runs: Mapping[str, Mapping[str, Any]], pattern: str | None, remedy: str = "") -> list[str]:
    """Returns the ids of the runs that a pattern selects.

    Args:
        runs: the parameters of each run by its id.
        pattern: `name=value` for the runs with just this value, or a text that stands in a run's id or in its
            parameters written as name=value; None: all.
        remedy: what else the error says.

    Raises:
        ValueError: if that is none of them.

    >>> runs = {"a1": {"data": "digits", "seeds": 10}, "b2": {"data": "wine", "seeds": 10}}
    >>> selected(runs, "data=wine"), selected(runs, "seeds"), selected(runs, "a1")
    (['b2'], ['a1', 'b2'], ['a1'])
    """
    if pattern is None:
        return list(runs)
    name, equals, value = pattern.partition("=")
    names = list(dict.fromkeys(name for parameters in runs.values() for name in parameters))
    if equals and name not in names:
        must = f"name one of the parameters {', '.join(map(repr, names))}"
        raise argument_error("--only", must, pattern, nearest(name, names))
    if equals:
        found = [run for run, parameters in runs.items() if name in parameters and shown(parameters[name]) == value]
    else:
        found = [run for run, parameters in runs.items() if pattern in f"{run} {label(parameters)}"]
    if not found or not pattern:
        raise argument_error("--only", "select at least one run", pattern, remedy)
    return found
