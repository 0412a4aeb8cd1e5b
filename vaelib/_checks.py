"""The one wording of argument errors, and the few checks that everything shares."""

from __future__ import annotations

import difflib
import math
import operator
import re
import reprlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def argument_error(name: str, must: str, value: Any, remedy: str = "") -> ValueError:
    """Builds the project's argument error; the caller raises it.

    >>> print(argument_error("epochs", "be an integer >= 1", 0))
    Argument `epochs` must be an integer >= 1. Received: epochs=0.
    """
    return ValueError(f"Argument `{name}` must {must}. Received: {name}={_shown(value)}. {remedy}".rstrip())


def renamed(error: ValueError, rename: Callable[[str], str]) -> ValueError:
    """Returns an argument error under the name by which the caller knows the argument; other errors as they are.

    >>> print(renamed(argument_error("beta", "be a number", "a"), lambda name: f"params.{name}"))
    Argument `params.beta` must be a number. Received: params.beta='a'.
    """
    text = str(error)
    found = re.match(r"Argument `(.+?)` must ", text)
    if found is None:
        return error
    old, new = found[1], rename(found[1])
    text = text.replace(f"`{old}`", f"`{new}`", 1)
    return ValueError(text.replace(f" Received: {old}=", f" Received: {new}=", 1))


class Described(str):
    """A description of a received value (an array's shape, say) that is printed without quotes."""


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 300
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 10


def _shown(value: Any) -> str:
    """Returns one line that says what was received, whatever its size.

    >>> _shown(range(3)), _shown([0.5] * 1000)
    ('range(0, 3)', '[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, ...]')
    """
    if isinstance(value, Described):
        return value
    if shape := getattr(value, "shape", ()):  # a NumPy number has one too, an empty one
        return f"an array of shape {tuple(shape)}"
    return _SHORT.repr(value).replace("\n", " ")


def positive_int(name: str, value: Any, minimum: int = 1, remedy: str = "") -> int:
    """Returns `value` as an int, or raises if it is no integer or below `minimum`; booleans are refused."""
    must = f"be an integer >= {minimum}"
    if isinstance(value, bool):
        raise argument_error(name, must, value, remedy)
    try:
        number = operator.index(value)
    except (TypeError, AttributeError):  # AttributeError: a TensorFlow number that is no integer
        raise argument_error(name, must, value, remedy) from None
    if number > sys.maxsize:
        must = "be an integer below 2**63"
    if not minimum <= number <= sys.maxsize:
        raise argument_error(name, must, value, remedy)
    return number


def finite_float(
    name: str,
    value: Any,
    minimum: float | None = None,
    maximum: float | None = None,
    exclusive: bool = False,
    remedy: str = "",
    below: float | None = None,
) -> float:
    """Returns `value` as a float, or raises if it is not a finite number inside the bounds.

    With `exclusive=True` the value must lie strictly above `minimum`; `maximum` is always allowed, `below` never.
    """
    must = "be a finite number"
    if minimum is not None:
        must += f" {'>' if exclusive else '>='} {minimum:g}"
    if maximum is not None:
        must += f"{' and' if minimum is not None else ''} <= {maximum:g}"
    if below is not None:
        must += f"{' and' if minimum is not None else ''} < {below:g}"
    if isinstance(value, str | bytes) or type(value).__name__ in ("bool", "bool_"):  # NumPy's is spelled either way
        raise argument_error(name, must, value, remedy)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise argument_error(name, must, value, remedy) from None
    too_low = minimum is not None and (number <= minimum if exclusive else number < minimum)
    too_high = (maximum is not None and number > maximum) or (below is not None and number >= below)
    if not math.isfinite(number) or too_low or too_high:
        raise argument_error(name, must, value, remedy)
    return number


def boolean(name: str, value: Any) -> bool:
    """Returns `value` if it is True or False; nothing else counts as either."""
    if type(value).__name__ not in ("bool", "bool_"):  # NumPy's is spelled either way
        raise argument_error(name, "be True or False", value)
    return bool(value)


def one_of(name: str, value: Any, choices: Iterable[str]) -> str:
    """Returns `value` if it is one of `choices`; the error lists them all."""
    choices = tuple(choices)
    if not isinstance(value, str) or value not in choices:
        raise argument_error(name, f"be one of {', '.join(map(repr, choices))}", value)
    return value


def nearest(value: Any, choices: Iterable[str]) -> str:
    """Returns "Did you mean …?" with the choice that `value` comes closest to, or "" if none is close.

    >>> nearest("warmup_epoch", ("max_beta", "warmup_epochs"))
    "Did you mean 'warmup_epochs'?"
    """
    close = difflib.get_close_matches(str(value), tuple(choices), n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else ""


def known_keys(name: str, mapping: Any, choices: Iterable[str], remedy: str = "") -> dict[str, Any]:
    """Returns `mapping` as a dict, or raises if it is none or has a key that is not among `choices`.

    >>> known_keys("config", {"betta": 3}, ("beta",))
    Traceback (most recent call last):
    ValueError: Argument `config` must hold only the keys 'beta'. Received: config={'betta': 3}. Did you mean 'beta'?
    """
    choices = tuple(choices)
    if not isinstance(mapping, Mapping):
        raise argument_error(name, "be a mapping", mapping, remedy)
    unknown = [key for key in mapping if key not in choices]
    if unknown:
        only = f"hold only the keys {', '.join(map(repr, choices))}" if choices else "hold no keys"
        guess = " ".join(filter(None, (nearest(unknown[0], choices), remedy)))
        raise argument_error(name, only, {key: mapping[key] for key in unknown}, guess)
    return dict(mapping)
