"""Schedules by name, the library's own and a reader's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from vaelib._checks import argument_error, nearest
from vaelib.schedules.base import BetaScheduler, Scheduler, evaluate, plain, require_schedule
from vaelib.schedules.feedback import FeedbackBetaScheduler

# type -> module and class; they load when first used, because restarts and hierarchies use this module themselves
_BUILT_IN = {
    "constant": "warmups.ConstantBetaScheduler",
    "linear": "warmups.LinearBetaScheduler",
    "cosine": "warmups.CosineBetaScheduler",
    "exponential": "warmups.ExponentialBetaScheduler",
    "sigmoid": "warmups.SigmoidBetaScheduler",
    "cyclical": "cyclical.CyclicalBetaScheduler",
    "warm_restart": "warm_restart.WarmRestartBetaScheduler",
    "hierarchical": "hierarchical.HierarchicalBetaScheduler",
    "reconstruction": "reconstruction.ReconstructionBetaScheduler",
    "control": "control.ControlBetaScheduler",
    "geco": "geco.GecoBetaScheduler",
    "capacity": "capacity.CapacityBetaScheduler",
}
_REGISTERED: dict[str, Callable[..., Callable[[float], Any]]] = {}


def get_beta_scheduler(type: str, **params: Any) -> Any:
    """Returns a scheduler by the name of its type.

    `get_beta_scheduler(**scheduler.get_config())` builds the same scheduler again.

    Args:
        type: "constant", "linear", "cosine", "exponential", "sigmoid", "cyclical", "warm_restart", "hierarchical",
            "reconstruction", "control", "geco", "capacity", or a name given to `register_beta_scheduler`.
        **params: the parameters of that type.

    Returns:
        A `BetaScheduler`; for "hierarchical" and "capacity" a scheduler of two numbers.

    Raises:
        ValueError: if the type is unknown (the message lists the choices), or a parameter is unknown, missing or
            out of range.

    >>> get_beta_scheduler("cosine", max_beta=0.5)
    CosineBetaScheduler(max_beta=0.5, warmup_epochs=10, min_beta=0.0)
    """
    return build(type, params)


def build(type: Any, params: Any, type_argument: str = "type", params_argument: str = "params") -> Any:
    """Does what `get_beta_scheduler` does; errors speak of the caller's two arguments."""
    choices = (*_BUILT_IN, *_REGISTERED)
    if not isinstance(type, str) or type not in choices:
        must = f"be one of {', '.join(map(repr, choices))}"
        raise argument_error(type_argument, must, type, nearest(type, choices) if isinstance(type, str) else "")
    if type in _BUILT_IN:
        return _built_in(type)._built(params_argument, params)
    return _registered(type, params, params_argument)


def from_mapping(name: str, config: Mapping[Any, Any]) -> Any:
    """Returns the scheduler of a configuration with "type", which the caller's argument `name` holds."""
    return build(*type_and_params(name, config), f"{name}['type']", name)


def type_and_params(name: str, config: Any) -> tuple[Any, dict[Any, Any]]:
    """Returns what a configuration of a schedule of one number holds: its "type", and the parameters beside it."""
    if not isinstance(config, Mapping) or "type" not in config:
        remedy = "It reads {'type': 'cosine', 'max_beta': 0.01, 'warmup_epochs': 10}, for example."
        raise argument_error(name, "be a mapping with a 'type'", config, remedy)
    if not gives_one_number(config["type"]):
        raise argument_error(name, "be a schedule of one number, or its configuration", config)
    return config["type"], {key: value for key, value in config.items() if key != "type"}


def gives_one_number(type: Any) -> bool:
    """Whether schedules of a type give one number; of types that are not the library's only what they build tells."""
    return not isinstance(type, str) or type not in _BUILT_IN or issubclass(_built_in(type), BetaScheduler)


def can_restart(type: Any) -> bool:
    """Whether schedules of a type give one number and read no figures, as far as the type tells."""
    always_feedback = isinstance(type, str) and type in _BUILT_IN and issubclass(_built_in(type), FeedbackBetaScheduler)
    return gives_one_number(type) and not always_feedback


def register_beta_scheduler(type: str, factory: Callable[..., Callable[[float], Any]]) -> None:
    """Makes a schedule of your own available by name: to `get_beta_scheduler`, in configurations, under restarts.

    Args:
        type: the name, an identifier that no other schedule has.
        factory: a function or class; `factory(**params)` returns a `BetaScheduler` or any other callable from the
            (fractional, 0-based) epoch to β.

    Raises:
        ValueError: if the name is no identifier, or belongs to the library or to another factory; if `factory` is
            not callable.

    >>> register_beta_scheduler("halves", lambda start=1.0: lambda epoch: start * 0.5**epoch)
    >>> scheduler = get_beta_scheduler("halves", start=0.8)
    >>> scheduler(0), scheduler(2), scheduler
    (0.8, 0.2, get_beta_scheduler('halves', start=0.8))
    """
    if not isinstance(type, str) or not type.isidentifier():
        raise argument_error("type", "be an identifier", type)
    if not callable(factory):
        raise argument_error("factory", "be a callable that returns a schedule", factory)
    if type in _BUILT_IN or _REGISTERED.get(type, factory) is not factory:
        raise argument_error("type", "be a name that no other schedule has", type)
    _REGISTERED[type] = factory


class RegisteredBetaScheduler(BetaScheduler):
    """What a reader's factory made, as a scheduler with a configuration; `get_beta_scheduler` builds it."""

    def __init__(self, type: str, params: Mapping[str, Any], schedule: Callable[[float], Any]) -> None:
        self.type_name = type  # type: ignore[misc]  # the one scheduler whose name is not its class's
        self._params, self._schedule = dict(params), schedule

    def _beta(self, epoch: float) -> float:
        return float(evaluate(self._schedule, [epoch])[0])

    @property
    def warmup_end(self) -> float:
        """That of the reader's schedule; raises an AttributeError where it has none."""
        return self._schedule.warmup_end  # type: ignore[attr-defined]

    @property
    def bounds(self) -> tuple[float, float]:
        """Those of the reader's schedule, or (0, inf)."""
        return getattr(self._schedule, "bounds", super().bounds)

    @property
    def final(self) -> float:
        """That of the reader's schedule, or its highest value."""
        return getattr(self._schedule, "final", super().final)

    def get_config(self) -> dict[str, Any]:
        return {"type": self.type_name} | plain(self._params)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        return from_mapping("config", config)

    def __repr__(self) -> str:
        values = "".join(f", {name}={value!r}" for name, value in self._params.items())
        return f"get_beta_scheduler({self.type_name!r}{values})"


def parameter_names(type: Any) -> tuple[str, ...] | None:
    """Returns the names of the parameters of one of the library's types, or None for any other type."""
    return tuple(_built_in(type)._parameters()) if isinstance(type, str) and type in _BUILT_IN else None


def _built_in(type: str) -> Any:
    module, name = _BUILT_IN[type].split(".")
    return getattr(import_module(f"vaelib.schedules.{module}"), name)


def _registered(type: str, params: Any, params_argument: str) -> Scheduler:
    factory = _REGISTERED[type]
    if not isinstance(params, Mapping):
        raise argument_error(params_argument, "be a mapping", params)
    try:
        inspect.signature(factory).bind(**params)
    except TypeError as error:
        must = f"fit the factory of {type!r}"
        raise argument_error(params_argument, must, dict(params), f"{str(error).capitalize()}.") from None
    except ValueError:
        pass  # a built-in function that states no signature
    made = factory(**params)
    require_schedule("factory's result", made)
    if isinstance(made, Scheduler) and (getattr(made, "type_name", None) == type or _is_ours(made)):
        return made
    if isinstance(made, FeedbackBetaScheduler) or (isinstance(made, Scheduler) and not isinstance(made, BetaScheduler)):
        raise argument_error("factory", f"return a scheduler whose type_name is {type!r}", made)
    return RegisteredBetaScheduler(type, params, made)


def _is_ours(scheduler: Scheduler) -> bool:
    # a reader's subclass inherits a built-in's type_name, but that name does not rebuild it
    return scheduler.__class__.__module__.startswith(__package__)
