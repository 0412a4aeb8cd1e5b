"""Schedules from configurations: built as `get_beta_scheduler` does, with errors that name a key by its full path."""

from __future__ import annotations

from typing import Any

from vaelib._checks import renamed
from vaelib._json import known_entries
from vaelib.schedules.factory import build, can_restart, parameter_names, type_and_params


def configured(type: Any, params: Any, type_path: str, path: str) -> Any:
    """Returns the schedule of a type and its parameters, which stand at these two paths of a configuration."""
    names = parameter_names(type)
    if names is not None:
        params = known_entries(path, params, names)
    if type == "warm_restart":
        base = params.get("base_scheduler_type", "cosine"), params.get("base_scheduler_kwargs") or {}
        if can_restart(base[0]):
            configured(*base, f"{path}.base_scheduler_type", f"{path}.base_scheduler_kwargs")
    if type == "hierarchical":
        for child, config in params.items():
            where = f"{path}.{child}"
            params[child] = configured(*type_and_params(where, config), f"{where}.type", where)
    try:
        return build(type, params, type_path, path)
    except ValueError as error:
        raise renamed(error, lambda name: name if name in (type_path, path) else f"{path}.{name}") from None
