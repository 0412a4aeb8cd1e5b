"""Schedules from configurations: built as `get_beta_scheduler` does, with errors that name a key by its full path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vaelib._checks import argument_error, renamed
from vaelib._json import known_entries
from vaelib.schedules.factory import build, parameter_names


def configured(type: Any, params: Any, type_path: str, path: str) -> Any:
    """Returns the schedule of a type and its parameters, which stand at these two paths of a configuration."""
    names = parameter_names(type)
    if names is not None:
        params = known_entries(path, params, names)
    if type == "warm_restart":
        base = params.get("base_scheduler_type", "cosine"), params.get("base_scheduler_kwargs") or {}
        configured(*base, f"{path}.base_scheduler_type", f"{path}.base_scheduler_kwargs")
    if type == "hierarchical":
        params |= {child: _child(f"{path}.{child}", params[child]) for child in params}
    try:
        return build(type, params, type_path, path)
    except ValueError as error:
        raise renamed(error, lambda name: name if name in (type_path, path) else f"{path}.{name}") from None


def _child(path: str, config: Any) -> Any:
    if not isinstance(config, Mapping) or "type" not in config:
        must = "be a mapping with a 'type', such as {'type': 'cosine', 'max_beta': 0.01, 'warmup_epochs': 10}"
        raise argument_error(path, must, config)
    params = {key: value for key, value in config.items() if key != "type"}
    return configured(config["type"], params, f"{path}.type", path)
