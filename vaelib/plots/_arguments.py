"""The arguments that the figures share: the Axes to draw on, and one entry for each thing drawn."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from vaelib._checks import Described, argument_error


def given_axes(ax: Any) -> Axes:
    """Returns `ax`, or raises if it is no Axes."""
    if not isinstance(ax, Axes):
        raise argument_error("ax", "be a matplotlib Axes", ax)
    return ax


def axes_or_new(ax: Any, figsize: tuple[float, float] | None = None) -> Axes:
    """Returns `ax`, or for None the Axes of a new figure; raises if it is neither."""
    return plt.subplots(figsize=figsize)[1] if ax is None else given_axes(ax)


def one_each(name: str, entries: Any, n: int, things: str) -> list[Any]:
    """Returns the entries as a list, or raises unless there is one for each of the n things; a string is no list.

    >>> one_each("labels", range(2), 2, "models")
    [0, 1]
    >>> one_each("labels", "ab", 2, "models")
    Traceback (most recent call last):
    ValueError: Argument `labels` must have one entry for each of 2 models. Received: labels='ab'.
    """
    must = f"have one entry for each of {n} {things}"
    if hasattr(entries, "__array__") and not np.ma.is_masked(entries):
        entries = np.asarray(entries)  # a tensor's entries would be tensors
    listed = None
    if hasattr(entries, "__len__") and not isinstance(entries, str | bytes):
        with suppress(TypeError):  # an array without axes has a length only in name
            listed = list(entries)
    if listed is None:
        raise argument_error(name, must, entries)
    if len(listed) != n:
        raise argument_error(name, must, Described(f"{len(listed)} entries"))
    return listed
